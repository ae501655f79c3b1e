//! The change ledger: a day of changes, with the events that tell of one and the same change folded.
//!
//! Deliberately absent: blame. The ledger says what was done when; [`super::ranking`] weighs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::change::{ChangeEvent, ChangeKind, ChangeOutcome};
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::limits::{LEDGER_CHANGES_MAX, RANKED_CHANGES_MAX};

/// Events of one roll-out come at most so far apart.
const ROLLOUT_WITHIN: Nanos = Nanos::from_secs(1800);

/// The changes of the last day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ChangeLedger {
    events: BTreeMap<Name, Arc<ChangeEvent>>,
}

/// One change, with all events that tell of it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The event that stands for it: what took effect goes before what was merged.
    pub(super) event: Arc<ChangeEvent>,
    /// All its events, the representative among them.
    pub(super) events: Vec<Arc<ChangeEvent>>,
    /// When it took effect, as far as that lies before the onset.
    pub(super) at: Timestamp,
    /// What it touched, over all events; sorted.
    pub(super) targets: Vec<Name>,
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
        let groups = fold_events(&events);
        let mut changes: Vec<Change> =
            groups.into_iter().filter_map(|group| Change::of(group, latest)).collect();
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
fn effective(change: &ChangeEvent, latest: Timestamp) -> Timestamp {
    match change.started_at {
        Some(started) if change.at > latest && started <= latest => started,
        _ => change.at,
    }
}

impl Change {
    fn of(events: Vec<Arc<ChangeEvent>>, latest: Timestamp) -> Option<Self> {
        // What took effect stands for the change; a commit only if nothing else tells of it. Of
        // several steps the last before the onset counts: it is the one that reached everybody.
        let standing = |c: &ChangeEvent| (c.kind != ChangeKind::Commit, effective(c, latest));
        let event = events.iter().max_by_key(|c| (standing(c), c.id.clone()))?.clone();
        let mut targets: Vec<Name> = events.iter().flat_map(|c| c.targets.clone()).collect();
        targets.sort();
        targets.dedup();
        Some(Self { at: effective(&event, latest), event, events, targets })
    }
}

/// Groups events that tell of one change: linked by id, or steps of one roll-out.
fn fold_events(events: &[Arc<ChangeEvent>]) -> Vec<Vec<Arc<ChangeEvent>>> {
    let index: BTreeMap<&Name, usize> =
        events.iter().enumerate().map(|(at, change)| (&change.id, at)).collect();
    let mut sets = super::union::Sets::new(events.len());
    for (at, change) in events.iter().enumerate() {
        for link in change.links.iter().filter_map(|id| index.get(id)) {
            sets.join(at, *link);
        }
        for (earlier, other) in events.iter().enumerate().take(at) {
            if same_rollout(change, other) {
                sets.join(at, earlier);
            }
        }
    }
    let groups = sets.groups();
    let pick = |at: &usize| events.get(*at).cloned();
    groups.into_iter().map(|group| group.iter().filter_map(pick).collect()).collect()
}

fn same_rollout(a: &ChangeEvent, b: &ChangeEvent) -> bool {
    let apart = Nanos((a.at.0.saturating_sub(b.at.0)).saturating_abs());
    a.kind == b.kind
        && a.version.is_some()
        && a.version == b.version
        && !a.targets.is_empty()
        && a.targets == b.targets
        && apart <= ROLLOUT_WITHIN
}
