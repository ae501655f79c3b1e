//! One turn of an outbox: what is handed to the sink, and what follows from its answer.

use std::sync::Arc;

use model::command::Command;
use model::id::IncidentId;
use model::incident::Incident;
use model::time::Timestamp;

use super::decide::SayReason;
use super::record::Delivered;
use crate::sink::{Delivery, Trouble};

/// Something to be said now. It goes back to `Outbox::on_outcome`.
#[derive(Clone, Debug)]
pub struct Due {
    /// The newest revision.
    pub incident: Arc<Incident>,
    /// What was said before.
    pub known: Option<Delivered>,
    /// To be appended before the sink is called; see [`Delivered::intent`].
    pub intent: Option<Delivered>,
    /// Since when the destination may have heard more than `known` says; see
    /// [`Delivery::in_doubt_since`].
    pub in_doubt_since: Option<Timestamp>,
    /// The key of this (incident, revision, sink).
    pub idempotency_key: String,
    /// Why it is said.
    pub reason: SayReason,
}

impl Due {
    /// The request for the sink.
    #[must_use]
    pub fn request(&self, now: Timestamp) -> Delivery<'_> {
        Delivery {
            incident: &self.incident,
            known: self.known.as_ref(),
            in_doubt_since: self.in_doubt_since,
            idempotency_key: &self.idempotency_key,
            now,
        }
    }
}

/// What follows from an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The incident.
    pub incident: IncidentId,
    /// The revision that was tried.
    pub revision: u32,
    /// Why it was tried.
    pub reason: SayReason,
    /// What became of it.
    pub result: DoneResult,
    /// To be appended to `faultline.deliveries` before anything else is polled.
    pub record: Option<Delivered>,
    /// To be appended to the journal: the ticket is new or changed.
    pub command: Option<Command>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoneResult {
    /// The destination has it; the text is something a person should know.
    Said(Option<String>),
    /// Nothing new for this destination.
    Unchanged,
    /// It is tried again at this moment.
    Later(Timestamp, Trouble),
    /// This revision is given up; the next one is tried.
    Refused(Trouble),
}
