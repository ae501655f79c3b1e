//! The log: the one abstraction between the stages. Three implementations, which the stages
//! cannot tell apart: [`memory`], [`embedded`], [`kafka`].
//!
//! A topic has partitions; a partition is a sequence of records with growing offsets (gaps are
//! allowed, as Kafka has them). What is deliberately absent: transactions, consumer groups as a
//! means of correctness, any knowledge of what a record means.

use std::sync::Arc;
use std::time::Duration;

pub mod memory;
pub mod embedded;
pub mod kafka;

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition, from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// A partition of a topic.
    #[must_use]
    pub fn new(topic: &str, partition: u32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

/// A record to be appended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Unit: Unix milliseconds.
    pub timestamp_ms: i64,
    /// Key; on a compacted topic the identity of what the value says.
    pub key: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Payload; `None` deletes the key on a compacted topic.
    pub value: Option<Vec<u8>>,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub partition: TopicPartition,
    /// Its offset there.
    pub offset: u64,
    /// Unit: Unix milliseconds.
    pub timestamp_ms: i64,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Payload; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// Where to begin to read a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that is still there.
    Oldest,
    /// After the newest record that is there now.
    Newest,
    /// At this offset, or at the next that is there.
    At(u64),
}

/// How a topic is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Name.
    pub name: String,
    /// How many partitions, at least 1. An existing topic keeps the number it has.
    pub partitions: u32,
    /// Whether only the newest record of each key must be kept.
    pub compacted: bool,
}

/// One answer of a reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Records; in order inside each partition.
    pub records: Vec<Record>,
    /// Partitions whose end was reached at this moment: everything appended before is read.
    pub caught_up: Vec<TopicPartition>,
}

/// What can go wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The topic does not exist.
    #[error(
        "topic {0} does not exist; create it, or let faultline create it (`create_topics: true`)"
    )]
    UnknownTopic(String),
    /// One record is larger than the log takes.
    #[error(
        "a record of {bytes} bytes for topic {topic} is larger than the limit of {limit} bytes"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The record's size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Another process uses the directory of an embedded log.
    #[error("{0} is in use by another process; stop it, or choose another directory")]
    Locked(String),
    /// The log is there but did not answer as it should; trying again may help.
    #[error("the log did not answer: {0}")]
    Unavailable(String),
    /// What was read is damaged.
    #[error("the log is damaged: {0}")]
    Corrupt(String),
}

/// A log.
pub trait Log: Send + Sync {
    /// Makes sure that topics exist.
    ///
    /// # Errors
    /// When the log refuses or cannot be reached.
    fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError>;

    /// How many partitions a topic has; 0 if it does not exist.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn partitions(&self, topic: &str) -> Result<u32, LogError>;

    /// Appends records in order to one partition. When it returns, they are durable and readable.
    /// Returns the offset of the last one (`None` for no records, or where the log cannot tell).
    ///
    /// # Errors
    /// When the records may not be durable. Some of them may be; repeating them must be harmless.
    fn append(&self, to: &TopicPartition, records: Vec<NewRecord>)
    -> Result<Option<u64>, LogError>;

    /// A reader over partitions, each from its own start.
    ///
    /// # Errors
    /// When a topic does not exist or the log cannot be reached.
    fn reader(&self, from: &[(TopicPartition, Start)]) -> Result<Box<dyn LogReader>, LogError>;

    /// The newest record of each key of a compacted topic, sorted by key; tombstones left out.
    ///
    /// # Errors
    /// When the topic does not exist or the log cannot be reached.
    fn latest_by_key(&self, topic: &str) -> Result<Vec<Record>, LogError>;

    /// Publishes how far a stage has come, for lag dashboards. Never read back by faultline.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn publish_progress(
        &self,
        group: &str,
        next_offsets: &[(TopicPartition, u64)],
    ) -> Result<(), LogError>;

    /// Tells that records before these offsets will not be read again by this process. A log that
    /// keeps records for this process alone may drop them; others ignore it.
    fn release(&self, _before: &[(TopicPartition, u64)]) {}
}

/// Reads partitions of a log. Fair between partitions: none starves while others have records.
pub trait LogReader: Send {
    /// Waits at most `wait` for records and returns at most `records_max` of them.
    ///
    /// # Errors
    /// When the log cannot be read. The reader stays usable and goes on where it was.
    fn poll(&mut self, records_max: usize, wait: Duration) -> Result<Batch, LogError>;
}
