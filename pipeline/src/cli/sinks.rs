//! The commands about sinks.

use clap::{Args, Subcommand};

use super::ConfigArgs;

/// Options of `sinks`.
#[derive(Debug, Args)]
pub struct SinksArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: SinksCommand,
}

/// What can be done with sinks.
#[derive(Debug, Subcommand)]
pub enum SinksCommand {
    /// List the configured sinks.
    List(SinksListArgs),
    /// Send one clearly marked test incident to a sink and resolve it again, telling each step.
    Test(SinksTestArgs),
}

/// Options of `sinks list`.
#[derive(Debug, Args)]
pub struct SinksListArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print JSON Lines.
    #[arg(long)]
    pub json: bool,
}

/// Options of `sinks test`.
#[derive(Debug, Args)]
pub struct SinksTestArgs {
    /// The sink's name in the configuration.
    pub name: String,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Leave the test incident open at the destination.
    #[arg(long)]
    pub keep: bool,
    /// Print the steps as JSON Lines.
    #[arg(long)]
    pub json: bool,
}
