//! The record between observe and detect.

use model::time::Pane;
use serde::{Deserialize, Serialize};

use super::counts::PaneCounts;

/// The whole count of one observe task for one pane and one share of the services. A later
/// revision of the same (task, share, pane) replaces an earlier one; nothing is added up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneRecord {
    /// The observe task.
    pub task: u32,
    /// The detect task that owns the counted services.
    pub share: u32,
    /// The pane.
    pub pane: Pane,
    /// Grows by one with each new word on the same pane.
    pub revision: u32,
    /// The task has closed all panes up to this one.
    pub closed_through: Pane,
    /// The task will not revise any pane up to this one.
    pub settled_through: Pane,
    /// The counts.
    pub counts: PaneCounts,
}
