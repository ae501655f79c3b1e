//! What the embedded log keeps on disk, and what it knows of it in memory.
//!
//! Four keyspaces of one store: `topics` (name to number, partitions, kind), `records` (topic,
//! partition, offset to record), `ends` (topic, partition to the next offset: offsets are never
//! given twice, even when the newest record is gone) and `newest` (key to newest offset, compacted
//! topics only). They change together in atomic batches.
//!
//! Each batch also says in `records`, `ends` and `newest` how many records there are: the store brings each of them
//! back to another point when its files are damaged. Beside them stands what was acknowledged ([`mark`]).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch, PersistMode,
};

use super::Durability;
use super::codec::{self, TopicEntry};
use super::making;
use super::mark::{self, Mark};
use super::sealed::Sealed;
use crate::log::{LogError, TopicPartition, TopicSpec};

/// Bound on the store's write buffer for records.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// Bound on the store's write-ahead files before it flushes its buffers.
const JOURNAL_BYTES_MAX: u64 = 256 << 20;
/// The store's cache of blocks.
const CACHE_BYTES: u64 = 32 << 20;

/// Where a keyspace says how many records there were with its newest batch. No topic has such a number.
const COUNT_KEY: [u8; 8] = [u8::MAX; 8];

/// The store and what is known of it.
pub(super) struct Store {
    /// For messages.
    pub(super) directory: String,
    pub(super) durability: Durability,
    db: Database,
    topics: Keyspace,
    pub(super) records: Keyspace,
    pub(super) ends: Keyspace,
    pub(super) newest: Keyspace,
    known: Mutex<Known>,
    /// `None` where nothing has to survive a crash of the machine: there it could be ahead of the store.
    mark: Mutex<Option<Mark>>,
    /// Told whenever an end moved.
    moved: Condvar,
}

#[derive(Default)]
pub(super) struct Known {
    pub(super) topics: BTreeMap<Arc<str>, Topic>,
    /// Records of all partitions that were ever appended.
    pub(super) count: u64,
    /// Why nothing can be appended any more.
    pub(super) failure: Option<String>,
}

pub(super) struct Topic {
    pub(super) id: u32,
    pub(super) compacted: bool,
    pub(super) partitions: Vec<Span>,
}

/// What can be read of a partition: offsets from `first` to before `next`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) next: u64,
}

impl Known {
    pub(super) fn span(&self, at: &TopicPartition) -> Result<(&Topic, Span), LogError> {
        let topic = self
            .topics
            .get(&at.topic)
            .ok_or_else(|| LogError::UnknownTopic(at.topic.to_string()))?;
        let index = usize::try_from(at.partition).unwrap_or(usize::MAX);
        let span = topic.partitions.get(index).copied().ok_or_else(|| {
            LogError::UnknownTopic(format!("{} partition {}", at.topic, at.partition))
        })?;
        Ok((topic, span))
    }

    pub(super) fn span_mut(&mut self, at: &TopicPartition) -> Option<&mut Span> {
        let index = usize::try_from(at.partition).ok()?;
        self.topics.get_mut(&at.topic)?.partitions.get_mut(index)
    }
}

impl Store {
    pub(super) fn open(directory: &Path, durability: Durability) -> Result<Self, LogError> {
        let name = directory.display().to_string();
        let fail = |error: fjall::Error| match error {
            fjall::Error::Locked => LogError::Locked(name.clone()),
            fjall::Error::Io(error) => LogError::Unavailable(format!("{name}: {error}")),
            error => LogError::Corrupt(format!("{name}: {error}")),
        };
        let away = |error: io::Error| LogError::Unavailable(format!("{name}: {error}"));
        let making = making::begin(directory)?;
        let sealed = Sealed::look(directory).map_err(away)?;
        let open = || {
            Database::builder(directory)
                .cache_size(CACHE_BYTES)
                .max_journaling_size(JOURNAL_BYTES_MAX)
                .worker_threads(2)
                .manual_journal_persist(true)
                .open()
        };
        // What the store does not expect in a damaged file, it panics at.
        let opened = std::panic::catch_unwind(open);
        let broken = |_| LogError::Corrupt(format!("{name}: the store cannot read its own files"));
        let db = opened.map_err(broken)?.map_err(fail)?;
        let small = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES / 4);
        // Payloads are written once and merely pointed at afterwards: merging levels of the tree
        // does not copy them again.
        let large = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .with_kv_separation(Some(KvSeparationOptions::default()))
        };
        let store = Self {
            topics: db.keyspace("topics", small).map_err(fail)?,
            records: db.keyspace("records", large).map_err(fail)?,
            ends: db.keyspace("ends", small).map_err(fail)?,
            newest: db.keyspace("newest", small).map_err(fail)?,
            directory: name.clone(),
            durability,
            db,
            known: Mutex::default(),
            mark: Mutex::default(),
            moved: Condvar::new(),
        };
        let acknowledged = mark::read(directory).map_err(away)?;
        if let Some(file) = sealed.cut().map_err(away)? {
            // The store has cut it: next time nothing will be seen of it.
            Mark::open(directory).and_then(|mut mark| mark.write(mark::DAMAGED)).map_err(away)?;
            return Err(store.lost(&format!("records of {}", file.display())));
        }
        store.recover()?;
        store.compare(acknowledged)?;
        if durability == Durability::Synced {
            store.begin_mark(directory)?;
        }
        if let Some(making) = making {
            making.end()?;
        }
        Ok(store)
    }

    fn recover(&self) -> Result<(), LogError> {
        let mut known = self.lock();
        for guard in self.topics.iter() {
            let (name, entry) = guard.into_inner().map_err(|error| self.damaged(&error))?;
            let entry = TopicEntry::decode(&entry).ok_or_else(|| self.unreadable("a topic"))?;
            let name = std::str::from_utf8(&name).map_err(|_| self.unreadable("a topic's name"))?;
            let mut partitions = Vec::new();
            for partition in 0..entry.partitions {
                partitions.push(self.recover_span(entry.id, partition)?);
            }
            let TopicEntry { id, compacted, .. } = entry;
            known.count += partitions.iter().map(|span: &Span| span.next).sum::<u64>();
            known.topics.insert(name.into(), Topic { id, compacted, partitions });
        }
        Ok(())
    }

    /// Whether all that was acknowledged has come back.
    fn compare(&self, acknowledged: Option<u64>) -> Result<(), LogError> {
        let Some(acknowledged) = acknowledged else { return Ok(()) };
        if acknowledged == mark::DAMAGED {
            return Err(self.lost("records of a write-ahead file"));
        }
        for keyspace in [&self.records, &self.ends, &self.newest] {
            let count = keyspace.get(COUNT_KEY).map_err(|error| self.damaged(&error))?;
            let count = count.map_or(Some(0), |bytes| codec::decode_u64(&bytes));
            let count = count.ok_or_else(|| self.unreadable("the count of records"))?;
            if count < acknowledged {
                return Err(self.lost(&format!("the last {} records", acknowledged - count)));
            }
        }
        Ok(())
    }

    /// From here on the mark is held against the store, so the store has to say the count first, durably.
    fn begin_mark(&self, directory: &Path) -> Result<(), LogError> {
        let count = self.lock().count;
        let mut batch = self.batch();
        self.put_count(&mut batch, count);
        batch.commit().map_err(|error| self.damaged(&error))?;
        let mark = Mark::open(directory).and_then(|mut mark| {
            mark.write(count)?;
            mark.write(count)?;
            Ok(mark)
        });
        let mark =
            mark.map_err(|error| LogError::Unavailable(format!("{}: {error}", self.directory)))?;
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
        Ok(())
    }

    /// Says in a batch how many records there are with it.
    pub(super) fn put_count(&self, batch: &mut OwnedWriteBatch, count: u64) {
        for keyspace in [&self.records, &self.ends, &self.newest] {
            batch.insert(keyspace, COUNT_KEY, count.to_be_bytes());
        }
    }

    /// Notes beside the store what is durable. If it cannot be noted, the records are there all the same.
    pub(super) fn acknowledge(&self, count: u64) {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = mark.as_mut().map(|mark| mark.write(count)) {
            let directory = &self.directory;
            tracing::warn!(directory, %error, "damage behind here may not be noticed");
        }
    }

    fn recover_span(&self, topic: u32, partition: u32) -> Result<Span, LogError> {
        let prefix = codec::partition_key(topic, partition);
        let next = match self.ends.get(prefix).map_err(|error| self.damaged(&error))? {
            Some(next) => {
                codec::decode_u64(&next).ok_or_else(|| self.unreadable("a partition's end"))?
            }
            None => 0,
        };
        let first = match self.records.prefix(prefix).next() {
            Some(guard) => {
                let key = guard.key().map_err(|error| self.damaged(&error))?;
                codec::offset_of(&key).ok_or_else(|| self.unreadable("a record's key"))?
            }
            None => next,
        };
        Ok(Span { first, next })
    }

    /// Topics that are there already stay as they are.
    pub(super) fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), LogError> {
        let mut known = self.lock();
        let mut id = known.topics.values().map(|topic| topic.id + 1).max().unwrap_or(0);
        let mut batch = self.batch();
        let mut made: Vec<(Arc<str>, Topic)> = Vec::new();
        for spec in specs {
            let name: Arc<str> = spec.name.as_str().into();
            if known.topics.contains_key(&name) || made.iter().any(|(other, _)| *other == name) {
                continue;
            }
            let entry =
                TopicEntry { id, partitions: spec.partitions.max(1), compacted: spec.compacted };
            batch.insert(&self.topics, spec.name.as_str(), entry.encode());
            let partitions = (0..entry.partitions).map(|_| Span::default()).collect();
            made.push((name, Topic { id, compacted: spec.compacted, partitions }));
            id += 1;
        }
        if !made.is_empty() {
            batch.commit().map_err(|error| self.damaged(&error))?;
            known.topics.extend(made);
        }
        Ok(())
    }

    /// A batch that is durable, as far as asked for, when its commit returns.
    pub(super) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(match self.durability {
            Durability::Synced => PersistMode::SyncData,
            Durability::Throwaway => PersistMode::Buffer,
        }))
    }

    pub(super) fn snapshot(&self) -> fjall::Snapshot {
        self.db.snapshot()
    }

    /// What is known changes in single steps, so a panic elsewhere leaves it whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'k>(
        &self,
        known: MutexGuard<'k, Known>,
        at_most: std::time::Duration,
    ) -> MutexGuard<'k, Known> {
        self.moved.wait_timeout(known, at_most).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn wake_readers(&self) {
        self.moved.notify_all();
    }

    pub(super) fn damaged(&self, error: &fjall::Error) -> LogError {
        LogError::Corrupt(format!("{}: {error}", self.directory))
    }

    /// What was acknowledged is gone, and what a person can do about it.
    fn lost(&self, what: &str) -> LogError {
        LogError::Corrupt(format!(
            "{}: {what} were acknowledged and cannot be read any more: a file is damaged. Put a copy of the directory \
             back, or remove the file `{}` in it to go on with what is left",
            self.directory,
            mark::NAME
        ))
    }

    pub(super) fn unreadable(&self, what: &str) -> LogError {
        LogError::Corrupt(format!("{}: {what} cannot be read", self.directory))
    }
}
