//! Reading the embedded log.

use std::sync::Arc;
use std::time::Duration;

use super::codec;
use super::store::{Span, Store};
use crate::clock::StopWatch;
use crate::log::fair::take_turns;
use crate::log::{
    BATCH_BYTES_MAX, Batch, LogError, LogReader, NewRecord, Record, Start, TopicPartition,
};

pub(super) struct EmbeddedReader {
    store: Arc<Store>,
    cursors: Vec<Cursor>,
    turn: usize,
}

struct Cursor {
    at: TopicPartition,
    topic: u32,
    next: u64,
    told_end: bool,
    paused: bool,
}

impl EmbeddedReader {
    pub(super) fn new(
        store: &Arc<Store>,
        from: &[(TopicPartition, Start)],
    ) -> Result<Self, LogError> {
        let known = store.lock();
        let mut cursors = Vec::with_capacity(from.len());
        for (at, start) in from {
            let (topic, Span { first, next }) = known.span(at)?;
            let next = match *start {
                Start::Oldest => first,
                Start::Newest => next,
                Start::At(offset) => offset.min(next),
            };
            cursors.push(Cursor {
                at: at.clone(),
                topic: topic.id,
                next,
                told_end: false,
                paused: false,
            });
        }
        drop(known);
        Ok(Self { store: Arc::clone(store), cursors, turn: 0 })
    }

    /// The ends of all partitions at this moment.
    fn ends(&self) -> Result<Vec<u64>, LogError> {
        let known = self.store.lock();
        self.cursors.iter().map(|cursor| Ok(known.span(&cursor.at)?.1.next)).collect()
    }

    fn read(&mut self, records_max: usize) -> Result<Batch, LogError> {
        let ends = self.ends()?;
        let Self { store, cursors, turn } = self;
        let mut batch = Batch::default();
        let mut bytes = 0;
        take_turns(turn, cursors.len(), records_max, |which, quota| {
            let (Some(cursor), Some(&end)) = (cursors.get_mut(which), ends.get(which)) else {
                return Ok(0);
            };
            cursor.take(store, end, quota, &mut bytes, &mut batch.records)
        })?;
        for (cursor, end) in cursors.iter_mut().zip(ends) {
            if cursor.next >= end && !cursor.told_end {
                cursor.told_end = true;
                batch.caught_up.push(cursor.at.clone());
            }
        }
        Ok(batch)
    }

    /// Waits until a partition has more than was read.
    fn wait(&self, at_most: Duration) {
        let watch = StopWatch::start();
        let mut known = self.store.lock();
        let more = |cursor: &Cursor, known: &super::store::Known| {
            let grown = known.span(&cursor.at).map_or(true, |(_, span)| span.next > cursor.next);
            grown && !cursor.paused
        };
        while !self.cursors.iter().any(|cursor| more(cursor, &known)) {
            let left = at_most.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return;
            }
            known = self.store.wait(known, left);
        }
    }
}

impl Cursor {
    fn take(
        &mut self,
        store: &Store,
        end: u64,
        quota: usize,
        bytes: &mut usize,
        out: &mut Vec<Record>,
    ) -> Result<usize, LogError> {
        if self.paused || self.next >= end || *bytes >= BATCH_BYTES_MAX {
            return Ok(0);
        }
        let key = |offset| codec::record_key(self.topic, self.at.partition, offset);
        let mut taken = 0;
        for guard in store.records.range(key(self.next)..key(end)) {
            if taken == quota || *bytes >= BATCH_BYTES_MAX {
                return Ok(taken);
            }
            let (key, value) = guard.into_inner().map_err(|error| store.damaged(&error))?;
            let record = to_record(store, &self.at, &key, &value)?;
            *bytes += record.bytes();
            self.next = record.offset + 1;
            self.told_end = false;
            out.push(record);
            taken += 1;
        }
        // Whatever stood between the last record and the end was compacted away.
        self.next = end;
        Ok(taken)
    }
}

/// A stored record; an error names the place of a damaged one.
pub(super) fn to_record(
    store: &Store,
    at: &TopicPartition,
    key: &[u8],
    value: &[u8],
) -> Result<Record, LogError> {
    let offset = codec::offset_of(key).ok_or_else(|| store.unreadable("a record's key"))?;
    let NewRecord { timestamp_ms, key, headers, value } =
        codec::decode(value).ok_or_else(|| {
            let place = format!("{} partition {} offset {offset}", at.topic, at.partition);
            store.unreadable(&place)
        })?;
    Ok(Record { partition: at.clone(), offset, timestamp_ms, key, headers, value })
}

impl LogReader for EmbeddedReader {
    fn poll(&mut self, records_max: usize, wait: Duration) -> Result<Batch, LogError> {
        let batch = self.read(records_max)?;
        if !batch.records.is_empty() || !batch.caught_up.is_empty() || wait.is_zero() {
            return Ok(batch);
        }
        self.wait(wait);
        self.read(records_max)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        for cursor in &mut self.cursors {
            cursor.paused = partitions.contains(&cursor.at);
        }
    }
}
