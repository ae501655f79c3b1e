//! The commands that people type.

pub mod control;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{self, Config, ConfigErrors};

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
    #[arg(long, default_value_t = 30.0)]
    pub speed: f64,
    /// End when the story is told instead of serving the console until Ctrl-C.
    #[arg(long)]
    pub once: bool,
    /// Write the story as a recording instead of playing it (`-` is stdout).
    #[arg(long, value_name = "FILE")]
    pub write_recording: Option<PathBuf>,
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
}

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

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Which stages run in this process. Default: all.
    #[arg(long, value_delimiter = ',')]
    pub roles: Vec<Role>,
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

/// Options of `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The recording: JSON Lines, compressed by zstd if the name ends in `.zst`.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Go on for so many seconds after the end of the topics is reached. Default: stop there.
    #[arg(long, default_value_t = 0)]
    pub follow_s: u64,
    /// Begin at the records that arrive from now on.
    #[arg(long, conflicts_with = "last")]
    pub from_now: bool,
    /// Only records of so long ago until now: `90s`, `15m`, `4h`, `2d`. What was declared of the
    /// topology is recorded whole.
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub last: Option<Duration>,
    /// Print how many records were written as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Options of `replay`.
#[derive(Debug, Args)]
#[command(after_long_help = WHAT_IF_HELP)]
pub struct ReplayArgs {
    /// Recordings (JSON Lines, plain or `.zst`; `-` is stdin), played one after the other.
    #[arg(required_unless_present = "last")]
    pub recordings: Vec<PathBuf>,
    /// Print every revision of every incident as JSON Lines on stdout; with --against, the
    /// differences as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Print only the last revision of each incident.
    #[arg(long = "final", conflicts_with = "against")]
    pub last_only: bool,
    /// `max`, or how many times faster than life: `1x`, `60x`.
    #[arg(long, default_value = "max", value_parser = parse_speed)]
    pub speed: Speed,
    /// Deal the records over so many partitions a topic and merge them again, as Kafka would.
    #[arg(long, default_value_t = 1)]
    pub partitions: u32,
    /// Observe tasks: shares of the traces. Default: as configured, else 1.
    #[arg(long)]
    pub tasks: Option<u32>,
    /// A configuration whose parameters are used; its sinks are not touched, and its log is only
    /// read, and only with --last.
    #[arg(short, long)]
    pub config: Option<PathBuf>,
    /// Set one key over what --config says: `--set incidents.resolve_after_s=300`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// What if: play the same records with this older configuration too (`defaults`: with none),
    /// and print how the incidents differ.
    #[arg(long, value_name = "OLD")]
    pub against: Option<PathBuf>,
    /// Instead of recordings: what came into the log of --config in so long until now (`90s`,
    /// `15m`, `4h`, `2d`). Reads only; nothing is committed.
    #[arg(long, value_name = "TIME", value_parser = parse_span, requires = "config",
          conflicts_with = "recordings")]
    pub last: Option<Duration>,
}

/// What a comparison rests on.
const WHAT_IF_HELP: &str = "\
What if:
  faultline replay --config new.yaml --against old.yaml monday.jsonl.zst
  faultline replay --config new.yaml --against old.yaml --last 4h
  faultline replay --set incidents.resolve_after_s=600 --against defaults monday.jsonl.zst

Two incidents of the two runs may be the same when they share at least a third of the smaller one's
alerts and symptoms (the same alert from the same start; the same symptom at the same time); the most
alike are paired. Who is left joins the pair with which it shares most (a split, a merge); who shares
nothing appears or vanishes.

Both engines begin without history: give them more time than you look at, so that they have learnt
what is normal. --last reads the topology's topic whole.";

/// Options of `eval`.
#[derive(Debug, Args)]
#[command(after_long_help = EVAL_HELP)]
pub struct EvalArgs {
    /// Directories of suites (`casebook/*`): suite.json, labels.json and recordings.
    #[arg(required = true, value_name = "DIR")]
    pub suites: Vec<PathBuf>,
    /// Write the figures as JSON (`-` is stdout, instead of the text).
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Play only the stream with this id.
    #[arg(long, value_name = "ID")]
    pub stream: Option<String>,
    /// For each miss, the evidence of the winner and of the truth side by side.
    #[arg(long)]
    pub explain: bool,
    /// Streams played at a time; the figures do not depend on it. Default: one a core.
    #[arg(long)]
    pub threads: Option<usize>,
}

/// What the figures of `eval` rest on.
const EVAL_HELP: &str = "\
An incident is a fault's when its onset lies between the earlier of (window start, onset - u - 120 s)
and the end of the window, as it stood 90 s after the window; u is the onset's uncertainty. It counts
when it was ever open. Equal scores are ordered against the product.

Healthy time: a stream without faults, whole; else the time inside the windows, and between the first
and the last wherever telemetry arrives, without [onset - u - 120 s, end + u + 180 s] of each fault. A
fault ends as labelled (duration_s), else with its window and not before 180 s.

docs/eval.md says what each figure means.";

/// Options of `corpus`.
#[derive(Debug, Args)]
pub struct CorpusArgs {
    /// The directory that gets suite.json, labels.json and the segments.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Which list: `test` is measured on and never tuned on.
    #[arg(long, value_enum, default_value = "test")]
    pub seeds: CorpusSeeds,
}

/// A list of frozen streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CorpusSeeds {
    /// What is measured on.
    Test,
    /// What may be looked at.
    Development,
}

/// How fast a recording is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as possible.
    Max,
    /// So many times faster than life.
    Times(f64),
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

/// Options of `health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Address of the running system's API.
    #[arg(long, env = "FAULTLINE_URL", default_value = "http://127.0.0.1:7070")]
    pub url: String,
    /// Only whether the program lives, not whether it is ready.
    #[arg(long)]
    pub live: bool,
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

/// Options of `tap`.
#[derive(Debug, Args)]
pub struct TapArgs {
    /// The topic: `panes`, `journal`, `incidents`, `deliveries`, `dead-letters`, or an input topic.
    pub topic: String,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Begin at the oldest record and stop at the end.
    #[arg(long)]
    pub all: bool,
    /// Stop after so many records.
    #[arg(short, long)]
    pub number: Option<u64>,
}

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
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let times: f64 = text
        .trim_end_matches(['x', 'X'])
        .parse()
        .map_err(|_| "expected `max` or a number of times like `60x`".to_owned())?;
    if times > 0.0 && times.is_finite() {
        Ok(Speed::Times(times))
    } else {
        Err("expected a speed above zero".to_owned())
    }
}

fn parse_listen(text: &str) -> Result<String, String> {
    let address = text.replace("localhost", "127.0.0.1");
    match address.parse::<std::net::SocketAddr>() {
        Ok(_) => Ok(address),
        Err(_) => Err("expected an address and a port, as 127.0.0.1:7171".to_owned()),
    }
}

fn parse_every(text: &str) -> Result<f64, String> {
    let every: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.5..=3600.0).contains(&every) { Ok(every) } else { Err("expected 0.5 to 3600".to_owned()) }
}

/// A span of time: a whole number and its unit.
fn parse_span(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number and a unit, as `90s`, `15m`, `4h` or `2d`".to_owned();
    let split = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at_checked(split).ok_or_else(expected)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    match number.checked_mul(unit_s) {
        Some(seconds) if (1..=3_650 * 86_400).contains(&seconds) => {
            Ok(Duration::from_secs(seconds))
        }
        _ => Err("expected a time above zero and below ten years".to_owned()),
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
    fn spans_of_time_have_a_unit() {
        assert_eq!(parse_span("4h"), Ok(Duration::from_secs(14_400)));
        assert_eq!(parse_span("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "4", "h", "4w", "-1h", "0m", "99999999999999999999d", "4é"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn speeds_are_read_and_nonsense_is_refused() {
        assert_eq!(parse_speed("max"), Ok(Speed::Max));
        assert_eq!(parse_speed("60x"), Ok(Speed::Times(60.0)));
        assert!(parse_speed("0x").is_err());
        assert!(parse_speed("fast").is_err());
        assert!(parse_speed("inf").is_err());
    }
}
