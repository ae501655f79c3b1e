//! *Most alerts*: the service of which the most different alerts fire while the fault is on.

use std::collections::{BTreeMap, BTreeSet};

use model::id::Fingerprint;
use model::name::Name;

use super::{Answer, Case};

/// Counts the firing alerts that arrived from the onset to the end of the window; one alert that is
/// repeated counts once.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let mut alerts: BTreeMap<&Name, BTreeSet<Fingerprint>> = BTreeMap::new();
    let inside = case.raw.alerts.iter().filter(|alert| alert.firing);
    for alert in inside.filter(|alert| case.abnormal <= alert.at && alert.at <= case.end) {
        if let Some(service) = &alert.service {
            alerts.entry(service).or_default().insert(alert.fingerprint);
        }
    }
    Answer::of_services(alerts.into_iter().map(|(name, all)| (name.clone(), all.len() as f64)))
}
