//! The commands that people type.

mod service;
mod records;
mod look;
mod sinks;
mod dead_letters;
pub mod control;

use std::path::PathBuf;

use ::sinks::config::secret::{Secret, SecretRef};
use anyhow::{Result, anyhow};
use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, ConfigErrors};

pub use dead_letters::{
    DeadLettersArgs, DeadLettersCommand, DeadLettersListArgs, DeadLettersReplayArgs,
    DeadLettersShowArgs,
};
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
    /// Dead letters, records that could not be read: list them, look at one, produce them again.
    DeadLetters(DeadLettersArgs),
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
    /// The file with your token, if the system asks for one.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The token itself. Others on this machine see what stands on a command line: set FAULTLINE_TOKEN,
    /// or use --token-file, which goes before.
    #[arg(long, env = "FAULTLINE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

impl RemoteArgs {
    /// The token to show, if there is one.
    ///
    /// # Errors
    /// When its file cannot be read, or holds none.
    pub fn token(&self) -> Result<Option<Secret>> {
        let Some(file) = &self.token_file else {
            let token = self.token.as_deref().map(str::trim).filter(|token| !token.is_empty());
            return Ok(token.map(Secret::new));
        };
        let secret = SecretRef::File(file.clone()).read();
        secret.map(Some).map_err(|error| anyhow!("--token-file: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_takes_json() {
        fn without(command: &clap::Command, names: &mut Vec<String>) {
            let below: Vec<_> =
                command.get_subcommands().filter(|below| below.get_name() != "help").collect();
            let is_json = |arg: &clap::Arg| arg.get_long() == Some("json");
            if below.is_empty() && !command.get_arguments().any(is_json) {
                names.push(command.get_name().to_owned());
            }
            below.into_iter().for_each(|below| without(below, names));
        }
        let mut names = Vec::new();
        without(&Cli::command(), &mut names);
        assert_eq!(names, Vec::<String>::new());
    }

    #[test]
    fn a_token_is_read_from_its_file_before_it_is_taken_from_elsewhere() {
        let args = |token_file, token: Option<&str>| RemoteArgs {
            url: String::new(),
            token_file,
            token: token.map(str::to_owned),
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "of-the-file\n").unwrap();
        let named = || Some(file.path().to_owned());
        let shown = |args: RemoteArgs| args.token().unwrap().map(|t| t.expose().to_owned());
        assert_eq!(shown(args(named(), Some("typed"))).as_deref(), Some("of-the-file"));
        assert_eq!(shown(args(None, Some("typed"))).as_deref(), Some("typed"));
        assert_eq!(shown(args(None, Some(" "))), None, "a variable that is set to nothing");
        let gone = args(Some("/no/such/file".into()), Some("typed")).token().unwrap_err();
        assert!(gone.to_string().contains("/no/such/file"), "{gone}");
    }
}
