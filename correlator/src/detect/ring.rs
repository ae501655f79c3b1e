//! One pane as the detector holds it: the records of all observers, and what was said of it.

use std::collections::BTreeMap;

use model::symptom::SymptomBatch;
use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use crate::observe::{PaneCounts, PaneRecord};

/// A pane that is not learned yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// By observe task: revision and counts.
    tasks: BTreeMap<u32, (u32, PaneCounts)>,
    /// The sum of all tasks; `None` when it must be drawn again.
    sum: Option<PaneCounts>,
    /// Evidence of the sum; `None` when it must be judged again.
    pub(crate) evidence: Option<Vec<Evidence>>,
    /// The last word said.
    pub(crate) said: Option<SymptomBatch>,
    /// Whether the pane is settled: judged for good, waiting to be learned.
    pub(crate) is_settled: bool,
}

impl Slot {
    /// Takes a record unless a later one of its task is there. Returns whether anything changed.
    pub(crate) fn take(&mut self, record: PaneRecord) -> bool {
        let known = self.tasks.get(&record.task);
        if known.is_some_and(|(revision, _)| *revision > record.revision) {
            return false;
        }
        let is_same = known.is_some_and(|(_, counts)| *counts == record.counts);
        self.tasks.insert(record.task, (record.revision, record.counts));
        if !is_same {
            self.sum = None;
            self.evidence = None;
        }
        !is_same
    }

    /// Draws the sum over all tasks if it is missing. A single task's counts are moved, not copied,
    /// once the pane is settled.
    pub(crate) fn add_up(&mut self) {
        if self.sum.is_none() {
            let mut sum = PaneCounts::default();
            for (_, counts) in self.tasks.values() {
                sum.merge(counts);
            }
            self.sum = Some(sum);
        }
    }

    /// The sum; empty before [`Self::add_up`].
    pub(crate) fn counts(&self) -> Option<&PaneCounts> {
        self.sum.as_ref()
    }

    /// No further record will be taken: only the sum is needed.
    pub(crate) fn settle(&mut self) {
        self.is_settled = true;
        self.tasks.clear();
        self.evidence = None;
    }
}
