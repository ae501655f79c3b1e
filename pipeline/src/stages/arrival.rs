//! Puts records of many partitions back into the order of their arrival.
//!
//! A backlog is read partition by partition, and a small topic of alerts would be through long
//! before hours of spans are: the alerts of the evening would be judged before the spans of the
//! morning. So the reader holds the head of each partition and hands out the oldest, by record
//! timestamp. A partition that is read to its end holds nobody up.
//!
//! Bound: when `buffered_max` records wait, the oldest is handed out although a partition that is
//! behind has not answered; that is counted.

use std::collections::{BTreeMap, VecDeque};

use crate::log::{Batch, Record, TopicPartition};

/// Records of one partition that one may hold before it should be paused.
pub const PARTITION_BUFFER_MAX: usize = 4_096;

#[derive(Default)]
struct Lane {
    /// Among equal timestamps the lane with the lower rank goes first.
    rank: usize,
    heads: VecDeque<Record>,
    caught_up: bool,
}

/// The merge.
pub struct Arrival {
    lanes: BTreeMap<TopicPartition, Lane>,
    buffered: usize,
    buffered_max: usize,
    forced: u64,
}

impl Arrival {
    /// A merge over partitions, given in the order in which records of the same instant go.
    #[must_use]
    pub fn new(partitions: &[TopicPartition], buffered_max: usize) -> Self {
        let lane = |(rank, partition): (usize, &TopicPartition)| {
            (partition.clone(), Lane { rank, ..Lane::default() })
        };
        let lanes = partitions.iter().enumerate().map(lane).collect();
        Self { lanes, buffered: 0, buffered_max, forced: 0 }
    }

    /// Takes what a reader returned. Records of partitions that were not named are dropped.
    pub fn push(&mut self, batch: Batch) {
        for record in batch.records {
            if let Some(lane) = self.lanes.get_mut(&record.partition) {
                lane.caught_up = false;
                lane.heads.push_back(record);
                self.buffered += 1;
            }
        }
        for partition in &batch.caught_up {
            if let Some(lane) = self.lanes.get_mut(partition) {
                lane.caught_up = true;
            }
        }
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
        self.lanes.get_mut(&next)?.heads.pop_front()
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
        let over = |lane: &Lane| lane.heads.len() >= PARTITION_BUFFER_MAX;
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
