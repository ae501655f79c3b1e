//! The short way: what this process appended goes to its own readers as soon as the cluster has
//! acknowledged it, with the offsets that it got. A reader takes it if it is exactly what comes next
//! in its partition; everything else comes from the brokers, as without.
//!
//! So nothing is told before it is durable, and nothing is read in another order: it is only not
//! fetched first. What is fetched afterwards all the same is passed over by its offset.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::log::{NewRecord, Record, TopicPartition};

/// Records that may wait in one tail. What finds no room is fetched.
const RECORDS_MAX: usize = 4_096;
/// Bytes that may wait in one tail.
const BYTES_MAX: usize = 8 << 20;

/// Wakes a reader.
type Wake = Box<dyn Fn() + Send + Sync>;

/// All tails of a process, by partition.
#[derive(Default)]
pub(super) struct Tails {
    tails: Mutex<BTreeMap<TopicPartition, Vec<Weak<Tail>>>>,
}

impl Tails {
    /// A tail of a partition, as long as somebody holds it.
    pub(super) fn open(&self, at: &TopicPartition, wake: Wake) -> Arc<Tail> {
        let tail = Arc::new(Tail { at: at.clone(), waiting: Mutex::default(), wake });
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tails.entry(at.clone()).or_default();
        known.retain(|tail| tail.strong_count() > 0);
        known.push(Arc::downgrade(&tail));
        tail
    }

    /// Records that are durable, at offsets that follow each other from `first` on.
    pub(super) fn offer(&self, to: &TopicPartition, first: u64, records: Vec<NewRecord>) {
        let tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = tails.get(to) else { return };
        let mut open: Vec<Arc<Tail>> = known.iter().filter_map(Weak::upgrade).collect();
        drop(tails);
        let Some(last) = open.pop() else { return };
        for tail in open {
            tail.offer(first, records.clone());
        }
        last.offer(first, records);
    }
}

/// What waits for one reader of one partition.
pub(super) struct Tail {
    at: TopicPartition,
    waiting: Mutex<Waiting>,
    wake: Wake,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<Record>,
    bytes: usize,
}

impl Tail {
    fn offer(&self, first: u64, records: Vec<NewRecord>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (offset, record) in (first..).zip(records) {
            let bytes = record.bytes();
            if waiting.records.len() >= RECORDS_MAX || waiting.bytes + bytes > BYTES_MAX {
                break;
            }
            waiting.bytes += bytes;
            let NewRecord { timestamp_ms, key, headers, value } = record;
            let partition = self.at.clone();
            waiting.records.push_back(Record {
                partition,
                offset,
                timestamp_ms,
                key,
                headers,
                value,
            });
        }
        drop(waiting);
        (self.wake)();
    }

    /// The record at an offset, if it is what waits next. What lies before is dropped.
    pub(super) fn take(&self, offset: u64) -> Option<Record> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(front) = waiting.records.front() {
            if front.offset > offset {
                return None;
            }
            let record = waiting.records.pop_front()?;
            waiting.bytes = waiting.bytes.saturating_sub(record.bytes());
            if record.offset == offset {
                return Some(record);
            }
        }
        None
    }

    /// Drops everything: the partition is not what it was.
    pub(super) fn clear(&self) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Waiting::default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn records(values: &[&str]) -> Vec<NewRecord> {
        let record = |value: &&str| NewRecord {
            value: Some(value.as_bytes().to_vec()),
            ..NewRecord::default()
        };
        values.iter().map(record).collect()
    }

    fn text(record: Option<Record>) -> Option<String> {
        record.and_then(|record| String::from_utf8(record.value?).ok())
    }

    #[test]
    fn each_reader_gets_what_comes_next_in_its_partition_and_is_woken() {
        let (tails, woken) = (Tails::default(), Arc::new(AtomicU32::new(0)));
        let at = TopicPartition::new("journal", 0);
        let open = || {
            let woken = woken.clone();
            tails.open(&at, Box::new(move || _ = woken.fetch_add(1, Ordering::Relaxed)))
        };
        let (a, b) = (open(), open());
        tails.offer(&TopicPartition::new("journal", 1), 7, records(&["of another"]));
        tails.offer(&at, 7, records(&["x", "y"]));
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        assert_eq!(text(a.take(7)).as_deref(), Some("x"));
        assert_eq!(text(a.take(8)).as_deref(), Some("y"));
        assert_eq!(text(a.take(9)), None);
        assert_eq!(text(b.take(6)), None, "what is before it has to be fetched");
        assert_eq!(text(b.take(8)).as_deref(), Some("y"), "it was fetched up to there");
        drop((a, b));
        tails.offer(&at, 9, records(&["nobody reads"]));
        let late = open();
        assert_eq!(text(late.take(9)), None);
    }

    #[test]
    fn what_waits_is_bounded_and_has_no_gaps() {
        let tails = Tails::default();
        let at = TopicPartition::new("journal", 0);
        let tail = tails.open(&at, Box::new(|| {}));
        let many: Vec<NewRecord> = records(&["x"; RECORDS_MAX + 5]);
        tails.offer(&at, 0, many);
        let taken = (0..).map_while(|offset| tail.take(offset)).count();
        assert_eq!(taken, RECORDS_MAX);
        let large = vec![b'x'; BYTES_MAX / 2 + 1];
        let large = NewRecord { value: Some(large), ..NewRecord::default() };
        tails.offer(&at, 5_000, vec![large.clone(), large]);
        assert!(tail.take(5_000).is_some());
        assert!(tail.take(5_001).is_none());
    }
}
