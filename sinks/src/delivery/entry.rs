//! What an outbox keeps of one incident.

use std::sync::Arc;

use model::incident::{Incident, Priority};
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
    pub(super) snooze: Option<Snooze>,
    /// Since when something is due that was not said; may lie ahead.
    pub(super) owed_since: Option<Timestamp>,
}

/// A snooze, and how bad the incident was when it was first seen with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Snooze {
    until: Timestamp,
    pub(super) priority: Priority,
}

impl Entry {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            revision_seen: 0,
            newest: None,
            known: None,
            failures: 0,
            slot: Slot::Idle(now),
            snooze: None,
            owed_since: None,
        }
    }

    /// The priority at which the incident was snoozed; a new snooze counts anew.
    pub(super) fn snoozed_at(&mut self, incident: &Incident) -> Option<Priority> {
        let priority = incident.priority;
        let until = incident.people.snoozed_until;
        self.snooze = match (until, self.snooze) {
            (Some(until), Some(old)) if old.until == until => Some(old),
            (Some(until), _) => Some(Snooze { until, priority }),
            (None, _) => None,
        };
        self.snooze.map(|snooze| snooze.priority)
    }

    /// A revision is due at this moment, or since it is there. A newer revision, a failed attempt or a restart
    /// in the middle of a first one make nothing younger; what is put off is not owed until then.
    pub(super) fn owed(&mut self, incident: &Incident, due: Timestamp, now: Timestamp) {
        let due = due.max(incident.updated_at.min(now));
        let intent = self.known.as_ref().filter(|known| known.is_intent() && known.in_doubt());
        let tried = intent.map(|known| known.at);
        let before = [self.owed_since, tried].into_iter().flatten().fold(due, Timestamp::min);
        self.owed_since = Some(if due > now { due } else { before });
    }

    /// Finds the slot of a newer revision.
    pub(super) fn schedule(&mut self, incident: Arc<Incident>, decision: Decision, now: Timestamp) {
        match (decision, self.slot) {
            // While one is being said, its outcome decides what follows.
            (_, Slot::InFlight) => self.newest = Some(incident),
            (Decision::Skip(_), _) => {
                self.newest = None;
                self.owed_since = None;
                self.slot = Slot::Idle(now);
            }
            (Decision::Say(reason, due), old) => {
                let not_before = match old {
                    // A failed attempt's backoff is kept: a newer revision is no excuse.
                    Slot::Waiting(at, _) if self.failures > 0 => at.max(due),
                    _ => due,
                };
                self.owed(&incident, due, now);
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
