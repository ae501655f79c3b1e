//! The incident: the record of `faultline.incidents`, the whole incident at one revision.
//!
//! `schema_version` 1. Fields may be added; changing or removing one needs a new version.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::alert::{AlertStatus, Severity};
use crate::blast_radius::BlastRadius;
use crate::entity::Entity;
use crate::hypothesis::Hypothesis;
use crate::id::{CellId, Fingerprint, IncidentId, TraceId};
use crate::map::ItemIdentity;
use crate::name::Name;
use crate::people::People;
use crate::symptom::SymptomKind;
use crate::time::Timestamp;

/// The version of the record's form.
pub const SCHEMA_VERSION: u32 = 1;

/// The states of an incident.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Evidence is there, not yet enough to wake anybody.
    Suspected,
    /// Worth a person's attention.
    Open,
    /// Its causes are quiet.
    Resolved,
    /// It became part of another incident; see its lineage.
    Merged,
    /// Later data took its evidence back: it never was one.
    Withdrawn,
}

impl IncidentState {
    /// How machines write it, the record too: `suspected`, `open` ...
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Merged => "merged",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// ITIL priority. P1 is the highest.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Priority {
    /// Critical.
    P1,
    /// High.
    P2,
    /// Moderate.
    P3,
    /// Low.
    P4,
}

impl Priority {
    /// How people and the record write it: `P1` to `P4`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
        }
    }
}

/// Why an alert is a member.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum JoinReason {
    /// It is the first.
    First,
    /// Its entity is a member.
    SameEntity,
    /// They share failing traces.
    SharedTraces,
    /// Its entity depends on a member, or a member on it, with the onset in the right order.
    Dependency,
    /// Same host.
    SameHost,
    /// Touched by the same change.
    SameChange,
    /// It names no entity but its labels are like a member's.
    SimilarLabels,
    /// A grouping rule gave it the same key as a member's alert.
    Grouped,
}

/// An alert of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentAlert {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Its rule.
    pub name: Name,
    /// Its state at this revision.
    pub status: AlertStatus,
    /// Whether it changes its state too often to be believed each time.
    pub flapping: bool,
    /// What the monitor said of its weight.
    pub severity: Severity,
    /// The service it speaks of, if any could be told.
    pub service: Option<Name>,
    /// One line for people: `summary`, else `description`, else the rule.
    pub summary: Name,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended.
    pub ends_at: Option<Timestamp>,
    /// Why it is a member.
    pub reason: JoinReason,
    /// The silence, maintenance window or inhibition that keeps it from telling anybody, by the id
    /// of its act.
    #[serde(default)]
    pub muted_by: Option<Name>,
    /// A link for people.
    pub url: Option<Name>,
}

/// A symptom of an incident, summed over its panes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentSymptom {
    /// Who.
    pub entity: Entity,
    /// By which test.
    pub kind: SymptomKind,
    /// What exactly.
    pub detail: Name,
    /// Evidence over all panes. Unit: nats.
    pub nats: f64,
    /// Hits over all panes.
    pub hits: u64,
    /// Trials over all panes.
    pub trials: u64,
    /// When it began.
    pub first_at: Timestamp,
    /// The end of the last pane that showed it.
    pub last_at: Timestamp,
    /// Traces that show it.
    pub exemplars: Vec<TraceId>,
    /// Why it is a member.
    pub reason: JoinReason,
}

/// What an entry of the timeline is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TimelineKind {
    /// A change took effect.
    Change,
    /// A symptom began.
    Symptom,
    /// An alert fired.
    Alert,
    /// Everything of an alert rule became quiet.
    Quiet,
    /// The incident changed its state.
    State,
    /// A person decided something.
    Decision,
}

/// The line of a timeline that says that an incident is open begins so.
pub const OPENED: &str = "opened";
/// The line of a timeline that says that an incident is suspected.
pub const SUSPECTED: &str = "suspected";

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct TimelineEntry {
    /// When, in event time.
    pub at: Timestamp,
    /// About what.
    pub kind: TimelineKind,
    /// The service it concerns.
    pub service: Option<Name>,
    /// In words.
    pub text: String,
}

/// The record of an incident in an ITSM or chat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Ticket {
    /// The sink that keeps it, by its configured name.
    pub sink: Name,
    /// Its id there.
    pub id: Name,
    /// The number or key people use.
    pub number: Option<Name>,
    /// A link for people.
    pub url: Option<Name>,
}

/// Where an incident came from and went to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lineage {
    /// The incident that this one became part of.
    pub merged_into: Option<IncidentId>,
    /// Incidents that became part of this one.
    pub merged_from: Vec<IncidentId>,
    /// The incident that this one was split from.
    pub split_from: Option<IncidentId>,
    /// How often it was reopened.
    pub reopened: u32,
}

/// The whole incident at one revision. Key of its record: `id`.
///
/// Invariant: revisions grow by one; equal (id, revision) means equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Version of this form: 1.
    pub schema_version: u32,
    /// Id: hash of the first entity and the onset pane.
    pub id: IncidentId,
    /// 1, 2, 3 ...
    pub revision: u32,
    /// The cell.
    pub cell: CellId,
    /// State.
    pub state: IncidentState,
    /// The heaviest severity that a monitor gave.
    pub severity: Severity,
    /// ITIL priority, from impact and urgency.
    pub priority: Priority,
    /// One line.
    pub title: String,
    /// When the trouble began: event time, a change-point, not the time of the page.
    pub onset_at: Timestamp,
    /// When this incident was first published.
    pub opened_at: Timestamp,
    /// When this revision was decided.
    pub updated_at: Timestamp,
    /// When its causes became quiet.
    pub resolved_at: Option<Timestamp>,
    /// Services with a symptom or an alert, sorted.
    pub services: Vec<Name>,
    /// Alerts, sorted by (start, fingerprint).
    pub alerts: Vec<IncidentAlert>,
    /// Symptoms, heaviest first.
    pub symptoms: Vec<IncidentSymptom>,
    /// Traces that show the incident, sorted; at most ten.
    pub exemplars: Vec<TraceId>,
    /// Whom it reaches.
    pub blast_radius: BlastRadius,
    /// Candidate causes, most likely first; one of them is "none".
    pub hypotheses: Vec<Hypothesis>,
    /// How many of the first hypotheses hold 90 % of the probability.
    pub confidence_set_size: u32,
    /// Who owns the first hypothesis' service.
    pub owner: Option<Name>,
    /// What the sources of the map call the first hypothesis' service, sorted; at most 16.
    #[serde(default)]
    pub cause_items: Vec<ItemIdentity>,
    /// Its tickets, sorted by sink.
    pub tickets: Vec<Ticket>,
    /// What people decided about it.
    #[serde(default)]
    pub people: People,
    /// Where it came from and went to.
    pub lineage: Lineage,
    /// The story in event time, sorted; at most 100 entries.
    pub timeline: Vec<TimelineEntry>,
    /// The story in plain words, a few sentences.
    pub narrative: String,
}

/// The JSON Schema of the record, generated from the types.
#[must_use]
pub fn json_schema() -> schemars::Schema {
    schemars::schema_for!(Incident)
}

impl Incident {
    /// Whether it was suspected and never more, as its timeline tells: nobody was to be woken for it.
    #[must_use]
    pub fn was_only_suspected(&self) -> bool {
        let mut states = self.timeline.iter().filter(|line| line.kind == TimelineKind::State);
        let opened = states.clone().any(|line| line.text.starts_with(OPENED));
        !opened && states.any(|line| line.text == SUSPECTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_priorities_are_labelled_as_the_record_has_them() {
        use IncidentState::{Merged, Open, Resolved, Suspected, Withdrawn};
        for state in [Suspected, Open, Resolved, Merged, Withdrawn] {
            assert_eq!(serde_json::json!(state), state.label());
        }
        for priority in [Priority::P1, Priority::P2, Priority::P3, Priority::P4] {
            assert_eq!(serde_json::json!(priority), priority.label());
        }
    }
}
