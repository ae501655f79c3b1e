//! What is known of each alert: firing, resolved or flapping, by its fingerprint.
//!
//! A repeat of a firing alert refreshes it and changes nothing else. Every verdict has a name.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::alert::{Alert, AlertStatus};
use model::id::Fingerprint;
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::activity::NodeKey;
use super::binding::Binding;
use super::facts::AlertFact;
use super::limits::{ALERTS_MAX, CROWD_ALERTS_MAX, HABITS_MAX, TRANSITIONS_MAX};
use crate::losses::Losses;

/// More transitions than this inside [`FLAPPING_WITHIN`] are flapping.
const FLAPPING_ABOVE: usize = 4;
/// Window in which transitions are counted.
const FLAPPING_WITHIN: Nanos = Nanos::from_secs(600);

/// An alert of events counts as firing for so long after its last: what is over is never resolved, and
/// what goes on has happened again by then.
pub(super) const EVENT_LASTS: Nanos = Nanos::from_secs(180);

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
    /// Since when it is clear that it fires for good, after it had flapped.
    #[serde(default)]
    steady: Option<Timestamp>,
    /// Whether it is an event: see [`Speech`].
    #[serde(default)]
    is_event: bool,
    /// The service that it named when it was first heard.
    #[serde(default)]
    named: Option<Name>,
    /// Whether the map knew that service.
    #[serde(default)]
    is_known: bool,
}

impl AlertState {
    /// Whether it changed its state more than four times within ten minutes of its last change; one that has
    /// fired on for ten minutes since no longer does ([`Alerts::steady`]).
    pub(super) fn flapping(&self) -> bool {
        self.lately().count() > FLAPPING_ABOVE
    }

    /// When it was over, as far as it can be trusted: once it flaps, that it fires again is no news, and it has
    /// been over since it first changed its mind.
    pub(super) fn over_since(&self) -> Option<Timestamp> {
        if self.flapping() { self.lately().nth(1) } else { self.ended }
    }

    /// When its state changed within ten minutes of its last change; the oldest first.
    fn lately(&self) -> impl Iterator<Item = Timestamp> {
        let last = self.transitions.last().copied();
        let all = self.transitions.iter().copied();
        all.filter(move |at| last.is_some_and(|last| last - *at <= FLAPPING_WITHIN))
    }

    /// With whom it shares a bound: with the others of its service; and with those of its rule, unless the map knows the
    /// service, for names can be made up.
    fn crowds(&self) -> impl Iterator<Item = NodeKey> {
        let rule = (!self.is_known).then(|| NodeKey::Rule(self.alert.name.clone()));
        self.named.clone().map(NodeKey::Service).into_iter().chain(rule)
    }

    /// Since when what it says is news: since it began to fire, or since it was clear that it fires for good.
    pub(super) fn news_since(&self) -> Timestamp {
        self.steady.unwrap_or(self.since)
    }

    /// Whether it fires for good after it had flapped.
    pub(super) fn is_steady(&self) -> bool {
        self.steady.is_some()
    }

    /// What it is a sign of: its service, else its rule.
    pub(super) fn node(&self) -> NodeKey {
        match self.binding.node() {
            Some(service) => NodeKey::Service(service.clone()),
            None => NodeKey::Rule(self.alert.name.clone()),
        }
    }

    /// Whether it holds an incident open: firing, and somebody said so within `stale_after`. A
    /// flapping alert counts as firing until it kept quiet for the flapping window; an event is over when
    /// nothing like it follows.
    pub(super) fn holds(&self, now: Timestamp, stale_after: Nanos) -> bool {
        let lasts = if self.is_event { stale_after.min(EVENT_LASTS) } else { stale_after };
        match self.status {
            AlertStatus::Firing => now - self.last_seen <= lasts,
            AlertStatus::Resolved => {
                self.flapping() && self.ended.is_some_and(|at| now - at <= FLAPPING_WITHIN)
            }
        }
    }
}

/// What the alerts of one rule are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Speech {
    /// Conditions: one was resolved. Their repeats carry the begin that the first of them had.
    Conditions,
    /// Events: one began anew without having been resolved, and none ever was.
    Events,
}

/// All alerts that are remembered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Alerts {
    states: BTreeMap<Fingerprint, Arc<AlertState>>,
    /// What is known of the rules of these alerts.
    #[serde(default)]
    rules: BTreeMap<Name, Speech>,
    /// How many there are of each crowd: nobody may fill the memory that all share.
    #[serde(default)]
    crowds: BTreeMap<NodeKey, u32>,
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
        let Some(slot) = self.states.get(&alert.fingerprint) else {
            if !firing {
                return AlertChange::NeverFired;
            }
            let is_event = self.rules.get(&alert.name) == Some(&Speech::Events);
            let state = AlertState { is_event, ..first(fact, binding()) };
            for crowd in state.crowds() {
                *self.crowds.entry(crowd).or_default() += 1;
            }
            self.states.insert(alert.fingerprint, Arc::new(state));
            return AlertChange::Firing;
        };
        let known = self.rules.get(&alert.name);
        let speech = match (alert.status, slot.status) {
            (AlertStatus::Resolved, AlertStatus::Firing) => Some(Speech::Conditions),
            (AlertStatus::Firing, AlertStatus::Firing)
                if known.is_none() && alert.starts_at > slot.alert.starts_at =>
            {
                Some(Speech::Events)
            }
            _ => None,
        };
        if let Some(speech) = speech.filter(|speech| known != Some(speech)) {
            self.learn(&alert.name, speech);
        }
        let Some(slot) = self.states.get_mut(&alert.fingerprint) else {
            return AlertChange::NeverFired;
        };
        let state = Arc::make_mut(slot);
        let is_over = state.is_event && fact.at - state.last_seen > EVENT_LASTS;
        let was_firing = state.status == AlertStatus::Firing && !is_over;
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
                state.steady = None;
            }
            (true, false) => state.ended = Some(fact.at),
        }
        state.transitions.push(fact.at);
        if state.transitions.len() > TRANSITIONS_MAX {
            state.transitions.remove(0);
        }
        if firing { AlertChange::Firing } else { AlertChange::Resolved }
    }

    /// Notes what the alerts of a rule are; rules above the bound are taken for conditions.
    fn learn(&mut self, rule: &Name, speech: Speech) {
        if self.rules.len() >= HABITS_MAX && !self.rules.contains_key(rule.as_str()) {
            return;
        }
        self.rules.insert(rule.clone(), speech);
        for state in self.states.values_mut().filter(|state| state.alert.name == *rule) {
            Arc::make_mut(state).is_event = speech == Speech::Events;
        }
    }

    /// Tells alerts that flapped and fire for good now: for as long as flapping is counted.
    pub(super) fn steady(&mut self, now: Timestamp) {
        for slot in self.states.values_mut().filter(|state| state.flapping()) {
            let Some(last) = slot.transitions.last().copied() else { continue };
            let clear = last + FLAPPING_WITHIN;
            if slot.status == AlertStatus::Firing && clear < now {
                let state = Arc::make_mut(slot);
                state.transitions = vec![last];
                state.steady = Some(clear);
            }
        }
    }

    /// The state of one alert.
    pub(super) fn get(&self, fingerprint: Fingerprint) -> Option<&AlertState> {
        self.states.get(&fingerprint).map(Arc::as_ref)
    }

    /// All alerts by fingerprint.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Fingerprint, &AlertState)> {
        self.states.iter().map(|(fingerprint, state)| (*fingerprint, state.as_ref()))
    }

    /// Forgets resolved alerts older than `horizon`, and the oldest above the bounds. Returns how many had to go for
    /// those, and says of whom.
    pub(super) fn forget(&mut self, horizon: Timestamp, losses: &mut Losses) -> u64 {
        let crowds = &mut self.crowds;
        self.states.retain(|_, state| {
            let stays = state.status == AlertStatus::Firing || state.last_seen >= horizon;
            if !stays {
                leave(crowds, state);
            }
            stays
        });
        self.shed_crowds(CROWD_ALERTS_MAX, losses) + self.shed_oldest(ALERTS_MAX, losses)
    }

    /// Forgets the oldest of each crowd above its bound.
    fn shed_crowds(&mut self, crowd_max: u32, losses: &mut Losses) -> u64 {
        let full = self.crowds.iter().filter(|(_, count)| **count > crowd_max);
        let full: Vec<NodeKey> = full.map(|(crowd, _)| crowd.clone()).collect();
        let mut shed = 0;
        for crowd in full {
            // What left one crowd has left the other, too.
            let count = self.crowds.get(&crowd).copied().unwrap_or(0);
            let over = count.saturating_sub(crowd_max);
            let is_of_it = |state: &AlertState| state.crowds().any(|one| one == crowd);
            let states = self.states.iter().filter(|(_, state)| is_of_it(state));
            let ages = states.map(|(of, state)| (state.last_seen, *of)).collect();
            for (_, fingerprint) in first_of(ages, over as usize) {
                self.drop_alert(fingerprint, losses);
                shed += 1;
            }
        }
        shed
    }

    fn drop_alert(&mut self, fingerprint: Fingerprint, losses: &mut Losses) {
        if let Some(state) = self.states.remove(&fingerprint) {
            leave(&mut self.crowds, &state);
            losses.add(state.named.as_ref().unwrap_or(&state.alert.name), 1);
        }
    }

    /// Forgets those above a bound: all at once, for a storm brings many times the bound. The oldest go first, but
    /// those of services that the map knows stay longest: a name that nobody knows can be made up. Returns how many.
    fn shed_oldest(&mut self, alerts_max: usize, losses: &mut Losses) -> u64 {
        let over = self.states.len().saturating_sub(alerts_max);
        if over == 0 {
            return 0;
        }
        let age = |(of, state): (&Fingerprint, &Arc<AlertState>)| {
            ((state.binding.known().is_some(), state.last_seen), *of)
        };
        for (_, fingerprint) in first_of(self.states.iter().map(age).collect(), over) {
            self.drop_alert(fingerprint, losses);
        }
        over as u64
    }
}

/// When a firing alert began: its own start, unless that lies after the record's time.
fn begin(fact: &AlertFact) -> Timestamp {
    fact.alert.starts_at.min(fact.at)
}

/// The smallest so many, in no order.
fn first_of<T: Ord + Copy>(mut all: Vec<(T, Fingerprint)>, count: usize) -> Vec<(T, Fingerprint)> {
    if count < all.len() {
        all.select_nth_unstable(count);
        all.truncate(count);
    }
    all
}

/// One of its crowds is forgotten.
fn leave(crowds: &mut BTreeMap<NodeKey, u32>, state: &AlertState) {
    for crowd in state.crowds() {
        if let Some(count) = crowds.get_mut(&crowd) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                crowds.remove(&crowd);
            }
        }
    }
}

fn first(fact: &AlertFact, binding: Binding) -> AlertState {
    AlertState {
        alert: Arc::clone(&fact.alert),
        named: binding.node().cloned(),
        is_known: binding.known().is_some(),
        binding,
        status: AlertStatus::Firing,
        since: begin(fact),
        ended: None,
        last_seen: fact.at,
        transitions: vec![fact.at],
        steady: None,
        is_event: false,
    }
}

#[cfg(test)]
mod tests {
    use model::alert::{Alert, Labels, Severity};
    use proptest::prelude::*;

    use super::*;

    fn fired(fingerprint: u64, secs: i64) -> AlertFact {
        let at = Timestamp::EPOCH + Nanos::from_secs(secs);
        let alert = Alert {
            fingerprint: Fingerprint(fingerprint),
            name: "A".into(),
            status: AlertStatus::Firing,
            labels: Labels::default(),
            annotations: Labels::default(),
            starts_at: at,
            ends_at: None,
            severity: Severity::Unknown,
            trace_id: None,
            generator_url: None,
            group: None,
        };
        AlertFact { at, alert: Arc::new(alert) }
    }

    /// The slow twin: looks for the oldest anew for each.
    fn shed_one_by_one(alerts: &mut Alerts, alerts_max: usize) -> u64 {
        let mut shed = 0;
        while alerts.states.len() > alerts_max {
            let oldest = alerts.states.iter().min_by_key(|(fp, state)| (state.last_seen, **fp));
            let fingerprint = *oldest.expect("there are some").0;
            alerts.states.remove(&fingerprint);
            shed += 1;
        }
        shed
    }

    proptest! {
        #[test]
        fn those_above_the_bound_go_at_once_as_they_would_one_by_one(
            told in prop::collection::vec((0_u64..40, 0_i64..20), 0..60),
            alerts_max in 0_usize..50,
        ) {
            let mut alerts = Alerts::default();
            for (fingerprint, secs) in told {
                alerts.apply(&fired(fingerprint, secs), || Binding::Unbound);
            }
            let mut slow = alerts.clone();
            let shed = shed_one_by_one(&mut slow, alerts_max);
            prop_assert_eq!(alerts.shed_oldest(alerts_max, &mut Losses::default()), shed);
            prop_assert_eq!(alerts.states, slow.states);
        }
    }

    fn bound(name: &str) -> Binding {
        Binding::Label { label: "service".into(), node: name.into() }
    }

    #[test]
    fn one_service_that_fires_new_alerts_all_the_time_is_cut_and_others_are_heard() {
        let mut alerts = Alerts::default();
        alerts.apply(&fired(1, 0), || bound("cart"));
        alerts.apply(&fired(2, 0), || Binding::Unbound);
        for fingerprint in 10..60 {
            alerts.apply(&fired(fingerprint, fingerprint as i64), || bound("loud"));
        }
        let mut losses = Losses::default();
        assert_eq!(alerts.shed_crowds(20, &mut losses), 30);
        assert_eq!(losses.loudest(), Some((&"loud".into(), 30)));
        assert!(alerts.get(Fingerprint(1)).is_some() && alerts.get(Fingerprint(2)).is_some());
        assert!(alerts.get(Fingerprint(39)).is_none() && alerts.get(Fingerprint(40)).is_some());
        assert_eq!(alerts.crowds.get(&NodeKey::Service("loud".into())), Some(&20));
        assert_eq!(alerts.shed_crowds(20, &mut losses), 0, "who left has made room");
    }

    #[test]
    fn alerts_of_services_that_the_map_knows_are_forgotten_last() {
        let mut alerts = Alerts::default();
        alerts.apply(&fired(1, 1), || bound("cart"));
        for fingerprint in 2..50 {
            let made_up = || Binding::Unmapped { label: "service".into(), node: "x".into() };
            alerts.apply(&fired(fingerprint, 9), made_up);
        }
        assert_eq!(alerts.shed_oldest(10, &mut Losses::default()), 39);
        assert!(alerts.get(Fingerprint(1)).is_some());
    }
}
