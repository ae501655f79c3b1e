//! Speed, measured as ratios: two things in turn in one run, on the same machine, so that a noisy
//! machine disturbs both.
//!
//! `cargo run --release -p benches -- NAME [--json]`. A bench is one file: it makes its input from a
//! frozen seed, outside of the measured time, and gives two closures to `pairs`. `report` prints.

mod figures;
mod machine;
mod pairs;
mod report;
mod decode;
mod growth;
mod observe;
mod replay;
mod traffic;

use std::io::{self, Write};

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::machine::Machine;
use crate::pairs::Plan;
use crate::report::Report;

/// Which bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Bytes per second of OTLP protobuf to our columns, over prost's full decode.
    Decode,
    /// Time of a blast-radius walk with a million configuration items, over a thousand.
    Growth,
    /// Spans per second through OBSERVE and DETECT, over decoding the same spans.
    Observe,
    /// Spans per second through the whole line, over decoding the same records.
    Replay,
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
    /// Pairs to measure, at least 7.
    #[arg(long, default_value_t = 9)]
    pairs: usize,
    /// The seed of the input.
    #[arg(long, default_value_t = 20_260_317)]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let plan = Plan { pairs: arguments.pairs.max(7), seed: arguments.seed };
    let report = match arguments.name {
        Name::Decode => decode::run(plan)?,
        Name::Growth => growth::run(plan)?,
        Name::Observe => observe::run(plan)?,
        Name::Replay => replay::run(plan)?,
    };
    print(&report, &Machine::here(), arguments.json)?;
    Ok(())
}

fn print(report: &Report, machine: &Machine, json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{}", report.table(machine))?;
    if json {
        writeln!(out, "{}", report.json(machine)?)?;
    }
    Ok(())
}
