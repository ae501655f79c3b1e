//! Speed, measured as ratios: two things in turn in one run, on the same machine, so that a noisy
//! machine disturbs both.
//!
//! `cargo run --release -p benches -- NAME [--json] [--keep]`. A bench is one file: it makes its
//! input from a frozen seed, outside of the measured time, and gives two closures to `pairs`.
//! `report` prints; `results` keeps what was found, and makes `REPORT.md` of it.

mod figures;
mod machine;
mod pairs;
mod report;
mod results;
mod broker;
mod watched;
mod line;
mod traffic;
mod fleet;
mod alarms;
mod line_rate;
mod decode;
mod decode_json;
mod latency;
mod alerts;
mod growth;
mod memory;
mod storm;
mod skew;
mod scaling;
mod allocations;
mod observe;
mod replay;
mod alert_path;
mod scale_slice;

use std::io::{self, Write};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use crate::line_rate::{FORMS, Form};
use crate::machine::Machine;
use crate::pairs::Plan;
use crate::report::Report;

/// Which bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Spans per second from a real Kafka to incidents, over a no-op consumer of the same topic.
    LineRate,
    /// Bytes per second of OTLP protobuf to our columns, over prost's full decode.
    Decode,
    /// Bytes per second of OTLP/JSON to our columns, over serde_json's full decode.
    DecodeJson,
    /// From an alert's append to its incident, over a bare echo, at the 99th percentile.
    Latency,
    /// Alerts per second from a real Kafka to incidents, over Prometheus Alertmanager.
    Alerts,
    /// Time of a blast-radius walk with a million configuration items, over a thousand.
    Growth,
    /// Resident bytes per open trace, active alert and configuration item.
    Memory,
    /// A hundred times the alerts for a minute: what is lost, held up, and made of it.
    Storm,
    /// Throughput with popular keys, a giant trace and a loud service, over none of them.
    Skew,
    /// Two observe tasks over one, in spans per CPU second.
    Scaling,
    /// Heap allocations per span and per alert.
    Allocations,
    /// Spans per second through OBSERVE and DETECT, over decoding the same spans.
    Observe,
    /// Spans per second through the whole line, over decoding the same records.
    Replay,
    /// Alerts per second through the whole line, over reading the same requests as JSON.
    AlertPath,
    /// A thirty-second of ten million spans per second, over half of this machine.
    ScaleSlice,
    /// Writes REPORT.md from what was kept.
    Report,
}

/// Measures one ratio.
#[derive(Debug, Parser)]
#[command(name = "benches")]
struct Arguments {
    /// The bench.
    name: Name,
    /// Print one JSON object as the last line.
    #[arg(long)]
    json: bool,
    /// Keep what was found for the report.
    #[arg(long)]
    keep: bool,
    /// Pairs to measure, at least 7.
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// The seed of the input.
    #[arg(long, default_value_t = 20_260_317)]
    seed: u64,
    /// `line-rate`: traces of eight spans that are open at the same time.
    #[arg(long, default_value_t = 250_000)]
    traces: u64,
    /// `line-rate`: only this form of the topic, as in `331_zstd`.
    #[arg(long)]
    form: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let plan = Plan { pairs: arguments.pairs.max(7), seed: arguments.seed };
    let report = match arguments.name {
        Name::LineRate => line_rate::run(plan, arguments.traces, &forms(&arguments)?)?,
        Name::Decode => decode::run(plan)?,
        Name::DecodeJson => decode_json::run(plan)?,
        Name::Latency => latency::run(plan)?,
        Name::Alerts => alerts::run(plan)?,
        Name::Growth => growth::run(plan)?,
        Name::Memory => memory::run(plan)?,
        Name::Storm => storm::run(plan)?,
        Name::Skew => skew::run(plan)?,
        Name::Scaling => scaling::run(plan)?,
        Name::Allocations => allocations::run(plan)?,
        Name::Observe => observe::run(plan)?,
        Name::Replay => replay::run(plan)?,
        Name::AlertPath => alert_path::run(plan)?,
        Name::ScaleSlice => scale_slice::run(plan)?,
        Name::Report => {
            let path = results::write_report()?;
            return Ok(writeln!(io::stdout(), "{}", path.display())?);
        }
    };
    print(&report, &arguments)
}

fn print(report: &Report, arguments: &Arguments) -> Result<()> {
    let machine = Machine::here();
    let object = report.json(&machine)?;
    if arguments.keep {
        results::keep(report.bench, &object)?;
    }
    let mut out = io::stdout().lock();
    write!(out, "{}", report.table(&machine))?;
    if arguments.json {
        writeln!(out, "{object}")?;
    }
    Ok(())
}

fn forms(arguments: &Arguments) -> Result<Vec<Form>> {
    let asked = arguments.form.as_deref();
    let is_asked = |form: &Form| asked.is_none_or(|asked| form.to_string() == asked);
    let forms: Vec<Form> = FORMS.into_iter().filter(is_asked).collect();
    ensure!(!forms.is_empty(), "no such form; there are 331_none, 331_zstd, 966_none, 966_zstd");
    Ok(forms)
}
