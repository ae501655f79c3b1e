//! What a pane holds: integers that add up. Merging two counts is commutative and associative,
//! so neither the number of tasks nor the order of arrival can be read from the sum.
//!
//! Everything stands under the service (or virtual node) that owns it, so a record splits by
//! owner: an edge belongs to its callee, an entry operation to the service at the root.

use std::collections::BTreeMap;

use model::entity::EntityKind;
use model::id::TemplateId;
use model::name::Name;
use model::signal::{LogSeverity, MetricKind};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::exemplar::Exemplars;
use super::histogram::Histogram;
use super::limits::TEXTS_MAX;

/// Counts that add up: `absorb` is commutative and associative.
pub trait Merge {
    /// Adds what another task or pane counted.
    fn absorb(&mut self, other: &Self);
}

impl<K: Ord + Clone, V: Merge + Clone> Merge for BTreeMap<K, V> {
    fn absorb(&mut self, other: &Self) {
        for (key, value) in other {
            match self.get_mut(key) {
                Some(mine) => mine.absorb(value),
                None => {
                    self.insert(key.clone(), value.clone());
                }
            }
        }
    }
}

impl Merge for u64 {
    fn absorb(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

/// All counts of one pane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneCounts {
    /// Spans, log records and metric points.
    pub signals: u64,
    /// How busy every service was; the same in the records of all shares, since the silence of a
    /// service is judged by the activity of its callers.
    pub activity: BTreeMap<Name, Activity>,
    /// By owner.
    pub services: BTreeMap<Name, ServiceCounts>,
}

/// How busy a service was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Calls that it took (entry spans).
    pub calls: u64,
    /// Those that failed.
    pub failed: u64,
    /// Spans inside and at the way out of it: its own work and its calls of others, answered or not.
    pub below: u64,
}

/// All counts of one owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceCounts {
    /// What the owner is; `Nothing` until something says it.
    pub kind: EntityKind,
    /// By operation.
    pub operations: BTreeMap<Name, OperationCounts>,
    /// Calls to this owner, by caller.
    pub callers: BTreeMap<Name, EdgeCounts>,
    /// By `service.version`.
    pub versions: BTreeMap<Name, VersionCounts>,
    /// Log records by template.
    pub templates: BTreeMap<TemplateKey, TemplateCounts>,
    /// Traces that began here, by operation.
    pub entries: BTreeMap<Name, EntryCounts>,
    /// Metric series.
    pub series: BTreeMap<SeriesKey, SeriesCounts>,
    /// The version that each instance with metrics runs; the greatest where sources disagree.
    #[serde(default)]
    pub instances: BTreeMap<Name, Name>,
}

impl Default for ServiceCounts {
    fn default() -> Self {
        Self {
            kind: EntityKind::Nothing,
            operations: BTreeMap::new(),
            callers: BTreeMap::new(),
            versions: BTreeMap::new(),
            templates: BTreeMap::new(),
            entries: BTreeMap::new(),
            series: BTreeMap::new(),
            instances: BTreeMap::new(),
        }
    }
}

/// One operation of a service: all of its spans but those that call others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCounts {
    /// Spans.
    pub calls: u64,
    /// Those that belong to an attempt that was tried again: no trials of their own.
    pub retried: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that originate an error.
    pub errors: u64,
    /// Time of the span without its children.
    pub self_time: Histogram,
    /// Spans whose log path is counted: not those that fail only because something below failed,
    /// since what they log of it is told by the deepest one.
    pub paths: u64,
    /// Those spans by the pairs of neighbouring log templates that they hold.
    pub bigrams: BTreeMap<(TemplateId, TemplateId), BigramCounts>,
    /// Traces with an error origin here.
    pub error_exemplars: Exemplars,
    /// Traces with the longest self time here.
    pub slow_exemplars: Exemplars,
}

/// Spans that hold one pair of neighbouring log templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BigramCounts {
    /// Spans.
    pub spans: u64,
    /// Traces that show it.
    pub exemplars: Exemplars,
}

/// Calls of one caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeCounts {
    /// Calls; attempts of one retried call are one.
    pub calls: u64,
    /// Attempts that were tried again.
    pub retried: u64,
    /// Calls that the source itself names so (kind client): with them an attempt is seen even if
    /// nobody answers.
    pub declared: u64,
    /// Calls that failed at either side.
    pub failed: u64,
    /// Calls of a client span that no server span answers.
    pub orphans: u64,
    /// Failed calls whose failure has its origin neither in the caller nor in a span of the callee.
    pub errors: u64,
    /// Time of the client span without the server's; all of it if there is no server span.
    pub gap: Histogram,
    /// Traces with an error that comes from this call.
    pub error_exemplars: Exemplars,
    /// Traces with an unanswered call.
    pub orphan_exemplars: Exemplars,
    /// Traces with the longest gap.
    pub slow_exemplars: Exemplars,
}

/// Requests that one version of a service took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionCounts {
    /// Entry spans.
    pub calls: u64,
    /// Error origins.
    pub failed: u64,
    /// Time inside of the service per request.
    pub local_time: Histogram,
}

/// Identity of a log template inside a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TemplateKey {
    /// Severity.
    pub severity: LogSeverity,
    /// Template.
    pub template: TemplateId,
    /// Whether the platform said it of the service.
    pub of_platform: bool,
}

/// Records of one log template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateCounts {
    /// Records.
    pub records: u64,
    /// Those of them that belong to a trace.
    pub traced: u64,
    /// Its text, for people: the smallest if hashes collide.
    pub skeleton: Name,
    /// Of a warning or an error, the smallest few of its texts with their records: statements that report
    /// whatever went wrong name now the one and now the other.
    #[serde(default)]
    pub texts: BTreeMap<Name, u64>,
    /// Traces that hold one.
    pub exemplars: Exemplars,
}

impl TemplateCounts {
    /// Counts records of a text. Which texts stay does not depend on the order: the smallest of all are among
    /// the smallest of any part.
    pub(crate) fn count_text(&mut self, text: &Name, records: u64) {
        self.texts.entry(text.clone()).or_default().absorb(&records);
        while self.texts.len() > TEXTS_MAX {
            self.texts.pop_last();
        }
    }
}

/// Traces that began at one operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryCounts {
    /// Requests.
    pub calls: u64,
    /// Failed ones.
    pub failed: u64,
    /// Durations of those that did not fail.
    pub durations: Histogram,
    /// By the origin of the failure, or of most of the time where nothing failed.
    pub origins: BTreeMap<Name, OriginCounts>,
}

/// Requests whose failure, or most of whose time, comes from one service or virtual node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginCounts {
    /// Failed requests.
    pub failed: u64,
    /// Coarse durations of the others; see [`coarse`].
    pub durations: Histogram,
    /// Services between the origin and the entry, both included.
    pub reached: BTreeMap<Name, ReachedCounts>,
}

/// The requests of an origin that pass one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachedCounts {
    /// Failed requests.
    pub failed: u64,
    /// Coarse durations of the others.
    pub durations: Histogram,
}

/// The first bucket of the group of eight that a bucket is in: durations by origin and reach
/// need less detail, and every healthy trace adds to them.
#[must_use]
pub(crate) fn coarse(bucket: u16) -> u16 {
    bucket & !7
}

/// Identity of a metric series inside its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesKey {
    /// Instance that sent it, if the resource names one beside its owner.
    pub instance: Option<Name>,
    /// Metric name.
    pub metric: Name,
    /// Point attributes.
    pub attributes: Name,
}

/// The points of one series in a pane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesCounts {
    /// How to read the value; the smallest if sources disagree.
    pub kind: MetricKind,
    /// Points.
    pub points: u64,
    /// Last point by (time, bits of the value). For gauges and cumulative sums.
    pub last: (Timestamp, u64),
    /// Sum of the values in units of 2^-20, each value clamped to 2^80 units. For delta sums.
    pub sum: i128,
}

impl SeriesCounts {
    /// One point.
    #[must_use]
    pub fn point(kind: MetricKind, time: Timestamp, value: f64) -> Self {
        const SCALE: f64 = (1_u64 << 20) as f64;
        const CLAMP: f64 = (1_u128 << 80) as f64;
        let sum = (value * SCALE).clamp(-CLAMP, CLAMP) as i128;
        Self { kind, points: 1, last: (time, value.to_bits()), sum }
    }

    /// The value of the last point.
    #[must_use]
    pub fn last_value(&self) -> f64 {
        f64::from_bits(self.last.1)
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum_value(&self) -> f64 {
        self.sum as f64 / (1_u64 << 20) as f64
    }
}

impl ServiceCounts {
    /// Notes the version of an instance: commutative, for the greatest stays.
    pub(crate) fn note_instance(&mut self, instance: &Name, version: &Name) {
        match self.instances.get_mut(instance.as_str()) {
            Some(known) if *known < *version => *known = version.clone(),
            Some(_) => {}
            None => {
                self.instances.insert(instance.clone(), version.clone());
            }
        }
    }

    /// Whether its instances run several versions: a roll-out is going on.
    pub(crate) fn is_rolling_out(&self) -> bool {
        let mut versions = self.instances.values();
        versions.next().is_some_and(|first| versions.any(|other| other != first))
    }
}

impl PaneCounts {
    /// The counts of one owner, made if missing.
    pub fn service(&mut self, name: &Name, kind: EntityKind) -> &mut ServiceCounts {
        let counts = slot(&mut self.services, name);
        counts.kind = counts.kind.min(kind);
        counts
    }

    /// Adds the counts of another task: commutative and associative.
    pub fn merge(&mut self, other: &Self) {
        self.absorb(other);
    }

    /// Whether nothing arrived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signals == 0
    }
}

/// The value of a key, made if missing.
pub(crate) fn slot<'a, V: Default>(map: &'a mut BTreeMap<Name, V>, key: &Name) -> &'a mut V {
    map.entry(key.clone()).or_default()
}

impl Merge for PaneCounts {
    fn absorb(&mut self, other: &Self) {
        self.signals.absorb(&other.signals);
        self.activity.absorb(&other.activity);
        self.services.absorb(&other.services);
    }
}

impl Merge for Activity {
    fn absorb(&mut self, other: &Self) {
        self.calls.absorb(&other.calls);
        self.failed.absorb(&other.failed);
        self.below.absorb(&other.below);
    }
}

impl Merge for ServiceCounts {
    fn absorb(&mut self, other: &Self) {
        self.kind = self.kind.min(other.kind);
        self.operations.absorb(&other.operations);
        self.callers.absorb(&other.callers);
        self.versions.absorb(&other.versions);
        self.templates.absorb(&other.templates);
        self.entries.absorb(&other.entries);
        self.series.absorb(&other.series);
        for (instance, version) in &other.instances {
            self.note_instance(instance, version);
        }
    }
}

impl Merge for OperationCounts {
    fn absorb(&mut self, other: &Self) {
        self.calls.absorb(&other.calls);
        self.retried.absorb(&other.retried);
        self.failed.absorb(&other.failed);
        self.errors.absorb(&other.errors);
        self.self_time.absorb(&other.self_time);
        self.paths.absorb(&other.paths);
        self.bigrams.absorb(&other.bigrams);
        self.error_exemplars.absorb(&other.error_exemplars);
        self.slow_exemplars.absorb(&other.slow_exemplars);
    }
}

impl Merge for BigramCounts {
    fn absorb(&mut self, other: &Self) {
        self.spans.absorb(&other.spans);
        self.exemplars.absorb(&other.exemplars);
    }
}

impl Merge for EdgeCounts {
    fn absorb(&mut self, other: &Self) {
        self.calls.absorb(&other.calls);
        self.retried.absorb(&other.retried);
        self.declared.absorb(&other.declared);
        self.failed.absorb(&other.failed);
        self.orphans.absorb(&other.orphans);
        self.errors.absorb(&other.errors);
        self.gap.absorb(&other.gap);
        self.error_exemplars.absorb(&other.error_exemplars);
        self.orphan_exemplars.absorb(&other.orphan_exemplars);
        self.slow_exemplars.absorb(&other.slow_exemplars);
    }
}

impl Merge for VersionCounts {
    fn absorb(&mut self, other: &Self) {
        self.calls.absorb(&other.calls);
        self.failed.absorb(&other.failed);
        self.local_time.absorb(&other.local_time);
    }
}

impl Merge for TemplateCounts {
    fn absorb(&mut self, other: &Self) {
        if self.records == 0 || (other.records > 0 && other.skeleton < self.skeleton) {
            self.skeleton = other.skeleton.clone();
        }
        self.records.absorb(&other.records);
        self.traced.absorb(&other.traced);
        for (text, records) in &other.texts {
            self.count_text(text, *records);
        }
        self.exemplars.absorb(&other.exemplars);
    }
}

impl Merge for EntryCounts {
    fn absorb(&mut self, other: &Self) {
        self.calls.absorb(&other.calls);
        self.failed.absorb(&other.failed);
        self.durations.absorb(&other.durations);
        self.origins.absorb(&other.origins);
    }
}

impl Merge for OriginCounts {
    fn absorb(&mut self, other: &Self) {
        self.failed.absorb(&other.failed);
        self.durations.absorb(&other.durations);
        self.reached.absorb(&other.reached);
    }
}

impl Merge for ReachedCounts {
    fn absorb(&mut self, other: &Self) {
        self.failed.absorb(&other.failed);
        self.durations.absorb(&other.durations);
    }
}

impl Merge for SeriesCounts {
    fn absorb(&mut self, other: &Self) {
        self.kind = self.kind.min(other.kind);
        self.points.absorb(&other.points);
        self.last = self.last.max(other.last);
        self.sum = self.sum.saturating_add(other.sum);
    }
}
