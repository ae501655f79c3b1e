//! OTLP/JSON to the columns that the mind needs, against serde_json into all of OTLP's types.

use std::hint::black_box;

use anyhow::{Result, ensure};
use model::recording::topic;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use pipeline::intake::decode::Decoded;
use simulator::scenario::Encoding;

use crate::pairs::{Plan, Turn, in_turn};
use crate::report::Report;
use crate::traffic::{Reader, Traffic};

const SPANS: u64 = 60_000;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let mut records = Traffic::encoded(plan.seed, SPANS, Encoding::OtlpJson).records;
    records.retain(|record| record.topic == topic::SPANS);
    let bytes: usize = records.iter().map(|record| record.value.len()).sum();
    let mut reader = Reader::new();
    let ours = |reader: &mut Reader| -> Result<usize> {
        let mut spans = 0;
        for record in &records {
            if let Some(Decoded::Telemetry { batch, .. }) = black_box(reader.read(record)?) {
                spans += batch.spans.len();
            }
        }
        Ok(spans)
    };
    let theirs = || -> Result<usize> {
        let mut spans = 0;
        for record in &records {
            let request: ExportTraceServiceRequest = serde_json::from_slice(&record.value)?;
            let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
            spans += scopes.map(|scope| scope.spans.len()).sum::<usize>();
            black_box(request);
        }
        Ok(spans)
    };
    let (spans, again) = (ours(&mut reader)?, theirs()?);
    ensure!(spans == again, "we decode {spans} spans, serde_json {again}");
    let pairs = in_turn(
        plan,
        Turn::rate,
        || Turn::measure(|| ours(&mut reader).map(|_| bytes as f64)),
        || Turn::measure(|| theirs().map(|_| bytes as f64)),
    )?;
    Ok(Report {
        bench: "decode-json",
        a_is: "our columns",
        b_is: "serde_json, every field",
        unit: "B/s",
        plan,
        pairs,
        quality: None,
        extras: vec![("bytes_per_span".to_owned(), bytes as f64 / spans.max(1) as f64)],
    })
}
