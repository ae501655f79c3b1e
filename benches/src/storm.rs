//! A storm: for a minute a hundred times the alerts, and a third of all requests fails.
//!
//! The shop runs in peace, then its fault begins; from then on every alert comes a hundred times,
//! from as many instances, and the fleet's spans fail. The whole line in one thread, without a
//! broker. Records come at their intended times on a clock that is advanced by what handling them
//! costs, so that latency and backlog are those of an open loop, in a fraction of the time.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use model::id::IncidentId;
use model::incident::{Incident, IncidentState};
use model::recording::{TopicRecord, topic};
use pipeline::clock::StopWatch;
use pipeline::log::Record;
use pipeline::stages::line::{Line, LineOutput};
use pipeline::stages::settings::Settings;
use serde_json::{Value, json};
use simulator::Truth;

use crate::fleet::{Fleet, Shape, Spread};
use crate::machine::resident_bytes;
use crate::pairs::{Pairs, Plan};
use crate::report::Report;
use crate::traffic::{as_read, quality};

const TIMES: u64 = 100;
/// The storm, as long as the fleet is there.
const STORM_NS: f64 = 75e9;
const TRACES: u64 = 20_000;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let seed = plan.seed;
    let fleet = Fleet::new(Shape { seed, traces: TRACES, span_bytes: 331, spread: Spread::Even })?;
    let (records, alerts) = weather(&fleet)?;
    let truth = fleet.truth();
    let mut turns = Vec::new();
    for _ in 0..plan.pairs.min(3) {
        turns.push(play(&records, alerts, fleet.begin_ms())?);
    }
    let middle = |read: &dyn Fn(&Turn) -> f64| crate::figures::Spread::of(turns.iter().map(read));
    let incidents = turns.last().map(|turn| turn.incidents.clone()).unwrap_or_default();
    let p99 = middle(&|turn| turn.storm_p99_us / turn.calm_p99_us.max(1.0));
    Ok(Report {
        bench: "storm",
        a_is: "p99 from arrival to handled, in the storm",
        b_is: "the same before it",
        unit: "us",
        plan: Plan { pairs: turns.len(), ..plan },
        pairs: Pairs {
            ratio: p99,
            a: middle(&|turn| turn.storm_p99_us),
            b: middle(&|turn| turn.calm_p99_us),
            ..Pairs::default()
        },
        quality: Some(quality(&truth, &incidents)),
        extras: vec![
            ("lost".to_owned(), middle(&|turn| turn.lost).most),
            ("memory_ratio".to_owned(), turns.first().map_or(0.0, |turn| turn.memory_ratio)),
            ("p99_ratio".to_owned(), p99.median),
            ("drain_ratio".to_owned(), middle(&|turn| turn.drain_ns / STORM_NS).median),
            ("incidents_per_fault".to_owned(), per_fault(&truth, &incidents)),
            ("alerts".to_owned(), alerts as f64),
            ("records".to_owned(), records.len() as f64),
        ],
    })
}

fn per_fault(truth: &Truth, incidents: &[Incident]) -> f64 {
    let gone =
        |it: &&Incident| !matches!(it.state, IncidentState::Merged | IncidentState::Withdrawn);
    incidents.iter().filter(gone).count() as f64 / truth.faults.len().max(1) as f64
}

/// All records in order, and the alerts in them.
fn weather(fleet: &Fleet) -> Result<(Vec<Record>, u64)> {
    let (mut records, mut alerts) = (Vec::new(), 0);
    fleet.play(|record| {
        let stormy = record.timestamp_ms >= fleet.begin_ms();
        let copies = if stormy { TIMES } else { 1 };
        if record.topic == topic::ALERTS {
            for copy in 0..copies {
                let (record, count) = copied(&record, copy)?;
                alerts += count;
                records.push(as_read(record, records.len()));
            }
        } else {
            records.push(as_read(record, records.len()));
        }
        Ok(())
    })?;
    ensure!(alerts > TIMES, "the storm has no alerts");
    Ok((records, alerts))
}

/// The same alerts of another instance, and how many they are.
fn copied(record: &TopicRecord, copy: u64) -> Result<(TopicRecord, u64)> {
    let mut body: Value = serde_json::from_slice(&record.value)?;
    let alerts = match &mut body {
        Value::Array(alerts) => alerts,
        Value::Object(fields) => match fields.get_mut("alerts") {
            Some(Value::Array(alerts)) => alerts,
            _ => anyhow::bail!("the simulator's alerts have another form"),
        },
        _ => anyhow::bail!("the simulator's alerts have another form"),
    };
    let count = alerts.len() as u64;
    for alert in alerts {
        let Some(fields) = alert.as_object_mut() else { continue };
        // It is of other labels now.
        fields.remove("fingerprint");
        if let Some(Value::Object(labels)) = fields.get_mut("labels") {
            labels.insert("replica".to_owned(), json!(format!("{copy:03}")));
        }
    }
    Ok((TopicRecord { value: body.to_string().into_bytes(), ..record.clone() }, count))
}

struct Turn {
    calm_p99_us: f64,
    storm_p99_us: f64,
    drain_ns: f64,
    memory_ratio: f64,
    lost: f64,
    incidents: Vec<Incident>,
}

fn play(records: &[Record], alerts: u64, storm_ms: i64) -> Result<Turn> {
    let mut line = Line::new(Settings::default());
    let mut last: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    let mut out = Vec::new();
    let (mut calm, mut storm) = (Histogram::<u64>::new(3)?, Histogram::<u64>::new(3)?);
    let start_ms = records.first().map_or(0, |first| first.timestamp_ms);
    // When the line is free again, on the clock of the records. Unit: nanoseconds.
    let (mut free_ns, mut due_ns) = (0.0_f64, 0.0_f64);
    let (mut steady, mut peak) = (0, 0);
    for (number, record) in records.iter().enumerate() {
        let watch = StopWatch::start();
        line.feed(record, &mut out);
        let cost_ns = watch.elapsed().as_secs_f64() * 1e9;
        due_ns = (record.timestamp_ms - start_ms) as f64 * 1e6;
        free_ns = free_ns.max(due_ns) + cost_ns;
        let took_us = ((free_ns - due_ns) / 1e3) as u64;
        let stormy = record.timestamp_ms >= storm_ms;
        if stormy {
            storm.record(took_us)?
        } else {
            calm.record(took_us)?
        }
        if number % 64 == 0 {
            let resident = resident_bytes();
            if stormy { peak = peak.max(resident) } else { steady = resident }
        }
        keep(&mut out, &mut last)?;
    }
    let drain_ns = (free_ns - due_ns).max(0.0);
    line.finish(&mut out);
    keep(&mut out, &mut last)?;
    Ok(Turn {
        calm_p99_us: calm.value_at_quantile(0.99) as f64,
        storm_p99_us: storm.value_at_quantile(0.99) as f64,
        drain_ns,
        memory_ratio: peak as f64 / steady.max(1) as f64,
        lost: alerts.saturating_sub(line.stats().alerts) as f64,
        incidents: last.into_values().collect(),
    })
}

/// Keeps the last word on every incident.
pub(crate) fn keep(
    out: &mut Vec<LineOutput>,
    last: &mut BTreeMap<IncidentId, Incident>,
) -> Result<()> {
    for output in out.drain(..) {
        match output {
            LineOutput::Revision(incident, _) => _ = last.insert(incident.id, *incident),
            LineOutput::DeadLetter(why) => anyhow::bail!("a dead letter: {why}"),
        }
    }
    Ok(())
}
