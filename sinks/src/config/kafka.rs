//! What a Kafka sink's configuration holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SinkSettings;
use super::check::Check;
use super::delivery::DeliveryConfig;
use crate::kafka::{KafkaSink, Publish};
use crate::sink::Sink;

/// Events on a topic of the same log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaSinkConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// The topic; none that faultline reads or writes itself.
    pub topic: String,
    /// How the event stands in a record.
    #[serde(default)]
    pub format: KafkaFormat,
    /// How much of the incident it holds.
    #[serde(default)]
    pub body: KafkaBody,
    /// The CloudEvents source of all events.
    #[serde(default = "default_source")]
    pub source: String,
    /// Partitions of the topic, if it has to be created: 1 to 1,000.
    #[serde(default = "one")]
    pub partitions: u32,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// How an event stands in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KafkaFormat {
    /// Attributes in headers (`ce_type` ...), data in the value.
    #[default]
    Binary,
    /// All of it in the value.
    Structured,
}

/// How much of an incident an event holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KafkaBody {
    /// All of it, as the published schema has it.
    #[default]
    Whole,
    /// A small, flat form.
    Summary,
}

fn default_source() -> String {
    String::from("faultline")
}

const fn one() -> u32 {
    1
}

impl SinkSettings for KafkaSinkConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn destination(&self) -> &str {
        &self.topic
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn check(&self, check: &mut Check) {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let topic = self.topic.as_str();
        if topic.is_empty() || topic.len() > 249 || !topic.bytes().all(fits) || topic == "." {
            check.wrong("topic", "expected a topic: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'");
        }
        if !(1..=1_000).contains(&self.partitions) {
            check.wrong("partitions", format!("expected 1 to 1000, found {}", self.partitions));
        }
        if self.source.is_empty() || !self.source.bytes().all(|b| b.is_ascii_graphic()) {
            check.wrong("source", "expected a URI reference");
        }
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        check.wrong("topic", "expected a log to write to; there is none here");
        None
    }

    fn build_over(&self, _check: &mut Check, log: Box<dyn Publish>) -> Option<Box<dyn Sink>> {
        Some(Box::new(KafkaSink::new(self, log)))
    }
}
