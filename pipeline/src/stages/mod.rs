//! The stages: bytes in, bytes out, around the pure machines. They know topics and encodings, not
//! logs or clocks, and of threads only one that reads ahead ([`read`]); so the same stages run over Kafka, over
//! the embedded log and in a replay.
//!
//! [`arrival`] puts the inputs in order, [`observe`] counts, [`detect`] judges, [`correlate`]
//! folds. [`line`] joins them in one thread; `run` gives each a thread and a log between them.

use crate::log::{NewRecord, Record, TopicPartition};
use model::name::Name;
use model::time::Nanos;

pub mod settings;
pub mod wire;
pub mod arrival;
mod read;
pub mod observe;
pub mod detect;
pub mod correlate;
pub mod line;
mod entry;

/// A record that a stage wants appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emit {
    /// Where.
    pub to: TopicPartition,
    /// What.
    pub record: NewRecord,
}

/// What a stage has done since it began, as far as it counts; a state that is restored goes on counting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Spans, log records and metric points; pane records; entries of the journal.
    pub processed: u64,
    /// What came after the allowed lateness.
    pub late: u64,
    /// Repeats that were recognised.
    pub repeats: u64,
    /// What bounds took.
    pub dropped: u64,
    /// From whom bounds took most, and at least how much.
    pub loudest: Option<(Name, u64)>,
}

/// One stage.
///
/// Invariant: what it emits depends on its state and the record alone, so handling the same
/// records again from the same state emits the same.
pub trait Stage: Send {
    /// Handles one record.
    fn handle(&mut self, record: &Record, out: &mut Vec<Emit>);

    /// Handles records in their order, as [`Stage::handle`] does one after the other.
    fn handle_all(&mut self, records: &[Record], out: &mut Vec<Emit>) {
        for record in records {
            self.handle(record, out);
        }
    }

    /// All inputs are read to their ends and have been silent for so long: event time goes on.
    fn idle(&mut self, _silent_for: Nanos, _out: &mut Vec<Emit>) {}

    /// The input has ended for good: nothing is late any more.
    fn finish(&mut self, _out: &mut Vec<Emit>) {}

    /// What it has done.
    fn tally(&self) -> Tally {
        Tally::default()
    }

    /// The whole state, for a snapshot.
    ///
    /// # Errors
    /// When the state cannot be encoded.
    fn save(&self) -> Result<Vec<u8>, wire::WireError>;

    /// Takes a state that [`Stage::save`] wrote.
    ///
    /// # Errors
    /// When it was not written by this version; the stage is unchanged then.
    fn restore(&mut self, state: &[u8]) -> Result<(), wire::WireError>;
}
