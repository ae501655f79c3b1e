//! A thirty-second of a fleet of ten million spans a second, on this machine: 312,500 spans a second with more than
//! 1.2 million open traces and a map of a million configuration items (`docs/scale.md`).
//!
//! The whole line in one thread, without a broker: what its client costs is `line-rate`'s to say. Records come at
//! their intended times on a clock that is advanced by what handling them costs, as in `storm`: an open loop, in which
//! whoever is too slow falls behind. Making the records takes no time on it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use correlator::observe::{ObserveConfig, ObserveLimits};
use hdrhistogram::Histogram;
use model::id::IncidentId;
use model::incident::Incident;
use model::map::TopologyDocument;
use model::recording::{TopicRecord, topic};
use pipeline::clock::StopWatch;
use pipeline::log::Record;
use pipeline::stages::line::Line;
use pipeline::stages::settings::Settings;
use serde_json::{Value, json};

use crate::fleet::{Fleet, RUSH, SPANS_A_TRACE, Shape, Spread};
use crate::growth::documents;
use crate::machine::{Machine, resident_bytes};
use crate::pairs::{Pairs, Plan};
use crate::report::Report;
use crate::storm::keep;
use crate::traffic::{as_read, quality};

/// A thirty-second of ten million.
const SPANS_A_SECOND: u64 = 10_000_000 / 32;
const ITEMS: u64 = 1_000_000;
/// Of a dozen services each: a thirty-second of 100,000 services.
const SHOPS: u64 = 260;
/// The share of the machine that it may take. Unit: percent.
const BAR_PERCENT: f64 = 50.0;
/// Records between two looks at how much is open.
const LOOK_EVERY: u64 = 1_024;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let seconds = RUSH.as_secs_f64();
    let traces = (SPANS_A_SECOND as f64 * seconds) as u64 / SPANS_A_TRACE as u64;
    let shape = Shape { seed: plan.seed, traces, span_bytes: 331, spread: Spread::Even };
    let fleet = Fleet::new(shape)?.of_shops(SHOPS);
    let mut slice = Slice::new(fleet.begin_ms())?;
    let map = slice.load_map(plan.seed, fleet.start_ms());
    fleet.play(|record| slice.take(record))?;
    let (spans, busy) = (slice.spans() as f64, slice.busy_ns / 1e9);
    let core = 100.0 * busy / seconds;
    let machine = core / Machine::here().cores.max(1) as f64;
    let millis = |quantile| slice.behind.value_at_quantile(quantile) as f64 / 1e3;
    let extras = [
        ("spans_per_s", spans / seconds),
        ("open_traces", slice.open_traces as f64),
        ("items", slice.line.items() as f64),
        ("services", (SHOPS * 12) as f64),
        ("core_percent", core),
        ("machine_percent", machine),
        ("wall_ns_per_span", slice.busy_ns / spans.max(1.0)),
        ("free_after_s", (slice.fleet_free_ns / 1e9 - seconds).max(0.0)),
        ("behind_p50_ms", millis(0.5)),
        ("behind_p99_ms", millis(0.99)),
        ("behind_max_ms", millis(1.0)),
        ("wire_mb_per_s", slice.bytes as f64 / 1e6 / seconds),
        ("resident_mb", slice.resident as f64 / 1e6),
        ("map_seconds", map.as_secs_f64()),
        ("map_mb", slice.map_bytes as f64 / 1e6),
    ];
    let extras = extras.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect();
    let incidents = slice.finish()?;
    Ok(Report {
        bench: "scale-slice",
        a_is: "of the machine, at 312,500 spans a second",
        b_is: "its bar",
        unit: "%",
        plan: Plan { pairs: 1, ..plan },
        pairs: Pairs::once(machine, BAR_PERCENT),
        quality: Some(quality(&fleet.truth(), &incidents)),
        extras,
    })
}

/// The line and what it took.
struct Slice {
    line: Line,
    /// When the fleet shows up. Unit: Unix milliseconds.
    begin_ms: i64,
    records: usize,
    /// Of those of the fleet's time. Unit: bytes of spans.
    bytes: u64,
    /// Spans from before the fleet.
    spans_before: Option<u64>,
    /// Time that handling took since the fleet is there, by the clock on the wall. Unit: nanoseconds.
    busy_ns: f64,
    /// When the line is free again, since the fleet is there. Unit: nanoseconds.
    free_ns: f64,
    /// The same behind the last record of the fleet's time.
    fleet_free_ns: f64,
    /// From arrival to handled. Unit: microseconds.
    behind: Histogram<u64>,
    open_traces: u64,
    resident: u64,
    map_bytes: u64,
    last: BTreeMap<IncidentId, Incident>,
}

impl Slice {
    fn new(begin_ms: i64) -> Result<Self> {
        // One task has them all; an installation has several, each with this bound.
        let limits = ObserveLimits { traces: usize::MAX, ..ObserveLimits::default() };
        let observe = ObserveConfig { limits, ..ObserveConfig::default() };
        Ok(Self {
            line: Line::new(Settings { observe, ..Settings::default() }),
            begin_ms,
            records: 0,
            bytes: 0,
            spans_before: None,
            busy_ns: 0.0,
            free_ns: 0.0,
            fleet_free_ns: 0.0,
            behind: Histogram::new(3)?,
            open_traces: 0,
            resident: 0,
            map_bytes: 0,
            last: BTreeMap::new(),
        })
    }

    /// Takes the map in, as a paged export brings it.
    fn load_map(&mut self, seed: u64, at_ms: i64) -> Duration {
        let before = resident_bytes();
        let (mut took, mut out) = (Duration::ZERO, Vec::new());
        for document in documents(seed, ITEMS) {
            let record = self.numbered(page(&document, at_ms));
            let watch = StopWatch::start();
            self.line.feed(&record, &mut out);
            took += watch.elapsed();
        }
        self.map_bytes = resident_bytes().saturating_sub(before);
        took
    }

    fn take(&mut self, record: TopicRecord) -> Result<()> {
        let (at_ms, is_spans) = (record.timestamp_ms, record.topic == topic::SPANS);
        let record = self.numbered(record);
        let here = at_ms >= self.begin_ms;
        if here && self.spans_before.is_none() {
            self.spans_before = Some(self.line.stats().spans);
        }
        let mut out = Vec::new();
        let watch = StopWatch::start();
        self.line.feed(&record, &mut out);
        let cost_ns = watch.elapsed().as_secs_f64() * 1e9;
        if here {
            let due_ns = (at_ms - self.begin_ms) as f64 * 1e6;
            self.busy_ns += cost_ns;
            self.free_ns = self.free_ns.max(due_ns) + cost_ns;
            if due_ns <= RUSH.as_secs_f64() * 1e9 {
                self.fleet_free_ns = self.free_ns;
            }
            self.behind.record(((self.free_ns - due_ns) / 1e3) as u64)?;
            let bytes = record.value.as_ref().map_or(0, Vec::len) as u64;
            self.bytes += if is_spans { bytes } else { 0 };
            if (self.records as u64).is_multiple_of(LOOK_EVERY) {
                self.open_traces = self.open_traces.max(self.line.open_traces());
                self.resident = self.resident.max(resident_bytes());
            }
        }
        keep(&mut out, &mut self.last)
    }

    fn numbered(&mut self, record: TopicRecord) -> Record {
        self.records += 1;
        as_read(record, self.records)
    }

    /// Spans since the fleet is there.
    fn spans(&self) -> u64 {
        self.line.stats().spans - self.spans_before.unwrap_or_default()
    }

    /// Ends the input; gives the last word on every incident.
    fn finish(mut self) -> Result<Vec<Incident>> {
        let mut out = Vec::new();
        self.line.finish(&mut out);
        keep(&mut out, &mut self.last)?;
        ensure!(self.line.stats().dead_letters == 0, "something could not be read");
        Ok(self.last.into_values().collect())
    }
}

/// One page of the map, as our own form has it.
fn page(document: &TopologyDocument, at_ms: i64) -> TopicRecord {
    let items = document.items.iter().map(
        |item| json!({"id": item.id, "kind": "service", "name": item.name, "owner": item.owner}),
    );
    let relations = document
        .relations
        .iter()
        .map(|relation| json!({"from": relation.from, "to": relation.to, "type": "depends_on"}));
    let value = json!({
        "source": document.source,
        "items": items.collect::<Vec<Value>>(),
        "relations": relations.collect::<Vec<Value>>(),
    });
    TopicRecord {
        topic: topic::TOPOLOGY.to_owned(),
        timestamp_ms: at_ms,
        key: None,
        headers: Vec::new(),
        value: value.to_string().into_bytes(),
    }
}
