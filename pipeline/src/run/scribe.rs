//! Writes the snapshots of a stage on a thread of its own: a disk may take seconds, and the stage only
//! stands still while its state is copied out.
//!
//! One snapshot at a time. What it holds counts as kept only when the scribe has told so: then the log
//! may forget what lies before it.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use crate::log::TopicPartition;
use crate::snapshot::{Snapshot, SnapshotStore};

/// The next offset of each input.
pub(super) type Offsets = Vec<(TopicPartition, u64)>;

/// What became of a snapshot: the offsets that it holds, or why it could not be written.
pub(super) type Written = io::Result<Offsets>;

pub(super) struct Scribe {
    orders: Option<SyncSender<(Vec<u8>, Offsets)>>,
    written: Receiver<Written>,
    thread: Option<JoinHandle<()>>,
    is_busy: bool,
}

impl Scribe {
    /// A scribe of the stage whose snapshots the store has.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(store: SnapshotStore, stage: &str) -> io::Result<Self> {
        let (orders, to_write) = sync_channel::<(Vec<u8>, Offsets)>(1);
        let (tell, written) = sync_channel(1);
        let write = move || {
            for (state, offsets) in to_write {
                let snapshot = Snapshot::new(state, offsets.iter().cloned());
                let done = store.write(&snapshot).map(|()| offsets);
                if tell.send(done).is_err() {
                    return;
                }
            }
        };
        // Linux cuts the names of threads after fifteen bytes.
        let thread = std::thread::Builder::new().name(format!("snap-{stage}")).spawn(write)?;
        Ok(Self { orders: Some(orders), written, thread: Some(thread), is_busy: false })
    }

    /// Whether a snapshot is being written, and no other can be taken in.
    pub(super) const fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Takes in a state and how far it has read; not while another is being written.
    pub(super) fn write(&mut self, state: Vec<u8>, offsets: Offsets) {
        if let Some(orders) = self.orders.as_ref().filter(|_| !self.is_busy) {
            // It refuses only when its thread is gone; `written` tells that.
            self.is_busy = true;
            let _gone = orders.send((state, offsets)).is_err();
        }
    }

    /// What became of the snapshot that was taken in, once that is known.
    pub(super) fn written(&mut self) -> Option<Written> {
        let told = match self.written.try_recv() {
            Ok(written) => written,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) if !self.is_busy => return None,
            Err(TryRecvError::Disconnected) => Err(io::Error::other("its thread is gone")),
        };
        self.is_busy = false;
        Some(told)
    }

    /// Waits until nothing is being written any more, and tells what became of it.
    pub(super) fn finish(&mut self) -> Option<Written> {
        if !self.is_busy {
            return None;
        }
        self.is_busy = false;
        let gone = |_| Err(io::Error::other("its thread is gone"));
        Some(self.written.recv().unwrap_or_else(gone))
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.orders = None;
        // What it has in hand is written to its end: half a file would help nobody.
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join().is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(next: u64) -> Offsets {
        vec![(TopicPartition::new("panes", 0), next)]
    }

    #[test]
    fn what_is_told_is_on_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let store = || SnapshotStore::open(directory.path(), "detect").unwrap();
        let mut scribe = Scribe::start(store(), "detect").unwrap();
        assert!(scribe.written().is_none() && scribe.finish().is_none() && !scribe.is_busy());
        scribe.write(b"one".to_vec(), offsets(7));
        assert!(scribe.is_busy());
        assert_eq!(scribe.finish().unwrap().unwrap(), offsets(7));
        assert_eq!(store().newest().unwrap().state, b"one");
        scribe.write(b"two".to_vec(), offsets(9));
        drop(scribe);
        assert_eq!(store().newest().unwrap().state, b"two");
    }

    #[test]
    fn a_disk_that_refuses_is_told_and_the_next_snapshot_tried() {
        let directory = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(&directory.path().join("there"), "detect").unwrap();
        std::fs::remove_dir(directory.path().join("there")).unwrap();
        let mut scribe = Scribe::start(store, "detect").unwrap();
        scribe.write(b"one".to_vec(), offsets(7));
        assert!(scribe.finish().unwrap().is_err());
        std::fs::create_dir(directory.path().join("there")).unwrap();
        scribe.write(b"two".to_vec(), offsets(9));
        assert_eq!(scribe.finish().unwrap().unwrap(), offsets(9));
    }
}
