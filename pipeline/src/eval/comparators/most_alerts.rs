//! *Most alerts*: the service of which alerts fire most often in the window.

use std::collections::BTreeMap;

use model::name::Name;

use super::{Answer, Case};

/// Counts what arrived firing inside the window; an alert that is repeated counts again, as on the
/// screen of whoever is on call.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let mut alerts: BTreeMap<Name, f64> = BTreeMap::new();
    let inside = case.raw.alerts.iter().filter(|alert| alert.firing);
    for alert in inside.filter(|alert| case.start <= alert.at && alert.at <= case.end) {
        if let Some(service) = &alert.service {
            *alerts.entry(service.clone()).or_default() += 1.0;
        }
    }
    Answer::of_services(alerts)
}
