//! The log in memory: for replay, simulation and tests. Everything is gone with the process.
//!
//! Memory is bounded by whoever reads: [`Log::release`] drops what will not be read again, and a
//! compacted topic forgets records that a newer one of the same key replaced, but for its newest
//! ones, so that a reader close to the end sees every revision (as it does in Kafka, where the
//! active segment is not compacted).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fair::take_turns;
use super::{
    BATCH_BYTES_MAX, Batch, Log, LogError, LogReader, NewRecord, RECORD_BYTES_MAX, Record, Start,
    TopicPartition, TopicSpec, check_sizes,
};
use crate::clock::StopWatch;

/// How many of the newest records of a compacted partition are kept whatever their key.
const TAIL_RECORDS: usize = 4096;

/// A log in memory. Clones share the same records.
#[derive(Clone, Default)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many records are held now, over all topics.
    #[must_use]
    pub fn records_held(&self) -> usize {
        let topics = self.shared.lock();
        topics.values().flat_map(|topic| &topic.partitions).map(|p| p.records.len()).sum()
    }
}

#[derive(Default)]
struct Shared {
    topics: Mutex<Topics>,
    /// Told whenever records were appended.
    appended: Condvar,
}

type Topics = BTreeMap<Arc<str>, Topic>;

struct Topic {
    compacted: bool,
    partitions: Vec<Partition>,
}

#[derive(Default)]
struct Partition {
    /// Sorted by offset.
    records: VecDeque<Stored>,
    next: u64,
    /// Newest offset of each key; of a compacted topic only.
    newest: BTreeMap<Vec<u8>, u64>,
}

struct Stored {
    offset: u64,
    record: NewRecord,
}

impl Shared {
    /// A panic elsewhere leaves the records whole, because each change is a single push.
    fn lock(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partition {
    fn append(&mut self, record: NewRecord, compacted: bool) {
        if let (true, Some(key)) = (compacted, &record.key) {
            self.newest.insert(key.clone(), self.next);
        }
        self.records.push_back(Stored { offset: self.next, record });
        self.next += 1;
    }

    /// Drops replaced records and old tombstones, at a cost that appends have paid for.
    fn compact(&mut self) {
        let len = self.records.len();
        if len < 2 * (self.newest.len() + TAIL_RECORDS) {
            return;
        }
        let tail = self.next - TAIL_RECORDS as u64;
        let newest = &mut self.newest;
        self.records.retain(|stored| {
            let Some(key) = &stored.record.key else { return true };
            let is_newest = newest.get(key) == Some(&stored.offset);
            if stored.offset >= tail || (is_newest && stored.record.value.is_some()) {
                return true;
            }
            if is_newest {
                newest.remove(key);
            }
            false
        });
    }

    fn index_of(&self, offset: u64) -> usize {
        self.records.partition_point(|stored| stored.offset < offset)
    }

    fn resolve(&self, start: Start) -> u64 {
        match start {
            Start::Oldest => self.records.front().map_or(self.next, |stored| stored.offset),
            Start::Newest => self.next,
            Start::At(offset) => offset.min(self.next),
        }
    }
}

fn partition_of<'t>(
    topics: &'t mut Topics,
    at: &TopicPartition,
) -> Result<(bool, &'t mut Partition), LogError> {
    let unknown = || LogError::UnknownTopic(format!("{} partition {}", at.topic, at.partition));
    let topic =
        topics.get_mut(&at.topic).ok_or_else(|| LogError::UnknownTopic(at.topic.to_string()))?;
    let index = usize::try_from(at.partition).map_err(|_| unknown())?;
    let partition = topic.partitions.get_mut(index).ok_or_else(unknown)?;
    Ok((topic.compacted, partition))
}

fn to_record(at: &TopicPartition, stored: &Stored) -> Record {
    let NewRecord { timestamp_ms, key, headers, value } = stored.record.clone();
    Record { partition: at.clone(), offset: stored.offset, timestamp_ms, key, headers, value }
}

impl Log for MemoryLog {
    fn ensure_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        let mut topics = self.shared.lock();
        for spec in specs {
            topics.entry(spec.name.as_str().into()).or_insert_with(|| Topic {
                compacted: spec.compacted,
                partitions: (0..spec.partitions.max(1)).map(|_| Partition::default()).collect(),
            });
        }
        Ok(())
    }

    fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        let topics = self.shared.lock();
        let count = topics.get(topic).map_or(0, |topic| topic.partitions.len());
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn append(
        &self,
        to: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> Result<Option<u64>, LogError> {
        check_sizes(&to.topic, &records, RECORD_BYTES_MAX)?;
        let mut topics = self.shared.lock();
        let (compacted, partition) = partition_of(&mut topics, to)?;
        if records.is_empty() {
            return Ok(None);
        }
        for record in records {
            partition.append(record, compacted);
        }
        if compacted {
            partition.compact();
        }
        let last = partition.next - 1;
        drop(topics);
        self.shared.appended.notify_all();
        Ok(Some(last))
    }

    fn end(&self, at: &TopicPartition) -> Result<u64, LogError> {
        let unknown = || LogError::UnknownTopic(format!("{} partition {}", at.topic, at.partition));
        let topics = self.shared.lock();
        let topic = topics.get(&at.topic).ok_or_else(unknown)?;
        let partition = topic.partitions.get(at.partition as usize).ok_or_else(unknown)?;
        Ok(partition.next)
    }

    fn reader(&self, from: &[(TopicPartition, Start)]) -> Result<Box<dyn LogReader>, LogError> {
        let mut topics = self.shared.lock();
        let mut cursors = Vec::with_capacity(from.len());
        for (at, start) in from {
            let (_, partition) = partition_of(&mut topics, at)?;
            let next = partition.resolve(*start);
            cursors.push(Cursor { at: at.clone(), next, told_end: false, paused: false });
        }
        drop(topics);
        Ok(Box::new(MemoryReader { shared: Arc::clone(&self.shared), cursors, turn: 0 }))
    }

    fn latest_by_key(&self, topic: &str) -> Result<Vec<Record>, LogError> {
        let topics = self.shared.lock();
        let (name, held) =
            topics.get_key_value(topic).ok_or_else(|| LogError::UnknownTopic(topic.to_owned()))?;
        let mut latest = Vec::new();
        for (number, partition) in (0..).zip(&held.partitions) {
            let at = TopicPartition { topic: Arc::clone(name), partition: number };
            for offset in partition.newest.values() {
                let stored = partition.records.get(partition.index_of(*offset));
                latest
                    .extend(stored.filter(|s| s.record.value.is_some()).map(|s| to_record(&at, s)));
            }
        }
        latest.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(latest)
    }

    fn publish_progress(&self, _: &str, _: &[(TopicPartition, u64)]) -> Result<(), LogError> {
        Ok(())
    }

    /// Compacted topics keep what they have: their newest records are still asked for by key.
    fn release(&self, before: &[(TopicPartition, u64)]) {
        let mut topics = self.shared.lock();
        for (at, offset) in before {
            if let Ok((false, partition)) = partition_of(&mut topics, at) {
                let count = partition.index_of(*offset);
                partition.records.drain(..count);
            }
        }
    }
}

struct Cursor {
    at: TopicPartition,
    next: u64,
    told_end: bool,
    paused: bool,
}

struct MemoryReader {
    shared: Arc<Shared>,
    cursors: Vec<Cursor>,
    turn: usize,
}

impl LogReader for MemoryReader {
    fn poll(&mut self, records_max: usize, wait: Duration) -> Result<Batch, LogError> {
        let watch = StopWatch::start();
        let mut topics = self.shared.topics.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let batch = read(&mut topics, &mut self.cursors, &mut self.turn, records_max)?;
            let left = wait.saturating_sub(watch.elapsed());
            if !batch.records.is_empty() || !batch.caught_up.is_empty() || left.is_zero() {
                return Ok(batch);
            }
            let woken = self.shared.appended.wait_timeout(topics, left);
            topics = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        for cursor in &mut self.cursors {
            cursor.paused = partitions.contains(&cursor.at);
        }
    }
}

fn read(
    topics: &mut Topics,
    cursors: &mut [Cursor],
    turn: &mut usize,
    records_max: usize,
) -> Result<Batch, LogError> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    take_turns(turn, cursors.len(), records_max, |which, quota| {
        let Some(cursor) = cursors.get_mut(which).filter(|cursor| !cursor.paused) else {
            return Ok(0);
        };
        let (_, partition) = partition_of(topics, &cursor.at)?;
        let mut taken = 0;
        for stored in partition.records.range(partition.index_of(cursor.next)..).take(quota) {
            if bytes >= BATCH_BYTES_MAX {
                break;
            }
            bytes += stored.record.bytes();
            batch.records.push(to_record(&cursor.at, stored));
            cursor.next = stored.offset + 1;
            cursor.told_end = false;
            taken += 1;
        }
        Ok(taken)
    })?;
    for cursor in cursors.iter_mut().filter(|cursor| !cursor.told_end) {
        let (_, partition) = partition_of(topics, &cursor.at)?;
        if partition.index_of(cursor.next) == partition.records.len() {
            cursor.told_end = true;
            batch.caught_up.push(cursor.at.clone());
        }
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(compacted: bool) -> (MemoryLog, TopicPartition) {
        let log = MemoryLog::new();
        let spec = TopicSpec { name: "t".to_owned(), partitions: 1, compacted };
        log.ensure_topics(&[spec]).expect("topic");
        (log, TopicPartition::new("t", 0))
    }

    fn keyed(key: u64, value: Option<&[u8]>) -> NewRecord {
        NewRecord {
            key: Some(key.to_be_bytes().to_vec()),
            value: value.map(<[u8]>::to_vec),
            ..NewRecord::default()
        }
    }

    #[test]
    fn released_records_are_dropped_and_reading_goes_on_behind_them() {
        let (log, at) = log(false);
        log.append(&at, (0..100).map(|k| keyed(k, Some(b"v"))).collect()).expect("append");
        log.release(&[(at.clone(), 60)]);
        assert_eq!(log.records_held(), 40);
        let mut reader = log.reader(&[(at, Start::Oldest)]).expect("reader");
        let batch = reader.poll(1, Duration::ZERO).expect("poll");
        assert_eq!(batch.records.first().map(|r| r.offset), Some(60));
    }

    // 100 keys written over and over, one of them deleted in the end: memory stays bounded, every
    // key has its newest value, the tail is whole.
    #[test]
    fn compaction_bounds_memory_and_keeps_the_newest_of_each_key() {
        let (log, at) = log(true);
        for round in 0..500_u64 {
            let value = round.to_be_bytes();
            log.append(&at, (0..100).map(|k| keyed(k, Some(&value))).collect()).expect("append");
        }
        log.append(&at, vec![keyed(7, None)]).expect("append");
        assert!(log.records_held() <= 2 * (100 + TAIL_RECORDS));
        let latest = log.latest_by_key("t").expect("latest");
        assert_eq!(latest.len(), 99);
        assert!(latest.iter().all(|r| r.value.as_deref() == Some(&499_u64.to_be_bytes()[..])));
        let tail = Start::At(50_001 - TAIL_RECORDS as u64);
        let mut reader = log.reader(&[(at, tail)]).expect("reader");
        let batch = reader.poll(usize::MAX, Duration::ZERO).expect("poll");
        assert_eq!(batch.records.len(), TAIL_RECORDS);
    }
}
