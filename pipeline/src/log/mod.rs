//! The log: the one abstraction between the stages. Three implementations, which the stages
//! cannot tell apart: [`memory`], [`embedded`], [`kafka`].
//!
//! A topic has partitions; a partition is a sequence of records with growing offsets (gaps are
//! allowed, as Kafka has them). On a compacted topic a key belongs to one partition: whoever
//! appends chooses the partition by the key. What is deliberately absent: transactions, consumer
//! groups as a means of sharing partitions, any knowledge of what a record means.

use std::sync::Arc;
use std::time::Duration;

use self::seat::Seats;

mod fair;
mod ahead;
pub mod seat;

pub mod memory;
pub mod embedded;
pub mod kafka;

/// Bound on the payload bytes of one batch; a batch holds at least one record, however large. What was just
/// copied is still in the processor's cache when it is decoded.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// The largest record that the logs of our own (memory, embedded) take. Kafka has a limit of its
/// own, which is far smaller unless the operator raises it.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

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

impl NewRecord {
    /// Bytes of key, headers and value: what is held against a log's limit.
    #[must_use]
    pub fn bytes(&self) -> usize {
        bytes_of(self.key.as_ref(), &self.headers, self.value.as_ref())
    }
}

impl Record {
    /// Bytes of key, headers and value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        bytes_of(self.key.as_ref(), &self.headers, self.value.as_ref())
    }
}

fn bytes_of(
    key: Option<&Vec<u8>>,
    headers: &[(String, Vec<u8>)],
    value: Option<&Vec<u8>>,
) -> usize {
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    key.map_or(0, Vec::len) + headers + value.map_or(0, Vec::len)
}

/// Refuses the first record that is too large, before any of them is stored.
fn check_sizes(topic: &str, records: &[NewRecord], limit: usize) -> Result<(), LogError> {
    match records.iter().map(NewRecord::bytes).find(|&bytes| bytes > limit) {
        Some(bytes) => Err(LogError::TooLarge { topic: topic.to_owned(), bytes, limit }),
        None => Ok(()),
    }
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
    /// At this offset, or at the next that is there. An offset beyond the end means the end (the
    /// log lost records that were read once): what is appended from now on is read.
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
    /// Partitions whose end was reached after the last record of theirs in this batch. A partition
    /// is told once each time: when it is first found to hold nothing more, and again only after
    /// further records. To know who is caught up *now*, keep a set: take out the partitions of
    /// `records`, then put in these.
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
    /// There is no room for more. Nothing was written; trying again helps when somebody has made room.
    #[error("{directory} takes nothing more: its disk is full; free {missing} bytes or more")]
    Full {
        /// Where the log is.
        directory: String,
        /// What is missing. Unit: bytes.
        missing: u64,
    },
    /// What was read is damaged, or the storage failed to keep what was written. Trying again does
    /// not help: say so, and stop.
    #[error("the log is damaged: {0}")]
    Corrupt(String),
}

impl LogError {
    /// Whether trying again may help.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full { .. })
    }
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

    /// The offset behind the newest record of a partition: the one that the next record gets.
    ///
    /// # Errors
    /// When the partition does not exist or the log cannot be reached.
    fn end(&self, at: &TopicPartition) -> Result<u64, LogError>;

    /// A start that leaves out no record whose timestamp is this or later. Earlier records may still
    /// be read; by default all are. Unit: Unix milliseconds.
    ///
    /// # Errors
    /// When the partition does not exist or the log cannot be reached.
    fn start_since(&self, _at: &TopicPartition, _timestamp_ms: i64) -> Result<Start, LogError> {
        Ok(Start::Oldest)
    }

    /// A reader over partitions, each from its own start. The starts are resolved before it
    /// returns: after `Start::Newest`, whatever is appended from then on is read.
    ///
    /// # Errors
    /// When a topic does not exist or the log cannot be reached.
    fn reader(&self, from: &[(TopicPartition, Start)]) -> Result<Box<dyn LogReader>, LogError>;

    /// A reader that may read on while what it gave is worked on: for much, not for what must come at once.
    ///
    /// # Errors
    /// As [`Log::reader`].
    fn reader_ahead(
        &self,
        from: &[(TopicPartition, Start)],
    ) -> Result<Box<dyn LogReader>, LogError> {
        self.reader(from)
    }

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

    /// Whether it takes records, as far as room is concerned; true where it cannot tell.
    fn has_room(&self) -> bool {
        true
    }

    /// Tells that records before these offsets will not be read again by this process. A log that
    /// keeps records for this process alone may drop them; others ignore it.
    fn release(&self, _before: &[(TopicPartition, u64)]) {}

    /// Who decides which of several processes has the work. `None`: this log is one process's alone.
    fn seats(&self) -> Option<&dyn Seats> {
        None
    }
}

/// Reads partitions of a log. Fair between partitions: none starves while others have records.
pub trait LogReader: Send {
    /// Waits at most `wait` for records and returns at most `records_max` of them (and at most
    /// [`BATCH_BYTES_MAX`] bytes, but always one record if there is any). Returns at once when
    /// there is something to tell: records, or a partition whose end was reached.
    ///
    /// # Errors
    /// When the log cannot be read. The reader stays usable and goes on where it was.
    fn poll(&mut self, records_max: usize, wait: Duration) -> Result<Batch, LogError>;

    /// Names the partitions that are not to be read for now; all others are read. Records that
    /// were already on their way may still come.
    fn pause(&mut self, partitions: &[TopicPartition]);
}
