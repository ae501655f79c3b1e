//! The journal: the closed list of what may enter the fold, in one order per cell.

use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::change::ChangeEvent;
use crate::command::Command;
use crate::id::Position;
use crate::map::TopologyDocument;
use crate::symptom::SymptomBatch;
use crate::time::Timestamp;

/// One record of a cell's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When the record arrived in the system, in the clock of the input (Kafka timestamp of the
    /// input record; for symptoms the close of the pane). `now` of the fold.
    pub arrival: Timestamp,
    /// Where it came from; `None` for records of our own stages, which carry a stamp instead.
    pub position: Option<Position>,
    /// What it says.
    pub record: JournalRecord,
}

/// What may enter the fold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JournalRecord {
    /// Judged telemetry of one detect task and pane.
    Symptoms(SymptomBatch),
    /// An alert.
    Alert(Alert),
    /// A change.
    Change(ChangeEvent),
    /// Declared structure.
    Topology(TopologyDocument),
    /// An act.
    Command(Command),
}
