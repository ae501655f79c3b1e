//! `faultline check`: everything that is wrong with a configuration, at once.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::ConfigArgs;
use crate::config;

/// Exit code of a configuration that cannot be used (as `sysexits.h` has it).
pub const EXIT_CONFIG: u8 = 78;

/// Reads the configuration and says what is wrong with it.
///
/// # Errors
/// When standard output cannot be written.
pub fn check(args: &ConfigArgs) -> Result<ExitCode> {
    match config::load(&args.config) {
        Ok(config) => {
            eprintln!("{}: no errors. {}", args.config.display(), config.summary());
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            eprintln!("{errors}");
            Ok(ExitCode::from(EXIT_CONFIG))
        }
    }
}
