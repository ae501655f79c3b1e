//! Decoding: every form that an input topic may carry, to the words of `model`.
//!
//! Forms are told apart by headers and content. What is deliberately absent: state that could
//! change a result (the interner only shares memory), I/O, the clock. Input may be anything at
//! all: sizes, counts and depths are bounded before allocation, and nothing here panics.

use model::alert::Alert;
use model::change::ChangeEvent;
use model::map::TopologyDocument;
use model::signal::SignalBatch;
use model::time::Timestamp;

pub mod error;
pub mod limits;
pub mod interner;
mod resources;
pub mod sniff;
pub(crate) mod json;
pub(crate) mod digits;
pub(crate) mod text;
pub(crate) mod said;
mod fields;
mod rows;
mod otlp;
mod otlp_json;
mod alerts;
mod changes;
mod topology;
#[cfg(test)]
mod hostile;

pub use error::DecodeError;
pub use limits::DecodeLimits;

use interner::Interner;
use resources::Resources;
use rows::batch::{BatchBuilder, Known};
use rows::times::Arrival;
use sniff::OtlpEncoding;

/// What a topic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicKind {
    /// OTLP spans.
    Spans,
    /// OTLP logs.
    Logs,
    /// OTLP metrics.
    Metrics,
    /// Alerts of any accepted form.
    Alerts,
    /// Changes of any accepted form.
    Changes,
    /// Configuration items and relations of any accepted form.
    Topology,
}

/// One record of an input topic, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// What its topic carries.
    pub kind: TopicKind,
    /// Arrival. Unit: Unix milliseconds.
    pub timestamp_ms: i64,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The record's headers.
    pub headers: &'a [(String, Vec<u8>)],
    /// The payload; empty for a tombstone.
    pub value: &'a [u8],
}

/// What a payload says.
#[derive(Clone, Debug)]
pub enum Decoded {
    /// Spans, log records or metric points.
    Telemetry {
        /// The rows.
        batch: SignalBatch,
        /// What entity events among the log records say of the structure.
        topology: Option<TopologyDocument>,
    },
    /// Alerts, at least one.
    Alerts(Vec<Alert>),
    /// Changes, at least one.
    Changes(Vec<ChangeEvent>),
    /// Declared structure.
    Topology(TopologyDocument),
    /// Valid, but of no concern to us; the text says why.
    Nothing(&'static str),
}

/// What a decoder has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeCounters {
    /// Payloads that were decoded.
    pub decoded: u64,
    /// Payloads that were not; each is a dead letter.
    pub refused: u64,
    /// Items that were rejected inside of payloads that were decoded.
    pub rejected_items: u64,
}

/// Decodes payloads. One per thread: it holds the names that payloads share.
#[derive(Debug)]
pub struct Decoder {
    limits: DecodeLimits,
    known: Known,
    /// What alerts say: most of it comes again and again, and none of it in spans.
    alerts: alerts::Memory,
    /// The memory of a batch that is done with.
    spare: SignalBatch,
    counters: DecodeCounters,
}

impl Decoder {
    /// A decoder with these limits.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        let interner = Interner::new(limits.interned_max);
        let alerts = alerts::Memory::new(limits.interned_max);
        let known = Known { interner, resources: Resources::default() };
        let (spare, counters) = (SignalBatch::default(), DecodeCounters::default());
        Self { limits, known, alerts, spare, counters }
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> DecodeCounters {
        self.counters
    }

    /// How many names found no room in the table of shared names.
    #[must_use]
    pub fn names_not_shared(&self) -> u64 {
        self.known.interner.overflow()
    }

    /// Takes a batch back that is done with: the next one needs no memory of its own then.
    pub fn take_back(&mut self, mut batch: SignalBatch) {
        batch.clear();
        self.spare = batch;
    }

    /// Decodes one payload.
    ///
    /// # Errors
    /// The reason why the record is a dead letter.
    pub fn decode(&mut self, payload: &Payload<'_>) -> Result<Decoded, DecodeError> {
        let result = self.decode_body(payload);
        match &result {
            Ok(decoded) => {
                self.counters.decoded += 1;
                if let Decoded::Telemetry { batch, .. } = decoded {
                    self.counters.rejected_items += u64::from(batch.rejected);
                }
            }
            Err(_) => self.counters.refused += 1,
        }
        result
    }

    fn decode_body(&mut self, payload: &Payload<'_>) -> Result<Decoded, DecodeError> {
        let limits = self.limits;
        let body = sniff::body(payload, &limits)?;
        let arrival = Timestamp::from_millis(payload.timestamp_ms);
        match payload.kind {
            TopicKind::Spans | TopicKind::Logs | TopicKind::Metrics => {
                self.decode_telemetry(payload, &body)
            }
            TopicKind::Alerts => alerts::decode(&body, &limits, arrival, &mut self.alerts),
            TopicKind::Changes => changes::decode(payload, &body, &limits, arrival),
            TopicKind::Topology => topology::decode(payload, &body, &limits),
        }
    }

    fn decode_telemetry(
        &mut self,
        payload: &Payload<'_>,
        body: &[u8],
    ) -> Result<Decoded, DecodeError> {
        let limits = self.limits;
        let arrival = Arrival::from_millis(payload.timestamp_ms);
        let spare = std::mem::take(&mut self.spare);
        let mut builder = BatchBuilder::new(arrival, limits.items_max, &mut self.known, spare);
        let out = &mut builder;
        match (sniff::otlp(payload, body)?, payload.kind) {
            (OtlpEncoding::Proto, TopicKind::Spans) => otlp::decode_spans(body, out)?,
            (OtlpEncoding::Proto, TopicKind::Logs) => otlp::decode_logs(body, out)?,
            (OtlpEncoding::Proto, _) => otlp::decode_metrics(body, out)?,
            (OtlpEncoding::Json, TopicKind::Spans) => otlp_json::decode_spans(body, &limits, out)?,
            (OtlpEncoding::Json, TopicKind::Logs) => otlp_json::decode_logs(body, &limits, out)?,
            (OtlpEncoding::Json, _) => otlp_json::decode_metrics(body, &limits, out)?,
        }
        let (batch, topology) = builder.finish()?;
        Ok(Decoded::Telemetry { batch, topology })
    }
}
