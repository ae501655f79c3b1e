//! OTLP in JSON: ids in hex, enums as numbers, 64-bit numbers as strings, lowerCamelCase.

use serde_json::{Value as Json, json};

use super::{Attributes, Log, Metric, Reading, Said, Span, Value};

pub(super) fn spans(said: &[Said<'_, Span<'_>>]) -> Vec<u8> {
    request(said, ["resourceSpans", "scopeSpans", "spans"], span)
}

pub(super) fn logs(said: &[Said<'_, Log<'_>>]) -> Vec<u8> {
    request(said, ["resourceLogs", "scopeLogs", "logRecords"], log)
}

pub(super) fn metrics(said: &[Said<'_, Metric<'_>>]) -> Vec<u8> {
    request(said, ["resourceMetrics", "scopeMetrics", "metrics"], metric)
}

fn request<T>(said: &[Said<'_, T>], names: [&str; 3], item: fn(&T) -> Json) -> Vec<u8> {
    let [groups, scopes, items] = names;
    let group = |group: &Said<'_, T>| {
        let entries: Vec<Json> = group.items.iter().map(item).collect();
        json!({
            "resource": { "attributes": attributes(&group.resource) },
            scopes: [{ "scope": { "name": group.scope }, items: entries }],
        })
    };
    let body: Vec<Json> = said.iter().map(group).collect();
    json!({ groups: body }).to_string().into_bytes()
}

fn attributes(attributes: &Attributes<'_>) -> Vec<Json> {
    let value = |value: &Value<'_>| match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Int(number) => json!({ "intValue": number.to_string() }),
    };
    let entry = |(key, it): &(&str, Value<'_>)| json!({ "key": key, "value": value(it) });
    attributes.iter().map(entry).collect()
}

fn span(span: &Span<'_>) -> Json {
    let mut out = json!({
        "traceId": format!("{:032x}", span.trace),
        "spanId": format!("{:016x}", span.id),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.start_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes(&span.attributes),
    });
    if let Some(fields) = out.as_object_mut() {
        if span.parent != 0 {
            fields.insert("parentSpanId".into(), format!("{:016x}", span.parent).into());
        }
        if let Some(message) = span.error {
            fields.insert("status".into(), json!({ "code": 2, "message": message }));
        }
    }
    out
}

fn log(log: &Log<'_>) -> Json {
    json!({
        "timeUnixNano": log.time_ns.to_string(),
        "observedTimeUnixNano": log.time_ns.to_string(),
        "severityNumber": log.severity,
        "severityText": log.severity_text,
        "body": { "stringValue": log.body },
        "traceId": format!("{:032x}", log.trace),
        "spanId": format!("{:016x}", log.span),
    })
}

fn metric(metric: &Metric<'_>) -> Json {
    let since = match metric.reading {
        Reading::Gauge => None,
        Reading::Total { since_ns } => Some(since_ns.to_string()),
    };
    let point = |(labels, value): &(Attributes<'_>, f64)| {
        let mut point = json!({
            "timeUnixNano": metric.time_ns.to_string(),
            "asDouble": value,
            "attributes": attributes(labels),
        });
        if let (Some(fields), Some(since)) = (point.as_object_mut(), since.clone()) {
            fields.insert("startTimeUnixNano".into(), since.into());
        }
        point
    };
    let points: Vec<Json> = metric.points.iter().map(point).collect();
    match metric.reading {
        Reading::Gauge => json!({
            "name": metric.name, "unit": metric.unit, "gauge": { "dataPoints": points },
        }),
        Reading::Total { .. } => json!({
            "name": metric.name, "unit": metric.unit,
            "sum": { "dataPoints": points, "aggregationTemporality": 2, "isMonotonic": true },
        }),
    }
}
