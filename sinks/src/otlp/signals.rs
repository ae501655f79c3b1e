//! An incident as a log record and as a span, in OTLP's JSON: ids in hexadecimal, 64-bit integers
//! as text, enums as integers.

use model::id::stable_hash;
use model::incident::{Incident, IncidentState, Priority};
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::event::happening;
use crate::render::told::Told;
use crate::render::untrusted::Untrusted;
use crate::sink::Delivery;

const TEXT_CHARS_MAX: usize = 4_096;
const NAME_CHARS_MAX: usize = 200;
/// Most events of a span: the SDKs' own default is 128.
const SPAN_EVENTS_MAX: usize = 100;
/// `SPAN_KIND_INTERNAL` and `STATUS_CODE_ERROR`.
const KIND_INTERNAL: u32 = 1;
const STATUS_ERROR: u32 = 2;

/// The body of `/v1/logs`: one log record with an event name.
pub(super) fn log(request: &Delivery<'_>, told: &Told) -> Value {
    let incident = request.incident;
    let event = format!("faultline.incident.{}", happening(incident, request.known));
    let (number, text) = severity(incident);
    let record = json!({
        "timeUnixNano": nanos(incident.updated_at),
        "observedTimeUnixNano": nanos(request.now),
        "severityNumber": number,
        "severityText": text,
        "eventName": event,
        "body": {"stringValue": body(incident)},
        "attributes": attributes(incident, told),
        "traceId": trace_id(incident),
        "spanId": span_id(incident),
    });
    json!({"resourceLogs": [{
        "resource": resource(incident),
        "scopeLogs": [{"scope": scope(), "logRecords": [record]}],
    }]})
}

/// The body of `/v1/traces`: one span from the onset to the end, with the timeline as its events.
pub(super) fn span(incident: &Incident, told: &Told) -> Value {
    let end = incident.resolved_at.unwrap_or(incident.updated_at).max(incident.onset_at);
    let events: Vec<Value> = incident
        .timeline
        .iter()
        .take(SPAN_EVENTS_MAX)
        .map(|entry| {
            let kind = serde_json::to_value(entry.kind).unwrap_or(Value::Null);
            let mut attributes = vec![text("faultline.timeline.kind", kind.as_str().unwrap_or(""))];
            attributes.extend(entry.service.as_deref().map(|name| text("service.name", name)));
            json!({
                "timeUnixNano": nanos(entry.at),
                "name": Untrusted(&entry.text).line(NAME_CHARS_MAX),
                "attributes": attributes,
            })
        })
        .collect();
    let span = json!({
        "traceId": trace_id(incident),
        "spanId": span_id(incident),
        "name": "incident",
        "kind": KIND_INTERNAL,
        "startTimeUnixNano": nanos(incident.onset_at),
        "endTimeUnixNano": nanos(end),
        "attributes": attributes(incident, told),
        "events": events,
        "status": {"code": STATUS_ERROR, "message": Untrusted(&incident.title).data(NAME_CHARS_MAX)},
    });
    json!({"resourceSpans": [{
        "resource": resource(incident),
        "scopeSpans": [{"scope": scope(), "spans": [span]}],
    }]})
}

fn resource(incident: &Incident) -> Value {
    json!({"attributes": [
        text("service.name", "faultline"),
        text("deployment.environment.name", &incident.cell.0),
    ]})
}

fn scope() -> Value {
    json!({"name": "faultline", "version": env!("CARGO_PKG_VERSION")})
}

fn body(incident: &Incident) -> String {
    let story = if incident.narrative.is_empty() { &incident.title } else { &incident.narrative };
    Untrusted(story).data(TEXT_CHARS_MAX)
}

fn attributes(incident: &Incident, told: &Told) -> Vec<Value> {
    let mut all = vec![
        text("faultline.incident.id", &incident.id.to_string()),
        json!({"key": "faultline.incident.revision",
               "value": {"intValue": incident.revision.to_string()}}),
        text("faultline.incident.state", incident.state.label()),
        text("faultline.incident.priority", &format!("{:?}", incident.priority)),
        text("faultline.incident.title", &incident.title),
        texts("faultline.incident.services", told.services.iter().cloned()),
        texts("faultline.incident.traces", incident.exemplars.iter().map(ToString::to_string)),
        json!({"key": "faultline.incident.alerts_firing",
               "value": {"intValue": told.alerts_firing.to_string()}}),
    ];
    if let (Some(cause), Some(first)) = (&told.cause, incident.hypotheses.first()) {
        all.push(text("faultline.incident.cause", &cause.text));
        all.push(text("faultline.incident.cause.service", &first.entity.service));
        all.push(json!({"key": "faultline.incident.cause.probability",
                        "value": {"doubleValue": f64::from(cause.percent) / 100.0}}));
    }
    let people = [
        ("faultline.incident.owner", &told.owner),
        ("faultline.incident.acknowledged_by", &told.acknowledged),
        ("faultline.incident.assignee", &told.assignee),
    ];
    for (key, value) in people {
        all.extend(value.as_ref().map(|value| text(key, value)));
    }
    all
}

fn texts(key: &str, all: impl Iterator<Item = String>) -> Value {
    let values: Vec<Value> = all.map(|text| json!({"stringValue": text})).collect();
    json!({"key": key, "value": {"arrayValue": {"values": values}}})
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": Untrusted(value).data(TEXT_CHARS_MAX)}})
}

/// OpenTelemetry's numbers: INFO 9, WARN 13, ERROR 17, FATAL 21.
fn severity(incident: &Incident) -> (u32, &'static str) {
    match (incident.state, incident.priority) {
        (IncidentState::Resolved | IncidentState::Merged | IncidentState::Withdrawn, _) => {
            (9, "INFO")
        }
        (_, Priority::P1) => (21, "FATAL"),
        (_, Priority::P2) => (17, "ERROR"),
        (_, Priority::P3 | Priority::P4) => (13, "WARN"),
    }
}

fn nanos(at: Timestamp) -> String {
    at.0.max(0).to_string()
}

/// Stable for an incident, and never zero, which OTLP holds for absent.
fn trace_id(incident: &Incident) -> String {
    format!("{:016x}{:016x}", incident.id.0, hash(incident, b"trace"))
}

/// Another span for each time that an incident comes back.
fn span_id(incident: &Incident) -> String {
    format!("{:016x}", hash(incident, &incident.lineage.reopened.to_le_bytes()))
}

fn hash(incident: &Incident, what: &[u8]) -> u64 {
    stable_hash(&[b"incident", &incident.id.0.to_le_bytes(), what]).max(1)
}
