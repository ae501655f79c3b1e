//! Puts records of many partitions back into the order of their arrival.
//!
//! A backlog is read partition by partition, and a small topic of alerts would be through long
//! before hours of spans are: the alerts of the evening would be judged before the spans of the
//! morning. So the reader holds the head of each partition and hands out the oldest, by record
//! timestamp. A partition that is read to its end holds nobody up.
//!
//! What was an end before a silence (a process that stood still, a broker that was away) need not be
//! one after it, and the partition whose answer comes first would run minutes ahead of the others. So a
//! leap in the records' own time is told ([`Arrival::leaps`]); whoever reads asks the log for the ends of
//! those that seem to be through ([`Arrival::at_their_end`], [`Arrival::ends_at`]) before he goes on.
//!
//! Bound: when `buffered_max` records wait, the oldest is handed out although a partition that is
//! behind has not answered; that is counted.

use std::collections::{BTreeMap, VecDeque};

use crate::log::{Batch, Record, TopicPartition};

/// Records of one partition that one may hold before it should be paused.
pub const PARTITION_BUFFER_MAX: usize = 4_096;
/// And their bytes. What was read already when it was found to be so much comes on top: some batches.
pub const PARTITION_BYTES_MAX: usize = 8 << 20;

/// A step in the records' own time that is worth a question. Unit: milliseconds.
const LEAP_MS: i64 = 10_000;

#[derive(Default)]
struct Lane {
    /// Among equal timestamps the lane with the lower rank goes first.
    rank: usize,
    heads: VecDeque<Record>,
    /// Bytes of all of them.
    bytes: usize,
    caught_up: bool,
    /// The offset behind its newest record.
    next: u64,
    /// An end that the log named, and that was not seen yet.
    awaited: Option<u64>,
}

impl Lane {
    fn seems_through(&self) -> bool {
        self.heads.is_empty() && self.caught_up
    }

    fn is_through(&mut self) {
        self.caught_up = true;
        // Between the newest record and the end may be marks of transactions, which are no records.
        self.next = self.next.max(self.awaited.take().unwrap_or(0));
    }
}

/// The merge.
pub struct Arrival {
    lanes: BTreeMap<TopicPartition, Lane>,
    buffered: usize,
    buffered_max: usize,
    forced: u64,
    /// Timestamp of the newest record that was handed out.
    newest_ms: Option<i64>,
}

impl Arrival {
    /// A merge over partitions, given in the order in which records of the same instant go.
    #[must_use]
    pub fn new(partitions: &[TopicPartition], buffered_max: usize) -> Self {
        let lane = |(rank, partition): (usize, &TopicPartition)| {
            (partition.clone(), Lane { rank, ..Lane::default() })
        };
        let lanes = partitions.iter().enumerate().map(lane).collect();
        Self { lanes, buffered: 0, buffered_max, forced: 0, newest_ms: None }
    }

    /// Takes what a reader returned. Records of partitions that were not named are dropped.
    pub fn push(&mut self, batch: Batch) {
        for record in batch.records {
            if let Some(lane) = self.lanes.get_mut(&record.partition) {
                lane.caught_up = false;
                lane.next = record.offset + 1;
                lane.awaited = lane.awaited.filter(|end| lane.next < *end);
                lane.bytes += record.bytes();
                lane.heads.push_back(record);
                self.buffered += 1;
            }
        }
        for partition in &batch.caught_up {
            if let Some(lane) = self.lanes.get_mut(partition) {
                lane.is_through();
            }
        }
    }

    /// Where a partition is read from: what lies before needs not be waited for.
    pub fn begins_at(&mut self, partition: &TopicPartition, offset: u64) {
        if let Some(lane) = self.lanes.get_mut(partition) {
            lane.next = lane.next.max(offset);
        }
    }

    /// Whether the next record is so much newer than the last that partitions which seem to be through
    /// should be asked again.
    #[must_use]
    pub fn leaps(&self) -> bool {
        let heads = self.lanes.values().filter_map(|lane| lane.heads.front());
        let next = heads.map(|head| head.timestamp_ms).min();
        let (Some(next), Some(newest)) = (next, self.newest_ms) else { return false };
        next.saturating_sub(newest) > LEAP_MS && self.lanes.values().any(Lane::seems_through)
    }

    /// The partitions that seem to be read to their end.
    #[must_use]
    pub fn at_their_end(&self) -> Vec<TopicPartition> {
        let through = self.lanes.iter().filter(|(_, lane)| lane.seems_through());
        through.map(|(partition, _)| partition.clone()).collect()
    }

    /// Where the end of a partition is now. One that has more to come holds the others up again.
    pub fn ends_at(&mut self, partition: &TopicPartition, end: u64) {
        if let Some(lane) = self.lanes.get_mut(partition)
            && lane.next < end
        {
            lane.caught_up = false;
            lane.awaited = Some(end);
        }
    }

    /// Waits no longer for ends that were named: whatever is before them cannot be read.
    pub fn give_up(&mut self) {
        for lane in self.lanes.values_mut().filter(|lane| lane.awaited.is_some()) {
            lane.is_through();
        }
    }

    /// Whether a partition holds the others up because of an end that was named.
    #[must_use]
    pub fn awaits_an_end(&self) -> bool {
        self.lanes.values().any(|lane| lane.heads.is_empty() && lane.awaited.is_some())
    }

    /// The next record in order of arrival; `None` while a partition that is behind may still hold
    /// an older one.
    pub fn pop(&mut self) -> Option<Record> {
        if self.buffered == 0 {
            return None;
        }
        let waiting = self.lanes.values().any(|lane| lane.heads.is_empty() && !lane.caught_up);
        if waiting {
            if self.buffered < self.buffered_max {
                return None;
            }
            self.forced += 1;
        }
        let next = self
            .lanes
            .iter()
            .filter_map(|(partition, lane)| {
                lane.heads.front().map(|head| ((head.timestamp_ms, lane.rank), partition))
            })
            .min()
            .map(|(_, partition)| partition.clone())?;
        self.buffered -= 1;
        let lane = self.lanes.get_mut(&next)?;
        let record = lane.heads.pop_front()?;
        lane.bytes -= record.bytes();
        self.newest_ms = self.newest_ms.max(Some(record.timestamp_ms));
        Some(record)
    }

    /// The partitions that are merged.
    pub fn lanes(&self) -> impl Iterator<Item = &TopicPartition> {
        self.lanes.keys()
    }

    /// Whether every partition is read to its end and nothing waits here.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.buffered == 0 && self.lanes.values().all(|lane| lane.caught_up)
    }

    /// Partitions that hold so much that reading them further only costs memory.
    #[must_use]
    pub fn full(&self) -> Vec<TopicPartition> {
        let over = |lane: &Lane| {
            lane.heads.len() >= PARTITION_BUFFER_MAX || lane.bytes >= PARTITION_BYTES_MAX
        };
        self.lanes.iter().filter(|(_, lane)| over(lane)).map(|(p, _)| p.clone()).collect()
    }

    /// How many records wait for their turn.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        self.buffered as u64
    }

    /// How many records were handed out although an older one may have been on its way.
    #[must_use]
    pub const fn forced(&self) -> u64 {
        self.forced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(topic: &str, partition: u32, offset: u64, timestamp_ms: i64) -> Record {
        Record {
            partition: TopicPartition::new(topic, partition),
            offset,
            timestamp_ms,
            key: None,
            headers: Vec::new(),
            value: None,
        }
    }

    fn drain(arrival: &mut Arrival) -> Vec<i64> {
        std::iter::from_fn(|| arrival.pop()).map(|record| record.timestamp_ms).collect()
    }

    #[test]
    fn a_backlog_comes_out_in_the_order_of_its_arrival() {
        let (a, b) = (TopicPartition::new("spans", 0), TopicPartition::new("alerts", 0));
        let mut arrival = Arrival::new(&[a.clone(), b.clone()], 100);
        let alerts = vec![record("alerts", 0, 0, 5), record("alerts", 0, 1, 50)];
        arrival.push(Batch { records: alerts, caught_up: vec![b] });
        assert_eq!(drain(&mut arrival), Vec::<i64>::new(), "older spans may still come");
        arrival.push(Batch { records: vec![record("spans", 0, 0, 1)], caught_up: vec![] });
        assert_eq!(drain(&mut arrival), vec![1]);
        arrival.push(Batch { records: vec![record("spans", 0, 1, 20)], caught_up: vec![a] });
        assert_eq!(drain(&mut arrival), vec![5, 20, 50]);
        assert!(arrival.is_drained());
    }

    /// Two partitions that were read to their end before a silence.
    fn silent() -> (Arrival, TopicPartition, TopicPartition) {
        let (a, b) = (TopicPartition::new("spans", 0), TopicPartition::new("spans", 1));
        let mut arrival = Arrival::new(&[a.clone(), b.clone()], 100);
        arrival.push(Batch {
            records: vec![record("spans", 0, 0, 1_000), record("spans", 1, 0, 1_500)],
            caught_up: vec![a.clone(), b.clone()],
        });
        assert_eq!(drain(&mut arrival), vec![1_000, 1_500]);
        (arrival, a, b)
    }

    #[test]
    fn after_a_silence_the_first_to_answer_does_not_run_ahead_of_the_others() {
        let (mut arrival, a, b) = silent();
        let later = vec![record("spans", 0, 1, 20_000), record("spans", 0, 2, 80_000)];
        arrival.push(Batch { records: later, caught_up: vec![a] });
        assert!(arrival.leaps());
        assert_eq!(arrival.at_their_end(), std::slice::from_ref(&b));
        arrival.ends_at(&b, 2);
        assert_eq!(drain(&mut arrival), Vec::<i64>::new(), "the other has one more to come");
        arrival.push(Batch { records: vec![record("spans", 1, 1, 30_000)], caught_up: vec![b] });
        assert_eq!(drain(&mut arrival), vec![20_000, 30_000, 80_000]);
    }

    #[test]
    fn an_end_that_is_still_one_holds_nobody_up() {
        let (mut arrival, a, b) = silent();
        arrival.push(Batch { records: vec![record("spans", 0, 1, 20_000)], caught_up: vec![a] });
        arrival.ends_at(&b, 1);
        assert_eq!(drain(&mut arrival), vec![20_000]);
    }

    #[test]
    fn small_steps_are_no_leap() {
        let (mut arrival, _, _) = silent();
        let records = vec![record("spans", 0, 1, 11_500)];
        arrival.push(Batch { records, caught_up: vec![] });
        assert!(!arrival.leaps());
    }

    #[test]
    fn marks_behind_the_last_record_are_waited_for_once() {
        let (mut arrival, a, b) = silent();
        arrival.push(Batch { records: vec![record("spans", 0, 1, 20_000)], caught_up: vec![a] });
        // Offset 1 of the other is the mark of a transaction: no record of it will ever come.
        arrival.ends_at(&b, 2);
        assert!(arrival.awaits_an_end());
        arrival.give_up();
        assert_eq!(drain(&mut arrival), vec![20_000]);
        arrival.ends_at(&b, 2);
        assert!(!arrival.awaits_an_end());
    }

    #[test]
    fn a_partition_is_full_by_records_or_by_bytes_until_they_are_handed_out() {
        let large = |offset| Record {
            value: Some(vec![0; PARTITION_BYTES_MAX / 2]),
            ..record("spans", 0, offset, 1)
        };
        let (a, b) = (TopicPartition::new("spans", 0), TopicPartition::new("alerts", 0));
        let mut arrival = Arrival::new(&[a.clone(), b.clone()], 10_000);
        arrival.push(Batch { records: vec![large(0)], caught_up: vec![] });
        assert_eq!(arrival.full(), []);
        let small = (0..PARTITION_BUFFER_MAX as u64).map(|offset| record("alerts", 0, offset, 2));
        let records = std::iter::once(large(1)).chain(small).collect();
        arrival.push(Batch { records, caught_up: vec![] });
        assert_eq!(arrival.full(), [b.clone(), a.clone()]);
        assert!(arrival.pop().is_some());
        assert_eq!(arrival.full(), [b]);
    }

    #[test]
    fn a_partition_that_never_answers_cannot_fill_the_memory() {
        let (a, b) = (TopicPartition::new("spans", 0), TopicPartition::new("spans", 1));
        let mut arrival = Arrival::new(&[a, b], 3);
        let records = (0..5).map(|i| record("spans", 0, i, i as i64)).collect();
        arrival.push(Batch { records, caught_up: vec![] });
        assert_eq!(drain(&mut arrival), vec![0, 1, 2]);
        assert_eq!(arrival.forced(), 3);
    }
}
