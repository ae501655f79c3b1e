//! What the records of a stream say by themselves, decoded: for chance and the comparators, which
//! know nothing of the engine's judgement.

use std::collections::BTreeMap;

use model::map::ItemKind;
use model::name::Name;
use model::recording::TopicRecord;
use model::time::Timestamp;

use crate::intake::decode::{DecodeLimits, Decoded, Decoder, Payload};
use crate::topics::InputTopics;

/// The records of a stream.
pub struct Raw {
    decoder: Decoder,
    topics: InputTopics,
    /// The services, and when the first word of each arrived.
    services: BTreeMap<Name, Timestamp>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            decoder: Decoder::new(DecodeLimits::default()),
            topics: InputTopics::default(),
            services: BTreeMap::new(),
        }
    }
}

impl Raw {
    /// Takes a record; what cannot be decoded says nothing.
    pub fn take(&mut self, record: &TopicRecord) {
        let Some(kind) = self.topics.kind_of(&record.topic) else { return };
        let headers: Vec<(String, Vec<u8>)> =
            record.headers.iter().map(|(k, v)| (k.clone(), v.as_bytes().to_vec())).collect();
        let payload = Payload {
            kind,
            timestamp_ms: record.timestamp_ms,
            key: None,
            headers: &headers,
            value: &record.value,
        };
        let at = Timestamp::from_millis(record.timestamp_ms);
        match self.decoder.decode(&payload) {
            Ok(Decoded::Telemetry { batch, .. }) => {
                for resource in &batch.resources {
                    self.note_service(&resource.service, at);
                }
            }
            Ok(Decoded::Topology(document)) => {
                for item in document.items.iter().filter(|item| item.kind == ItemKind::Service) {
                    self.note_service(&item.name, at);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn note_service(&mut self, service: &Name, at: Timestamp) {
        if !service.is_empty() && !self.services.contains_key(service) {
            self.services.insert(service.clone(), at);
        }
    }

    /// How many services had been heard of by an instant.
    #[must_use]
    pub fn services_by(&self, at: Timestamp) -> usize {
        self.services.values().filter(|first| **first <= at).count()
    }
}
