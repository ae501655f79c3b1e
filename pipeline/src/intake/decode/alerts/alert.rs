//! One alert from the fields that all forms share.

use model::alert::{Alert, AlertStatus, Labels, Severity};
use model::id::TraceId;
use model::name::Name;
use model::time::Timestamp;
use serde_json::Value;

use crate::intake::decode::fields::{first_text, labels, name, time};

/// Labels that say how grave an alert is, in order.
const SEVERITY_LABELS: [&str; 4] = ["severity", "priority", "level", "criticality"];
/// Labels and annotations that name a trace.
const TRACE_LABELS: [&str; 4] = ["trace_id", "traceId", "traceID", "TraceID"];

/// What of an alert its form says.
pub(super) struct Parts {
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    pub(super) starts_at: Option<Timestamp>,
    /// When it ends or will end.
    pub(super) ends_at: Option<Timestamp>,
    pub(super) url: Option<Name>,
}

/// Reads one alert whose status the caller knows. `None` without labels.
pub(super) fn read(value: &Value, status: AlertStatus, arrival: Timestamp) -> Option<Alert> {
    let url = first_text(value, &[&["generatorURL"], &["generatorUrl"], &["generator_url"]]);
    let parts = Parts {
        labels: labels(value.get("labels")),
        annotations: labels(value.get("annotations")),
        starts_at: time(value, &["startsAt"]).or_else(|| time(value, &["starts_at"])),
        ends_at: time(value, &["endsAt"]).or_else(|| time(value, &["ends_at"])),
        url: url.map(name),
    };
    build(parts, status, arrival)
}

/// One alert of its parts. `None` without labels.
pub(super) fn build(parts: Parts, status: AlertStatus, arrival: Timestamp) -> Option<Alert> {
    let Parts { labels, annotations, starts_at, ends_at, url } = parts;
    if labels.is_empty() {
        return None;
    }
    let ends_at = ends_at.filter(|_| status == AlertStatus::Resolved);
    let title = labels.get("alertname").or_else(|| annotations.get("summary")).cloned();
    Some(Alert {
        fingerprint: labels.fingerprint(),
        name: title.unwrap_or_else(|| "alert".into()),
        status,
        severity: severity(&labels),
        trace_id: trace_id(&labels, &annotations),
        starts_at: starts_at.or(ends_at).unwrap_or(arrival),
        ends_at,
        labels,
        annotations,
        generator_url: url,
        group: None,
    })
}

fn severity(set: &Labels) -> Severity {
    let said = SEVERITY_LABELS.iter().find_map(|key| set.get(key));
    said.map(|text| Severity::parse(text)).unwrap_or_default()
}

fn trace_id(set: &Labels, annotations: &Labels) -> Option<TraceId> {
    TRACE_LABELS
        .iter()
        .flat_map(|key| [set.get(key), annotations.get(key)])
        .flatten()
        .find_map(|text: &Name| TraceId::parse_hex(text.trim()))
}
