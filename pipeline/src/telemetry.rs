//! The program's own log, on standard error: `FAULTLINE_LOG=debug`, `FAULTLINE_LOG_FORMAT=json` or `--json`.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;

use crate::cli::Command;

/// Starts logging. A service tells what it does; a command only what went wrong. With `json` each line is an
/// object.
pub fn start(command: &Command, json: bool) {
    let default =
        if matches!(command, Command::Run(_)) { LevelFilter::INFO } else { LevelFilter::WARN };
    let level = std::env::var("FAULTLINE_LOG").ok().and_then(|level| level.parse().ok());
    let builder = tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(default))
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let json = json || std::env::var("FAULTLINE_LOG_FORMAT").is_ok_and(|format| format == "json");
    if json { builder.json().init() } else { builder.init() }
}
