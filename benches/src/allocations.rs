//! Heap allocations per span and per alert in steady state, by a counting allocator: bytes of a
//! record in, rows in the trace table; bytes of a request in, entries of the journal out.
//!
//! Steady means that names are known and tables have their size: the first half is not counted.

use std::sync::Arc;

use anyhow::Result;
use pipeline::log::Record;
use pipeline::stages::Stage;
use pipeline::stages::correlate::CorrelateStage;
use pipeline::stages::observe::ObserveStage;
use pipeline::stages::settings::Settings;

use crate::alarms::{self, ALERTS_A_BATCH, requests};
use crate::fleet::{Fleet, Shape, Spread};
use crate::pairs::{Pairs, Plan};
use crate::report::Report;
use crate::traffic::as_read;

const TRACES: u64 = 20_000;
const ALERTS: u64 = 20_000;
const SERVICES: u64 = 500;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let seed = plan.seed;
    let fleet = Fleet::new(Shape { seed, traces: TRACES, span_bytes: 331, spread: Spread::Even })?;
    let mut records = Vec::new();
    let made = fleet.rush(|record| {
        records.push(as_read(record, records.len()));
        Ok(())
    })?;
    let settings = Arc::new(Settings::default());
    let mut observe = ObserveStage::new(settings.clone(), 0);
    let spans = counted(&records, |record| {
        let mut out = Vec::new();
        observe.handle(record, &mut out);
    });
    let per_span = spans as f64 / (made.spans as f64 / 2.0);
    let batches: Vec<Record> = requests(ALERTS, SERVICES)
        .enumerate()
        .map(|(number, (body, at_ms))| as_read(alarms::record(body, at_ms), number))
        .collect();
    let mut observe = ObserveStage::new(settings.clone(), 0);
    let mut correlate = CorrelateStage::new(settings);
    let mut offset = 0;
    let alerts = counted(&batches, |record| {
        let mut out = Vec::new();
        observe.handle(record, &mut out);
        for emit in out {
            let entry = Record {
                partition: emit.to,
                offset,
                timestamp_ms: emit.record.timestamp_ms,
                key: None,
                headers: Vec::new(),
                value: emit.record.value,
            };
            offset += 1;
            correlate.handle(&entry, &mut Vec::new());
        }
    });
    let counted_alerts = (batches.len() - batches.len() / 2) as u64 * ALERTS_A_BATCH;
    let per_alert = alerts as f64 / counted_alerts as f64;
    Ok(Report {
        bench: "allocations",
        a_is: "heap allocations per span, decoded and joined",
        b_is: "nothing: the figure is its own ratio",
        unit: "allocations",
        plan,
        pairs: Pairs::alone(per_span),
        quality: None,
        extras: vec![("per_span".to_owned(), per_span), ("per_alert".to_owned(), per_alert)],
    })
}

/// Allocations of the second half.
fn counted(records: &[Record], mut handle: impl FnMut(&Record)) -> u64 {
    let (warm, steady) = records.split_at(records.len() / 2);
    warm.iter().for_each(&mut handle);
    allocation_counter::measure(|| steady.iter().for_each(&mut handle)).count_total
}
