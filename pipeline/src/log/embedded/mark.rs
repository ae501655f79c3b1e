//! How many records were acknowledged, beside the store.
//!
//! The store takes damage in its write-ahead file for an end that a crash has torn, and cuts there without a word.
//! So each batch carries the count of all records so far into every keyspace that it touches, and when it is durable
//! the count is written into a file of our own, too. What comes back with less than the file says has lost what
//! somebody was promised.
//!
//! The file is written after the store's sync and never synced itself: it can be behind (a crash of the machine may
//! take the last seconds of it) but not ahead, so it raises no false alarm, and an append pays no second sync. Two slots
//! take turns, each with a checksum: whatever happens to one leaves the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// The file's name; a message tells people to remove it.
pub(super) const NAME: &str = "acknowledged";
/// A count that no log reaches: it is known to be damaged, and stays refused until a person has decided.
pub(super) const DAMAGED: u64 = u64::MAX;

/// The count and its checksum.
const SLOT_BYTES: usize = 12;

/// The file, open.
pub(super) struct Mark {
    file: File,
    second: u64,
}

/// The highest count that the file says; `None` if it says nothing (a log from before there was such a file, or one
/// of which a person has removed it).
pub(super) fn read(directory: &Path) -> io::Result<Option<u64>> {
    let mut bytes = Vec::new();
    match File::open(directory.join(NAME)) {
        Ok(file) => file.take(2 * SLOT_BYTES as u64).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(bytes.chunks(SLOT_BYTES).filter_map(decode).max())
}

impl Mark {
    /// Opens the file, and makes it if it is not there.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(directory.join(NAME))?;
        Ok(Self { file, second: 0 })
    }

    /// Writes a count over the older of the two.
    pub(super) fn write(&mut self, count: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.second * SLOT_BYTES as u64))?;
        self.file.write_all(&encode(count))?;
        self.second = 1 - self.second;
        Ok(())
    }
}

fn encode(count: u64) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    let (number, crc) = slot.split_at_mut(8);
    number.copy_from_slice(&count.to_be_bytes());
    crc.copy_from_slice(&crc32fast::hash(number).to_be_bytes());
    slot
}

fn decode(slot: &[u8]) -> Option<u64> {
    let (number, crc) = slot.split_at_checked(8)?;
    let whole = crc == crc32fast::hash(number).to_be_bytes();
    whole.then(|| number.try_into().ok().map(u64::from_be_bytes))?
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_newest_count_comes_back_and_damage_to_one_slot_leaves_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        assert_eq!(read(at).unwrap(), None);
        let mut mark = Mark::open(at).unwrap();
        for count in [0, 3, 4] {
            mark.write(count).unwrap();
        }
        assert_eq!(read(at).unwrap(), Some(4));
        let bytes = fs::read(at.join(NAME)).unwrap();
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            fs::write(at.join(NAME), flipped).unwrap();
            assert_eq!(read(at).unwrap(), Some(if place < SLOT_BYTES { 3 } else { 4 }));
        }
    }
}
