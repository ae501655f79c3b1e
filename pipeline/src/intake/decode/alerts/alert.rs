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

/// Reads one alert whose status the caller knows. `None` without labels.
pub(super) fn read(value: &Value, status: AlertStatus, arrival: Timestamp) -> Option<Alert> {
    let set = labels(value.get("labels"));
    if set.is_empty() {
        return None;
    }
    let annotations = labels(value.get("annotations"));
    let ends_at = time(value, &["endsAt"]).or_else(|| time(value, &["ends_at"]));
    let ends_at = ends_at.filter(|_| status == AlertStatus::Resolved);
    let starts_at = time(value, &["startsAt"]).or_else(|| time(value, &["starts_at"]));
    let title = set.get("alertname").or_else(|| annotations.get("summary")).cloned();
    let url = first_text(value, &[&["generatorURL"], &["generatorUrl"], &["generator_url"]]);
    Some(Alert {
        fingerprint: set.fingerprint(),
        name: title.unwrap_or_else(|| "alert".into()),
        status,
        severity: severity(&set),
        trace_id: trace_id(&set, &annotations),
        starts_at: starts_at.or(ends_at).unwrap_or(arrival),
        ends_at,
        labels: set,
        annotations,
        generator_url: url.map(name),
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
