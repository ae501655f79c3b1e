//! The change ledger: a day of changes, with the events that tell of one and the same change folded.
//!
//! Deliberately absent: blame. The ledger says what was done when; [`super::ranking`] weighs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::change::{ChangeEvent, ChangeOutcome};
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::change::{self, Change};
use super::limits::{LEDGER_CHANGES_MAX, RANKED_CHANGES_MAX};

/// The changes of the last day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ChangeLedger {
    events: BTreeMap<Name, Arc<ChangeEvent>>,
}

impl ChangeLedger {
    /// Takes an event in; of equal ids the later word on the outcome counts.
    pub(super) fn record(&mut self, change: &Arc<ChangeEvent>) {
        let newer = self.events.get(&change.id).is_none_or(|old| rank(change) >= rank(old));
        if newer {
            self.events.insert(change.id.clone(), Arc::clone(change));
        }
    }

    /// Forgets what took effect before `horizon`, and the oldest above the bound. Returns how many
    /// had to go for the bound.
    pub(super) fn forget(&mut self, horizon: Timestamp) -> u64 {
        self.events.retain(|_, change| change.at >= horizon);
        let mut shed = 0;
        while self.events.len() > LEDGER_CHANGES_MAX {
            let oldest = self.events.values().min_by_key(|c| (c.at, c.id.clone()));
            let Some(id) = oldest.map(|change| change.id.clone()) else { break };
            self.events.remove(&id);
            shed += 1;
        }
        shed
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// All events, by id.
    pub(super) fn events(&self) -> impl Iterator<Item = &ChangeEvent> {
        self.events.values().map(Arc::as_ref)
    }

    /// All events between two instants, sorted by time.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> Vec<Arc<ChangeEvent>> {
        let inside = |c: &&Arc<ChangeEvent>| effective(c, to) >= from && effective(c, to) <= to;
        let mut found: Vec<_> = self.events.values().filter(inside).cloned().collect();
        found.sort_by(|a, b| (effective(a, to), &a.id).cmp(&(effective(b, to), &b.id)));
        let surplus = found.len().saturating_sub(RANKED_CHANGES_MAX);
        found.drain(..surplus);
        found
    }

    /// The changes that could have caused what began at `onset`, by time.
    pub(super) fn before(&self, onset: Timestamp, window: Nanos, skew: Nanos) -> Vec<Change> {
        let latest = onset + skew;
        let events = self.between(onset - window, latest);
        let mut changes = change::fold(&events, latest);
        changes.sort_by(|a, b| (a.at, &a.event.id).cmp(&(b.at, &b.event.id)));
        changes
    }
}

/// A later word on the same change replaces an earlier one: started, then succeeded or failed.
fn rank(change: &ChangeEvent) -> (u8, Timestamp) {
    let word = match change.outcome {
        ChangeOutcome::Unknown => 0,
        ChangeOutcome::Started => 1,
        ChangeOutcome::Succeeded | ChangeOutcome::Failed => 2,
    };
    (word, change.at)
}

/// When a change began to act: a roll-out acts from its start, and ends later.
pub(super) fn effective(change: &ChangeEvent, latest: Timestamp) -> Timestamp {
    match change.started_at {
        Some(started) if change.at > latest && started <= latest => started,
        _ => change.at,
    }
}
