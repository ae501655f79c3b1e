//! Commands: what people and the delivery of tickets add to the journal.

use serde::{Deserialize, Serialize};

use crate::id::IncidentId;
use crate::incident::Ticket;

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
}
