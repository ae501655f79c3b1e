//! `faultline incidents`: the incidents of a running system.

use std::io::{self, Write};

use anyhow::Result;

use crate::cli::IncidentsArgs;
use crate::commands::remote;
use crate::tell;

/// Lists them.
///
/// # Errors
/// When no running system answers.
pub fn incidents(args: &IncidentsArgs) -> Result<()> {
    let incidents = remote::incidents(&args.remote)?;
    let mut out = io::stdout().lock();
    if incidents.is_empty() && !args.json {
        writeln!(out, "no incidents")?;
    }
    for incident in &incidents {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(incident)?)?;
        } else {
            writeln!(out, "{}", tell::line(incident))?;
        }
    }
    Ok(())
}
