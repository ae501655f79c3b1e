//! The manifest: which files count, and up to where the topics are in them. It is replaced as a
//! whole after the files that it names are durable, so files and offsets never disagree.

use std::collections::{BTreeMap, BTreeSet};

use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::HistoryError;
use crate::rows::Day;
use crate::schema::Table;
use crate::store::place::{MANIFEST, Place, Store, Version};

/// The version of the manifest's form.
const SCHEMA_VERSION: u32 = 1;

/// One file of rows of one table and day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The table's name.
    pub table: String,
    /// The day of its rows, counted from the Unix epoch.
    pub day: Day,
    /// Where it is, from the root of the history.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Size. Unit: bytes.
    pub bytes: u64,
}

/// A file that no longer counts and is removed when no query can be reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garbage {
    /// Where it is.
    pub path: String,
    /// Since when it does not count.
    pub since: Timestamp,
}

/// The last input position of a source in a journal: repeats stand at or before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    /// Offset of the input record.
    pub offset: u64,
    /// Item in it.
    pub item: u32,
}

/// What counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this form: 1.
    pub schema_version: u32,
    /// Grows with each attempt to replace it: files of an attempt that may count are not touched.
    pub version: u64,
    /// The process that wrote it. Two that start from one version are told apart by it.
    #[serde(default)]
    pub writer: String,
    /// By `topic/partition`: the offset of the next record that is not in the files.
    pub offsets: BTreeMap<String, u64>,
    /// By `journal/partition topic/partition`: the last input position that is in the files.
    pub seen: BTreeMap<String, Seen>,
    /// The files that count.
    pub files: Vec<FileEntry>,
    /// Files to be removed.
    pub garbage: Vec<Garbage>,
}

impl Manifest {
    /// Reads the manifest of a place; an empty one where there is none.
    pub(crate) async fn load(store: &Store) -> Result<(Self, Version), HistoryError> {
        let Some((bytes, version)) = store.get(MANIFEST).await? else {
            return Ok((Self { schema_version: SCHEMA_VERSION, ..Self::default() }, None));
        };
        let damaged = |reason: String| HistoryError::Damaged {
            path: format!("{}/{MANIFEST}", store.place()),
            reason,
        };
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if manifest.schema_version > SCHEMA_VERSION {
            return Err(damaged(format!(
                "it has version {}, this program knows {SCHEMA_VERSION}",
                manifest.schema_version
            )));
        }
        Ok((manifest, version))
    }

    /// Replaces the manifest of a place. In a bucket a failure may be one of the answer alone: what
    /// is there then, by this or an earlier attempt of this writer, is replaced or taken as done.
    pub(crate) async fn save(
        &self,
        store: &Store,
        known: Version,
    ) -> Result<Version, HistoryError> {
        let bytes =
            serde_json::to_vec(self).map_err(|error| HistoryError::Encode(error.to_string()))?;
        let error = match store.put_manifest(bytes.clone(), known).await {
            Ok(version) => return Ok(version),
            Err(error) => error,
        };
        if !matches!(store.place(), Place::S3(_)) {
            return Err(error);
        }
        let Some((found, version)) = store.get(MANIFEST).await? else { return Err(error) };
        if *found == *bytes {
            return Ok(version);
        }
        match serde_json::from_slice::<Self>(&found) {
            Ok(there) if !self.writer.is_empty() && there.writer == self.writer => {
                store.put_manifest(bytes, version).await
            }
            _ => Err(error),
        }
    }

    /// The files of a table.
    pub fn of(&self, table: Table) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().filter(move |file| file.table == table.name())
    }

    /// The newest day that has a file.
    #[must_use]
    pub fn newest_day(&self) -> Option<Day> {
        self.files.iter().map(|file| file.day).max()
    }

    /// Takes files out of the count.
    pub(crate) fn discard(&mut self, paths: &BTreeSet<String>, now: Timestamp) {
        self.files.retain(|file| !paths.contains(&file.path));
        let gone = paths.iter().map(|path| Garbage { path: path.clone(), since: now });
        self.garbage.extend(gone);
    }

    /// Takes out whole days that are older than `keep_days` before the newest day (and before
    /// today, so that one wrong clock in the future removes nothing), but those to `keep`. Tells
    /// the first day that is kept anyway, if any file was taken out.
    pub(crate) fn retire(
        &mut self,
        keep_days: u32,
        keep: &BTreeSet<Day>,
        now: Timestamp,
    ) -> Option<Day> {
        let oldest = Day(self.newest_day()?.min(Day::of(now)).0 - i64::from(keep_days));
        let old: BTreeSet<String> = self
            .files
            .iter()
            .filter(|file| file.day < oldest && !keep.contains(&file.day))
            .map(|file| file.path.clone())
            .collect();
        self.discard(&old, now);
        (!old.is_empty()).then_some(oldest)
    }
}
