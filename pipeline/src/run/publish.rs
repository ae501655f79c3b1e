//! The log as the destination of a sink: a topic of people's own.

use std::sync::Arc;

use anyhow::Result;
use model::id::stable_hash;
use sinks::config::SinkConfig;
use sinks::kafka::{Message, Publish, PublishError};
use sinks::permit;

use crate::log::{Log, LogError, NewRecord, TopicPartition, TopicSpec};

/// Writes records of a sink. The partitions of a topic are asked for once.
pub struct LogPublisher {
    log: Arc<dyn Log>,
    partitions: Option<(String, u32)>,
}

impl LogPublisher {
    /// Over a log.
    #[must_use]
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { log, partitions: None }
    }

    fn partitions(&mut self, topic: &str) -> Result<u32, LogError> {
        if let Some((known, count)) = &self.partitions
            && known == topic
        {
            return Ok(*count);
        }
        let count = self.log.partitions(topic)?;
        if count == 0 {
            return Err(LogError::UnknownTopic(topic.to_owned()));
        }
        self.partitions = Some((topic.to_owned(), count));
        Ok(count)
    }
}

impl Publish for LogPublisher {
    fn publish(&mut self, message: Message) -> Result<(), PublishError> {
        let count = self.partitions(&message.topic).map_err(told)?;
        // One incident, one partition: its revisions stay in order.
        let partition = (stable_hash(&[&message.key]) % u64::from(count)) as u32;
        let record = NewRecord {
            timestamp_ms: message.at.millis(),
            key: Some(message.key),
            headers: message.headers,
            value: Some(message.value),
        };
        if permit::left().is_none() {
            return Err(PublishError::Unavailable);
        }
        let to = TopicPartition::new(&message.topic, partition);
        self.log.append(&to, vec![record]).map(drop).map_err(told)
    }
}

/// A topic that does not exist may be made, so it is tried again; a record that is too large stays
/// too large.
fn told(error: LogError) -> PublishError {
    match error {
        LogError::TooLarge { .. } | LogError::Corrupt(_) => {
            PublishError::Refused(error.to_string())
        }
        LogError::Unavailable(_)
        | LogError::Full { .. }
        | LogError::UnknownTopic(_)
        | LogError::Locked(_) => {
            tracing::warn!(%error, "a sink's topic cannot be written to");
            PublishError::Unavailable
        }
    }
}

/// The topics that sinks write to, to be created where topics are.
#[must_use]
pub fn topics(sinks: &[SinkConfig]) -> Vec<TopicSpec> {
    sinks.iter().filter_map(topic).collect()
}

fn topic(sink: &SinkConfig) -> Option<TopicSpec> {
    let SinkConfig::Kafka(config) = sink else { return None };
    let name = config.topic.clone();
    Some(TopicSpec { name, partitions: config.partitions, compacted: false })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::time::Timestamp;

    use super::*;
    use crate::log::Start;
    use crate::log::memory::MemoryLog;

    fn message(topic: &str, key: &str) -> Message {
        Message {
            topic: topic.to_owned(),
            key: key.as_bytes().to_vec(),
            headers: vec![(String::from("ce_id"), b"1".to_vec())],
            value: b"{}".to_vec(),
            at: Timestamp::from_millis(5),
        }
    }

    #[test]
    fn records_of_one_incident_stay_in_one_partition_in_order() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
        let spec = TopicSpec { name: String::from("mine"), partitions: 8, compacted: false };
        log.ensure_topics(&[spec]).unwrap();
        let mut publisher = LogPublisher::new(log.clone());
        for _ in 0..3 {
            publisher.publish(message("mine", "00000000000000ab")).unwrap();
        }
        let all: Vec<_> = (0..8).map(|p| (TopicPartition::new("mine", p), Start::Oldest)).collect();
        let mut reader = log.reader(&all).unwrap();
        let mut records = Vec::new();
        while records.len() < 3 {
            records.extend(reader.poll(10, Duration::from_millis(200)).unwrap().records);
        }
        assert!(records.iter().all(|record| record.partition == records[0].partition));
        assert_eq!(records[0].key.as_deref(), Some(&b"00000000000000ab"[..]));
        assert_eq!(records[0].headers, [(String::from("ce_id"), b"1".to_vec())]);
        assert_eq!(records[0].timestamp_ms, 5);
    }

    #[test]
    fn a_topic_that_is_missing_is_waited_for() {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
        let mut publisher = LogPublisher::new(log);
        assert_eq!(publisher.publish(message("none", "a")), Err(PublishError::Unavailable));
    }
}
