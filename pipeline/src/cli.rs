//! The commands that people type.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Streaming alert correlation and root cause: from Kafka to one explained incident.
#[derive(Debug, Parser)]
#[command(name = "faultline", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a real story become one explained incident: no Kafka, no config, no network.
    Demo(DemoArgs),
    /// Run the service.
    Run(RunArgs),
    /// Tell everything that is wrong with a configuration, at once. Exit code 78 if anything is.
    Check(ConfigArgs),
    /// Write the input topics into a recording.
    Record(RecordArgs),
    /// Play recordings into a fresh engine and print the incidents.
    Replay(ReplayArgs),
    /// Play casebook suites and hold the incidents against their labels.
    Eval(EvalArgs),
    /// Write the suite of frozen synthetic streams: the same bytes each time.
    Corpus(CorpusArgs),
    /// List the incidents of a running system.
    Incidents(IncidentsArgs),
    /// Explain one incident of a running system.
    Explain(ExplainArgs),
    /// Print the records of a topic as they arrive.
    Tap(TapArgs),
    /// Ask a running system whether it is ready: exit code 0 if it is. For container probes.
    Health(HealthArgs),
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
    #[arg(long, default_value = "127.0.0.1:7070")]
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
    #[arg(long)]
    pub from_now: bool,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recordings (JSON Lines, plain or `.zst`; `-` is stdin), played one after the other.
    #[arg(required = true)]
    pub recordings: Vec<PathBuf>,
    /// Print every revision of every incident as JSON Lines on stdout.
    #[arg(long)]
    pub json: bool,
    /// Print only the last revision of each incident.
    #[arg(long = "final")]
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
    /// A configuration whose parameters are used; its log and sinks are not touched.
    #[arg(short, long)]
    pub config: Option<PathBuf>,
}

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
    /// Print the records as JSON Lines.
    #[arg(long)]
    pub json: bool,
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
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
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
