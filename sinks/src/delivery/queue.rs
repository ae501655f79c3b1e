//! The order in which incidents are said: first pages before updates, P1 before P4, old before
//! new; and those whose time has not come, by their time.

use std::collections::BTreeSet;

use model::id::IncidentId;
use model::incident::Priority;
use model::time::Timestamp;

use super::decide::SayReason;

/// Where an incident stands in the line. Smaller is sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) reason: SayReason,
    pub(super) priority: Priority,
    pub(super) opened_at: Timestamp,
}

/// Where an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Nothing is due; last touched at this moment.
    Idle(Timestamp),
    /// Due, but not before this moment.
    Waiting(Timestamp, Rank),
    /// Due now.
    Ready(Rank),
    /// It is being said.
    InFlight,
}

/// All incidents of one sink by their slots. Every operation costs the logarithm of their number.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    idle: BTreeSet<(Timestamp, IncidentId)>,
    waiting: BTreeSet<(Timestamp, Rank, IncidentId)>,
    ready: BTreeSet<(Rank, IncidentId)>,
}

impl Queue {
    /// Moves an incident from one slot to another.
    pub(super) fn put(&mut self, id: IncidentId, old: Option<Slot>, new: Slot) {
        match old {
            Some(Slot::Idle(at)) => drop(self.idle.remove(&(at, id))),
            Some(Slot::Waiting(at, rank)) => drop(self.waiting.remove(&(at, rank, id))),
            Some(Slot::Ready(rank)) => drop(self.ready.remove(&(rank, id))),
            Some(Slot::InFlight) | None => {}
        }
        match new {
            Slot::Idle(at) => drop(self.idle.insert((at, id))),
            Slot::Waiting(at, rank) => drop(self.waiting.insert((at, rank, id))),
            Slot::Ready(rank) => drop(self.ready.insert((rank, id))),
            Slot::InFlight => {}
        }
    }

    /// The next incident whose time has come, with its rank.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<(Timestamp, Rank, IncidentId)> {
        self.waiting.first().copied().filter(|(at, _, _)| *at <= now)
    }

    /// The first in the line.
    pub(super) fn first_ready(&self) -> Option<IncidentId> {
        self.ready.first().map(|(_, id)| *id)
    }

    /// When the next incident becomes ready; at once if one is.
    pub(super) fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.ready.is_empty() {
            return Some(now);
        }
        self.waiting.first().map(|(at, _, _)| *at)
    }

    /// Those that have something to be said, in no order that matters.
    pub(super) fn ids(&self) -> impl Iterator<Item = IncidentId> + '_ {
        let ready = self.ready.iter().map(|(_, id)| *id);
        ready.chain(self.waiting.iter().map(|(_, _, id)| *id))
    }

    /// Incidents that have something to be said.
    pub(super) fn queued(&self) -> usize {
        self.ready.len() + self.waiting.len()
    }

    /// The incident that has been idle for longest.
    pub(super) fn longest_idle(&self) -> Option<(Timestamp, IncidentId)> {
        self.idle.first().copied()
    }
}
