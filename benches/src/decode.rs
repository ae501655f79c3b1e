//! OTLP protobuf to the columns that the mind needs, against prost's decode of everything.

use std::hint::black_box;

use anyhow::{Result, ensure};
use model::recording::TopicRecord;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use pipeline::intake::decode::Decoded;
use prost::Message;

use crate::fleet::{Fleet, Shape, Spread};
use crate::pairs::{Plan, Turn, in_turn};
use crate::report::Report;
use crate::traffic::Reader;

const TRACES: u64 = 10_000;
const SPAN_BYTES: usize = 331;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let seed = plan.seed;
    let (traces, span_bytes) = (TRACES, SPAN_BYTES);
    let fleet = Fleet::new(Shape { seed, traces, span_bytes, spread: Spread::Even })?;
    let mut records = Vec::new();
    fleet.rush(|record| {
        records.push(record);
        Ok(())
    })?;
    let bytes: usize = records.iter().map(|record| record.value.len()).sum();
    let spans = agreed_spans(&records)?;
    // Names that payloads share stay known, as in a running system.
    let mut reader = Reader::new();
    let pairs = in_turn(
        plan,
        Turn::rate,
        || {
            Turn::measure(|| {
                for record in &records {
                    black_box(reader.read(record)?);
                }
                Ok(bytes as f64)
            })
        },
        || {
            Turn::measure(|| {
                for record in &records {
                    black_box(ExportTraceServiceRequest::decode(record.value.as_slice())?);
                }
                Ok(bytes as f64)
            })
        },
    )?;
    Ok(Report {
        bench: "decode",
        a_is: "our columns",
        b_is: "prost, every field",
        unit: "B/s",
        plan,
        pairs,
        quality: None,
        extras: vec![("bytes_per_span".to_owned(), bytes as f64 / spans.max(1) as f64)],
    })
}

/// Counts the spans, by both decoders: a fast decoder that drops some would win nothing.
fn agreed_spans(records: &[TopicRecord]) -> Result<usize> {
    let mut reader = Reader::new();
    let (mut ours, mut theirs) = (0, 0);
    for record in records {
        if let Some(Decoded::Telemetry { batch, .. }) = reader.read(record)? {
            ours += batch.spans.len();
        }
        let request = ExportTraceServiceRequest::decode(record.value.as_slice())?;
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        theirs += scopes.map(|scope| scope.spans.len()).sum::<usize>();
    }
    ensure!(ours == theirs, "we decode {ours} spans, prost {theirs}");
    Ok(ours)
}
