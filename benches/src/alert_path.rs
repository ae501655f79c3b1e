//! Alerts through the whole line in one thread, against reading the same requests as JSON: what an alert costs
//! beside the log.

use std::hint::black_box;

use anyhow::{Result, ensure};
use pipeline::log::Record;
use pipeline::stages::line::Line;
use pipeline::stages::settings::Settings;
use serde_json::Value;

use crate::alarms::{record, requests};
use crate::pairs::{Plan, Turn, in_turn};
use crate::report::Report;
use crate::traffic::as_read;

/// As many as are remembered.
const ALERTS: u64 = 100_000;
/// Services that alert.
const SERVICES: u64 = 500;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let records: Vec<Record> = requests(ALERTS, SERVICES)
        .enumerate()
        .map(|(number, (body, at_ms))| as_read(record(body, at_ms), number))
        .collect();
    let pairs = in_turn(
        plan,
        Turn::rate,
        || Turn::measure(|| through_the_line(&records)),
        || {
            Turn::measure(|| {
                for record in &records {
                    let value = record.value.as_deref().unwrap_or_default();
                    black_box(serde_json::from_slice::<Value>(value)?);
                }
                Ok(ALERTS as f64)
            })
        },
    )?;
    Ok(Report {
        bench: "alert-path",
        a_is: "requests to incidents, one thread",
        b_is: "the same requests read as JSON",
        unit: "alerts/s",
        plan,
        pairs,
        quality: None,
        extras: vec![
            ("a_cpu_ns_per_alert".to_owned(), pairs.a_cpu_ns.median),
            ("b_cpu_ns_per_alert".to_owned(), pairs.b_cpu_ns.median),
            ("alerts".to_owned(), ALERTS as f64),
            ("services".to_owned(), SERVICES as f64),
        ],
    })
}

fn through_the_line(records: &[Record]) -> Result<f64> {
    let mut line = Line::new(Settings::default());
    let mut out = Vec::new();
    for record in records {
        line.feed(record, &mut out);
        out.clear();
    }
    ensure!(line.stats().alerts == ALERTS, "{} of {ALERTS} alerts arrived", line.stats().alerts);
    black_box(&line);
    Ok(ALERTS as f64)
}
