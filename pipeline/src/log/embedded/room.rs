//! Room on the disk: asked for before each write, so that a disk that fills up stops the log while it is whole.
//!
//! A write that fails half way leaves the store in a state that only opening it anew can tell, and the store goes on
//! writing by itself, for its buffers and for merging its files. So the log takes nothing more while there is still
//! some room: whoever appends is refused, tries again, and goes on when there is room. Where others fill the disk
//! faster than that, a write fails, and the process ends and starts anew as after any other error of the disk.

use std::path::{Path, PathBuf};

/// The room that the store itself may need for what it has taken: its buffers, written once more, and some merging.
/// Unit: bytes.
pub(super) const BYTES_MIN: u64 = 64 << 20;

/// The disk of a directory.
pub(super) struct Room(PathBuf);

impl Room {
    pub(super) fn of(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// What is missing for so many more bytes. Unit: bytes. Where nobody says how much room there is, nothing is.
    pub(super) fn missing(&self, bytes: u64) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.0).ok()?;
        missing(disk.f_bavail.saturating_mul(disk.f_frsize), bytes)
    }
}

fn missing(available: u64, bytes: u64) -> Option<u64> {
    let missing = BYTES_MIN.saturating_add(bytes).saturating_sub(available);
    (missing > 0).then_some(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_needs_its_own_room_and_that_of_the_store() {
        assert_eq!(missing(BYTES_MIN + 10, 10), None);
        assert_eq!(missing(BYTES_MIN + 10, 11), Some(1));
        assert_eq!(missing(0, 0), Some(BYTES_MIN));
        assert_eq!(Room::of(Path::new("/no/such/place")).missing(u64::MAX), None);
    }
}
