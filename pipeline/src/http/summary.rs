//! The summary of an incident's revision: a row of the list, an event of the stream.

use model::alert::{AlertStatus, Severity};
use model::entity::Entity;
use model::hypothesis::CauseKind;
use model::id::{CellId, IncidentId};
use model::incident::{Incident, IncidentState, Priority, Ticket};
use model::name::Name;
use model::people::Said;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The states in the order in which a person cares.
pub const STATES: [IncidentState; 5] = [
    IncidentState::Open,
    IncidentState::Suspected,
    IncidentState::Resolved,
    IncidentState::Merged,
    IncidentState::Withdrawn,
];

/// The leading hypothesis in one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeadingCause {
    /// Who.
    pub entity: Entity,
    /// What kind of cause.
    pub kind: CauseKind,
    /// The blamed change's title, if one is blamed.
    pub change: Option<Name>,
    /// Unit: 0 to 1.
    pub probability: f64,
}

/// An incident's revision without its lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentSummary {
    /// Id.
    pub id: IncidentId,
    /// Revision.
    pub revision: u32,
    /// The cell.
    pub cell: CellId,
    /// State.
    pub state: IncidentState,
    /// The heaviest severity that a monitor gave.
    pub severity: Severity,
    /// ITIL priority.
    pub priority: Priority,
    /// One line.
    pub title: String,
    /// When the trouble began.
    pub onset_at: Timestamp,
    /// When it was first published.
    pub opened_at: Timestamp,
    /// When this revision was decided.
    pub updated_at: Timestamp,
    /// When its causes became quiet.
    pub resolved_at: Option<Timestamp>,
    /// Services with a symptom or an alert, sorted.
    pub services: Vec<Name>,
    /// How many alerts are members.
    pub alerts_count: usize,
    /// How many of them are firing.
    pub alerts_firing_count: usize,
    /// How many symptoms are members.
    pub symptoms_count: usize,
    /// Unit: 0 to 100.
    pub impact: f64,
    /// Requests lost since the onset.
    pub lost_requests: u64,
    /// The most likely cause.
    pub cause: Option<LeadingCause>,
    /// Who owns the most likely cause.
    pub owner: Option<Name>,
    /// Its tickets.
    pub tickets: Vec<Ticket>,
    /// The incident that this one became part of.
    pub merged_into: Option<IncidentId>,
    /// Who works on it, if anybody said so.
    #[serde(default)]
    pub acknowledged: Option<Said>,
    /// To whom it was given.
    #[serde(default)]
    pub assignee: Option<Name>,
    /// No sink is told of it until then.
    #[serde(default)]
    pub snoozed_until: Option<Timestamp>,
    /// Who decided its state, if a person did.
    #[serde(default)]
    pub state_held: Option<Said>,
    /// Why its members tell nobody now: ids of acts.
    #[serde(default)]
    pub muted_by: Vec<Name>,
    /// How many comments it has.
    #[serde(default)]
    pub comments_count: usize,
}

impl From<&Incident> for IncidentSummary {
    fn from(incident: &Incident) -> Self {
        let firing = |status: &AlertStatus| matches!(status, AlertStatus::Firing);
        Self {
            id: incident.id,
            revision: incident.revision,
            cell: incident.cell.clone(),
            state: incident.state,
            severity: incident.severity,
            priority: incident.priority,
            title: incident.title.clone(),
            onset_at: incident.onset_at,
            opened_at: incident.opened_at,
            updated_at: incident.updated_at,
            resolved_at: incident.resolved_at,
            services: incident.services.clone(),
            alerts_count: incident.alerts.len(),
            alerts_firing_count: incident.alerts.iter().filter(|a| firing(&a.status)).count(),
            symptoms_count: incident.symptoms.len(),
            impact: incident.blast_radius.impact,
            lost_requests: incident.blast_radius.lost_requests,
            cause: incident.hypotheses.first().map(|first| LeadingCause {
                entity: first.entity.clone(),
                kind: first.kind,
                change: first.change.as_ref().map(|change| change.title.clone()),
                probability: first.probability,
            }),
            owner: incident.owner.clone(),
            tickets: incident.tickets.clone(),
            merged_into: incident.lineage.merged_into,
            acknowledged: incident.people.acknowledged.clone(),
            assignee: incident.people.assignee.clone(),
            snoozed_until: incident.people.snoozed_until,
            state_held: incident.people.state_held.clone(),
            muted_by: incident.people.muted_by.clone(),
            comments_count: incident.people.comments.len(),
        }
    }
}
