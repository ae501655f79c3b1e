//! The commands that run the service, prepare it, or tell of this program.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ConfigArgs;
use crate::config::address;

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// As fast as possible, without console; prints the story's outcome and ends.
    #[arg(long)]
    pub headless: bool,
    /// Print the final incident records as JSON Lines on stdout. Needs --headless.
    #[arg(long, requires = "headless")]
    pub json: bool,
    /// Address of the console.
    #[arg(long, default_value = "127.0.0.1:7070", value_parser = parse_listen)]
    pub listen: String,
    /// How many times faster than life the story is told.
    #[arg(long, default_value_t = 30.0, value_parser = times)]
    pub speed: f64,
    /// End when the story is told instead of serving the console until Ctrl-C.
    #[arg(long)]
    pub once: bool,
    /// Write the story as a recording instead of playing it (`-` is stdout).
    #[arg(long, value_name = "FILE")]
    pub write_recording: Option<PathBuf>,
}

/// A number of times, as `30` or `30x`.
pub(super) fn times(text: &str) -> Result<f64, String> {
    let times: f64 = text.trim_end_matches(['x', 'X']).parse().unwrap_or(f64::NAN);
    if times > 0.0 && times.is_finite() {
        Ok(times)
    } else {
        Err("expected a number of times above zero, like `30x`".to_owned())
    }
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print what was found as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Options of `config`.
#[derive(Debug, Args)]
pub struct ReferenceArgs {
    /// In which form.
    #[arg(value_enum, default_value = "reference")]
    pub form: ReferenceForm,
    /// Print the JSON Schema: the same as `schema`.
    #[arg(long)]
    pub json: bool,
}

/// A form of the reference of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReferenceForm {
    /// Markdown for people: docs/configuration.md.
    Reference,
    /// JSON Schema for editors: docs/config.schema.json.
    Schema,
}

/// Options of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
    /// Print one JSON object with the script in it.
    #[arg(long)]
    pub json: bool,
}

/// Where each shell looks.
const COMPLETIONS_HELP: &str = "\
bash:  faultline completions bash > ~/.local/share/bash-completion/completions/faultline
zsh:   faultline completions zsh > DIR/_faultline, with DIR in $fpath
fish:  faultline completions fish > ~/.config/fish/completions/faultline.fish";

/// Options of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write the pages of all commands there; without it, the first page goes to stdout.
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Print one JSON object: the pages of all commands and their text, or with a directory where each is.
    #[arg(long)]
    pub json: bool,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which stages run in this process. Default: all.
    #[arg(long, value_delimiter = ',')]
    pub roles: Vec<Role>,
    /// Log one JSON object a line, and tell why it ended as one.
    #[arg(long)]
    pub json: bool,
}

/// A part of the work that a process can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Role {
    /// HTTP intake: OTLP, alerts, webhooks.
    Intake,
    /// Read the input topics; count.
    Observe,
    /// Hold counts against baselines; judge.
    Detect,
    /// Fold the journal into incidents.
    Correlate,
    /// Tell the sinks.
    Deliver,
    /// Console and API.
    Console,
    /// Keep incidents as files, and answer SQL over them.
    History,
}

fn parse_listen(text: &str) -> Result<String, String> {
    let expected = || "expected an address and a port, as 127.0.0.1:7171".to_owned();
    address(text).map(|address| address.to_string()).ok_or_else(expected)
}
