//! Snapshots: the state of a stage with the offsets it has read to. A cache: any of them can be
//! lost, and reading the topics again gives the same state.
//!
//! A file is written aside, synced and renamed; a checksum refuses what is damaged; the newest few
//! are kept. After magic and checksum come the offsets, and then the state as it is: it may be hundreds of
//! megabytes, which are not encoded once more.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::log::TopicPartition;

const MAGIC: &[u8; 8] = b"fltsnap2";
/// Of files in which offsets and state are one value in MessagePack. They are read, not written.
const MAGIC_1: &[u8; 8] = b"fltsnap1";
/// Snapshots of a stage that are kept: two may be damaged before the log has to be read from its begin.
const KEPT: usize = 3;

/// A stage's state and how far it has read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    /// The next offset of each input partition.
    pub next_offsets: Vec<(String, u32, u64)>,
    /// The stage's own encoding of its state.
    pub state: Vec<u8>,
}

impl Snapshot {
    /// A snapshot at these offsets.
    #[must_use]
    pub fn new(state: Vec<u8>, offsets: impl Iterator<Item = (TopicPartition, u64)>) -> Self {
        let plain =
            |(at, offset): (TopicPartition, u64)| (at.topic.to_string(), at.partition, offset);
        Self { next_offsets: offsets.map(plain).collect(), state }
    }

    /// The next offset of a partition, if it was read.
    #[must_use]
    pub fn next_offset(&self, of: &TopicPartition) -> Option<u64> {
        let found = self.next_offsets.iter().find(|(topic, partition, _)| {
            topic.as_str() == &*of.topic && *partition == of.partition
        });
        found.map(|(_, _, offset)| *offset)
    }
}

/// The snapshots of one stage in a directory.
pub struct SnapshotStore {
    directory: PathBuf,
    stage: String,
}

impl SnapshotStore {
    /// Opens the store; the directory is made if it is missing.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(directory: &Path, stage: &str) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned(), stage: stage.to_owned() })
    }

    /// The newest snapshot that is whole; damaged ones are passed over.
    #[must_use]
    pub fn newest(&self) -> Option<Snapshot> {
        self.files().into_iter().rev().find_map(|(_, path)| {
            let whole = fs::read(&path).ok().and_then(parse);
            if whole.is_none() {
                tracing::warn!(path = %path.display(), "snapshot is damaged, using an older one");
            }
            whole
        })
    }

    /// Writes a snapshot and drops the oldest.
    ///
    /// # Errors
    /// When the disk refuses; older snapshots are untouched then.
    pub fn write(&self, snapshot: &Snapshot) -> io::Result<()> {
        let files = self.files();
        let number = files.last().map_or(0, |(number, _)| number + 1);
        let path = self.directory.join(format!("{}-{number:020}.snapshot", self.stage));
        let aside = path.with_extension("tmp");
        let written = write_aside(&aside, snapshot).and_then(|()| fs::rename(&aside, &path));
        if let Err(error) = written {
            // What is left of it takes the room that others wait for.
            fs::remove_file(&aside).ok();
            return Err(error);
        }
        File::open(&self.directory)?.sync_all()?;
        let surplus = (files.len() + 1).saturating_sub(KEPT);
        for (_, old) in files.into_iter().take(surplus) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// Whole snapshots by number, oldest first.
    fn files(&self) -> Vec<(u64, PathBuf)> {
        let prefix = format!("{}-", self.stage);
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let mut files: Vec<(u64, PathBuf)> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?;
                let number = name.strip_prefix(&prefix)?.strip_suffix(".snapshot")?;
                Some((number.parse().ok()?, path))
            })
            .collect();
        files.sort();
        files
    }
}

fn write_aside(path: &Path, snapshot: &Snapshot) -> io::Result<()> {
    let offsets = rmp_serde::to_vec(&snapshot.next_offsets).map_err(io::Error::other)?;
    let length = u32::try_from(offsets.len()).map_err(io::Error::other)?.to_le_bytes();
    let parts = [&length[..], &offsets, &snapshot.state];
    let mut checksum = crc32fast::Hasher::new();
    parts.iter().for_each(|part| checksum.update(part));
    let mut file = File::create(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&checksum.finalize().to_le_bytes())?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

fn parse(mut bytes: Vec<u8>) -> Option<Snapshot> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let (checksum, body) = rest.split_first_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    if magic == MAGIC_1 {
        return rmp_serde::from_slice(body).ok();
    }
    let (length, body) = body.split_first_chunk::<4>().filter(|_| magic == MAGIC)?;
    let (offsets, state) = body.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let next_offsets = rmp_serde::from_slice(offsets).ok()?;
    // The rest is the state, in the memory that it was read into.
    let before = bytes.len() - state.len();
    bytes.drain(..before);
    Some(Snapshot { next_offsets, state: bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file of the first form holds.
    #[derive(serde::Serialize)]
    struct OneValue {
        next_offsets: Vec<(String, u32, u64)>,
        state: Vec<u8>,
    }

    fn snapshot(state: &[u8]) -> Snapshot {
        let offsets = [(TopicPartition::new("panes", 3), 17)];
        Snapshot::new(state.to_vec(), offsets.into_iter())
    }

    #[test]
    fn the_newest_whole_snapshot_is_found_and_old_ones_go() {
        let directory = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(directory.path(), "detect").unwrap();
        assert_eq!(store.newest(), None);
        for state in [b"one", b"two", b"ten", b"six"] {
            store.write(&snapshot(state)).unwrap();
        }
        assert_eq!(store.newest(), Some(snapshot(b"six")));
        assert_eq!(store.files().len(), KEPT);
        assert_eq!(store.newest().unwrap().next_offset(&TopicPartition::new("panes", 3)), Some(17));
    }

    #[test]
    fn a_file_of_the_form_before_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(directory.path(), "detect").unwrap();
        let body = rmp_serde::to_vec_named(&OneValue {
            next_offsets: vec![("panes".to_owned(), 3, 17)],
            state: b"old \xff".to_vec(),
        });
        let body = body.unwrap();
        let bytes = [&MAGIC_1[..], &crc32fast::hash(&body).to_le_bytes(), &body].concat();
        fs::write(directory.path().join(format!("detect-{:020}.snapshot", 0)), bytes).unwrap();
        assert_eq!(store.newest(), Some(snapshot(b"old \xff")));
        store.write(&snapshot(b"new")).unwrap();
        assert_eq!(store.newest(), Some(snapshot(b"new")));
    }

    #[test]
    fn any_flipped_byte_or_cut_is_noticed_and_the_older_snapshot_used() {
        let directory = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(directory.path(), "detect").unwrap();
        store.write(&snapshot(b"old")).unwrap();
        store.write(&snapshot(b"new")).unwrap();
        let (_, path) = store.files().pop().unwrap();
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(store.newest(), Some(snapshot(b"old")), "byte {place}");
            fs::write(&path, &whole[..place]).unwrap();
            assert_eq!(store.newest(), Some(snapshot(b"old")), "cut at {place}");
        }
    }
}
