//! Throughput under skew over throughput without: popular services and ways through them by Zipf
//! 1.2, one trace of a million spans, one service that owns 30 % of the alerts; against everything
//! spread evenly. The whole line in one thread, without a broker.

use anyhow::{Result, ensure};
use model::recording::{ENCODING_HEADER, TopicRecord, topic};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use pipeline::log::Record;
use pipeline::stages::line::Line;
use pipeline::stages::settings::Settings;
use prost::Message;

use crate::alarms::{self, ALERTS_A_BATCH};
use crate::fleet::{Fleet, Shape, Spread};
use crate::pairs::{Plan, Turn, in_turn};
use crate::report::Report;
use crate::traffic::as_read;

const TRACES: u64 = 40_000;
/// Spans of the one giant trace; as many in traces of eight on the other side.
const GIANT_SPANS: u64 = 1_000_000;
const GIANT_BATCH: u64 = 1_000;
const ALERTS: u64 = 10_000;
const SERVICES: u64 = 500;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let (skewed, even) = (side(plan.seed, Spread::Zipf)?, side(plan.seed, Spread::Even)?);
    let turn = |(records, work): &(Vec<Record>, f64)| {
        Turn::measure(|| {
            let mut line = Line::new(Settings::default());
            let mut out = Vec::new();
            for record in records {
                line.feed(record, &mut out);
                out.clear();
            }
            let stats = line.stats();
            ensure!((stats.spans + stats.alerts) as f64 == *work, "something was lost: {stats:?}");
            Ok(*work)
        })
    };
    let pairs = in_turn(plan, Turn::rate, || turn(&skewed), || turn(&even))?;
    Ok(Report {
        bench: "skew",
        a_is: "Zipf, a giant trace, one loud service",
        b_is: "spread evenly",
        unit: "signals/s",
        plan,
        pairs,
        quality: None,
        extras: vec![("signals".to_owned(), skewed.1)],
    })
}

/// The records of one side, and how many signals they hold.
fn side(seed: u64, spread: Spread) -> Result<(Vec<Record>, f64)> {
    let giant = spread == Spread::Zipf;
    let traces = if giant { TRACES } else { TRACES + GIANT_SPANS / 8 };
    let fleet = Fleet::new(Shape { seed, traces, span_bytes: 0, spread })?;
    let mut records: Vec<TopicRecord> = Vec::new();
    let made = fleet.rush(|record| {
        records.push(record);
        Ok(())
    })?;
    let (mut signals, end_ms) = (made.spans, records.last().map_or(0, |last| last.timestamp_ms));
    if giant {
        signals += GIANT_SPANS;
        records.extend((0..GIANT_SPANS / GIANT_BATCH).map(|batch| giant_record(batch, end_ms)));
    }
    for batch in 0..ALERTS / ALERTS_A_BATCH {
        let numbers = batch * ALERTS_A_BATCH..(batch + 1) * ALERTS_A_BATCH;
        let loud = |number: u64| giant && number % 10 < 3;
        let service = |number: u64| if loud(number) { 0 } else { number % SERVICES };
        records.push(alarms::record(alarms::request(service, numbers, end_ms), end_ms));
        signals += ALERTS_A_BATCH;
    }
    records.sort_by_key(|record| record.timestamp_ms);
    let records = records.into_iter().enumerate().map(|(number, record)| as_read(record, number));
    Ok((records.collect(), signals as f64))
}

/// A thousand spans of the giant, all of the same second.
fn giant_record(batch: u64, at_ms: i64) -> TopicRecord {
    let at_ns = at_ms.unsigned_abs() * 1_000_000;
    let span = |number: u64| Span {
        trace_id: vec![7; 16],
        // Ids are drawn, not counted: an odd factor keeps them apart.
        span_id: number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec(),
        parent_span_id: vec![1; 8],
        name: "loop".to_owned(),
        kind: 1,
        start_time_unix_nano: at_ns,
        end_time_unix_nano: at_ns + 1_000_000,
        ..Span::default()
    };
    let numbers = batch * GIANT_BATCH + 1..=(batch + 1) * GIANT_BATCH;
    let scope = ScopeSpans { spans: numbers.map(span).collect(), ..ScopeSpans::default() };
    let resource = crate::fleet::resource(0);
    let group = ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope],
        ..ResourceSpans::default()
    };
    TopicRecord {
        topic: topic::SPANS.to_owned(),
        timestamp_ms: at_ms,
        key: None,
        headers: vec![(ENCODING_HEADER.to_owned(), "otlp_proto".to_owned())],
        value: ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec(),
    }
}
