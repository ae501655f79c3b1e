//! Compaction: on a compacted topic a record is dropped once a newer one of its key stands and it
//! has left the newest [`TAIL_RECORDS`] of its partition, which stay whole for readers that follow
//! closely. A tombstone leaves together with its key.
//!
//! Below `clean_to` a partition holds newest records only. Cleaning moves that mark forward in
//! bounded steps; a record below it that is replaced is dropped at once. The mark is not stored:
//! after a restart cleaning begins again at the oldest record.

use std::collections::BTreeMap;
use std::sync::Arc;

use fjall::OwnedWriteBatch;

use super::codec;
use super::store::Store;
use crate::log::TopicPartition;

/// How many of the newest records of a partition are kept whatever their key.
const TAIL_RECORDS: u64 = 4096;
/// How many offsets one step cleans.
const STEP_RECORDS: u64 = 4096;

pub(super) struct Compaction {
    store: Arc<Store>,
    clean_to: BTreeMap<TopicPartition, u64>,
    /// Newest offsets that the batch at hand sets or removes, and the store does not show yet.
    pending: BTreeMap<Vec<u8>, Option<u64>>,
}

impl Compaction {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, clean_to: BTreeMap::new(), pending: BTreeMap::new() }
    }

    /// Notes that `offset` is now the newest of an index key (see [`codec::newest_key`]).
    pub(super) fn replace(
        &mut self,
        batch: &mut OwnedWriteBatch,
        at: &TopicPartition,
        key: &[u8],
        offset: u64,
    ) -> Result<(), fjall::Error> {
        let replaced = self.newest(key)?;
        let clean_to = self.clean_to.get(at).copied().unwrap_or(0);
        if let (Some(old), Some(place)) = (replaced.filter(|&old| old < clean_to), key.get(..8)) {
            batch.remove(&self.store.records, [place, &old.to_be_bytes()].concat());
        }
        batch.insert(&self.store.newest, key, offset.to_be_bytes());
        self.pending.insert(key.to_vec(), Some(offset));
        Ok(())
    }

    /// Cleans a step of a partition that will end at `next`, if it is due.
    pub(super) fn clean_some(
        &mut self,
        batch: &mut OwnedWriteBatch,
        topic: u32,
        at: &TopicPartition,
        next: u64,
    ) -> Result<(), fjall::Error> {
        let from = match self.clean_to.get(at) {
            Some(&mark) => mark,
            None => self.store.lock().span(at).map_or(0, |(_, span)| span.first),
        };
        if next.saturating_sub(from) < TAIL_RECORDS + STEP_RECORDS {
            return Ok(());
        }
        let to = from + STEP_RECORDS;
        let key = |offset| codec::record_key(topic, at.partition, offset);
        for guard in self.store.records.range(key(from)..key(to)) {
            let (record_key, bytes) = guard.into_inner()?;
            let Some(offset) = codec::offset_of(&record_key) else { continue };
            let Some(record) = codec::decode(&bytes) else { continue };
            let Some(name) = &record.key else { continue };
            let index_key = codec::newest_key(topic, at.partition, name);
            let is_newest = self.newest(&index_key)? == Some(offset);
            if is_newest && record.value.is_some() {
                continue;
            }
            batch.remove(&self.store.records, record_key);
            if is_newest {
                batch.remove(&self.store.newest, index_key.as_slice());
                self.pending.insert(index_key, None);
            }
        }
        self.clean_to.insert(at.clone(), to);
        Ok(())
    }

    /// The batch at hand is in the store.
    pub(super) fn committed(&mut self) {
        self.pending.clear();
    }

    fn newest(&self, key: &[u8]) -> Result<Option<u64>, fjall::Error> {
        match self.pending.get(key) {
            Some(offset) => Ok(*offset),
            None => Ok(self.store.newest.get(key)?.and_then(|bytes| codec::decode_u64(&bytes))),
        }
    }
}
