//! A topic of one's own: CloudEvents for consumers that want some incidents, or less of each, than
//! `faultline.incidents` has.
//!
//! The log is the shell's: it comes in as a [`Publish`]. Binary mode has the attributes in headers
//! (`ce_id` and so on) and the data as the value; structured mode has all in the value. The key is
//! the incident's id, so that the order of its revisions holds in its partition.

use model::name::Name;
use model::time::Timestamp;

use crate::config::{KafkaBody, KafkaFormat, KafkaSinkConfig, sink_name};
use crate::event::{event_type, structured, summary, whole};
use crate::render::untrusted::{Untrusted, json_bytes};
use crate::sink::{Delivery, Outcome, Sink, Trouble, Wait};

/// A record for a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The key: the incident's id.
    pub key: Vec<u8>,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The payload.
    pub value: Vec<u8>,
    /// When this revision was decided.
    pub at: Timestamp,
}

/// Why a record is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// The log does not answer: it is tried again.
    Unavailable,
    /// The log will never take it; why.
    Refused(String),
}

/// A log that takes records.
pub trait Publish: Send {
    /// Appends a record; when it returns, the record is durable.
    ///
    /// # Errors
    /// When it may not be durable. Repeating it must be harmless.
    fn publish(&mut self, message: Message) -> Result<(), PublishError>;
}

/// Events on a topic.
pub struct KafkaSink {
    name: Name,
    topic: String,
    source: String,
    format: KafkaFormat,
    body: KafkaBody,
    log: Box<dyn Publish>,
}

impl KafkaSink {
    pub(crate) fn new(config: &KafkaSinkConfig, log: Box<dyn Publish>) -> Self {
        Self {
            name: sink_name(&config.name),
            topic: config.topic.clone(),
            source: config.source.clone(),
            format: config.format,
            body: config.body,
            log,
        }
    }

    fn message(&self, request: &Delivery<'_>) -> Message {
        let incident = request.incident;
        let data = match self.body {
            KafkaBody::Whole => whole(incident),
            KafkaBody::Summary => summary(incident),
        };
        let key = incident.id.to_string();
        let (headers, value) = match self.format {
            KafkaFormat::Binary => (self.attributes(request, &key), data),
            KafkaFormat::Structured => {
                let kind = "application/cloudevents+json; charset=utf-8";
                let header = (String::from("content-type"), kind.as_bytes().to_vec());
                (vec![header], structured(request, &self.source, data))
            }
        };
        Message {
            topic: self.topic.clone(),
            key: key.into_bytes(),
            headers,
            value: json_bytes(&value),
            at: incident.updated_at,
        }
    }

    /// Source: CloudEvents, Kafka protocol binding, "Binary content mode".
    fn attributes(&self, request: &Delivery<'_>, key: &str) -> Vec<(String, Vec<u8>)> {
        let time = request.incident.updated_at.to_rfc3339();
        let pairs = [
            ("ce_specversion", "1.0"),
            ("ce_id", request.idempotency_key),
            ("ce_source", &self.source),
            ("ce_type", &event_type(request)),
            ("ce_subject", key),
            ("ce_time", &time),
            ("ce_partitionkey", key),
            ("content-type", "application/json"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec()
    }
}

impl Sink for KafkaSink {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        match self.log.publish(self.message(request)) {
            Ok(()) => Outcome::Delivered { ticket: None, title: None, note: None },
            Err(PublishError::Unavailable) => {
                Outcome::RetryAfter(Wait::Backoff, Trouble::Transport("the log does not answer"))
            }
            Err(PublishError::Refused(why)) => {
                let detail = Untrusted(&why).line(200);
                Outcome::Refused(Trouble::Rejected { status: 0, detail })
            }
        }
    }
}
