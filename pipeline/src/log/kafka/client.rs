//! How clients of Kafka are configured, what they tell, and what their errors mean to a log.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::log::LogError;

/// How to reach a Kafka cluster.
#[derive(Clone)]
pub struct KafkaConfig {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// Any property of librdkafka, such as `security.protocol` and `sasl.password`. Those that the
    /// log's guarantees rest on are set by faultline, whatever stands here.
    pub properties: BTreeMap<String, String>,
    /// Copies of each topic that faultline creates; -1: as the brokers say.
    pub replication_factor: i32,
    /// How long an append may wait for all its acknowledgements.
    pub append_timeout: Duration,
    /// How long a question about topics, partitions and ends may take.
    pub request_timeout: Duration,
}

impl KafkaConfig {
    /// A cluster with default settings.
    #[must_use]
    pub fn new(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            properties: BTreeMap::new(),
            replication_factor: -1,
            append_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(15),
        }
    }

    /// What all clients share. Later settings win, so callers add theirs behind it.
    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("client.id", "faultline");
        client.set("reconnect.backoff.max.ms", "2000");
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client.set("bootstrap.servers", &self.brokers);
        client
    }

    /// A consumer that is told what to read, never what a group gives it, and creates no topics.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut client = self.client();
        client.set("group.id", group);
        client.set("enable.auto.commit", "false");
        client.set("enable.auto.offset.store", "false");
        client.set("allow.auto.create.topics", "false");
        client.set("enable.partition.eof", "true");
        client
    }
}

/// Without the values of properties: passwords are among them.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .field("replication_factor", &self.replication_factor)
            .field("append_timeout", &self.append_timeout)
            .field("request_timeout", &self.request_timeout)
            .finish()
    }
}

/// Carries what librdkafka tells into the program's own log.
#[derive(Default)]
pub(super) struct Context {
    /// The last commit that failed; asked for by whoever publishes progress.
    failed_commit: Mutex<Option<KafkaError>>,
}

impl Context {
    pub(super) fn take_failed_commit(&self) -> Option<KafkaError> {
        self.failed_commit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

pub(super) type Consumer = BaseConsumer<Context>;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        forward(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client error");
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            *self.failed_commit.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

/// A line of librdkafka's own log.
pub(super) fn forward(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, message, "kafka client");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(facility, message, "kafka client");
        }
        _ => tracing::debug!(facility, message, "kafka client"),
    }
}

/// What an error about a topic means to a log.
pub(super) fn to_log_error(topic: &str, error: &KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::InvalidTopic,
        ) => LogError::UnknownTopic(topic.to_owned()),
        _ => LogError::Unavailable(format!("topic {topic}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let mut config = KafkaConfig::new("localhost:9092");
        config.properties.insert("sasl.password".to_owned(), "canary".to_owned());
        let printed = format!("{config:?}");
        assert!(printed.contains("sasl.password") && !printed.contains("canary"), "{printed}");
    }

    #[test]
    fn what_the_guarantees_rest_on_cannot_be_overridden() {
        let mut config = KafkaConfig::new("localhost:9092");
        for name in ["enable.auto.commit", "allow.auto.create.topics"] {
            config.properties.insert(name.to_owned(), "true".to_owned());
        }
        let consumer = config.consumer("g");
        assert_eq!(consumer.get("enable.auto.commit"), Some("false"));
        assert_eq!(consumer.get("allow.auto.create.topics"), Some("false"));
    }
}
