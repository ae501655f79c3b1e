//! What counting and judging cost beside decoding: the decoded telemetry of a shop through OBSERVE
//! and DETECT, against decoding it.

use std::hint::black_box;

use anyhow::{Result, ensure};
use correlator::detect::{DetectConfig, Detector};
use correlator::observe::{ClockConfig, EventClock, ObserveConfig, Observer};
use model::recording::TopicRecord;
use model::signal::SignalBatch;
use model::time::Timestamp;
use pipeline::intake::decode::Decoded;

use crate::pairs::{Plan, Turn, in_turn};
use crate::report::Report;
use crate::traffic::{Reader, Traffic};

const SPANS: u64 = 120_000;

pub(crate) fn run(plan: Plan) -> Result<Report> {
    let traffic = Traffic::new(plan.seed, SPANS);
    let records: Vec<&TopicRecord> =
        traffic.records.iter().filter(|record| record.topic.starts_with("otlp_")).collect();
    let batches = decoded(&records)?;
    let spans: usize = batches.iter().map(|(_, batch)| batch.spans.len()).sum();
    let symptoms = judge(&batches);
    ensure!(symptoms > 0, "a shop with a fault in it has symptoms");
    let pairs = in_turn(
        plan,
        Turn::rate,
        || {
            Turn::measure(|| {
                black_box(judge(&batches));
                Ok(spans as f64)
            })
        },
        || {
            Turn::measure(|| {
                black_box(decoded(&records)?);
                Ok(spans as f64)
            })
        },
    )?;
    let logs: usize = batches.iter().map(|(_, batch)| batch.logs.len()).sum();
    Ok(Report {
        bench: "observe",
        a_is: "observe and detect, one task",
        b_is: "decode of the same records",
        unit: "spans/s",
        plan,
        pairs,
        quality: None,
        extras: vec![
            ("spans".to_owned(), spans as f64),
            ("log_records".to_owned(), logs as f64),
            ("symptoms".to_owned(), symptoms as f64),
        ],
    })
}

fn decoded(records: &[&TopicRecord]) -> Result<Vec<(Timestamp, SignalBatch)>> {
    let mut reader = Reader::new();
    let mut batches = Vec::with_capacity(records.len());
    for record in records {
        if let Some(Decoded::Telemetry { batch, .. }) = reader.read(record)? {
            batches.push((Timestamp::from_millis(record.timestamp_ms), batch));
        }
    }
    Ok(batches)
}

/// Counts and judges everything; gives the number of symptoms in all batches.
fn judge(batches: &[(Timestamp, SignalBatch)]) -> usize {
    let mut clock = EventClock::new(ClockConfig::default());
    let mut observer = Observer::new(0, ObserveConfig::default());
    let mut detector = Detector::new(0, 1, DetectConfig::default());
    let mut symptoms = 0;
    for (arrival, batch) in batches {
        let spans = batch.spans.iter().map(|span| span.end);
        let newest = spans.chain(batch.logs.iter().map(|log| log.time)).max();
        clock.observe(*arrival, newest, 0);
        observer.handle_batch(batch);
        if let Some(now) = clock.now() {
            observer.advance(now);
        }
        symptoms += drain(&mut observer, &mut detector);
    }
    observer.finish();
    symptoms + drain(&mut observer, &mut detector)
}

fn drain(observer: &mut Observer, detector: &mut Detector) -> usize {
    let mut symptoms = 0;
    while let Some(pane) = observer.poll_pane() {
        detector.handle_counts(pane);
    }
    while let Some(batch) = detector.poll_batch() {
        symptoms += batch.symptoms.len();
        black_box(batch);
    }
    symptoms
}
