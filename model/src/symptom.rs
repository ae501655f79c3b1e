//! Symptoms: evidence that an entity behaves abnormally in a pane, and what else a pane tells.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::ChangeEvent;
use crate::entity::Entity;
use crate::id::TraceId;
use crate::map::ObservedDependency;
use crate::name::Name;
use crate::nats::Nats;
use crate::signal::LogSeverity;
use crate::time::Pane;

/// Ends the detail of a metric symptom whose series has come near the limit of what it measures.
pub const AT_LIMIT: &str = " at its limit";

/// Which test produced the evidence.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SymptomKind {
    /// Spans that originate an error: failing without a failing child.
    ErrorOrigin,
    /// Spans whose own time (without children) is far above the baseline.
    SlowSelf,
    /// Calls whose time between the caller's and the callee's span is far above the baseline.
    SlowEdge,
    /// A log template that should not be there, or an expected one that is missing.
    LogPath,
    /// Calls that no server span answers.
    OrphanCalls,
    /// Far fewer calls than expected while callers still try.
    Silence,
    /// A metric series that left its range.
    Metric,
    /// A warning or an error that a service logs more often than usual. It is no symptom of that
    /// service: if it names another one, it speaks of that.
    Complaint,
    /// What the platform says plainly: an object of the service failed, was backed off, ...
    Platform,
}

/// Evidence from one pane. Identity inside a batch is (entity, kind, detail).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symptom {
    /// Who behaves abnormally.
    pub entity: Entity,
    /// By which test.
    pub kind: SymptomKind,
    /// What exactly, for people and for text overlap: operation, log skeleton, metric name.
    pub detail: Name,
    /// Evidence of this pane alone.
    pub nats: Nats,
    /// Evidence of the run of panes since `onset`: the sequential sum.
    pub level: Nats,
    /// The last pane in which the sequential sum was zero, plus one: when it began.
    pub onset: Pane,
    /// Hits.
    pub hits: u64,
    /// Trials.
    pub trials: u64,
    /// Share of hits to be expected. Unit: parts per million.
    pub expected_ppm: u32,
    /// At most three traces that show it, chosen by smallest hash.
    pub exemplars: Vec<TraceId>,
}

/// On how many failing or slow traces of a pane that originate at `origin` the service `reached`
/// lies between the origin and the entry. The row (o, o) counts all such traces of o.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reach {
    /// Service or virtual node that the failure comes from.
    pub origin: Name,
    /// Service that it reaches.
    pub reached: Name,
    /// Traces.
    pub traces: u64,
}

/// What users saw at one entry operation in a pane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryObservation {
    /// The service at the root of the traces.
    pub service: Name,
    /// Its operation.
    pub operation: Name,
    /// Requests.
    pub calls: u64,
    /// Failed ones.
    pub failed: u64,
    /// Slow ones (above the baseline's threshold) that did not fail.
    pub slow: u64,
    /// Share of failed requests to be expected. Unit: parts per million.
    pub expected_failed_ppm: u32,
    /// Failed or slow requests by the origin of their failure, sorted by origin.
    pub origins: Vec<(Name, u64)>,
}

/// What one version of a service did in a pane in which several versions ran, or in which the
/// service has a symptom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VersionObservation {
    /// The service.
    pub service: Name,
    /// The version.
    pub version: Name,
    /// Its server spans.
    pub calls: u64,
    /// Those that originated an error.
    pub failed: u64,
    /// Those with slow self time.
    pub slow: u64,
    /// Points of metrics of its requests, written by its instances beside those of another version,
    /// and those of them that are off what the service's instances usually show: (metric, points,
    /// off), sorted; at most 64.
    #[serde(default)]
    pub metrics: Vec<(Name, u64, u64)>,
}

/// A log template that is grave or new, in a pane. No evidence: its words say what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Voice {
    /// Who says it.
    pub service: Name,
    /// What, with numbers and ids masked.
    pub text: Name,
    /// How often in this pane.
    pub records: u64,
    /// How grave it is by its source.
    pub severity: LogSeverity,
}

/// Everything that one detect task says of one pane. Stamp: (task, pane, revision); a later
/// revision replaces an earlier one of the same task and pane, nothing is added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymptomBatch {
    /// The detect task: its share of the services.
    pub task: u32,
    /// The pane.
    pub pane: Pane,
    /// Grows by one with each new word on the same pane.
    pub revision: u32,
    /// All panes up to this one have been judged at least once by this task.
    pub judged_through: Pane,
    /// No pane up to this one will be revised any more by this task.
    pub settled_through: Pane,
    /// Whether any telemetry at all arrived in the pane: a pane without is no sign of quiet.
    pub has_telemetry: bool,
    /// Evidence, sorted by (entity, kind, detail).
    pub symptoms: Vec<Symptom>,
    /// Where failing traces went, sorted.
    pub reach: Vec<Reach>,
    /// What users saw, sorted; only entries whose service is of this task's share.
    pub entries: Vec<EntryObservation>,
    /// Old against new, sorted.
    pub versions: Vec<VersionObservation>,
    /// Dependencies that spans showed, sorted.
    pub dependencies: Vec<ObservedDependency>,
    /// Changes that telemetry itself shows: a `service.version` seen for the first time.
    pub changes: Vec<ChangeEvent>,
    /// Versions seen for the first time, the first of a service among them: (service, version),
    /// sorted.
    #[serde(default)]
    pub first_seen: Vec<(Name, Name)>,
    /// What services say that they do not usually say, for its words: sorted.
    #[serde(default)]
    pub voices: Vec<Voice>,
}
