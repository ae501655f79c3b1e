//! The open traces of one task, by id and by the pane in which they ended.

use std::collections::{BTreeMap, BTreeSet};

use model::id::TraceId;
use model::time::{Pane, PaneWidth};
use serde::{Deserialize, Serialize};

use super::trace::OpenTrace;

/// Where a trace stood before and after an item joined it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) from: Option<Pane>,
    pub(crate) to: Pane,
}

/// Open traces. Invariant: `by_pane` holds exactly the ids of `traces`, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TraceTable {
    traces: BTreeMap<TraceId, (Pane, OpenTrace)>,
    by_pane: BTreeMap<Pane, BTreeSet<TraceId>>,
}

impl TraceTable {
    pub(crate) fn len(&self) -> usize {
        self.traces.len()
    }

    pub(crate) fn contains(&self, id: TraceId) -> bool {
        self.traces.contains_key(&id)
    }

    /// Changes a trace (made if missing) and files it under the pane in which it now ends.
    pub(crate) fn change<R>(
        &mut self,
        id: TraceId,
        width: PaneWidth,
        change: impl FnOnce(&mut OpenTrace) -> R,
    ) -> (R, Moved) {
        let mut from = None;
        let (filed, trace) = self
            .traces
            .entry(id)
            .and_modify(|(pane, _)| from = Some(*pane))
            .or_insert_with(|| (Pane(i64::MIN), OpenTrace::default()));
        let result = change(trace);
        let to = width.pane_of(trace.end());
        if *filed != to {
            if let Some(ids) = self.by_pane.get_mut(filed) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_pane.remove(filed);
                }
            }
            *filed = to;
            self.by_pane.entry(to).or_default().insert(id);
        }
        (result, Moved { from, to })
    }

    /// The panes in which traces ended, up to and including `last`.
    pub(crate) fn panes_through(&self, last: Pane) -> impl Iterator<Item = Pane> + '_ {
        self.by_pane.range(..=last).map(|(&pane, _)| pane)
    }

    /// The traces of a pane, by id.
    pub(crate) fn of_pane(&self, pane: Pane) -> impl Iterator<Item = (TraceId, &OpenTrace)> + '_ {
        let ids = self.by_pane.get(&pane).into_iter().flatten();
        ids.filter_map(|id| self.traces.get(id).map(|(_, trace)| (*id, trace)))
    }

    /// Forgets all traces of panes up to and including `last`.
    pub(crate) fn forget_through(&mut self, last: Pane) {
        while let Some(entry) = self.by_pane.first_entry() {
            if *entry.key() > last {
                break;
            }
            for id in entry.remove() {
                self.traces.remove(&id);
            }
        }
    }

    /// Drops the farthest panes beyond `last` until at most `max` traces are left beyond it.
    /// Returns how many traces were dropped.
    pub(crate) fn shed_beyond(&mut self, last: Pane, max: usize) -> u64 {
        let after = last.plus(1);
        let mut beyond: usize = self.by_pane.range(after..).map(|(_, ids)| ids.len()).sum();
        let mut dropped = 0;
        while beyond > max {
            let Some((_, ids)) = self.by_pane.pop_last() else { break };
            beyond -= ids.len();
            dropped += ids.len() as u64;
            for id in ids {
                self.traces.remove(&id);
            }
        }
        dropped
    }
}
