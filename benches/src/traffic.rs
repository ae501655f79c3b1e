//! What the benches are fed with: records of a simulated shop with a fault in it, and how well
//! what comes out fits the fault.

use anyhow::Result;
use model::incident::{Incident, IncidentState};
use model::recording::TopicRecord;
use model::time::Nanos;
use pipeline::intake::decode::{DecodeLimits, Decoded, Decoder, Payload};
use pipeline::log::{Record, TopicPartition};
use pipeline::topics::InputTopics;
use simulator::scenario::Encoding;
use simulator::{Scale, Scenario, Truth};

use crate::report::Quality;

/// A scenario with its records, made before anything is measured.
pub(crate) struct Traffic {
    pub(crate) records: Vec<TopicRecord>,
    pub(crate) truth: Truth,
}

impl Traffic {
    /// About so many spans of a dozen services, the last third of the time with one fault.
    pub(crate) fn new(seed: u64, spans: u64) -> Self {
        Self::encoded(seed, spans, Encoding::OtlpProto)
    }

    /// The same, encoded like that.
    pub(crate) fn encoded(seed: u64, spans: u64, encoding: Encoding) -> Self {
        let scale = Scale {
            services: (12, 12),
            spans,
            healthy: Nanos::from_secs(600),
            faulty: Nanos::from_secs(300),
            faults: (1, 1),
            decoys: (2, 2),
            encoding,
            ..Scale::default()
        };
        let scenario: Scenario = simulator::random(seed, scale);
        Self { records: scenario.records().collect(), truth: scenario.truth() }
    }
}

/// Faults whose culprit some final incident puts first.
pub(crate) fn quality(truth: &Truth, last: &[Incident]) -> Quality {
    let named: Vec<&str> = last
        .iter()
        .filter(|it| !matches!(it.state, IncidentState::Merged | IncidentState::Withdrawn))
        .filter_map(|incident| incident.hypotheses.first())
        .map(|first| first.entity.service.as_str())
        .collect();
    let found = truth.faults.iter().filter(|fault| match &fault.root_cause {
        Some(cause) => named.contains(&cause.service.as_str()),
        None => named.iter().all(|name| name.is_empty()),
    });
    Quality { found: found.count(), faults: truth.faults.len() }
}

/// A record as a log returns it, with its number as its offset.
pub(crate) fn as_read(record: TopicRecord, number: usize) -> Record {
    let headers = record.headers.into_iter();
    Record {
        partition: TopicPartition::new(&record.topic, 0),
        offset: number as u64,
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(String::into_bytes),
        headers: headers.map(|(name, value)| (name, value.into_bytes())).collect(),
        value: Some(record.value),
    }
}

/// Decodes records as intake does.
pub(crate) struct Reader {
    decoder: Decoder,
    topics: InputTopics,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { decoder: Decoder::new(DecodeLimits::default()), topics: InputTopics::default() }
    }

    /// What a record says; `None` if its topic is none of ours.
    pub(crate) fn read(&mut self, record: &TopicRecord) -> Result<Option<Decoded>> {
        let Some(kind) = self.topics.kind_of(&record.topic) else { return Ok(None) };
        let headers: Vec<(String, Vec<u8>)> = record
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
            .collect();
        let payload = Payload {
            kind,
            timestamp_ms: record.timestamp_ms,
            key: record.key.as_deref().map(str::as_bytes),
            headers: &headers,
            value: &record.value,
        };
        Ok(Some(self.decoder.decode(&payload)?))
    }
}
