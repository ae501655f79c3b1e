//! What the input topics hold, in order of arrival: what `record` writes and a comparison plays.
//! Reads only: no group, no commit, no topic is made.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use base64::Engine as _;
use model::recording::TopicRecord;

use crate::log::{Batch, Log, LogError, LogReader, Record, Start, TopicPartition};
use crate::stages::arrival::Arrival;
use crate::topics::InputTopics;

/// Records that may wait for their order of arrival.
const WAITING_MAX: usize = 100_000;
/// Records asked for in one poll.
const POLL_RECORDS_MAX: usize = 2_000;
/// How long a poll waits for records.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the oldest record that is still there.
    Oldest,
    /// At the records that arrive from now on.
    Newest,
    /// At this time; declared structure at the oldest, because it is what is known, not what
    /// happened. Unit: Unix milliseconds.
    Since(i64),
}

/// All partitions of the input topics that exist, in the order of their ranks.
///
/// # Errors
/// When the log cannot be reached.
pub fn partitions(log: &dyn Log, inputs: &InputTopics) -> Result<Vec<TopicPartition>, LogError> {
    let mut all = Vec::new();
    for (topic, _) in inputs.all() {
        let count = log.partitions(topic)?;
        all.extend((0..count).map(|partition| TopicPartition::new(topic, partition)));
    }
    Ok(all)
}

/// The records of the input topics of several configurations, one after the other.
pub struct Backlog {
    reader: Box<dyn LogReader>,
    arrival: Arrival,
    /// Where each partition ended when reading began; those that are not read so far yet.
    left: BTreeMap<TopicPartition, u64>,
    /// Records before it are left out, but for declared structure. Unit: Unix milliseconds.
    since_ms: i64,
    whole: Vec<String>,
    ready: VecDeque<TopicRecord>,
}

impl Backlog {
    /// Opens the input topics.
    ///
    /// # Errors
    /// When none of the topics exists, or the log cannot be reached.
    pub fn open(log: &Arc<dyn Log>, inputs: &[&InputTopics], from: From) -> Result<Self> {
        let mut all: Vec<TopicPartition> = Vec::new();
        for inputs in inputs {
            all.extend(partitions(&**log, inputs)?);
        }
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|at| seen.insert(at.clone()));
        if all.is_empty() {
            let names: Vec<&str> =
                inputs.iter().flat_map(|inputs| inputs.all()).map(|(name, _)| name).collect();
            bail!(
                "the log has none of the input topics ({}); is it the right one, and does anything \
                 write to it?",
                names.join(", ")
            );
        }
        let whole: Vec<String> = inputs.iter().map(|inputs| inputs.topology.clone()).collect();
        let mut starts = Vec::new();
        let mut left = BTreeMap::new();
        for at in &all {
            let start = match from {
                From::Oldest => Start::Oldest,
                From::Newest => Start::Newest,
                From::Since(_) if whole.contains(&at.topic.to_string()) => Start::Oldest,
                From::Since(since_ms) => log.start_since(at, since_ms)?,
            };
            left.insert(at.clone(), log.end(at)?);
            starts.push((at.clone(), start));
        }
        Ok(Self {
            reader: log.reader(&starts)?,
            arrival: Arrival::new(&all, WAITING_MAX),
            left,
            since_ms: if let From::Since(since_ms) = from { since_ms } else { i64::MIN },
            whole,
            ready: VecDeque::new(),
        })
    }

    /// Whether everything that was there when reading began has been given.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.left.is_empty() && self.ready.is_empty() && self.arrival.waiting() == 0
    }

    /// Waits a moment for records and gives those that are in order, also what came later than the
    /// beginning.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn poll(&mut self) -> Result<Vec<TopicRecord>> {
        let batch = self.reader.poll(POLL_RECORDS_MAX, POLL_WAIT)?;
        for record in &batch.records {
            if self.left.get(&record.partition).is_some_and(|end| record.offset + 1 >= *end) {
                self.left.remove(&record.partition);
            }
        }
        for at in &batch.caught_up {
            self.left.remove(at);
        }
        self.arrival.push(batch);
        let mut records = self.in_order();
        if self.left.is_empty() {
            // What is read so far holds nobody up; a partition that grows would.
            let caught_up = self.arrival.lanes().cloned().collect();
            self.arrival.push(Batch { records: Vec::new(), caught_up });
            records.extend(self.in_order());
        }
        self.reader.pause(&self.arrival.full());
        Ok(records)
    }

    fn in_order(&mut self) -> Vec<TopicRecord> {
        let mut records = Vec::new();
        while let Some(record) = self.arrival.pop() {
            let whole = self.whole.iter().any(|topic| **topic == *record.partition.topic);
            if whole || record.timestamp_ms >= self.since_ms {
                records.extend(recorded(record));
            }
        }
        records
    }
}

/// What was there when reading began, to its end.
impl Iterator for Backlog {
    type Item = Result<TopicRecord>;
    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.is_read() {
            match self.poll() {
                Ok(records) => self.ready.extend(records),
                Err(error) => return Some(Err(error)),
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

/// A record as a recording holds it; tombstones are not recorded. Header values and keys that are
/// no text stand as base64.
fn recorded(record: Record) -> Option<TopicRecord> {
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).unwrap_or_else(|error| {
            base64::engine::general_purpose::STANDARD.encode(error.as_bytes())
        })
    };
    Some(TopicRecord {
        topic: record.partition.topic.to_string(),
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(text),
        headers: record.headers.into_iter().map(|(name, value)| (name, text(value))).collect(),
        value: record.value?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::MemoryLog;
    use crate::log::{NewRecord, TopicSpec};

    fn log(records: &[(&str, u32, i64, &str)]) -> Arc<dyn Log> {
        let log = MemoryLog::new();
        let inputs = InputTopics::default();
        let specs = inputs.all().map(|(name, _)| TopicSpec {
            name: name.to_owned(),
            partitions: 2,
            compacted: false,
        });
        log.ensure_topics(&specs).unwrap();
        for (topic, partition, timestamp_ms, value) in records {
            let record = NewRecord {
                timestamp_ms: *timestamp_ms,
                value: Some(value.as_bytes().to_vec()),
                ..NewRecord::default()
            };
            log.append(&TopicPartition::new(topic, *partition), vec![record]).unwrap();
        }
        Arc::new(log)
    }

    fn read(log: &Arc<dyn Log>, from: From) -> Vec<String> {
        let inputs = InputTopics::default();
        Backlog::open(log, &[&inputs, &inputs], from)
            .unwrap()
            .map(|record| String::from_utf8(record.unwrap().value).unwrap())
            .collect()
    }

    #[test]
    fn records_of_all_partitions_come_in_order_of_arrival_and_once() {
        let log = log(&[
            ("alerts", 0, 30, "c"),
            ("alerts", 1, 10, "a"),
            ("otlp_spans", 0, 20, "b"),
            ("otlp_spans", 0, 40, "d"),
        ]);
        assert_eq!(read(&log, From::Oldest), ["a", "b", "c", "d"]);
        assert!(read(&log, From::Newest).is_empty());
    }

    #[test]
    fn the_last_hours_still_know_what_was_declared_before() {
        let log = log(&[
            ("topology", 0, 1, "map"),
            ("changes", 0, 2, "old change"),
            ("alerts", 0, 99, "old alert"),
            ("alerts", 0, 100, "alert"),
        ]);
        assert_eq!(read(&log, From::Since(100)), ["map", "alert"]);
    }

    #[test]
    fn what_arrives_while_it_is_read_does_not_keep_it_from_ending() {
        let log = log(&[("alerts", 0, 10, "a"), ("alerts", 0, 20, "b")]);
        let inputs = InputTopics::default();
        let backlog = Backlog::open(&log, &[&inputs], From::Oldest).unwrap();
        let later = |n: i64| NewRecord {
            timestamp_ms: 30 + n,
            value: Some(b"later".to_vec()),
            ..NewRecord::default()
        };
        let mut seen = 0;
        for record in backlog {
            record.unwrap();
            seen += 1;
            log.append(&TopicPartition::new("alerts", 0), vec![later(seen)]).unwrap();
            assert!(seen < 10, "it never ends");
        }
        assert!(seen >= 2, "{seen}");
    }

    #[test]
    fn a_log_without_input_topics_is_told() {
        let empty: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let error = Backlog::open(&empty, &[&InputTopics::default()], From::Oldest).err().unwrap();
        assert!(error.to_string().contains("otlp_spans"), "{error}");
    }
}
