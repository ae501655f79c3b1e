//! What is normal for one service: the counts of its recent panes, in two generations.
//!
//! A generation ends after a number of learned panes, not after a time: a gap in the telemetry
//! must not wipe out what is known. The old generation is dropped whole when the next one ends,
//! so between one and two generations are looked at, and no count is ever rounded.

use std::collections::BTreeMap;

use model::entity::EntityKind;
use model::id::TemplateId;
use model::name::Name;
use serde::{Deserialize, Serialize};

use super::limits::{DetectConfig, SERIES_MAX};
use super::profile::SlowProfile;
use super::series::SeriesBaseline;
use super::statistics::{binomial, posterior_share};
use super::unproven::Unproven;
use crate::observe::{
    Activity, EdgeCounts, EntryCounts, Exemplars, Histogram, Merge, OperationCounts, SeriesKey,
    ServiceCounts, TemplateKey,
};

/// The counts of one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Generation {
    panes: u64,
    counts: ServiceCounts,
    /// Calls that the callers of this service took meanwhile: its own calls per theirs.
    caller_activity: BTreeMap<Name, Activity>,
    /// Squared distance of the calls from their expectation, per expectation. Unit: 1/1024.
    dispersion: u64,
    /// Panes that the dispersion is summed over.
    dispersion_panes: u64,
}

/// The baseline of one service, host or virtual node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceBaseline {
    young: Generation,
    old: Generation,
    operations: BTreeMap<Name, SlowProfile>,
    edges: BTreeMap<Name, SlowProfile>,
    entries: BTreeMap<Name, SlowProfile>,
    local: Option<SlowProfile>,
    /// Errors that were not known before.
    #[serde(default)]
    unproven: Unproven,
    /// Panes learned in all, those of generations that are gone too.
    #[serde(default)]
    learned: u64,
    /// Panes for which an entry was too bad to be learned, without a break.
    held_entries: BTreeMap<Name, u64>,
    series: BTreeMap<SeriesKey, SeriesBaseline>,
}

/// Numbers of a service's calls that a share is drawn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) hits: u64,
    pub(crate) trials: u64,
}

impl ServiceBaseline {
    /// Learns one pane (or several held ones, already summed), but for errors that were not known before.
    pub(crate) fn learn(
        &mut self,
        counts: &ServiceCounts,
        activity: &BTreeMap<Name, Activity>,
        panes: u64,
        config: &DetectConfig,
    ) {
        if !Unproven::concerns(counts) {
            return self.accept(counts, activity, panes, config);
        }
        let mut counts = counts.clone();
        let mut unproven = std::mem::take(&mut self.unproven);
        unproven.hold_back(&mut counts, self, config);
        self.unproven = unproven;
        self.accept(&counts, activity, panes, config);
    }

    /// Learns panes with all that they hold.
    pub(crate) fn accept(
        &mut self,
        counts: &ServiceCounts,
        activity: &BTreeMap<Name, Activity>,
        panes: u64,
        config: &DetectConfig,
    ) {
        if self.young.panes >= config.generation_panes {
            self.old = std::mem::take(&mut self.young);
        }
        self.learn_dispersion(counts, activity, panes);
        self.young.panes += panes;
        self.learned = self.learned.saturating_add(panes);
        let mut learned = stripped(counts);
        self.hold_entries(&mut learned, config);
        self.young.counts.absorb(&learned);
        for caller in self.callers(counts) {
            if let Some(activity) = activity.get(&caller) {
                self.young.caller_activity.entry(caller).or_default().absorb(activity);
            }
        }
        self.refresh(&learned);
        self.learn_series(counts);
    }

    /// Learns the metric series of a pane; they have a quarantine of their own.
    pub(crate) fn learn_series(&mut self, counts: &ServiceCounts) {
        for (key, series) in &counts.series {
            if let Some(known) = self.series.get_mut(key) {
                known.learn(series);
            } else if self.series.len() < SERIES_MAX {
                let mut new = SeriesBaseline::default();
                new.learn(series);
                self.series.insert(key.clone(), new);
            }
        }
    }

    /// Series of a pane that find no room in the baseline: they are never judged.
    pub(crate) fn series_without_room(&self, counts: &ServiceCounts) -> u64 {
        if self.series.len() < SERIES_MAX {
            return 0;
        }
        counts.series.keys().filter(|key| !self.series.contains_key(*key)).count() as u64
    }

    /// Takes out entries whose failures or durations are abnormal: what users see suffers from
    /// faults of other services, for which this one is not in quarantine.
    fn hold_entries(&mut self, learned: &mut ServiceCounts, config: &DetectConfig) {
        let tell = config.tell.to_f64();
        let mut entries = std::mem::take(&mut learned.entries);
        entries.retain(|name, entry| {
            if self.entry_evidence(name, entry) < tell {
                self.held_entries.remove(name);
                return true;
            }
            let held = self.held_entries.entry(name.clone()).or_default();
            *held += 1;
            *held > config.accept_panes
        });
        learned.entries = entries;
    }

    fn entry_evidence(&self, name: &str, entry: &EntryCounts) -> f64 {
        let base = self.entry(name);
        let failed = binomial(entry.failed, entry.calls, posterior_share(base.hits, base.trials));
        let slow = self.entry_profile(name).map_or(0.0, |profile| {
            let hits = entry.durations.count_above(profile.threshold);
            binomial(hits, entry.durations.count(), profile.null_share())
        });
        failed.max(slow)
    }

    /// How often an operation is called and originates an error.
    pub(crate) fn errors_of(&self, operation: &str) -> Share {
        let trials = |op: &OperationCounts| op.calls.saturating_sub(op.retried);
        self.over(|counts| {
            let op = counts.operations.get(operation)?;
            Some(Share { hits: op.errors, trials: trials(op) })
        })
    }

    /// A share of the calls of one caller.
    pub(crate) fn edge(&self, caller: &str, hits: fn(&EdgeCounts) -> u64) -> Share {
        self.over(|counts| {
            let edge = counts.callers.get(caller)?;
            Some(Share { hits: hits(edge), trials: edge.calls })
        })
    }

    /// A share of the calls of all callers together.
    pub(crate) fn all_edges(&self, hits: fn(&EdgeCounts) -> u64) -> Share {
        self.over(|counts| {
            Some(counts.callers.values().fold(Share::default(), |sum, edge| Share {
                hits: sum.hits + hits(edge),
                trials: sum.trials + edge.calls,
            }))
        })
    }

    /// How often requests at an entry fail.
    pub(crate) fn entry(&self, operation: &str) -> Share {
        self.over(|counts| {
            let entry = counts.entries.get(operation)?;
            Some(Share { hits: entry.failed, trials: entry.calls })
        })
    }

    /// Spans of an operation, all and those with a pair of log templates.
    pub(crate) fn bigram(&self, operation: &str, pair: &(TemplateId, TemplateId)) -> Share {
        self.over(|counts| {
            let op = counts.operations.get(operation)?;
            let hits = op.bigrams.get(pair).map_or(0, |bigram| bigram.spans);
            Some(Share { hits, trials: op.paths })
        })
    }

    /// Spans of an operation with a pair of log templates.
    pub(crate) fn bigram_spans(&self, operation: &str, pair: &(TemplateId, TemplateId)) -> u64 {
        self.bigram(operation, pair).hits
    }

    /// The pairs of log templates of an operation, sorted.
    pub(crate) fn bigrams(&self, operation: &str) -> Vec<(TemplateId, TemplateId)> {
        let of = |counts: &'_ ServiceCounts| -> Vec<(TemplateId, TemplateId)> {
            let op = counts.operations.get(operation);
            op.map(|op| op.bigrams.keys().copied().collect()).unwrap_or_default()
        };
        let mut pairs = of(&self.young.counts);
        pairs.extend(of(&self.old.counts));
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    /// The text of a template, whatever its severity.
    pub(crate) fn skeleton(&self, template: TemplateId) -> Option<&Name> {
        let find = |counts: &'_ ServiceCounts| -> Option<TemplateKey> {
            counts.templates.keys().find(|key| key.template == template).copied()
        };
        let of = |generation: &'_ Generation| find(&generation.counts);
        let young = of(&self.young).and_then(|key| self.young.counts.templates.get(&key));
        let old = || of(&self.old).and_then(|key| self.old.counts.templates.get(&key));
        young.or_else(old).map(|counts| &counts.skeleton)
    }

    /// Untraced records of a template, and the panes that they are from.
    pub(crate) fn untraced(&self, key: &TemplateKey) -> Share {
        let hits = self
            .over(|counts| {
                let template = counts.templates.get(key)?;
                Some(Share { hits: template.records.saturating_sub(template.traced), trials: 0 })
            })
            .hits;
        Share { hits, trials: self.panes() }
    }

    /// Records of a template, in traces or not, and the panes that they are from.
    pub(crate) fn records(&self, key: &TemplateKey) -> Share {
        let said =
            self.over(|counts| Some(Share { hits: counts.templates.get(key)?.records, trials: 0 }));
        Share { hits: said.hits, trials: self.panes() }
    }

    /// Panes learned in all: a clock of what is known, which never goes back.
    pub(super) const fn learned(&self) -> u64 {
        self.learned
    }

    /// Panes that are known.
    pub(crate) fn panes(&self) -> u64 {
        self.young.panes + self.old.panes
    }

    /// Calls of a caller that were answered, per call that the caller took itself, and whether the
    /// caller's own spans show its attempts.
    pub(crate) fn call_rate(&self, caller: &str) -> Option<CallRate> {
        let answered = self.edge(caller, |edge| edge.calls.saturating_sub(edge.orphans));
        let declared = self.edge(caller, |edge| edge.declared).hits;
        let mut own = Activity::default();
        for generation in [&self.young, &self.old] {
            if let Some(activity) = generation.caller_activity.get(caller) {
                own.absorb(activity);
            }
        }
        let with_span = self.edge(caller, |edge| edge.gap.count());
        let taken = own.calls;
        if taken == 0 || answered.hits == 0 {
            return None;
        }
        Some(CallRate {
            answered: answered.hits,
            per_call: answered.hits as f64 / taken as f64,
            below_per_call: own.below as f64 / taken as f64,
            has_spans: with_span.hits * 2 >= with_span.trials,
            shows_attempts: declared * 2 >= answered.trials,
        })
    }

    /// How much more the calls vary than a Poisson law; at least 1.
    pub(crate) fn dispersion(&self) -> f64 {
        let panes = self.young.dispersion_panes + self.old.dispersion_panes;
        let sum = self.young.dispersion.saturating_add(self.old.dispersion);
        if panes == 0 { 1.0 } else { (sum as f64 / 1024.0 / panes as f64).max(1.0) }
    }

    /// The callers that the baseline knows, sorted.
    pub(crate) fn known_callers(&self) -> Vec<&Name> {
        let mut callers: Vec<&Name> =
            self.young.counts.callers.keys().chain(self.old.counts.callers.keys()).collect();
        callers.sort_unstable();
        callers.dedup();
        callers
    }

    pub(crate) fn kind(&self) -> EntityKind {
        self.young.counts.kind.min(self.old.counts.kind)
    }

    pub(crate) fn operation_profile(&self, name: &str) -> Option<&SlowProfile> {
        self.operations.get(name)
    }

    pub(crate) fn edge_profile(&self, caller: &str) -> Option<&SlowProfile> {
        self.edges.get(caller)
    }

    pub(crate) fn entry_profile(&self, operation: &str) -> Option<&SlowProfile> {
        self.entries.get(operation)
    }

    pub(crate) fn local_profile(&self) -> Option<&SlowProfile> {
        self.local.as_ref()
    }

    pub(crate) fn series(&self, key: &SeriesKey) -> Option<&SeriesBaseline> {
        self.series.get(key)
    }

    /// All metric series, by key.
    pub(crate) fn all_series(&self) -> &BTreeMap<SeriesKey, SeriesBaseline> {
        &self.series
    }

    pub(crate) fn operation_count(&self) -> usize {
        self.operations.len()
    }

    pub(crate) fn caller_count(&self) -> usize {
        self.known_callers().len()
    }

    pub(crate) fn entry_count(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn template_count(&self) -> usize {
        self.young.counts.templates.len() + self.old.counts.templates.len()
    }

    pub(crate) fn knows_operation(&self, name: &str) -> bool {
        self.operations.contains_key(name)
    }

    pub(crate) fn knows_caller(&self, name: &str) -> bool {
        self.young.counts.callers.contains_key(name) || self.old.counts.callers.contains_key(name)
    }

    pub(crate) fn knows_entry(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    pub(crate) fn knows_template(&self, key: &TemplateKey) -> bool {
        self.young.counts.templates.contains_key(key) || self.old.counts.templates.contains_key(key)
    }

    /// Sums a share over both generations.
    fn over(&self, read: impl Fn(&ServiceCounts) -> Option<Share>) -> Share {
        let young = read(&self.young.counts).unwrap_or_default();
        let old = read(&self.old.counts).unwrap_or_default();
        Share { hits: young.hits + old.hits, trials: young.trials + old.trials }
    }

    fn callers(&self, counts: &ServiceCounts) -> Vec<Name> {
        let mut callers: Vec<Name> = self.known_callers().into_iter().cloned().collect();
        callers.extend(counts.callers.keys().cloned());
        callers.sort_unstable();
        callers.dedup();
        callers
    }

    fn learn_dispersion(
        &mut self,
        counts: &ServiceCounts,
        activity: &BTreeMap<Name, Activity>,
        panes: u64,
    ) {
        if panes != 1 {
            return;
        }
        let (mut expected, mut seen) = (0.0, 0.0);
        for caller in self.known_callers() {
            let (Some(rate), Some(activity)) = (self.call_rate(caller), activity.get(caller))
            else {
                continue;
            };
            expected += rate.per_call * activity.calls as f64;
            let edge = counts.callers.get(caller);
            seen += edge.map_or(0, |edge| edge.calls.saturating_sub(edge.orphans)) as f64;
        }
        if expected >= 1.0 {
            let distance = (seen - expected) * (seen - expected) / expected;
            // Saturating float-to-integer conversion; a pane counts for at most 64.
            self.young.dispersion += (distance.min(64.0) * 1024.0) as u64;
            self.young.dispersion_panes += 1;
        }
    }

    /// Draws the thresholds of what was touched again, and forgets those of what is gone.
    fn refresh(&mut self, touched: &ServiceCounts) {
        for name in touched.operations.keys() {
            let histogram =
                self.histogram(|counts| counts.operations.get(name).map(|op| &op.self_time));
            set(&mut self.operations, name, &histogram);
        }
        for name in touched.callers.keys() {
            let histogram = self.histogram(|counts| counts.callers.get(name).map(|edge| &edge.gap));
            set(&mut self.edges, name, &histogram);
        }
        for name in touched.entries.keys() {
            let histogram = self.histogram(|counts| counts.entries.get(name).map(|e| &e.durations));
            set(&mut self.entries, name, &histogram);
        }
        if !touched.versions.is_empty() {
            let mut local = Histogram::default();
            for generation in [&self.young, &self.old] {
                for version in generation.counts.versions.values() {
                    local.absorb(&version.local_time);
                }
            }
            self.local = SlowProfile::of(&local);
        }
        if self.young.panes <= 1 {
            let (young, old) = (&self.young.counts, &self.old.counts);
            let has = |name: &Name| {
                young.operations.contains_key(name) || old.operations.contains_key(name)
            };
            self.operations.retain(|name, _| has(name));
            let has =
                |name: &Name| young.entries.contains_key(name) || old.entries.contains_key(name);
            self.entries.retain(|name, _| has(name));
        }
    }

    fn histogram(&self, read: impl Fn(&ServiceCounts) -> Option<&Histogram>) -> Histogram {
        let mut sum = read(&self.young.counts).cloned().unwrap_or_default();
        if let Some(old) = read(&self.old.counts) {
            sum.absorb(old);
        }
        sum
    }
}

/// How often a caller's own work leads to an answered call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CallRate {
    pub(crate) answered: u64,
    pub(crate) per_call: f64,
    /// Spans that the caller writes for one call that it takes.
    pub(crate) below_per_call: f64,
    /// Whether one of them is the call.
    pub(crate) has_spans: bool,
    pub(crate) shows_attempts: bool,
}

fn set(profiles: &mut BTreeMap<Name, SlowProfile>, name: &Name, histogram: &Histogram) {
    if let Some(profile) = SlowProfile::of(histogram) {
        match profiles.get_mut(name.as_str()) {
            Some(known) => *known = profile,
            None => {
                profiles.insert(name.clone(), profile);
            }
        }
    }
}

/// The counts that a baseline needs: no exemplars, no origins, no series.
fn stripped(counts: &ServiceCounts) -> ServiceCounts {
    let mut learned =
        ServiceCounts { series: BTreeMap::new(), instances: BTreeMap::new(), ..counts.clone() };
    for operation in learned.operations.values_mut() {
        operation.error_exemplars = Exemplars::default();
        operation.slow_exemplars = Exemplars::default();
        for bigram in operation.bigrams.values_mut() {
            bigram.exemplars = Exemplars::default();
        }
    }
    for edge in learned.callers.values_mut() {
        edge.error_exemplars = Exemplars::default();
        edge.orphan_exemplars = Exemplars::default();
        edge.slow_exemplars = Exemplars::default();
    }
    for template in learned.templates.values_mut() {
        template.exemplars = Exemplars::default();
        template.texts = BTreeMap::new();
    }
    for entry in learned.entries.values_mut() {
        *entry = EntryCounts { origins: BTreeMap::new(), ..std::mem::take(entry) };
    }
    learned
}
