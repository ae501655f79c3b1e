//! What one thing more costs in memory: an open trace of eight healthy spans, an active alert, a
//! configuration item with four dependencies.
//!
//! Each is what many of them leave on the heap, over their number. The ratio is that of an open trace
//! to its bar.

use std::hint::black_box;

use anyhow::{Result, ensure};
use correlator::observe::{ObserveConfig, ObserveLimits, Observer};
use pipeline::intake::decode::Decoded;
use pipeline::stages::line::Line;
use pipeline::stages::settings::Settings;

use crate::alarms::{record, requests};
use crate::fleet::{Fleet, Shape, Spread};
use crate::growth::bytes_per_item;
use crate::machine::kept_bytes;
use crate::pairs::{Pairs, Plan};
use crate::report::Report;
use crate::traffic::{Reader, as_read};

const TRACES: u64 = 200_000;
const ALERTS: u64 = 100_000;
const SERVICES: u64 = 500;
const ITEMS: u64 = 200_000;
/// What an open trace may cost. Unit: bytes.
const TRACE_BAR: f64 = 320.0;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let (trace, spans) = per_trace(plan.seed)?;
    let alert = per_alert()?;
    let item = bytes_per_item(plan.seed, ITEMS)?;
    Ok(Report {
        bench: "memory",
        a_is: "bytes of an open trace of 8 spans",
        b_is: "its bar",
        unit: "B",
        plan,
        pairs: Pairs::once(trace, TRACE_BAR),
        quality: None,
        extras: vec![
            ("trace_bytes".to_owned(), trace),
            ("alert_bytes".to_owned(), alert),
            ("ci_bytes".to_owned(), item),
            ("spans_per_trace".to_owned(), spans),
            ("traces".to_owned(), TRACES as f64),
            ("alerts".to_owned(), ALERTS as f64),
            ("items".to_owned(), ITEMS as f64),
        ],
    })
}

/// Bytes per open trace, and spans per trace.
fn per_trace(seed: u64) -> Result<(f64, f64)> {
    let fleet = Fleet::new(Shape { seed, traces: TRACES, span_bytes: 331, spread: Spread::Even })?;
    let limits = ObserveLimits { traces: usize::MAX, ..ObserveLimits::default() };
    let mut observer = Observer::new(0, ObserveConfig { limits, ..ObserveConfig::default() });
    // No time is told, so nothing closes.
    let kept = kept_bytes(|| {
        let mut reader = Reader::new();
        fleet.rush(|record| {
            if let Some(Decoded::Telemetry { batch, .. }) = reader.read(&record)? {
                observer.handle_batch(&batch);
            }
            Ok(())
        })?;
        Ok(())
    })?;
    let stats = observer.stats();
    ensure!(stats.open_traces == TRACES, "{} of {TRACES} traces are open", stats.open_traces);
    black_box(&observer);
    Ok((kept / TRACES as f64, stats.spans as f64 / TRACES as f64))
}

fn per_alert() -> Result<f64> {
    let mut line = Line::new(Settings::default());
    let kept = kept_bytes(|| {
        let mut out = Vec::new();
        for (number, (body, at_ms)) in requests(ALERTS, SERVICES).enumerate() {
            line.feed(&as_read(record(body, at_ms), number), &mut out);
            out.clear();
        }
        Ok(())
    })?;
    ensure!(line.stats().alerts == ALERTS, "{} of {ALERTS} alerts arrived", line.stats().alerts);
    black_box(&line);
    Ok(kept / ALERTS as f64)
}
