//! The commands that read and write records: recordings, suites, topics.

use crate::eval::ablation::Part;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::ConfigArgs;
use super::service::times;
use crate::span;

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
    /// topology, and silences and the like of before, are recorded whole.
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
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
    #[arg(long, default_value = "max", value_parser = parse_speed, conflicts_with = "against")]
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
    #[arg(long, value_name = "TIME", value_parser = parse_length, requires = "config",
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
what is normal. --last reads the topology's topic whole.

What people decided (silences, snoozes, merges, splits, verdicts) holds in both runs; --last reads silences,
maintenance windows and inhibitions of before, too. A decision about an incident that a run does not tell
is not carried out there; how many were not is said.";

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
    /// Leave a part of the mind out, to see what it is worth: a term of the evidence (`log_path`, `silence`,
    /// `metric` ...) or `quarantine`. May be given several times.
    #[arg(long, value_name = "PART", value_parser = Part::parse)]
    pub without: Vec<Part>,
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
    /// Only this stream, by its name in suite.json; may be given several times. Default: all.
    #[arg(long, value_name = "NAME")]
    pub stream: Vec<String>,
    /// Print what was written as one JSON object.
    #[arg(long)]
    pub json: bool,
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
    /// Print JSON Lines, as it does without this, too.
    #[arg(long)]
    pub json: bool,
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    times(text).map(Speed::Times).map_err(|expected| format!("{expected}, or `max`"))
}

fn parse_length(text: &str) -> Result<Duration, String> {
    span::parse(text).map(|span| Duration::from_nanos(span.0.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_and_nonsense_is_refused() {
        assert_eq!(parse_speed("max"), Ok(Speed::Max));
        assert_eq!(parse_speed("60x"), Ok(Speed::Times(60.0)));
        assert!(parse_speed("0x").is_err());
        assert!(parse_speed("fast").is_err());
        assert!(parse_speed("inf").is_err());
    }

    #[test]
    fn a_length_is_a_duration_of_the_standard_library() {
        assert_eq!(parse_length("4h"), Ok(Duration::from_secs(14_400)));
        assert!(parse_length("4").is_err());
    }
}
