//! The recorder: takes facts in the order of their topics, shows them at once, and puts them into
//! files from time to time. Offsets move only with the manifest that names the files, so whatever
//! is lost in a crash is read again; what is read twice is recognised:
//!
//! * a revision by (incident, revision): equal ones are equal bytes, and they only grow;
//! * an alert or change by the position of its input record, as the fold does;
//! * a delivery by what was said last under the same (sink, incident).
//!
//! It knows no topic names beyond keys, no clock and no thread: `now` is an argument.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use model::id::{CellId, IncidentId};
use model::incident::{Incident, IncidentState};
use model::journal::{JournalEntry, JournalRecord};
use model::name::Name;
use model::time::{Nanos, Timestamp};
use tokio::runtime::{Builder, Runtime};

use crate::error::HistoryError;
use crate::rows::delivery::Delivery;
use crate::rows::{Day, incident, journal};
use crate::schema::Table;
use crate::snapshot::{Shared, Snapshot};
use crate::store::compact::{compact, path, plan};
use crate::store::files::{FileWriter, Known, Newest, note_revisions, without_superseded};
use crate::store::manifest::{FileEntry, Manifest, Seen};
use crate::store::place::{Place, Store, Version};
use crate::tail::Tail;

/// How long a file that no longer counts is kept for queries that may be reading it.
const GARBAGE_KEPT: Nanos = Nanos::from_secs(600);

/// How often a bucket is claimed while another process writes it.
const CLAIMS: usize = 5;

/// How the history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderSettings {
    /// Where.
    pub place: Place,
    /// Days that are kept, counted back from the newest.
    pub retention_days: u32,
    /// How long rows wait for a file.
    pub flush_every: Nanos,
}

/// Where a record stands: topic and partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Records facts.
pub struct Recorder {
    settings: RecorderSettings,
    store: Store,
    runtime: Runtime,
    manifest: Manifest,
    version: Version,
    /// Offsets and positions that the tail has come to.
    offsets: BTreeMap<String, u64>,
    seen: BTreeMap<String, Seen>,
    /// The highest version that was tried.
    tried: u64,
    files: Arc<BTreeMap<Table, Vec<FileEntry>>>,
    newest: Newest,
    said: BTreeMap<(Name, IncidentId), Delivery>,
    tail: Tail,
    shared: Shared,
    flushed_at: Timestamp,
    _lock: Option<File>,
}

impl Recorder {
    /// Opens a place for writing, and removes what an earlier writer left unfinished.
    ///
    /// # Errors
    /// When the place cannot be used, is damaged, or another process writes it.
    pub fn open(settings: RecorderSettings, now: Timestamp) -> Result<Self, HistoryError> {
        let store = Store::open(&settings.place)?;
        Self::over(store, settings, Shared::default(), now)
    }

    /// The same over a place that is open already, for queries that are there already.
    ///
    /// # Errors
    /// As [`Recorder::open`].
    pub fn over(
        store: Store,
        settings: RecorderSettings,
        shared: Shared,
        now: Timestamp,
    ) -> Result<Self, HistoryError> {
        let lock = store.lock()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let writer = writer_name(now);
        let (manifest, version) = match lock {
            Some(_) => {
                let (manifest, version) = runtime.block_on(Manifest::load(&store))?;
                (Manifest { writer, ..manifest }, version)
            }
            None => runtime.block_on(claim(&store, &writer))?,
        };
        let newest = runtime.block_on(newest_revisions(&store, &manifest))?;
        let mut recorder = Self {
            settings,
            store,
            runtime,
            version,
            tried: manifest.version,
            files: Snapshot::files_of(&manifest),
            offsets: manifest.offsets.clone(),
            seen: manifest.seen.clone(),
            manifest,
            newest,
            said: BTreeMap::new(),
            tail: Tail::default(),
            shared,
            flushed_at: now,
            _lock: lock,
        };
        recorder.remove_strays()?;
        recorder.show();
        Ok(recorder)
    }

    /// What queries see.
    #[must_use]
    pub fn shared(&self) -> Shared {
        self.shared.clone()
    }

    /// Where the files are.
    #[must_use]
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// The offset of the next record of a source that is not in the files; `None`: never read.
    #[must_use]
    pub fn next_offset(&self, source: &Source) -> Option<u64> {
        self.offsets.get(&source.to_string()).copied()
    }

    /// The topic was made anew: what was known of its positions means nothing any more.
    pub fn forget(&mut self, source: &Source) {
        let key = source.to_string();
        self.offsets.remove(&key);
        let of_source = format!("{key} ");
        self.seen.retain(|known, _| !known.starts_with(&of_source));
    }

    /// Whether nothing more is to be read until a flush succeeded.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.tail.is_full()
    }

    /// The record at an offset was read, whatever it held.
    pub fn passed(&mut self, source: &Source, offset: u64) {
        let next = self.offsets.entry(source.to_string()).or_default();
        *next = offset.saturating_add(1).max(*next);
    }

    /// Takes a revision. Tells whether it was new.
    pub fn incident(&mut self, incident: &Incident) -> bool {
        let known = self.newest.entry(incident.id).or_default();
        if known.revision >= incident.revision {
            return false;
        }
        let is_open = matches!(incident.state, IncidentState::Suspected | IncidentState::Open);
        let day = Day::of(incident.opened_at);
        *known = Known { revision: incident.revision, day, is_open };
        for row in incident::rows(incident) {
            self.tail.push(row);
        }
        true
    }

    /// Takes an entry of a cell's journal. Tells whether it held something new for the history.
    pub fn journal(&mut self, source: &Source, cell: &CellId, entry: &JournalEntry) -> bool {
        if !matches!(entry.record, JournalRecord::Alert(_) | JournalRecord::Change(_)) {
            return false;
        }
        if let Some(at) = &entry.position {
            let key = format!("{source} {}/{}", at.topic, at.partition);
            let here = Seen { offset: at.offset, item: at.item };
            if self.seen.get(&key).is_some_and(|known| *known >= here) {
                return false;
            }
            self.seen.insert(key, here);
        }
        match &entry.record {
            JournalRecord::Alert(alert) => {
                self.tail.push(journal::alert(alert, cell, entry.arrival));
            }
            JournalRecord::Change(change) => {
                for row in journal::change(change, cell, entry.arrival) {
                    self.tail.push(row);
                }
            }
            _ => {}
        }
        true
    }

    /// Takes a delivery. Tells whether it was new.
    pub fn delivery(&mut self, delivery: Delivery) -> bool {
        let key = (delivery.sink.clone(), delivery.incident);
        if self.said.get(&key) == Some(&delivery) {
            return false;
        }
        self.tail.push(delivery.row());
        self.said.insert(key, delivery);
        true
    }

    /// Shows what was taken since the last time to queries.
    ///
    /// # Errors
    /// When rows cannot be put into a batch.
    pub fn publish(&mut self) -> Result<(), HistoryError> {
        if self.tail.settle()? {
            self.show();
        }
        Ok(())
    }

    /// Does what is due: a flush, then one compaction, then what is too old. After an error nothing
    /// is lost; the next turn tries again.
    ///
    /// # Errors
    /// When the storage does not do as told.
    pub fn turn(&mut self, now: Timestamp) -> Result<(), HistoryError> {
        self.publish()?;
        let due = now - self.flushed_at >= self.settings.flush_every;
        if due || self.tail.is_large() {
            self.flush(now)?;
            self.tidy(now)?;
        }
        Ok(())
    }

    /// Puts all rows into files, whether it is time or not.
    ///
    /// # Errors
    /// When the storage does not do as told.
    pub fn flush(&mut self, now: Timestamp) -> Result<(), HistoryError> {
        self.publish()?;
        if self.tail.is_empty() && self.offsets == self.manifest.offsets {
            self.flushed_at = now;
            return Ok(());
        }
        let mut manifest = self.next();
        let Self { runtime, store, tail, newest, .. } = self;
        runtime.block_on(async {
            for (&(table, day), batches) in tail.batches() {
                let mut writer = FileWriter::new(table)?;
                for batch in batches {
                    writer.write(&without_superseded(table, batch, newest)?)?;
                }
                let (content, rows) = writer.finish()?;
                if rows > 0 {
                    let path = path(table, day, &manifest, "f");
                    let bytes = content.len() as u64;
                    store.put(&path, content).await?;
                    let table = table.name().to_owned();
                    manifest.files.push(FileEntry { table, day, path, rows, bytes });
                }
            }
            Ok::<(), HistoryError>(())
        })?;
        manifest.offsets.clone_from(&self.offsets);
        manifest.seen.clone_from(&self.seen);
        self.save(manifest)?;
        self.flushed_at = now;
        self.tail.clear();
        self.show();
        Ok(())
    }

    /// One compaction, old days, and files that nobody reads any more.
    fn tidy(&mut self, now: Timestamp) -> Result<(), HistoryError> {
        let mut manifest = self.next();
        if let Some(files) = plan(&manifest, now) {
            let Self { runtime, store, newest, .. } = self;
            runtime.block_on(compact(store, &mut manifest, &files, newest, now))?;
        }
        let open: BTreeSet<Day> =
            self.newest.values().filter(|known| known.is_open).map(|known| known.day).collect();
        let retired = manifest.retire(self.settings.retention_days, &open, now);
        let (gone, kept): (Vec<_>, Vec<_>) =
            manifest.garbage.drain(..).partition(|garbage| now - garbage.since >= GARBAGE_KEPT);
        manifest.garbage = kept;
        for garbage in gone {
            self.runtime.block_on(self.store.remove(&garbage.path))?;
        }
        if manifest.files != self.manifest.files || manifest.garbage != self.manifest.garbage {
            self.save(manifest)?;
            self.show();
        }
        if let Some(oldest) = retired {
            self.said.clear();
            self.newest.retain(|_, known| known.day >= oldest || open.contains(&known.day));
        }
        Ok(())
    }

    /// The manifest to be changed, under a version that was never tried. Until it is tried, a
    /// repeat has the same version, so its files replace those of the attempt before.
    fn next(&self) -> Manifest {
        Manifest { version: self.tried + 1, ..self.manifest.clone() }
    }

    fn save(&mut self, manifest: Manifest) -> Result<(), HistoryError> {
        self.tried = manifest.version;
        let known = self.version.clone();
        self.version = self.runtime.block_on(manifest.save(&self.store, known))?;
        self.files = Snapshot::files_of(&manifest);
        self.manifest = manifest;
        Ok(())
    }

    fn show(&self) {
        let files = Arc::clone(&self.files);
        self.shared.set(Snapshot { files, tail: self.tail.by_table() });
    }

    /// Removes files that no manifest names: a writer ended between file and manifest.
    fn remove_strays(&mut self) -> Result<(), HistoryError> {
        let named: BTreeSet<&str> = self
            .manifest
            .files
            .iter()
            .map(|file| file.path.as_str())
            .chain(self.manifest.garbage.iter().map(|garbage| garbage.path.as_str()))
            .collect();
        self.runtime.block_on(async {
            for path in self.store.list().await? {
                if !named.contains(path.as_str()) {
                    self.store.remove(&path).await?;
                }
            }
            Ok(())
        })
    }
}

/// Makes this process the one that writes a bucket: whatever another one is about to commit is
/// refused from now on, and may be removed as nobody's. It comes before anything that takes long,
/// or the other one's next commit would come first, time after time.
async fn claim(store: &Store, writer: &str) -> Result<(Manifest, Version), HistoryError> {
    let mut tries_left = CLAIMS;
    loop {
        tries_left -= 1;
        let (mut manifest, version) = Manifest::load(store).await?;
        manifest.writer = writer.to_owned();
        manifest.version += 1;
        match manifest.save(store, version).await {
            Ok(version) => return Ok((manifest, version)),
            Err(HistoryError::Locked(_)) if tries_left > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

/// A name that no other process has.
fn writer_name(now: Timestamp) -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i64(now.0);
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())
}

/// The newest revision of each incident, from the files.
async fn newest_revisions(store: &Store, manifest: &Manifest) -> Result<Newest, HistoryError> {
    let mut newest = Newest::new();
    for file in manifest.of(Table::Revisions) {
        let Some((content, _)) = store.get(&file.path).await? else {
            let reason = "the manifest names it, but it is gone".into();
            return Err(HistoryError::Damaged { path: file.path.clone(), reason });
        };
        note_revisions(file, content, &mut newest)?;
    }
    Ok(newest)
}
