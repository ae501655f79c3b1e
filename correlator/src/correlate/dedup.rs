//! What is known of each alert: firing, resolved or flapping, by its fingerprint.
//!
//! A repeat of a firing alert refreshes it and changes nothing else. Every verdict has a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::alert::{Alert, AlertStatus};
use model::id::Fingerprint;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::binding::Binding;
use super::facts::AlertFact;
use super::limits::{ALERTS_MAX, TRANSITIONS_MAX};

/// More transitions than this inside [`FLAPPING_WITHIN`] are flapping.
const FLAPPING_ABOVE: usize = 4;
/// Window in which transitions are counted.
const FLAPPING_WITHIN: Nanos = Nanos::from_secs(600);

/// What an alert record changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AlertChange {
    /// It fires for the first time, or again after it was resolved.
    Firing,
    /// It still fires.
    Repeat,
    /// It no longer fires.
    Resolved,
    /// It was resolved already, or never fired.
    NeverFired,
}

/// One alert over its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AlertState {
    /// Its newest record.
    pub(super) alert: Arc<Alert>,
    /// What it speaks of.
    pub(super) binding: Binding,
    /// Firing or resolved.
    pub(super) status: AlertStatus,
    /// When it began to fire.
    pub(super) since: Timestamp,
    /// When it was resolved.
    pub(super) ended: Option<Timestamp>,
    /// Its newest word.
    pub(super) last_seen: Timestamp,
    /// When its state changed; the newest last.
    transitions: Vec<Timestamp>,
}

impl AlertState {
    /// Whether it changed its state more than four times within ten minutes of its last change.
    pub(super) fn flapping(&self) -> bool {
        let Some(last) = self.transitions.last() else { return false };
        let recent = self.transitions.iter().filter(|at| *last - **at <= FLAPPING_WITHIN).count();
        recent > FLAPPING_ABOVE
    }

    /// Whether it holds an incident open: firing, and somebody said so within `stale_after`. A
    /// flapping alert counts as firing until it kept quiet for the flapping window.
    pub(super) fn holds(&self, now: Timestamp, stale_after: Nanos) -> bool {
        match self.status {
            AlertStatus::Firing => now - self.last_seen <= stale_after,
            AlertStatus::Resolved => {
                self.flapping() && self.ended.is_some_and(|at| now - at <= FLAPPING_WITHIN)
            }
        }
    }
}

/// All alerts that are remembered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Alerts {
    states: BTreeMap<Fingerprint, Arc<AlertState>>,
}

impl Alerts {
    /// Takes a record in.
    pub(super) fn apply(
        &mut self,
        fact: &AlertFact,
        binding: impl FnOnce() -> Binding,
    ) -> AlertChange {
        let alert = &fact.alert;
        let firing = alert.status == AlertStatus::Firing;
        let Some(slot) = self.states.get_mut(&alert.fingerprint) else {
            if !firing {
                return AlertChange::NeverFired;
            }
            self.states.insert(alert.fingerprint, Arc::new(first(fact, binding())));
            return AlertChange::Firing;
        };
        let state = Arc::make_mut(slot);
        let was_firing = state.status == AlertStatus::Firing;
        state.last_seen = state.last_seen.max(fact.at);
        state.alert = Arc::clone(alert);
        state.status = alert.status;
        if state.binding.node().is_none() {
            state.binding = binding();
        }
        match (was_firing, firing) {
            (true, true) => return AlertChange::Repeat,
            (false, false) => return AlertChange::NeverFired,
            (false, true) => {
                state.since = begin(fact);
                state.ended = None;
            }
            (true, false) => state.ended = Some(fact.at),
        }
        state.transitions.push(fact.at);
        if state.transitions.len() > TRANSITIONS_MAX {
            state.transitions.remove(0);
        }
        if firing { AlertChange::Firing } else { AlertChange::Resolved }
    }

    /// The state of one alert.
    pub(super) fn get(&self, fingerprint: Fingerprint) -> Option<&AlertState> {
        self.states.get(&fingerprint).map(Arc::as_ref)
    }

    /// All alerts by fingerprint.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Fingerprint, &AlertState)> {
        self.states.iter().map(|(fingerprint, state)| (*fingerprint, state.as_ref()))
    }

    /// Forgets resolved alerts older than `horizon`, and the oldest above the bound. Returns how
    /// many still firing alerts had to go.
    pub(super) fn forget(&mut self, horizon: Timestamp) -> u64 {
        self.states
            .retain(|_, state| state.status == AlertStatus::Firing || state.last_seen >= horizon);
        let mut shed = 0;
        while self.states.len() > ALERTS_MAX {
            let oldest = self.states.iter().min_by_key(|(fp, state)| (state.last_seen, **fp));
            let Some(fingerprint) = oldest.map(|(fp, _)| *fp) else { break };
            self.states.remove(&fingerprint);
            shed += 1;
        }
        shed
    }
}

/// When a firing alert began: its own start, unless that lies after the record's time.
fn begin(fact: &AlertFact) -> Timestamp {
    fact.alert.starts_at.min(fact.at)
}

fn first(fact: &AlertFact, binding: Binding) -> AlertState {
    AlertState {
        alert: Arc::clone(&fact.alert),
        binding,
        status: AlertStatus::Firing,
        since: begin(fact),
        ended: None,
        last_seen: fact.at,
        transitions: vec![fact.at],
    }
}
