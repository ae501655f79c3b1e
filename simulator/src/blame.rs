//! Blame: which fault makes which alert fire, told by playing the worlds that did not happen.
//!
//! An alert that also fires in the world without any fault is noise. Of the others, those that fire
//! in the world with one fault alone belong to that fault, to several if it does so for several. What
//! fires in none of these worlds took all faults together: it belongs to those that reach its
//! service, else to all. Only a scorer may ask.

use std::collections::{BTreeMap, BTreeSet};

use model::alert::Labels;
use model::id::Fingerprint;
use model::recording::{TopicRecord, topic};
use serde::Serialize;
use serde_json::Value;

use crate::play::Play;
use crate::scenario::Scenario;
use crate::truth::FaultTruth;

/// An alert and the faults that make it fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The hash of its labels by which incidents list it.
    pub fingerprint: Fingerprint,
    /// Its rule.
    pub name: String,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// The windows of its faults; none for noise.
    pub windows: Vec<String>,
}

type Fired = BTreeSet<BTreeMap<String, String>>;

impl Scenario {
    /// Every alert that was ever told as firing, with its faults. It plays the scenario once and
    /// each world that did not happen once: as slow as that.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        let told = fired(self);
        let healthy = if self.faults.is_empty() { told.clone() } else { fired(&self.only(&[])) };
        let alone: Vec<Fired> = match self.faults.len() {
            0 => Vec::new(),
            1 => vec![told.clone()],
            many => (0..many).map(|index| fired(&self.only(&[index]))).collect(),
        };
        let truth = self.truth();
        let member = |labels: BTreeMap<String, String>| {
            let faults = if healthy.contains(&labels) {
                Vec::new()
            } else {
                blamed(&labels, &alone, &truth.faults)
            };
            Member {
                fingerprint: fingerprint(&labels),
                name: labels.get("alertname").cloned().unwrap_or_default(),
                labels,
                windows: faults,
            }
        };
        told.into_iter().map(member).collect()
    }

    /// The same scenario with some of its faults only.
    fn only(&self, kept: &[usize]) -> Self {
        let faults = kept.iter().filter_map(|index| self.faults.get(*index).cloned()).collect();
        Self { faults, ..self.clone() }
    }
}

fn blamed(
    labels: &BTreeMap<String, String>,
    alone: &[Fired],
    faults: &[FaultTruth],
) -> Vec<String> {
    let windows = |wanted: &dyn Fn(usize, &FaultTruth) -> bool| -> Vec<String> {
        let found = faults.iter().enumerate().filter(|(index, fault)| wanted(*index, fault));
        found.map(|(_, fault)| fault.window.clone()).collect()
    };
    let by_world =
        windows(&|index, _| alone.get(index).is_some_and(|world| world.contains(labels)));
    if !by_world.is_empty() {
        return by_world;
    }
    let service = labels.get("service");
    let reached = windows(&|_, fault| service.is_some_and(|name| fault.affected.contains(name)));
    if reached.is_empty() { windows(&|_, _| true) } else { reached }
}

fn fired(scenario: &Scenario) -> Fired {
    let alerts = Play::unobserved(scenario).filter(|record| record.topic == topic::ALERTS);
    alerts.flat_map(|record| firing(&record)).collect()
}

fn firing(record: &TopicRecord) -> Vec<BTreeMap<String, String>> {
    let payload: Value = serde_json::from_slice(&record.value).unwrap_or_default();
    let alerts = payload
        .get("alerts")
        .and_then(serde_json::Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let labels = |alert: &Value| -> BTreeMap<String, String> {
        let pairs = alert["labels"].as_object().into_iter().flatten();
        pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    };
    alerts.iter().filter(|alert| alert["status"] == "firing").map(labels).collect()
}

fn fingerprint(labels: &BTreeMap<String, String>) -> Fingerprint {
    let pairs = labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
    Labels::new(pairs.collect()).fingerprint()
}
