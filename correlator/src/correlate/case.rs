//! A case: what belongs to one incident, added up over its panes in integers.
//!
//! Deliberately absent: any reading of the sums ([`super::ranking`], [`super::blast_radius`]), and
//! what was published of it ([`super::publish`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::id::{Fingerprint, IncidentId, TraceId};
use model::incident::{IncidentAlert, JoinReason};
use model::name::Name;
use model::nats::Nats;
use model::signal::LogSeverity;
use model::symptom::{Symptom, SymptomKind};
use model::time::{Pane, PaneWidth, Timestamp};
use serde::{Deserialize, Serialize};

use super::activity::{NodeKey, PRESENT_FROM, SymptomKey};
use super::facts::PaneSummary;
use super::incident::CaseState;
use super::limits::{
    CASE_ALERTS_MAX, CASE_ENTRIES_MAX, CASE_REACH_MAX, CASE_SPLIT_METRICS_MAX, CASE_SYMPTOMS_MAX,
    CASE_VERSIONS_MAX, CASE_VOICES_MAX, EXEMPLARS_MAX,
};
use super::ranking::Analysis;

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
pub(super) struct Said {
    /// Records.
    pub(super) records: u64,
    /// How grave it is, at its worst.
    pub(super) severity: LogSeverity,
    /// The first pane that held it.
    pub(super) since: Pane,
}

/// A member and how it came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    /// Since when it is abnormal.
    pub(super) onset: Pane,
    /// Whether telemetry measured that.
    pub(super) measured: bool,
    /// Why it is a member.
    pub(super) reason: JoinReason,
}

/// What a closed case showed at its end: later facts do not change it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Frozen {
    /// Causes and reach.
    pub(super) analysis: Analysis,
    /// Its alerts.
    pub(super) alerts: Vec<IncidentAlert>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    /// Its id: hash of cell, first entity and onset pane at birth.
    pub(super) id: IncidentId,
    /// Where it is in its life.
    pub(super) state: CaseState,
    /// The pane in which it was born.
    pub(super) born: Pane,
    /// When its first member became abnormal.
    pub(super) first_onset: Pane,
    /// Members.
    pub(super) nodes: BTreeMap<NodeKey, Member>,
    /// Symptoms.
    pub(super) symptoms: BTreeMap<SymptomKey, SymptomSum>,
    /// Alerts.
    pub(super) alerts: BTreeMap<Fingerprint, JoinReason>,
    /// Failing traces by (origin, reached).
    pub(super) reach: BTreeMap<(Name, Name), u64>,
    /// Entries by (service, operation).
    pub(super) entries: BTreeMap<(Name, Name), EntrySum>,
    /// Versions by (service, version).
    pub(super) versions: BTreeMap<(Name, Name), VersionSum>,
    /// What was said that is grave or new, by (service, text): how often.
    #[serde(default)]
    pub(super) voices: BTreeMap<(Name, Name), Said>,
    /// Traffic at the entries against the usual. Unit: thousandths; 1000 is as usual.
    pub(super) surge_milli: u64,
    /// Panes with evidence enough to open, minus those without.
    pub(super) hot_panes: u32,
    /// Panes with telemetry since its causes were last abnormal.
    pub(super) quiet_panes: i64,
    /// The last pane with any news of it.
    pub(super) last_news: Pane,
    /// Panes in a row in which it looked like two.
    pub(super) two_roots: u32,
    /// States with their instants.
    pub(super) history: Vec<(Timestamp, CaseState)>,
    /// When its causes became quiet.
    pub(super) resolved_at: Option<Timestamp>,
    /// How often it came back.
    pub(super) reopened: u32,
    /// Cases that became part of it.
    pub(super) merged_from: Vec<IncidentId>,
    /// The case it was split from.
    pub(super) split_from: Option<IncidentId>,
    /// What it showed at its end.
    pub(super) frozen: Option<Arc<Frozen>>,
    /// What was not kept for a bound.
    pub(super) shed: u64,
}

impl Case {
    /// A case without members.
    pub(super) fn new(id: IncidentId, pane: Pane, first_onset: Pane) -> Self {
        Self {
            id,
            state: CaseState::Forming,
            born: pane,
            first_onset,
            nodes: BTreeMap::new(),
            symptoms: BTreeMap::new(),
            alerts: BTreeMap::new(),
            reach: BTreeMap::new(),
            entries: BTreeMap::new(),
            versions: BTreeMap::new(),
            voices: BTreeMap::new(),
            surge_milli: 1000,
            hot_panes: 0,
            quiet_panes: 0,
            last_news: pane,
            two_roots: 0,
            history: Vec::new(),
            resolved_at: None,
            reopened: 0,
            merged_from: Vec::new(),
            split_from: None,
            frozen: None,
            shed: 0,
        }
    }

    /// Whether new members may join.
    pub(super) fn is_live(&self) -> bool {
        self.state != CaseState::Resolved
    }

    /// Whether it has been told.
    pub(super) fn is_told(&self) -> bool {
        self.state != CaseState::Forming
    }

    /// Its services.
    pub(super) fn services(&self) -> BTreeSet<Name> {
        self.nodes.keys().filter_map(|key| key.service().cloned()).collect()
    }

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
            if let Some(said) = slot(&mut self.voices, key, CASE_VOICES_MAX, &mut self.shed) {
                said.records = said.records.saturating_add(voice.records);
                said.severity = said.severity.max(voice.severity);
                said.since = if is_first { pane } else { said.since.min(pane) };
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

    /// Makes an alert a member; counted where the bound forbids it.
    pub(super) fn add_alert(&mut self, fingerprint: Fingerprint, reason: JoinReason) -> bool {
        if self.alerts.contains_key(&fingerprint) {
            return false;
        }
        if self.alerts.len() >= CASE_ALERTS_MAX {
            self.shed += 1;
            return false;
        }
        self.alerts.insert(fingerprint, reason);
        true
    }

    /// Evidence of each service in the first panes: telemetry first, metrics only where there is no other.
    pub(super) fn evidence_by_service(&self) -> BTreeMap<Name, Nats> {
        let sums = |metric: bool| -> BTreeMap<Name, Nats> {
            let mut found: BTreeMap<Name, Nats> = BTreeMap::new();
            for (key, sum) in &self.symptoms {
                if (key.kind == SymptomKind::Metric) == metric {
                    *found.entry(key.entity.service.clone()).or_default() += sum.early;
                }
            }
            found
        };
        let telemetry = sums(false);
        if telemetry.is_empty() { sums(true) } else { telemetry }
    }

    /// The services that carry the case: with at least a quarter of the strongest one's evidence.
    pub(super) fn core(&self) -> BTreeSet<Name> {
        let evidence = self.evidence_by_service();
        let most = evidence.values().max().copied().unwrap_or_default();
        let carries = |nats: &Nats| Nats(nats.0.saturating_mul(4)) >= most;
        evidence.into_iter().filter(|(_, nats)| carries(nats)).map(|(name, _)| name).collect()
    }

    /// Whether nothing but metrics tells of it.
    fn rests_on_metrics(&self) -> bool {
        self.symptoms.keys().all(|key| key.kind == SymptomKind::Metric)
    }

    /// Counts a pane with telemetry as quiet or not, by the services that carry the case. Metrics
    /// support: a level that stays where it is holds nothing open that traces say is over. Nor does
    /// the odd error of a healthy day: the sequential evidence has to reach `loud_from`.
    pub(super) fn note_quiet(&mut self, pane: Pane, all: &PaneSummary, loud_from: Nats) {
        let core = self.core();
        let metrics = self.rests_on_metrics();
        let loud = |s: &&Symptom| {
            core.contains(&s.entity.service)
                && s.nats >= PRESENT_FROM
                && s.level >= loud_from
                && (metrics || s.kind != SymptomKind::Metric)
        };
        if all.symptoms.iter().any(|symptom| loud(&symptom)) {
            self.quiet_panes = 0;
            self.last_news = self.last_news.max(pane);
        } else if all.has_telemetry {
            self.quiet_panes += 1;
        }
    }

    /// The pane in which it first was worth a person's attention.
    pub(super) fn first_opened(&self, width: PaneWidth) -> Option<Pane> {
        let opened = self.history.iter().find(|(_, state)| *state == CaseState::Open);
        opened.map(|(at, _)| width.pane_of(*at))
    }

    /// When the trouble began: the earliest onset of a telling symptom, else of a member. Where
    /// requests tell it, a metric that moved before anybody suffered is a cause, not the onset.
    pub(super) fn onset(&self) -> Pane {
        let core = self.core();
        let metrics = self.rests_on_metrics();
        let own = || {
            self.symptoms.iter().filter(|(key, _)| {
                core.contains(&key.entity.service) && (metrics || key.kind != SymptomKind::Metric)
            })
        };
        let most = own().map(|(_, sum)| sum.early).max().unwrap_or_default();
        let telling = own().filter(|(_, sum)| Nats(sum.early.0.saturating_mul(4)) >= most);
        let members = || self.nodes.values().map(|member| member.onset).min();
        telling.map(|(_, sum)| sum.onset).min().or_else(members).unwrap_or(self.first_onset)
    }

    /// When the trouble of one service began: the earliest onset of those of its symptoms that carry
    /// at least a quarter of the strongest one's evidence; requests before metrics, as in [`onset`].
    ///
    /// [`onset`]: Self::onset
    pub(super) fn onset_of(&self, service: &Name) -> Option<Pane> {
        let own = |metric: bool| {
            let of = move |key: &SymptomKey| (key.kind == SymptomKind::Metric) == metric;
            self.symptoms.iter().filter(move |(key, _)| key.entity.service == *service && of(key))
        };
        let is_metric = own(false).next().is_none();
        let most = own(is_metric).map(|(_, sum)| sum.early).max()?;
        let telling = own(is_metric).filter(|(_, sum)| Nats(sum.early.0.saturating_mul(4)) >= most);
        telling.map(|(_, sum)| sum.onset).min()
    }

    /// Takes another case in.
    pub(super) fn merge(&mut self, other: &Self) {
        for (key, member) in &other.nodes {
            self.nodes.entry(key.clone()).or_insert_with(|| member.clone());
        }
        for (key, sum) in &other.symptoms {
            self.symptoms.entry(key.clone()).or_insert_with(|| sum.clone());
        }
        for (fingerprint, reason) in &other.alerts {
            self.add_alert(*fingerprint, *reason);
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
        for (key, said) in &other.voices {
            self.voices.entry(key.clone()).or_insert(*said);
        }
        for (key, theirs) in &other.versions {
            self.versions.entry(key.clone()).or_insert_with(|| theirs.clone());
        }
        self.first_onset = self.first_onset.min(other.first_onset);
        self.last_news = self.last_news.max(other.last_news);
        self.hot_panes = self.hot_panes.max(other.hot_panes);
        self.quiet_panes = self.quiet_panes.min(other.quiet_panes);
        self.surge_milli = self.surge_milli.max(other.surge_milli);
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
        part.surge_milli = self.surge_milli;
        part.split_from = self.is_told().then_some(self.id);
        part
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
