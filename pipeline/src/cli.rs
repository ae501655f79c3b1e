//! The commands that people type.

mod service;
mod records;
mod look;
mod sinks;
pub mod control;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, ConfigErrors};

pub use look::{ExplainArgs, HealthArgs, IncidentsArgs, SqlArgs, TopArgs};
pub use records::{CorpusArgs, CorpusSeeds, EvalArgs, RecordArgs, ReplayArgs, Speed, TapArgs};
pub use service::{
    CheckArgs, CompletionsArgs, DemoArgs, ManArgs, ReferenceArgs, ReferenceForm, Role, RunArgs,
};
pub use sinks::{SinksArgs, SinksCommand, SinksListArgs, SinksTestArgs};

/// Streaming alert correlation and root cause: from Kafka to one explained incident.
#[derive(Debug, Parser)]
#[command(name = "faultline", version, about, max_term_width = 100, after_help = FIRST_STEPS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What somebody does who sees this for the first time.
const FIRST_STEPS: &str = "\
First steps:
  faultline demo                              a real story, told live; console at 127.0.0.1:7070
  faultline incidents                         the incidents of a running system
  faultline check -c FILE                     is the configuration right?

Exit codes: 0 done, 1 it could not be done, 2 wrong command line, 78 wrong configuration.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a real story become one explained incident: no Kafka, no config, no network.
    Demo(DemoArgs),
    /// Run the service.
    Run(RunArgs),
    /// Tell everything that is wrong with a configuration, at once. Exit code 78 if anything is.
    Check(CheckArgs),
    /// Write the input topics into a recording.
    Record(RecordArgs),
    /// Play recordings into a fresh engine and print the incidents; with `--against`, how two
    /// configurations differ.
    Replay(ReplayArgs),
    /// Play casebook suites and hold the incidents against their labels.
    Eval(EvalArgs),
    /// Write the suite of frozen synthetic streams: the same bytes each time.
    Corpus(CorpusArgs),
    /// List the incidents of a running system.
    Incidents(IncidentsArgs),
    /// Explain one incident of a running system.
    Explain(ExplainArgs),
    /// What people decide.
    #[command(flatten)]
    Control(control::Control),
    /// Watch a running system: rates, lag and open incidents, in the terminal.
    Top(TopArgs),
    /// Ask the history in SQL.
    Sql(SqlArgs),
    /// Print the records of a topic as they arrive, one JSON object a line.
    Tap(TapArgs),
    /// Ask a running system whether it is ready: exit code 0 if it is. For container probes.
    Health(HealthArgs),
    /// Print every key that a configuration may have, as text or as JSON Schema.
    Config(ReferenceArgs),
    /// Print the script that lets a shell complete these commands.
    Completions(CompletionsArgs),
    /// Print the manual page, or write all pages to a directory.
    Man(ManArgs),
    /// List the sinks, or try one out.
    Sinks(SinksArgs),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file.
    #[arg(short, long, env = "FAULTLINE_CONFIG", default_value = "faultline.yaml")]
    pub config: PathBuf,
    /// Set one key for this run, over what the file says: `--set incidents.resolve_after_s=300`.
    /// The value is read as YAML.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl ConfigArgs {
    /// Reads and checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config, ConfigErrors> {
        config::load_with(&self.config, &self.set)
    }
}

/// Where a running system is.
#[derive(Debug, Args)]
pub struct RemoteArgs {
    /// Address of the running system's API.
    #[arg(long, env = "FAULTLINE_URL", default_value = "http://127.0.0.1:7070")]
    pub url: String,
    /// Bearer token, if the system asks for one.
    #[arg(long, env = "FAULTLINE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
