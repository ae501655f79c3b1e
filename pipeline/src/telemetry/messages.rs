//! OTLP's export requests of metrics, logs and traces. Field numbers are those of `opentelemetry-proto` 1.x.

use model::time::Timestamp;

use super::lines::Line;
use super::proto::Writer;
use super::spans::Batch;
use crate::http::metrics::sample::{Family, Shape, Value};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;
/// `SPAN_KIND_CONSUMER`.
const CONSUMER: u64 = 5;

/// Who tells.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    /// Tells this process from others.
    pub(super) instance: String,
    /// Since when counters count.
    pub(super) since: Timestamp,
}

/// The outer three levels are numbered alike for all signals: request 1 resource group; group 1 resource, 2 scope
/// group; scope group 1 scope, 2 items.
fn request<T>(teller: &Teller, items: &[T], item: impl Fn(&mut Writer, &T)) -> Vec<u8> {
    let mut out = Writer::default();
    out.message(1, |out| {
        out.message(1, |out| {
            text(out, 1, "service.name", "faultline");
            text(out, 1, "service.version", env!("CARGO_PKG_VERSION"));
            text(out, 1, "service.instance.id", &teller.instance);
        });
        out.message(2, |out| {
            out.message(1, |out| {
                out.bytes(1, b"faultline");
                out.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            for one in items {
                out.message(2, |out| item(out, one));
            }
        });
    });
    out.into_bytes()
}

fn text(out: &mut Writer, field: u32, key: &str, value: &str) {
    out.message(field, |out| {
        out.bytes(1, key.as_bytes());
        out.message(2, |out| out.bytes(1, value.as_bytes()));
    });
}

fn number(out: &mut Writer, field: u32, key: &str, value: u64) {
    out.message(field, |out| {
        out.bytes(1, key.as_bytes());
        out.message(2, |out| out.uint(3, value));
    });
}

fn nanos(at: Timestamp) -> u64 {
    at.0.max(0).unsigned_abs()
}

/// The body of `/v1/metrics`.
pub(super) fn metrics(teller: &Teller, families: &[Family], now: Timestamp) -> Vec<u8> {
    request(teller, families, |out, family| {
        out.bytes(1, family.name.as_bytes());
        out.bytes(2, family.help.as_bytes());
        out.bytes(3, family.unit.as_bytes());
        let points = |out: &mut Writer| {
            for (key, label, value) in &family.points {
                out.message(1, |out| {
                    if family.shape == Shape::Counter {
                        out.fixed64(2, nanos(teller.since));
                    }
                    out.fixed64(3, nanos(now));
                    match value {
                        Value::Whole(value) => out.fixed64(6, *value),
                        Value::Real(value) => out.fixed64(4, value.to_bits()),
                    }
                    text(out, 7, key, label);
                });
            }
        };
        match family.shape {
            Shape::Gauge => out.message(5, points),
            Shape::Counter => out.message(7, |out| {
                points(out);
                out.uint(2, CUMULATIVE);
                out.uint(3, 1);
            }),
        }
    })
}

/// The body of `/v1/logs`.
pub(super) fn logs(teller: &Teller, lines: &[Line]) -> Vec<u8> {
    request(teller, lines, |out, line| {
        out.fixed64(1, nanos(line.at));
        out.uint(2, line.severity);
        out.bytes(3, line.level.as_bytes());
        out.message(5, |out| out.bytes(1, line.body.as_bytes()));
        for (key, value) in &line.fields {
            text(out, 6, key, value);
        }
        out.fixed64(11, nanos(line.at));
    })
}

/// The body of `/v1/traces`: one span for each batch, by the conventions for messaging.
pub(super) fn traces(teller: &Teller, batches: &[Batch], system: &str) -> Vec<u8> {
    request(teller, batches, |out, batch| {
        out.bytes(1, &batch.trace);
        out.bytes(2, &batch.span);
        out.bytes(5, format!("process {}", batch.destination).as_bytes());
        out.uint(6, CONSUMER);
        out.fixed64(7, nanos(batch.from));
        out.fixed64(8, nanos(batch.to));
        text(out, 9, "messaging.system", system);
        text(out, 9, "messaging.operation.name", "process");
        text(out, 9, "messaging.operation.type", "process");
        text(out, 9, "messaging.destination.name", &batch.destination);
        text(
            out,
            9,
            "messaging.consumer.group.name",
            &format!("faultline-{}", batch.stage.label()),
        );
        number(out, 9, "messaging.batch.message_count", batch.records);
        number(out, 9, "faultline.batch.bytes", batch.bytes);
        text(out, 9, "faultline.stage", batch.stage.label());
    })
}
