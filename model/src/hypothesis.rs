//! Hypotheses: candidate causes with their evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::change::ChangeKind;
use crate::entity::Entity;
use crate::id::TraceId;
use crate::name::Name;
use crate::time::Timestamp;

/// What kind of cause.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// A change broke it.
    Change,
    /// Its own code or data, without a known change.
    Code,
    /// CPU, memory, disk, connections.
    Resource,
    /// It answers nothing.
    Unavailable,
    /// The network on the way to it.
    Network,
    /// A party outside of the system.
    External,
    /// More load than it can carry.
    Traffic,
    /// Nothing that we can see inside the system.
    None,
}

/// The change of a hypothesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuspectedChange {
    /// The change event's id (CloudEvents `id`).
    pub id: Name,
    /// What kind of change.
    pub kind: ChangeKind,
    /// When it took effect.
    pub at: Timestamp,
    /// One line for people.
    pub title: Name,
    /// Who did it.
    pub author: Option<Name>,
    /// A link for people.
    pub url: Option<Name>,
}

/// Which term of the sum.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceTerm {
    /// How often such a cause is to blame, before any evidence.
    Prior,
    /// Errors that originate at the entity.
    ErrorOrigin,
    /// Own time far above its baseline.
    SlowSelf,
    /// Time on the way to the entity.
    SlowEdge,
    /// Log templates that should not be there, or are missing.
    LogPath,
    /// Calls that got no answer.
    OrphanCalls,
    /// Fewer calls than expected.
    Silence,
    /// Metrics out of range.
    Metric,
    /// Warnings and errors of other services that name it.
    Complaint,
    /// What the platform says of its objects.
    Platform,
    /// Alerts of monitors.
    Alerts,
    /// Share of the failing traces that it explains.
    Coverage,
    /// Several dependants of a node without telemetry fail together.
    CommonCause,
    /// What it should have caused and did not.
    Absent,
    /// The part that something deeper shows as well: what fails below is logged above.
    Deeper,
    /// The time between the change and the onset.
    ChangeTime,
    /// Where the change was made, against where it hurts.
    ChangeLocality,
    /// The old version against the new one, side by side.
    ChangeSplit,
    /// What the change touched, against what went wrong.
    ChangeContent,
    /// What people said of such causes in earlier incidents.
    Feedback,
    /// What a person said of this cause in this incident.
    Person,
}

/// One signed term of a hypothesis' sum, with what it points to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Which term.
    pub term: EvidenceTerm,
    /// How much it says, for or against. Unit: nats.
    pub nats: f64,
    /// In words, with the numbers behind it.
    pub text: String,
    /// Traces that show it.
    pub traces: Vec<TraceId>,
    /// Alerts it rests on, by fingerprint.
    pub alerts: Vec<crate::id::Fingerprint>,
    /// Changes it rests on, by id.
    pub changes: Vec<Name>,
}

/// A candidate cause. Invariant: `log_odds` is the sum of the evidence's nats, up to rounding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hypothesis {
    /// 1 is the most likely.
    pub rank: u32,
    /// Who.
    pub entity: Entity,
    /// What kind of cause.
    pub kind: CauseKind,
    /// The change that did it; null when no change is blamed.
    pub change: Option<SuspectedChange>,
    /// Probability among the hypotheses of this incident. Unit: 0 to 1.
    pub probability: f64,
    /// Sum of the evidence. Unit: nats.
    pub log_odds: f64,
    /// One sentence for a tired person.
    pub summary: String,
    /// The services on the way from the cause to the entry, in the direction of failure. Each hop
    /// calls the one before it, is abnormal itself, and did not become so before it.
    pub path: Vec<Name>,
    /// What the first hypothesis has and this one lacks, in words; null for the first.
    pub lacks: Option<String>,
    /// The ledger, heaviest first.
    pub evidence: Vec<Evidence>,
}
