//! What the program tells of itself: its log on standard error (`FAULTLINE_LOG=debug`, `FAULTLINE_LOG_FORMAT=json` or
//! `--json`), and, where it is configured, metrics, log and traces over OTLP.
//!
//! Nothing here may cost the service anything: what waits to be sent is bounded, what finds no room is dropped and
//! counted, and an endpoint that does not answer is asked less and less often. Our own telemetry says
//! `service.name=faultline`; it never comes back as an input by itself, since the intake's own address is refused as an
//! endpoint.

mod proto;
mod messages;
mod lines;
pub(crate) mod spans;
mod settings;
mod export;

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use export::start as start_export;
pub use settings::Settings;
pub use spans::Batches;

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
    if json {
        builder.json().finish().with(lines::Tap).init();
    } else {
        builder.finish().with(lines::Tap).init();
    }
}
