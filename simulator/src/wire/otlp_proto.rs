//! OTLP in protobuf. Field numbers are those of `opentelemetry-proto` 1.x (trace, logs and metrics
//! v1); fields with their default value are left out, as every encoder does.

use super::proto::Writer;
use super::{Attributes, Log, Metric, Reading, Said, Span, Value};

pub(super) fn spans(said: &[Said<'_, Span<'_>>]) -> Vec<u8> {
    requests(said, span)
}

pub(super) fn logs(said: &[Said<'_, Log<'_>>]) -> Vec<u8> {
    requests(said, log)
}

pub(super) fn metrics(said: &[Said<'_, Metric<'_>>]) -> Vec<u8> {
    requests(said, metric)
}

/// The outer three levels are numbered alike for spans, logs and metrics: request 1 resource
/// group; group 1 resource, 2 scope group; scope group 1 scope, 2 items.
fn requests<T>(said: &[Said<'_, T>], item: fn(&mut Writer, &T)) -> Vec<u8> {
    let mut out = Writer::default();
    for group in said {
        out.message(1, |out| {
            out.message(1, |out| attributes(out, 1, &group.resource));
            out.message(2, |out| {
                out.message(1, |out| out.bytes(1, group.scope.as_bytes()));
                for entry in &group.items {
                    out.message(2, |out| item(out, entry));
                }
            });
        });
    }
    out.into_bytes()
}

fn attributes(out: &mut Writer, field: u32, attributes: &Attributes<'_>) {
    for (key, value) in attributes {
        out.message(field, |out| {
            out.bytes(1, key.as_bytes());
            out.message(2, |out| any_value(out, value));
        });
    }
}

fn any_value(out: &mut Writer, value: &Value<'_>) {
    match value {
        Value::Text(text) => out.bytes(1, text.as_bytes()),
        // int64: a negative number is its two's complement as ten bytes.
        Value::Int(number) => out.uint(3, *number as u64),
    }
}

fn span(out: &mut Writer, span: &Span<'_>) {
    out.bytes(1, &span.trace.to_be_bytes());
    out.bytes(2, &span.id.to_be_bytes());
    if span.parent != 0 {
        out.bytes(4, &span.parent.to_be_bytes());
    }
    out.bytes(5, span.name.as_bytes());
    out.uint(6, span.kind as u64);
    out.fixed64(7, span.start_ns);
    out.fixed64(8, span.end_ns);
    attributes(out, 9, &span.attributes);
    if let Some(message) = span.error {
        out.message(15, |out| {
            out.bytes(2, message.as_bytes());
            out.uint(3, 2);
        });
    }
}

fn log(out: &mut Writer, log: &Log<'_>) {
    out.fixed64(1, log.time_ns);
    out.uint(2, u64::from(log.severity));
    out.bytes(3, log.severity_text.as_bytes());
    out.message(5, |out| out.bytes(1, log.body.as_bytes()));
    out.bytes(9, &log.trace.to_be_bytes());
    out.bytes(10, &log.span.to_be_bytes());
    out.fixed64(11, log.time_ns);
}

fn metric(out: &mut Writer, metric: &Metric<'_>) {
    out.bytes(1, metric.name.as_bytes());
    out.bytes(3, metric.unit.as_bytes());
    match metric.reading {
        Reading::Gauge => out.message(5, |out| points(out, metric, None)),
        Reading::Total { since_ns } => out.message(7, |out| {
            points(out, metric, Some(since_ns));
            out.uint(2, 2);
            out.uint(3, 1);
        }),
    }
}

fn points(out: &mut Writer, metric: &Metric<'_>, since_ns: Option<u64>) {
    for (labels, value) in &metric.points {
        out.message(1, |out| {
            if let Some(since_ns) = since_ns {
                out.fixed64(2, since_ns);
            }
            out.fixed64(3, metric.time_ns);
            out.fixed64(4, value.to_bits());
            attributes(out, 7, labels);
        });
    }
}
