//! `faultline check`: everything that is wrong with a configuration, at once.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use crate::cli::CheckArgs;
use crate::config::Config;

/// Exit code of a configuration that cannot be used (as `sysexits.h` has it).
pub const EXIT_CONFIG: u8 = 78;

/// Reads the configuration and says what is wrong with it.
///
/// # Errors
/// When standard output cannot be written.
pub fn check(args: &CheckArgs) -> Result<ExitCode> {
    let file = args.config.config.display().to_string();
    let loaded = args.config.load();
    if args.json {
        let errors = loaded.as_ref().err().map_or(&[][..], |errors| errors.all());
        let summary = loaded.as_ref().ok().map(Config::summary);
        let ok = loaded.is_ok();
        let told = json!({ "file": file, "ok": ok, "errors": errors, "summary": summary });
        writeln!(io::stdout().lock(), "{told}")?;
    } else {
        match &loaded {
            Ok(config) => eprintln!("{file}: no errors. {}", config.summary()),
            Err(errors) => eprintln!("{errors}"),
        }
    }
    Ok(if loaded.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CONFIG) })
}
