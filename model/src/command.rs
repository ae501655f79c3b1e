//! Commands: what people and the delivery of tickets add to the journal.
//!
//! A person's decision wins over the machine's: an [`Act`] holds until a later act takes it back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::IncidentId;
use crate::incident::Ticket;
use crate::matcher::Matcher;
use crate::name::Name;
use crate::time::Timestamp;

/// An act that binds the fold, like any other record of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A sink has opened or found the ticket of an incident.
    LinkTicket {
        /// The incident.
        incident: IncidentId,
        /// Its ticket; replaces an earlier one of the same sink.
        ticket: Ticket,
    },
    /// A person decided something, here or in the ITSM.
    Act(Act),
}

/// What a person decided: who, when, why, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Act {
    /// The same for the same act, however often it arrives; 1 to 64 of `A-Z a-z 0-9 - _ : .`.
    pub id: Name,
    /// Who decided.
    pub author: Name,
    /// Where: `api`, `cli`, `console`, or the name of the sink whose ITSM told it.
    pub via: Name,
    /// When, by the clock of where it was decided.
    pub at: Timestamp,
    /// Why, in the author's words; may be empty.
    pub reason: String,
    /// What.
    pub decision: Decision,
}

/// The decisions that people can take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Decision {
    /// Somebody works on it: escalation ends.
    Acknowledge {
        /// The incident.
        incident: IncidentId,
    },
    /// Nobody works on it after all.
    Unacknowledge {
        /// The incident.
        incident: IncidentId,
    },
    /// No sink is told of it until then, unless its priority rises.
    Snooze {
        /// The incident.
        incident: IncidentId,
        /// Until when.
        until: Timestamp,
    },
    /// Ends a snooze early.
    Unsnooze {
        /// The incident.
        incident: IncidentId,
    },
    /// Gives it to a person or a team.
    Assign {
        /// The incident.
        incident: IncidentId,
        /// To whom; `None` takes it back.
        to: Option<Name>,
    },
    /// Says something about it. The text is the act's `reason`.
    Comment {
        /// The incident.
        incident: IncidentId,
    },
    /// It is over, whatever the evidence says. It stays so until it is reopened by a person, or
    /// until a new symptom or alert begins after this act.
    Resolve {
        /// The incident.
        incident: IncidentId,
    },
    /// It is not over: it stays open until a person resolves it or takes this back by `Resolve`.
    Reopen {
        /// The incident.
        incident: IncidentId,
    },
    /// They are one.
    Merge {
        /// What becomes part.
        incident: IncidentId,
        /// Of what.
        into: IncidentId,
    },
    /// These services are another incident, and stay apart from this one.
    Split {
        /// The incident.
        incident: IncidentId,
        /// What leaves it. Not all of its services.
        services: Vec<Name>,
    },
    /// This was the cause. Later rankings learn from it.
    ConfirmCause {
        /// The incident.
        incident: IncidentId,
        /// The cause.
        cause: CauseRef,
    },
    /// This was not the cause. Later rankings learn from it.
    RejectCause {
        /// The incident.
        incident: IncidentId,
        /// What it was not.
        cause: CauseRef,
    },
    /// Alerts that match open no incident and tell nobody for a time; they stay listed.
    Silence {
        /// All of them must match.
        matchers: Vec<Matcher>,
        /// From when.
        starts_at: Timestamp,
        /// Until when.
        ends_at: Timestamp,
    },
    /// Ends a silence or a maintenance window now.
    Expire {
        /// The `id` of the act that made it.
        target: Name,
    },
    /// Work is done on services: what they show in that time pages nobody, and is no evidence that
    /// anything else is guilty.
    Maintenance {
        /// On which; names of services.
        services: Vec<Name>,
        /// From when.
        starts_at: Timestamp,
        /// Until when.
        ends_at: Timestamp,
    },
    /// While an alert that matches `source` fires, alerts that match `target` and agree with it in
    /// the labels `equal` tell nobody (as in Alertmanager).
    Inhibit {
        /// What speaks.
        source: Vec<Matcher>,
        /// What is not heard then.
        target: Vec<Matcher>,
        /// Labels in which both agree.
        equal: Vec<Name>,
    },
    /// Removes an inhibition.
    Uninhibit {
        /// The `id` of the act that made it.
        target: Name,
    },
}

/// A cause that a person names: as in a hypothesis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct CauseRef {
    /// The service, or `None` for "none of ours".
    pub service: Option<Name>,
    /// The id of the change, if a change was it.
    pub change: Option<Name>,
}

impl Decision {
    /// The incident that it is about, if it is about one.
    #[must_use]
    pub fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::Acknowledge { incident }
            | Self::Unacknowledge { incident }
            | Self::Snooze { incident, .. }
            | Self::Unsnooze { incident }
            | Self::Assign { incident, .. }
            | Self::Comment { incident }
            | Self::Resolve { incident }
            | Self::Reopen { incident }
            | Self::Merge { incident, .. }
            | Self::Split { incident, .. }
            | Self::ConfirmCause { incident, .. }
            | Self::RejectCause { incident, .. } => Some(*incident),
            Self::Silence { .. }
            | Self::Expire { .. }
            | Self::Maintenance { .. }
            | Self::Inhibit { .. }
            | Self::Uninhibit { .. } => None,
        }
    }
}
