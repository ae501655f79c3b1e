//! The commands that look at a running system.

use std::path::PathBuf;

use clap::Args;

use super::RemoteArgs;

/// Options of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Where the running system is.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print one frame and end: for scripts and for terminals that cannot do more.
    #[arg(long)]
    pub once: bool,
    /// Print what one frame would show, as one JSON object. Means --once.
    #[arg(long)]
    pub json: bool,
    /// Time between two looks. Unit: seconds, 0.5 to 3600.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = parse_every)]
    pub every: f64,
}

/// Options of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Address of the running system's API.
    #[arg(long, env = "FAULTLINE_URL", default_value = "http://127.0.0.1:7070")]
    pub url: String,
    /// Only whether the program lives, not whether it is ready.
    #[arg(long)]
    pub live: bool,
    /// Print what was learnt as one JSON object; the exit code is the same.
    #[arg(long)]
    pub json: bool,
}

/// Options of `incidents`.
#[derive(Debug, Args)]
pub struct IncidentsArgs {
    /// Where the running system is.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print the rows as JSON Lines; `explain --json ID` has the whole incident.
    #[arg(long)]
    pub json: bool,
    /// Only incidents in these states: suspected, open, resolved, merged, withdrawn.
    #[arg(long, value_delimiter = ',', value_parser = ["suspected", "open", "resolved", "merged", "withdrawn"])]
    pub state: Vec<String>,
    /// Only incidents in which this service takes part.
    #[arg(long)]
    pub service: Option<String>,
    /// Only incidents with news since then (RFC 3339, as 2026-03-17T02:07:00Z).
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// How many at most, the newest.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The incident's id; the first digits are enough when they are unique.
    pub id: String,
    /// Where the running system is.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Read the incident from a file of JSON Lines (`replay --json`; `-` is stdin) instead.
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Print the whole incident as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Options of `sql`.
#[derive(Debug, Args)]
#[command(after_long_help = SQL_HELP)]
pub struct SqlArgs {
    /// The query (`-` is stdin).
    #[arg(value_name = "SQL")]
    pub query: String,
    /// Read the files of this configuration's history instead of asking a running system.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the running system is.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print the rows as JSON Lines.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print the rows as CSV.
    #[arg(long)]
    pub csv: bool,
}

/// A start for `sql`.
const SQL_HELP: &str = "\
Tables and columns: docs/history.md, or `faultline sql 'SHOW TABLES'`.

  faultline sql \"SELECT incident_id, priority, title, cause_summary FROM incidents WHERE is_open\"
  faultline sql --csv \"SELECT * FROM changes WHERE occurred_at > now() - interval '1 day'\"";

fn parse_every(text: &str) -> Result<f64, String> {
    let every: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.5..=3600.0).contains(&every) { Ok(every) } else { Err("expected 0.5 to 3600".to_owned()) }
}
