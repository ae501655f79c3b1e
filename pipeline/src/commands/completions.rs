//! `faultline completions`: a script that lets a shell complete our commands.

use std::io::{self, Write};

use anyhow::Result;
use clap::CommandFactory;
use serde_json::json;

use crate::cli::{Cli, CompletionsArgs};

/// Prints the script, with `--json` inside of an object.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(args: &CompletionsArgs) -> Result<()> {
    // Written to memory first: the generator panics where a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "faultline", &mut script);
    let mut out = io::stdout().lock();
    if args.json {
        let (shell, script) = (args.shell.to_string(), String::from_utf8(script)?);
        writeln!(out, "{}", json!({ "shell": shell, "script": script }))?;
    } else {
        out.write_all(&script)?;
    }
    Ok(())
}
