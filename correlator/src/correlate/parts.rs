//! Parts: two cases made one, and one made two.

use std::collections::BTreeSet;

use model::id::IncidentId;
use model::name::Name;
use model::time::Pane;

use super::activity::NodeKey;
use super::case::Case;

impl Case {
    /// Takes another case in.
    pub(super) fn merge(&mut self, other: &Self) {
        // What only monitors told of says nothing of when the trouble began that requests show.
        self.first_onset = match (self.rests_on_metrics(), other.rests_on_metrics()) {
            (true, false) => other.first_onset,
            (false, true) => self.first_onset,
            _ => self.first_onset.min(other.first_onset),
        };
        for (key, member) in &other.nodes {
            self.nodes.entry(key.clone()).or_insert_with(|| member.clone());
        }
        for (key, sum) in &other.symptoms {
            self.symptoms.entry(key.clone()).or_insert_with(|| sum.clone());
        }
        for (key, traces) in &other.reach {
            let sum = self.reach.entry(key.clone()).or_default();
            *sum = (*sum).max(*traces);
        }
        for (key, theirs) in &other.entries {
            let ours = self.entries.entry(key.clone()).or_default();
            ours.calls = ours.calls.max(theirs.calls);
            ours.failed = ours.failed.max(theirs.failed);
            ours.slow = ours.slow.max(theirs.slow);
            ours.expected_failed_micro =
                ours.expected_failed_micro.max(theirs.expected_failed_micro);
            ours.affected = ours.affected.saturating_add(theirs.affected);
        }
        for (key, voiced) in &other.voices {
            self.voices.entry(key.clone()).or_insert(*voiced);
        }
        for (key, theirs) in &other.versions {
            self.versions.entry(key.clone()).or_insert_with(|| theirs.clone());
        }
        self.last_news = self.last_news.max(other.last_news);
        self.hot_panes = self.hot_panes.max(other.hot_panes);
        self.quiet_panes = self.quiet_panes.min(other.quiet_panes);
        self.last_loud = self.last_loud.max(other.last_loud);
        self.rush = self.rush.or(other.rush);
        self.inherit(other);
    }

    /// Is from now on what another case was: by its name, by its alerts, and by what a person said of it.
    pub(super) fn inherit(&mut self, other: &Self) {
        for (fingerprint, reason) in &other.alerts {
            let is_listed = other.listed.contains(fingerprint);
            if self.add_alert(*fingerprint, *reason) && is_listed {
                self.listed.insert(*fingerprint);
            } else if !is_listed {
                self.listed.remove(fingerprint);
            }
        }
        self.is_whole |= other.is_whole;
        self.apart.extend(other.apart.iter().cloned());
        if other.is_told() {
            self.merged_from.push(other.id);
        }
        self.merged_from.extend(other.merged_from.iter().copied());
        self.merged_from.sort();
        self.merged_from.dedup();
    }

    /// Cuts some members out, with all that is theirs, as the start of another case.
    pub(super) fn cut(&mut self, keys: &BTreeSet<NodeKey>, id: IncidentId, pane: Pane) -> Self {
        let onset = |key: &NodeKey| self.nodes.get(key).map(|member| member.onset);
        let first = keys.iter().filter_map(onset).min().unwrap_or(pane);
        let mut part = Self::new(id, pane, first);
        let services: BTreeSet<Name> =
            keys.iter().filter_map(|key| key.service().cloned()).collect();
        let mine = |name: &Name| services.contains(name);
        part.nodes = self.nodes.extract_if(.., |key, _| keys.contains(key)).collect();
        part.symptoms = self.symptoms.extract_if(.., |key, _| mine(&key.entity.service)).collect();
        part.reach = self.reach.extract_if(.., |(origin, _), _| mine(origin)).collect();
        part.versions = self.versions.extract_if(.., |(service, _), _| mine(service)).collect();
        part.entries = self.entries.clone();
        part.voices = self.voices.clone();
        part.rush = self.rush;
        part.split_from = self.is_told().then_some(self.id);
        part
    }
}
