//! What leaves the correlator: a closed list, each with its reason.

use model::incident::Incident;
use model::name::Name;
use serde::{Deserialize, Serialize};

/// Why an incident was told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChangeReason {
    /// It is new, or was only suspected before.
    Opened,
    /// Other alerts are its members.
    AlertJoined,
    /// Other symptoms, or other numbers.
    Symptoms,
    /// The causes rank differently, or its impact changed.
    Ranked,
    /// Its causes are quiet.
    Resolved,
    /// What went has come back.
    Reopened,
    /// It became part of another, or another became part of it.
    Merged,
    /// It was cut out of another.
    Split,
    /// Later data took its evidence back.
    Withdrawn,
    /// A sink has its ticket.
    TicketLinked,
    /// A person decided something about it, or what mutes it changed.
    Decided,
}

/// What was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ShedReason {
    /// Symptoms of a pane that is settled.
    LateSymptoms,
    /// More than a bound allows.
    Limit,
    /// A ticket of an incident that is not known.
    UnknownIncident,
}

/// What leaves the correlator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// An incident at a new revision.
    Incident {
        /// The whole record.
        incident: Box<Incident>,
        /// Why.
        reason: ChangeReason,
    },
    /// An act of a person was not carried out.
    Refused {
        /// The act's id.
        act: Name,
        /// Why, and what to do.
        why: String,
    },
    /// Something was not kept.
    Shed {
        /// Why.
        reason: ShedReason,
        /// How many.
        count: u64,
    },
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorrelateStats {
    /// Records of the journal.
    pub entries: u64,
    /// Records that said nothing new.
    pub repeats: u64,
    /// Acts of people that were carried out.
    #[serde(default)]
    pub acts: u64,
    /// Acts of people that could not be carried out.
    #[serde(default)]
    pub acts_unknown: u64,
    /// Alerts that fire and are muted, as of the last view.
    #[serde(default)]
    pub alerts_muted: u64,
    /// Symptom batches of settled panes.
    pub late: u64,
    /// What bounds took.
    pub shed: u64,
    /// Times the provisional view was derived.
    pub derivations: u64,
    /// Facts that may still change.
    pub unsettled_facts: u64,
    /// Incidents that are open.
    pub open_incidents: u64,
}
