//! What monitors say of a candidate.
//!
//! In a storm everybody has alerts; what tells one service from the others is an alert that the
//! others do not have. So a kind of alert counts by its inverse frequency among the services of the
//! case, as a word does in a text (Sparck Jones 1972): `weight x ln((n + 1) / n with it)`.

use std::collections::{BTreeMap, BTreeSet};

use model::alert::{Alert, Severity};
use model::hypothesis::{Evidence, EvidenceTerm};
use model::id::Fingerprint;
use model::name::Name;

use crate::correlate::dedup::AlertState;
use crate::correlate::limits::EXEMPLARS_MAX;

use super::{View, evidence};

/// What a flapping alert says, however grave it calls itself. Unit: nats.
const FLAPPING: f64 = 0.25;

/// A kind of alert: its rule, and what else it says beside whom it is about.
type Kind<'a> = (&'a Name, Vec<(&'a Name, String)>);

/// The alerts of a case by kind and service.
#[derive(Default)]
pub(super) struct AlertKinds<'a> {
    kinds: BTreeMap<Kind<'a>, BTreeMap<&'a Name, f64>>,
    of: BTreeMap<&'a Name, Vec<(Fingerprint, &'a Name)>>,
}

impl<'a> AlertKinds<'a> {
    /// Reads the alerts of a case.
    pub(super) fn new(view: &View<'a>) -> Self {
        let bound = |(fingerprint, _): (&Fingerprint, _)| {
            let state = view.world.alerts.get(*fingerprint)?;
            Some((*fingerprint, state, state.binding.node()?))
        };
        let alerts: Vec<(Fingerprint, &AlertState, &Name)> =
            view.case.alerts.iter().filter_map(bound).collect();
        let vocabulary = vocabulary(view, &alerts);
        let mut all = Self::default();
        for (fingerprint, state, service) in alerts {
            let alert = &*state.alert;
            let weight = if state.flapping() { FLAPPING } else { weight(alert.severity) };
            let says = said(view, alert)
                .filter(|(label, _)| vocabulary.contains(&(&alert.name, *label)))
                .collect();
            let heaviest = all.kinds.entry((&alert.name, says)).or_default();
            let known = heaviest.entry(service).or_default();
            *known = known.max(weight);
            all.of.entry(service).or_default().push((fingerprint, &alert.name));
        }
        all
    }

    /// The row of a candidate.
    pub(super) fn term(&self, view: &View<'_>, name: &Name) -> Option<Evidence> {
        let alerts = self.of.get(name)?;
        let services = self.of.len() as f64;
        let (mut nats, mut alone) = (0.0, BTreeSet::new());
        for ((rule, _), holders) in &self.kinds {
            let Some(weight) = holders.get(name) else { continue };
            nats += weight * libm::log((services + 1.0) / holders.len() as f64);
            if holders.len() == 1 && self.of.len() > 1 {
                alone.insert(rule.as_str());
            }
        }
        let rules: BTreeSet<&str> = alerts.iter().map(|(_, rule)| rule.as_str()).collect();
        let list =
            |rules: &BTreeSet<&str>| rules.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let count = alerts.len();
        let mut text =
            format!("{count} alert{} of it: {}", if count == 1 { "" } else { "s" }, list(&rules));
        if !alone.is_empty() {
            text.push_str(&format!("; of a kind that nobody else has: {}", list(&alone)));
        }
        let cap = view.config.ranking.alerts_cap;
        let mut found = evidence::row(EvidenceTerm::Alerts, evidence::capped(nats, cap), text);
        let mut pointers: Vec<Fingerprint> =
            alerts.iter().map(|(fingerprint, _)| *fingerprint).collect();
        pointers.sort_unstable();
        pointers.truncate(EXEMPLARS_MAX);
        found.alerts = pointers;
        Some(found)
    }
}

/// What an alert says by its severity. Unit: nats.
fn weight(severity: Severity) -> f64 {
    match severity {
        Severity::Critical => 3.0,
        Severity::Error => 2.5,
        Severity::Warning | Severity::Unknown => 1.5,
        Severity::Info => 0.5,
    }
}

/// The labels that say something else than whom the alert is about, without digits: two disks are
/// one kind of thing.
fn said<'a>(view: &View<'_>, alert: &'a Alert) -> impl Iterator<Item = (&'a Name, String)> {
    let about = |label: &Name, value: &Name| {
        matches!(label.as_str(), "alertname" | "severity" | "priority")
            || view.config.bindings.contains(label)
            || view.world.map.bind(value).is_some()
    };
    let labels = alert.labels.iter().filter(move |(label, value)| !about(label, value));
    labels.map(|(label, value)| (label, value.chars().filter(|c| !c.is_ascii_digit()).collect()))
}

/// Labels, by rule, that speak of several services in the same words. The values of the others
/// (operations, addresses) belong to one service each, so that to be the only one with them says
/// nothing.
fn vocabulary<'a>(
    view: &View<'a>,
    alerts: &[(Fingerprint, &'a AlertState, &'a Name)],
) -> BTreeSet<(&'a Name, &'a Name)> {
    let mut first: BTreeMap<(&Name, &Name, String), &Name> = BTreeMap::new();
    let mut shared = BTreeSet::new();
    for (_, state, service) in alerts {
        for (label, value) in said(view, &state.alert) {
            let known = first.entry((&state.alert.name, label, value)).or_insert(service);
            if *known != *service {
                shared.insert((&state.alert.name, label));
            }
        }
    }
    shared
}
