//! Alerts in bulk, as Prometheus sends them to Alertmanager (API v2): many instances of services
//! that complain at the same time.

use model::recording::{TopicRecord, topic};
use model::time::Timestamp;
use serde_json::{Value, json};

/// Alerts of one request, as Prometheus batches them.
pub(crate) const ALERTS_A_BATCH: u64 = 50;
/// Rules that fire: more alerts of one than a large fleet has would be cut as one loud source.
const RULES: u64 = 20;
/// Thursday, 2026-05-28: any moment will do.
pub(crate) const START_MS: i64 = 1_780_000_200_000;

/// The alerts with these numbers as one request, all firing since then.
pub(crate) fn request(
    service_of: impl Fn(u64) -> u64,
    numbers: std::ops::Range<u64>,
    at_ms: i64,
) -> Vec<u8> {
    let alerts: Vec<Value> =
        numbers.map(|number| alert(service_of(number), number, at_ms)).collect();
    Value::from(alerts).to_string().into_bytes()
}

fn alert(service: u64, number: u64, at_ms: i64) -> Value {
    json!({
        "labels": {
            "alertname": format!("Rule{:02}", number % RULES),
            "service": format!("service-{service:04}"),
            "instance": format!("service-{service:04}-7c9f8d6b5-{number:07}"),
            "job": "kubernetes-pods",
            "namespace": "production",
            "severity": "critical",
        },
        "annotations": {
            "summary": "More than 5 % of requests fail",
            "description": "The share of failed requests over 5 minutes is above its threshold.",
            "runbook_url": "https://runbooks.example.org/high-error-rate",
        },
        "startsAt": Timestamp::from_millis(at_ms).to_rfc3339(),
        "generatorURL": "http://prometheus.example.org/graph?g0.expr=errors%2Frequests",
    })
}

/// A request as a record of the alerts topic.
pub(crate) fn record(value: Vec<u8>, timestamp_ms: i64) -> TopicRecord {
    TopicRecord {
        topic: topic::ALERTS.to_owned(),
        timestamp_ms,
        key: None,
        headers: Vec::new(),
        value,
    }
}

/// Requests that hold so many alerts of so many services in turn, ten thousand a second.
pub(crate) fn requests(alerts: u64, services: u64) -> impl Iterator<Item = (Vec<u8>, i64)> {
    (0..alerts.div_ceil(ALERTS_A_BATCH)).map(move |batch| {
        let first = batch * ALERTS_A_BATCH;
        let at_ms = START_MS + i64::try_from(first / 10).unwrap_or_default();
        let numbers = first..(first + ALERTS_A_BATCH).min(alerts);
        (request(|number| number % services, numbers, at_ms), at_ms)
    })
}
