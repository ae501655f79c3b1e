//! What an outbox keeps of one incident.

use std::sync::Arc;

use model::incident::Incident;
use model::time::Timestamp;

use super::decide::{Decision, SayReason};
use super::queue::{Rank, Slot};
use super::record::Delivered;

/// One incident, from the first revision seen until it is forgotten.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The newest revision seen, said or not.
    pub(super) revision_seen: u32,
    /// The newest revision while it has to be said.
    pub(super) newest: Option<Arc<Incident>>,
    pub(super) known: Option<Delivered>,
    pub(super) failures: u32,
    pub(super) slot: Slot,
}

impl Entry {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { revision_seen: 0, newest: None, known: None, failures: 0, slot: Slot::Idle(now) }
    }

    /// Finds the slot of a newer revision.
    pub(super) fn schedule(&mut self, incident: Arc<Incident>, decision: Decision, now: Timestamp) {
        match (decision, self.slot) {
            // While one is being said, its outcome decides what follows.
            (_, Slot::InFlight) => self.newest = Some(incident),
            (Decision::Skip(_), _) => {
                self.newest = None;
                self.slot = Slot::Idle(now);
            }
            (Decision::Say(reason, due), old) => {
                let not_before = match old {
                    // A failed attempt's backoff is kept: a newer revision is no excuse.
                    Slot::Waiting(at, _) if self.failures > 0 => at.max(due),
                    _ => due,
                };
                let rank = rank(&incident, reason);
                self.newest = Some(incident);
                self.slot = if not_before <= now {
                    Slot::Ready(rank)
                } else {
                    Slot::Waiting(not_before, rank)
                };
            }
        }
    }
}

/// Where an incident stands in the line.
pub(super) fn rank(incident: &Incident, reason: SayReason) -> Rank {
    Rank { reason, priority: incident.priority, opened_at: incident.opened_at }
}
