//! *Most symptoms*: the service with the most symptoms in the fault's incidents. What the engine's
//! detection alone is worth, without its ranking.

use std::collections::BTreeMap;

use model::name::Name;

use super::{Answer, Case};

/// Counts symptoms, whatever their weight.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let mut symptoms: BTreeMap<Name, f64> = BTreeMap::new();
    for symptom in case.incidents.iter().flat_map(|incident| &incident.symptoms) {
        *symptoms.entry(symptom.entity.service.clone()).or_default() += 1.0;
    }
    Answer::of_services(symptoms)
}
