//! A fleet at full rate around a shop with a fault: what `line-rate` and its sisters read.
//!
//! The shop is a scenario of the simulator: ten healthy minutes, then a fault. In its last minute
//! and a quarter a fleet of other services shows up beside it: copies of the shop's own healthy
//! traces (their first eight spans) under other names and ids, as many as are to be open at the
//! same time (a trace stays open for that long). A span is filled up with attributes to the size that is asked for, one in
//! two hundred fails. The fleet consists of several shops, each behind a gateway Collector that
//! batches a hundred spans as they end; so the spans of a trace lie in many records.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use model::id::stable_hash;
use model::recording::{ENCODING_HEADER, TopicRecord, topic};
use model::time::Nanos;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use simulator::{Scale, Scenario, Truth};

/// Spans of one record.
const SPANS_A_RECORD: usize = 100;
/// Spans of one trace.
pub(crate) const SPANS_A_TRACE: usize = 8;
/// How long the fleet is there; no longer than a trace stays open.
pub(crate) const RUSH: Nanos = Nanos::from_secs(75);
const HEALTHY: Nanos = Nanos::from_secs(600);
/// Spans of the shop alone.
const SHOP_SPANS: u64 = 150_000;
/// Sets of the shop's services that the fleet consists of.
const SHOPS: u64 = 8;
/// One trace in so many has a span that fails; of eight spans: one span in two hundred.
const FAILS_EVERY: u64 = 25;
/// From the end of a span to its record.
const EXPORT_NS: u64 = 200_000_000;
/// Of spans that end in the same slot the order does not matter.
const SLOT_NS: u64 = 1_000_000_000;

/// What is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Seed of everything.
    pub(crate) seed: u64,
    /// Traces of the fleet.
    pub(crate) traces: u64,
    /// Bytes of one span on the wire, at least.
    pub(crate) span_bytes: usize,
    /// How its traces are spread over shops and ways through them.
    pub(crate) spread: Spread,
}

/// How often each thing is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// All alike.
    Even,
    /// The n-th most popular in proportion to n to the power of -1.2 (Zipf).
    Zipf,
}

impl Spread {
    /// Draws one of `count` things.
    pub(crate) fn draw(self, dice: u64, count: usize) -> usize {
        let share = (dice >> 11) as f64 / (1_u64 << 53) as f64;
        let count = count.max(1);
        let drawn = match self {
            Self::Even => share * count as f64,
            // The inverse of the continuous distribution on 1..=count+1.
            Self::Zipf => {
                const S: f64 = -0.2;
                let whole = 1.0 - libm::pow(count as f64 + 1.0, S);
                libm::pow(1.0 - share * whole, 1.0 / S) - 1.0
            }
        };
        (drawn as usize).min(count - 1)
    }
}

/// How much was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) spans: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Made {
    fn count(&mut self, record: &TopicRecord) -> Result<()> {
        if record.topic == topic::SPANS {
            self.add(Self {
                spans: spans_in(record)?,
                records: 1,
                bytes: record.value.len() as u64,
            });
        }
        Ok(())
    }

    fn add(&mut self, other: Self) {
        self.spans += other.spans;
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// The fleet in the making.
pub(crate) struct Fleet {
    shape: Shape,
    scenario: Scenario,
    templates: Vec<Vec<Row>>,
    shops: u64,
}

/// A span of a template, with the service that sent it.
#[derive(Clone, Debug)]
struct Row {
    service: usize,
    /// From the start of the trace. Unit: nanoseconds.
    start_ns: u64,
    end_ns: u64,
    span: Span,
}

impl Fleet {
    /// Plays the shop once, to learn its traces.
    pub(crate) fn new(shape: Shape) -> Result<Self> {
        let scale = Scale {
            services: (12, 12),
            spans: SHOP_SPANS,
            healthy: HEALTHY,
            faulty: RUSH,
            faults: (1, 1),
            decoys: (2, 2),
            ..Scale::default()
        };
        let scenario = simulator::random(shape.seed, scale);
        let mut fleet = Self { shape, scenario, templates: Vec::new(), shops: SHOPS };
        fleet.learn()?;
        Ok(fleet)
    }

    /// The same of so many shops.
    pub(crate) fn of_shops(self, shops: u64) -> Self {
        Self { shops: shops.max(1), ..self }
    }

    /// What is wrong in the shop.
    pub(crate) fn truth(&self) -> Truth {
        self.scenario.truth()
    }

    /// When the fleet and the fault show up. Unit: Unix milliseconds.
    pub(crate) fn begin_ms(&self) -> i64 {
        self.scenario.start.millis() + HEALTHY.millis()
    }

    /// When the shop opens. Unit: Unix milliseconds.
    pub(crate) fn start_ms(&self) -> i64 {
        self.scenario.start.millis()
    }

    /// Hands out the records of fleet and shop in order of arrival.
    pub(crate) fn play(&self, mut each: impl FnMut(TopicRecord) -> Result<()>) -> Result<Made> {
        let mut shop_made = Made::default();
        let mut shop = self.scenario.records().peekable();
        let mut made = self.rush(|record| {
            while let Some(of_shop) = shop.next_if(|it| it.timestamp_ms <= record.timestamp_ms) {
                shop_made.count(&of_shop)?;
                each(of_shop)?;
            }
            each(record)
        })?;
        for of_shop in shop {
            shop_made.count(&of_shop)?;
            each(of_shop)?;
        }
        made.add(shop_made);
        Ok(made)
    }

    /// Hands out the records of the fleet alone, in order of arrival.
    pub(crate) fn rush(&self, mut each: impl FnMut(TopicRecord) -> Result<()>) -> Result<Made> {
        let mut made = Made::default();
        let begin_ns = nanos(self.scenario.start.0 + HEALTHY.0);
        let slots = nanos(RUSH.0) / SLOT_NS;
        let mut ahead: BTreeMap<u64, Vec<(usize, Span)>> = BTreeMap::new();
        let mut next = 0;
        for slot in 0..slots {
            let until = self.shape.traces * (slot + 1) / slots;
            let slot_ns = begin_ns + slot * SLOT_NS;
            for number in next..until {
                let offset = SLOT_NS * (number - next) / (until - next);
                for (service, span) in self.copy(number, slot_ns + offset) {
                    let ends = span.end_time_unix_nano / SLOT_NS;
                    ahead.entry(ends).or_default().push((service, span));
                }
            }
            next = until;
            let last = slot + 1 == slots;
            let later =
                if last { BTreeMap::new() } else { ahead.split_off(&(slot_ns / SLOT_NS + 1)) };
            let ended = std::mem::replace(&mut ahead, later);
            let mut spans: Vec<_> = ended.into_values().flatten().collect();
            for record in records(&mut spans, self.shops) {
                made.count(&record)?;
                each(record)?;
            }
        }
        Ok(made)
    }

    /// The first eight spans of each healthy trace of the shop.
    fn learn(&mut self) -> Result<()> {
        let mut services: Vec<String> = Vec::new();
        let mut traces: BTreeMap<Vec<u8>, Vec<Row>> = BTreeMap::new();
        let healthy_ms = self.scenario.start.millis() + HEALTHY.millis();
        let records = self.scenario.records().take_while(|it| it.timestamp_ms < healthy_ms);
        for record in records.filter(|record| record.topic == topic::SPANS) {
            let request = ExportTraceServiceRequest::decode(record.value.as_slice())?;
            for resource in request.resource_spans {
                let name = service_of(&resource);
                let service =
                    services.iter().position(|known| *known == name).unwrap_or_else(|| {
                        services.push(name);
                        services.len() - 1
                    });
                for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    let (start_ns, end_ns) = (span.start_time_unix_nano, span.end_time_unix_nano);
                    let row = Row { service, start_ns, end_ns, span };
                    traces.entry(row.span.trace_id.clone()).or_default().push(row);
                }
            }
        }
        for mut rows in traces.into_values() {
            // Parents begin before their children, so what is left hangs together.
            rows.sort_by_key(|row| (row.start_ns, std::cmp::Reverse(row.end_ns)));
            rows.truncate(SPANS_A_TRACE);
            if rows.len() < SPANS_A_TRACE || rows.iter().any(|row| row.span.status.is_some()) {
                continue;
            }
            let first = rows.iter().map(|row| row.start_ns).min().unwrap_or_default();
            for row in &mut rows {
                (row.start_ns, row.end_ns) = (row.start_ns - first, row.end_ns - first);
                fill_up(&mut row.span, self.shape.span_bytes);
            }
            self.templates.push(rows);
        }
        ensure!(!self.templates.is_empty(), "no trace of the shop has {SPANS_A_TRACE} spans");
        Ok(())
    }

    /// The spans of one trace of the fleet that begins then, each with its service's number.
    fn copy(&self, number: u64, begin_ns: u64) -> Vec<(usize, Span)> {
        let (seed, drawn) = (self.shape.seed.to_le_bytes(), number.to_le_bytes());
        let dice = stable_hash(&[b"fleet", &seed, &drawn]);
        let again = stable_hash(&[b"shop", &seed, &drawn]);
        let which = self.shape.spread.draw(dice, self.templates.len());
        let rows = self.templates.get(which).map_or(&[][..], Vec::as_slice);
        let shop = self.shape.spread.draw(again, self.shops as usize);
        let trace = u128::from(dice) << 64 | u128::from(number.wrapping_add(1));
        let fails = (dice >> 40).is_multiple_of(FAILS_EVERY);
        let last = rows.iter().map(|row| row.start_ns).max();
        let mask = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let copy = |row: &Row| {
            let mut span = row.span.clone();
            span.trace_id = trace.to_be_bytes().to_vec();
            span.span_id = masked(&span.span_id, mask);
            span.parent_span_id = masked(&span.parent_span_id, mask);
            span.start_time_unix_nano = begin_ns + row.start_ns;
            span.end_time_unix_nano = begin_ns + row.end_ns;
            if fails && Some(row.start_ns) == last {
                span.status = Some(Status { code: 2, message: "unhandled exception".into() });
            }
            (row.service * self.shops as usize + shop, span)
        };
        rows.iter().map(copy).collect()
    }
}

/// What the gateways of all shops send of these spans, in order.
fn records(spans: &mut [(usize, Span)], count: u64) -> Vec<TopicRecord> {
    let shop = |service: &usize| *service as u64 % count;
    spans.sort_by_key(|(service, span)| (shop(service), span.end_time_unix_nano));
    let shops = spans.chunk_by(|(a, _), (b, _)| shop(a) == shop(b));
    let batches = shops.flat_map(|shop| shop.chunks(SPANS_A_RECORD));
    let mut records: Vec<_> = batches.map(|batch| record(batch, count)).collect();
    records.sort_by_key(|record| record.timestamp_ms);
    records
}

fn record(spans: &[(usize, Span)], shops: u64) -> TopicRecord {
    let mut by_service: BTreeMap<usize, Vec<Span>> = BTreeMap::new();
    for (service, span) in spans {
        by_service.entry(*service).or_default().push(span.clone());
    }
    let newest = spans.iter().map(|(_, span)| span.end_time_unix_nano).max().unwrap_or_default();
    let resource = |(service, spans): (usize, Vec<Span>)| ResourceSpans {
        resource: Some(resource_of(service, shops)),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: by_service.into_iter().map(resource).collect(),
    };
    TopicRecord {
        topic: topic::SPANS.to_owned(),
        timestamp_ms: i64::try_from((newest + EXPORT_NS) / 1_000_000).unwrap_or(i64::MAX),
        key: None,
        headers: vec![(ENCODING_HEADER.to_owned(), "otlp_proto".to_owned())],
        value: request.encode_to_vec(),
    }
}

/// A service of the usual fleet.
pub(crate) fn resource(service: usize) -> Resource {
    resource_of(service, SHOPS)
}

fn resource_of(service: usize, shops: u64) -> Resource {
    let name = format!("fleet-{}-service-{:02}", service as u64 % shops, service as u64 / shops);
    let attributes = vec![
        text("service.name", &name),
        text("service.version", "1.4.2"),
        text("service.instance.id", &format!("{name}-7c9f8d6b5-x2x4z")),
        text("k8s.node.name", &format!("node-{}", service % 7)),
        text("deployment.environment.name", "production"),
    ];
    Resource { attributes, ..Resource::default() }
}

/// Adds attributes that nobody asks for until a span has its size.
fn fill_up(span: &mut Span, bytes: usize) {
    const PIECE: usize = 44;
    for number in 0.. {
        let missing = bytes.saturating_sub(span.encoded_len());
        if missing == 0 {
            return;
        }
        let key = format!("app.detail.{number:02}");
        let value = "0123456789abcdef0123456789abcdef".get(..missing.clamp(20, PIECE) - 20);
        span.attributes.push(text(&key, value.unwrap_or_default()));
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn service_of(resource: &ResourceSpans) -> String {
    let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
    let name = attributes.filter(|attribute| attribute.key == "service.name");
    let mut text = name.filter_map(|name| match &name.value.as_ref()?.value {
        Some(Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    });
    text.next_back().unwrap_or_default()
}

fn masked(id: &[u8], mask: u64) -> Vec<u8> {
    let Ok(bytes) = <[u8; 8]>::try_from(id) else { return Vec::new() };
    (u64::from_be_bytes(bytes) ^ mask).max(1).to_be_bytes().to_vec()
}

fn spans_in(record: &TopicRecord) -> Result<u64> {
    if record.topic != topic::SPANS {
        return Ok(0);
    }
    let request = ExportTraceServiceRequest::decode(record.value.as_slice())?;
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    Ok(scopes.map(|scope| scope.spans.len() as u64).sum())
}

fn nanos(signed: i64) -> u64 {
    u64::try_from(signed).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_has_its_size_and_comes_in_order() {
        let shape = Shape { seed: 7, traces: 1_000, span_bytes: 331, spread: Spread::Even };
        let fleet = Fleet::new(shape).unwrap();
        let mut newest = i64::MIN;
        let mut rushed = Made::default();
        let made = fleet
            .play(|record| {
                assert!(record.timestamp_ms >= newest, "in order of arrival");
                newest = record.timestamp_ms;
                if String::from_utf8_lossy(&record.value).contains("fleet-") {
                    rushed.count(&record)?;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(rushed.spans, 8_000);
        let each = rushed.bytes as f64 / rushed.spans as f64;
        assert!((331.0..420.0).contains(&each), "{each} bytes a span, resources included");
        assert!(made.spans > rushed.spans);
    }
}
