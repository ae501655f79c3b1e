//! Habits: how much of the time each rule fires anyway, and so how much it says that it fires now.
//!
//! An alert is evidence only against its base rate: `-ln P(the rule fires)`, learned for each rule over
//! its services, with a prior by severity. A rule that has not been seen is believed; one that fires all
//! day is not. Deliberately absent: whether an alert was right; nobody tells.

use std::collections::{BTreeMap, BTreeSet};

use model::alert::{Alert, Severity};
use model::id::Fingerprint;
use model::name::Name;
use model::nats::Nats;
use model::time::{Pane, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::CorrelateConfig;
use super::dedup::{Alerts, EVENT_LASTS};
use super::limits::{HABITS_MAX, SERVICE_HABITS_MAX, STRANGER_HABITS_MAX};

/// Surprise from which an alert says anything: its rule fires less than one time in twenty.
pub(super) const TELLING_ALERT: Nats = Nats::from_int(3);
/// Panes of quiet that a rule of grave alerts has to its credit: `e^8`.
const GRAVE_CREDIT: f64 = 2981.0;
/// The same for all others: `e^5`.
const CREDIT: f64 = 148.0;
/// Panes that make up a memory of about a day; then all counts are halved.
const MEMORY_PANES: u64 = 8640;
/// Most panes that one gap between two panes counts for: an hour.
const GAP_PANES_MAX: i64 = 360;

/// How often the rules fire.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Habits {
    rules: BTreeMap<Name, u64>,
    panes: u64,
    last: Option<Pane>,
    /// How many of the rules each service brought; those of strangers under the empty name.
    #[serde(default)]
    brought: BTreeMap<Name, u32>,
}

impl Habits {
    /// Counts the time since the last pane for all rules that fire at its end, but for the alerts that
    /// are `explained`: what fires because something is broken is no habit, however long it takes.
    pub(super) fn note(
        &mut self,
        pane: Pane,
        now: Timestamp,
        (alerts, explained): (&Alerts, &BTreeSet<Fingerprint>),
        config: &CorrelateConfig,
    ) {
        let passed = self.last.map_or(1, |last| pane.since(last)).clamp(0, GAP_PANES_MAX);
        self.last = self.last.max(Some(pane));
        let passed = u64::try_from(passed).unwrap_or(0);
        self.panes += passed;
        let lasts = EVENT_LASTS.max(config.width.nanos());
        // Of the services that a rule fires for, the first by name has brought it.
        let mut firing: BTreeMap<&Name, Option<&Name>> = BTreeMap::new();
        for (fingerprint, state) in alerts.iter() {
            if state.holds(now, lasts) && !explained.contains(&fingerprint) {
                let by = state.binding.known();
                let known = firing.entry(&state.alert.name).or_insert(by);
                *known = (*known).into_iter().chain(by).min();
            }
        }
        for (rule, by) in firing {
            if let Some(panes) = self.rules.get_mut(rule) {
                *panes += passed;
            } else if self.has_room(by) {
                self.rules.insert(rule.clone(), passed);
            }
        }
        if self.panes >= MEMORY_PANES {
            self.panes /= 2;
            self.rules.values_mut().for_each(|panes| *panes /= 2);
        }
    }

    /// Whether one more rule of a service can be learned; takes its place.
    fn has_room(&mut self, by: Option<&Name>) -> bool {
        let max = if by.is_some() { SERVICE_HABITS_MAX } else { STRANGER_HABITS_MAX };
        let by = by.cloned().unwrap_or_default();
        let brought = self.brought.get(by.as_str()).copied().unwrap_or(0);
        let has_room = brought < max && self.rules.len() < HABITS_MAX;
        if has_room {
            self.brought.insert(by, brought + 1);
        }
        has_room
    }

    /// What it says that an alert fires.
    pub(super) fn surprise(&self, alert: &Alert) -> Nats {
        let credit = if alert.severity >= Severity::Error { GRAVE_CREDIT } else { CREDIT };
        let fired = self.rules.get(&alert.name).copied().unwrap_or(0) as f64;
        let share = (fired + 1.0) / (self.panes as f64 + credit);
        Nats::from_f64(-libm::log(share.min(1.0)))
    }
}
