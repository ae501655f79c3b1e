//! Sums: what a case adds up over its panes, in integers.

use std::collections::{BTreeMap, BTreeSet};

use model::id::TraceId;
use model::name::Name;
use model::nats::Nats;
use model::signal::LogSeverity;
use model::symptom::Symptom;
use model::time::Pane;
use serde::{Deserialize, Serialize};

use super::activity::SymptomKey;
use super::case::Case;
use super::facts::PaneSummary;
use super::limits::{
    CASE_ENTRIES_MAX, CASE_REACH_MAX, CASE_SPLIT_METRICS_MAX, CASE_SYMPTOMS_MAX, CASE_VERSIONS_MAX,
    CASE_VOICES_MAX, EXEMPLARS_MAX,
};

/// One symptom summed over panes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SymptomSum {
    /// Evidence over all panes.
    pub(super) nats: Nats,
    /// Evidence of the first panes: what ranks causes.
    pub(super) early: Nats,
    /// Hits.
    pub(super) hits: u64,
    /// Trials.
    pub(super) trials: u64,
    /// Expected share of hits. Unit: parts per million; the newest.
    pub(super) expected_ppm: u32,
    /// When it began.
    pub(super) onset: Pane,
    /// The last pane that showed it.
    pub(super) last: Pane,
    /// Traces that show it, the smallest ids.
    pub(super) exemplars: BTreeSet<TraceId>,
}

/// What users saw at one entry operation since the onset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntrySum {
    /// Requests.
    pub(super) calls: u64,
    /// Failed ones.
    pub(super) failed: u64,
    /// Slow ones.
    pub(super) slow: u64,
    /// Failed ones that were to be expected. Unit: millionths of a request.
    pub(super) expected_failed_micro: u64,
    /// Failed or slow because of a member.
    pub(super) affected: u64,
}

/// What one version did since the onset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VersionSum {
    /// Server spans.
    pub(super) calls: u64,
    /// Failed or slow ones.
    pub(super) bad: u64,
    /// Points of each metric of requests beside those of another version, and those off.
    #[serde(default)]
    pub(super) metrics: BTreeMap<Name, (u64, u64)>,
}

/// A message that is grave or new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Voiced {
    /// Records.
    pub(super) records: u64,
    /// How grave it is, at its worst.
    pub(super) severity: LogSeverity,
    /// The first pane that held it.
    pub(super) since: Pane,
}

impl Case {
    /// Adds what a pane says of some of the members.
    pub(super) fn absorb(
        &mut self,
        pane: Pane,
        all: &PaneSummary,
        of: &BTreeSet<Name>,
        early: bool,
    ) {
        for symptom in all.symptoms.iter().filter(|s| of.contains(&s.entity.service)) {
            self.add_symptom(pane, symptom, early);
        }
        for ((origin, reached), traces) in all.reach.iter().filter(|((o, _), _)| of.contains(o)) {
            let key = (origin.clone(), reached.clone());
            if let Some(sum) = slot(&mut self.reach, key, CASE_REACH_MAX, &mut self.shed) {
                *sum = sum.saturating_add(*traces);
            }
        }
        for entry in &all.entries {
            let hit = entry.origins.iter().filter(|(origin, _)| of.contains(origin));
            let affected: u64 = hit.map(|(_, count)| *count).sum();
            let key = (entry.service.clone(), entry.operation.clone());
            if let Some(sum) = slot(&mut self.entries, key, CASE_ENTRIES_MAX, &mut self.shed) {
                sum.affected = sum.affected.saturating_add(affected);
            }
        }
        for version in all.versions.iter().filter(|v| of.contains(&v.service)) {
            let key = (version.service.clone(), version.version.clone());
            if let Some(sum) = slot(&mut self.versions, key, CASE_VERSIONS_MAX, &mut self.shed) {
                sum.calls = sum.calls.saturating_add(version.calls);
                sum.bad = sum.bad.saturating_add(version.failed).saturating_add(version.slow);
                for (metric, points, off) in &version.metrics {
                    let known = sum.metrics.contains_key(metric);
                    if !known && sum.metrics.len() >= CASE_SPLIT_METRICS_MAX {
                        continue;
                    }
                    let both = sum.metrics.entry(metric.clone()).or_default();
                    both.0 = both.0.saturating_add(*points);
                    both.1 = both.1.saturating_add(*off);
                }
            }
        }
    }

    /// Adds what services say in a pane: a service that suffers from this case need not be a member.
    pub(super) fn listen(&mut self, pane: Pane, all: &PaneSummary) {
        for voice in &all.voices {
            let key = (voice.service.clone(), voice.text.clone());
            let is_first = !self.voices.contains_key(&key);
            if let Some(voiced) = slot(&mut self.voices, key, CASE_VOICES_MAX, &mut self.shed) {
                voiced.records = voiced.records.saturating_add(voice.records);
                voiced.severity = voiced.severity.max(voice.severity);
                voiced.since = if is_first { pane } else { voiced.since.min(pane) };
            }
        }
    }

    /// Adds the traffic of a pane: all entries, whoever is to blame.
    pub(super) fn absorb_traffic(&mut self, all: &PaneSummary) {
        for entry in &all.entries {
            let key = (entry.service.clone(), entry.operation.clone());
            if let Some(sum) = slot(&mut self.entries, key, CASE_ENTRIES_MAX, &mut self.shed) {
                sum.calls = sum.calls.saturating_add(entry.calls);
                sum.failed = sum.failed.saturating_add(entry.failed);
                sum.slow = sum.slow.saturating_add(entry.slow);
                let expected = entry.calls.saturating_mul(u64::from(entry.expected_failed_ppm));
                sum.expected_failed_micro = sum.expected_failed_micro.saturating_add(expected);
            }
        }
    }

    fn add_symptom(&mut self, pane: Pane, symptom: &Symptom, early: bool) {
        let key = SymptomKey::of(symptom);
        if !self.symptoms.contains_key(&key) && self.symptoms.len() >= CASE_SYMPTOMS_MAX {
            self.shed += 1;
            return;
        }
        let sum = self.symptoms.entry(key).or_insert_with(|| SymptomSum {
            nats: Nats::ZERO,
            early: Nats::ZERO,
            hits: 0,
            trials: 0,
            expected_ppm: 0,
            onset: symptom.onset.min(pane),
            last: pane,
            exemplars: BTreeSet::new(),
        });
        sum.nats += symptom.nats;
        if early {
            sum.early += symptom.nats;
        }
        sum.hits = sum.hits.saturating_add(symptom.hits);
        sum.trials = sum.trials.saturating_add(symptom.trials);
        sum.expected_ppm = symptom.expected_ppm;
        sum.last = sum.last.max(pane);
        sum.onset = sum.onset.min(symptom.onset.min(pane));
        sum.exemplars.extend(symptom.exemplars.iter().copied());
        while sum.exemplars.len() > EXEMPLARS_MAX {
            sum.exemplars.pop_last();
        }
    }
}

/// The value of a key, made if the map still has room.
fn slot<'a, K: Ord, V: Default>(
    map: &'a mut BTreeMap<K, V>,
    key: K,
    max: usize,
    shed: &mut u64,
) -> Option<&'a mut V> {
    if map.len() >= max && !map.contains_key(&key) {
        *shed += 1;
        return None;
    }
    Some(map.entry(key).or_default())
}
