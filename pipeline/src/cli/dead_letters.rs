//! Options of `dead-letters`.

use clap::{Args, Subcommand};

use super::ConfigArgs;

/// Options of `dead-letters`.
#[derive(Debug, Args)]
#[command(after_help = REPLAYED)]
pub struct DeadLettersArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: DeadLettersCommand,
}

const REPLAYED: &str = "\
What cannot be read again becomes a new dead letter. Alerts and changes that were read meanwhile are
recognised; log lines and metrics that are produced twice count twice.";

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List them: number, where the record stands, its time, its length, the reason.
    List(DeadLettersListArgs),
    /// Show one of them whole.
    Show(DeadLettersShowArgs),
    /// Produce records again, where they stood, once what made them unreadable is mended.
    Replay(DeadLettersReplayArgs),
}

/// Options of `dead-letters list`.
#[derive(Debug, Args)]
pub struct DeadLettersListArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Only those of this topic.
    #[arg(long)]
    pub topic: Option<String>,
    /// Only those whose reason holds this text.
    #[arg(long)]
    pub reason: Option<String>,
    /// Print JSON Lines.
    #[arg(long)]
    pub json: bool,
}

/// Options of `dead-letters show`.
#[derive(Debug, Args)]
pub struct DeadLettersShowArgs {
    /// Its number, as `dead-letters list` tells it.
    pub number: u64,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Write the payload alone, byte by byte: for a file or a pipe, not for a terminal.
    #[arg(long)]
    pub raw: bool,
    /// Print it as JSON on one line; without this it is JSON over several.
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,
}

/// Options of `dead-letters replay`.
#[derive(Debug, Args)]
pub struct DeadLettersReplayArgs {
    /// Their numbers, as `dead-letters list` tells them.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub numbers: Vec<u64>,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// All letters of input topics.
    #[arg(long)]
    pub all: bool,
    /// With --all: only those of this topic.
    #[arg(long, requires = "all")]
    pub topic: Option<String>,
    /// With --all: only those whose reason holds this text.
    #[arg(long, requires = "all")]
    pub reason: Option<String>,
    /// Only tell what would be produced.
    #[arg(long)]
    pub dry_run: bool,
    /// Print how many were produced as one JSON object; with --dry-run, the letters as JSON Lines.
    #[arg(long)]
    pub json: bool,
}
