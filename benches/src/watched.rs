//! A log that counts: how many records went into each topic, and how many of them a stage is
//! through with. So a bench knows when a line of stages has nothing left to do.
//!
//! A stage asks for more only after it has handled what it got and appended what that caused. It
//! may hold records back until other partitions have answered; so what polls returned is handled
//! when one begins after all partitions were read to their ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pipeline::log::kafka::KafkaLog;
use pipeline::log::{
    Batch, Log, LogError, LogReader, NewRecord, Record, Start, TopicPartition, TopicSpec,
};

/// Records by topic.
type Counts = Arc<Mutex<BTreeMap<Arc<str>, Passed>>>;

/// What passed one topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Records appended through this log.
    pub(crate) appended: u64,
    /// Records that the reader is through with.
    pub(crate) handled: u64,
}

/// Kafka, watched.
pub(crate) struct Watched {
    log: KafkaLog,
    counts: Counts,
}

impl Watched {
    pub(crate) fn new(log: KafkaLog) -> Self {
        Self { log, counts: Counts::default() }
    }

    /// What passed a topic so far.
    pub(crate) fn passed(&self, topic: &str) -> Passed {
        lock(&self.counts).get(topic).copied().unwrap_or_default()
    }

    fn watched(
        &self,
        reader: Box<dyn LogReader>,
        from: &[(TopicPartition, Start)],
    ) -> Box<dyn LogReader> {
        let behind = from.iter().map(|(at, _)| at.clone()).collect();
        let (counts, given) = (self.counts.clone(), BTreeMap::new());
        Box::new(WatchedReader { reader, counts, given, behind })
    }
}

fn lock(counts: &Counts) -> MutexGuard<'_, BTreeMap<Arc<str>, Passed>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log for Watched {
    fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.log.ensure_topics(topics)
    }

    fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        self.log.partitions(topic)
    }

    fn append(
        &self,
        to: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> Result<Option<u64>, LogError> {
        let count = records.len() as u64;
        // Counted first: whoever handles a record must find it counted.
        lock(&self.counts).entry(to.topic.clone()).or_default().appended += count;
        self.log.append(to, records)
    }

    fn end(&self, at: &TopicPartition) -> Result<u64, LogError> {
        self.log.end(at)
    }

    fn start_since(&self, at: &TopicPartition, timestamp_ms: i64) -> Result<Start, LogError> {
        self.log.start_since(at, timestamp_ms)
    }

    fn reader(&self, from: &[(TopicPartition, Start)]) -> Result<Box<dyn LogReader>, LogError> {
        Ok(self.watched(self.log.reader(from)?, from))
    }

    fn reader_ahead(
        &self,
        from: &[(TopicPartition, Start)],
    ) -> Result<Box<dyn LogReader>, LogError> {
        Ok(self.watched(self.log.reader_ahead(from)?, from))
    }

    fn latest_by_key(&self, topic: &str) -> Result<Vec<Record>, LogError> {
        self.log.latest_by_key(topic)
    }

    fn publish_progress(
        &self,
        group: &str,
        next_offsets: &[(TopicPartition, u64)],
    ) -> Result<(), LogError> {
        self.log.publish_progress(group, next_offsets)
    }
}

struct WatchedReader {
    reader: Box<dyn LogReader>,
    counts: Counts,
    /// Records that were returned and not yet counted as handled.
    given: BTreeMap<Arc<str>, u64>,
    /// Partitions that may hold more.
    behind: BTreeSet<TopicPartition>,
}

impl LogReader for WatchedReader {
    fn poll(&mut self, records_max: usize, wait: Duration) -> Result<Batch, LogError> {
        if self.behind.is_empty() && !self.given.is_empty() {
            let mut counts = lock(&self.counts);
            for (topic, count) in std::mem::take(&mut self.given) {
                counts.entry(topic).or_default().handled += count;
            }
        }
        let batch = self.reader.poll(records_max, wait)?;
        for run in batch.records.chunk_by(|a, b| a.partition.topic == b.partition.topic) {
            if let Some(first) = run.first() {
                *self.given.entry(first.partition.topic.clone()).or_default() += run.len() as u64;
            }
        }
        let moved = batch.records.chunk_by(|a, b| a.partition == b.partition);
        self.behind
            .extend(moved.filter_map(|run| run.first().map(|first| first.partition.clone())));
        self.behind.retain(|at| !batch.caught_up.contains(at));
        Ok(batch)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.reader.pause(partitions);
    }
}
