//! The embedded log: durable, in one directory, for the first run and for one machine without
//! Kafka.
//!
//! The store below is fjall, an LSM tree in Rust: atomic batches, a checksummed write-ahead file
//! that is cut at the first torn entry on recovery, a lock against a second process. What it is
//! for here: records in the order (topic, partition, offset), a sync that says when they are
//! durable, and an index by key. Each record has a checksum of its own on top, and a count of what was
//! acknowledged stands beside the store, which takes damage for a torn end. Deliberately absent:
//! replication, and anything that reads while another process writes.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use fjall::Readable;

use super::{
    Log, LogError, LogReader, NewRecord, RECORD_BYTES_MAX, Record, Start, TopicPartition,
    TopicSpec, check_sizes,
};

mod codec;
mod compact;
mod making;
mod mark;
mod reader;
mod room;
mod sealed;
mod store;
mod writer;

use compact::Compaction;
use reader::{EmbeddedReader, to_record};
use room::Room;
use store::Store;
use writer::{Encoded, Request, Writer};

/// Bound on appends that wait for the writer; more of them wait outside.
const REQUESTS_MAX: usize = 64;

/// What an append must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The machine's crash: synced to the disk before `append` returns.
    Synced,
    /// The process's crash only. For directories that are thrown away, as the demo's.
    Throwaway,
}

/// A log in a directory. One process at a time may have it open.
pub struct EmbeddedLog {
    store: Arc<Store>,
    room: Room,
    /// Taken when the log is closed, which ends the writer.
    requests: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
}

impl EmbeddedLog {
    /// Opens the log in a directory, which is made if it is not there.
    ///
    /// # Errors
    /// [`LogError::Locked`] when another process has it open, [`LogError::Unavailable`] when the
    /// directory cannot be used, [`LogError::Corrupt`] when what is there cannot be read.
    pub fn open(directory: &Path, durability: Durability) -> Result<Self, LogError> {
        let store = Arc::new(Store::open(directory, durability)?);
        let (sender, requests) = sync_channel(REQUESTS_MAX);
        let compaction = Compaction::new(Arc::clone(&store));
        let room = Room::of(directory);
        let writer = Writer { store: Arc::clone(&store), requests, compaction, room };
        let writer = std::thread::Builder::new()
            .name("log writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| LogError::Unavailable(format!("no thread to write with: {error}")))?;
        let room = Room::of(directory);
        Ok(Self { store, room, requests: Some(sender), writer: Some(writer) })
    }

    fn closed(&self) -> LogError {
        LogError::Corrupt(format!("{}: the writer ended", self.store.directory))
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was told to whoever appended.
            writer.join().ok();
        }
    }
}

impl Log for EmbeddedLog {
    fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.store.create_topics(topics)
    }

    fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        let known = self.store.lock();
        let count = known.topics.get(topic).map_or(0, |topic| topic.partitions.len());
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn append(
        &self,
        to: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> Result<Option<u64>, LogError> {
        check_sizes(&to.topic, &records, RECORD_BYTES_MAX)?;
        self.store.lock().span(to)?;
        if records.is_empty() {
            return Ok(None);
        }
        let records = records.into_iter().map(Encoded::new).collect();
        let (reply, answer) = sync_channel(1);
        let request = Request { to: to.clone(), records, reply };
        let requests = self.requests.as_ref().ok_or_else(|| self.closed())?;
        requests.send(request).map_err(|_| self.closed())?;
        answer.recv().map_err(|_| self.closed())?.map(Some)
    }

    fn end(&self, at: &TopicPartition) -> Result<u64, LogError> {
        Ok(self.store.lock().span(at)?.1.next)
    }

    fn reader(&self, from: &[(TopicPartition, Start)]) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(EmbeddedReader::new(&self.store, from)?))
    }

    fn latest_by_key(&self, topic: &str) -> Result<Vec<Record>, LogError> {
        let (name, id) = {
            let known = self.store.lock();
            let found = known.topics.get_key_value(topic);
            let (name, topic) = found.ok_or_else(|| LogError::UnknownTopic(topic.to_owned()))?;
            (Arc::clone(name), topic.id)
        };
        // Index and records of one moment: a record may be replaced and dropped meanwhile.
        let snapshot = self.store.snapshot();
        let mut latest = Vec::new();
        for guard in snapshot.prefix(&self.store.newest, id.to_be_bytes()) {
            let (index_key, offset) =
                guard.into_inner().map_err(|error| self.store.damaged(&error))?;
            let partition = codec::partition_of(&index_key);
            let offset = codec::decode_u64(&offset);
            let (Some(partition), Some(offset)) = (partition, offset) else {
                return Err(self.store.unreadable("the index of keys"));
            };
            let at = TopicPartition { topic: Arc::clone(&name), partition };
            let key = codec::record_key(id, partition, offset);
            let bytes = snapshot
                .get(&self.store.records, key)
                .map_err(|error| self.store.damaged(&error))?
                .ok_or_else(|| self.store.unreadable("a record that the index of keys names"))?;
            let record = to_record(&self.store, &at, &key, &bytes)?;
            latest.extend(record.value.is_some().then_some(record));
        }
        latest.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(latest)
    }

    fn has_room(&self) -> bool {
        self.room.missing(0).is_none()
    }

    /// There is nobody who could look at it: the lag of an embedded log is in the metrics.
    fn publish_progress(&self, _: &str, _: &[(TopicPartition, u64)]) -> Result<(), LogError> {
        Ok(())
    }
}
