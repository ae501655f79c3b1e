//! What was said to whom, as the public record of `faultline.deliveries` tells it.

use model::incident::Ticket;
use model::name::Name;
use model::time::Timestamp;
use serde::Deserialize;

use super::{Cell, Day, Row};
use crate::schema::Table;

/// The newest version of the record's form that is understood.
const SCHEMA_VERSION: u32 = 1;

/// The part of the record that the history keeps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Delivery {
    schema_version: u32,
    /// The sink's configured name.
    pub sink: Name,
    /// The incident.
    pub incident: model::id::IncidentId,
    /// The newest revision that the destination has; 0: none yet.
    pub revision: u32,
    /// The newest revision that was tried.
    pub attempted: u32,
    /// When something was last said.
    pub at: Timestamp,
    idempotency_key: String,
    ticket: Option<Ticket>,
}

impl Delivery {
    /// Reads a record's value. `None` for anything else, and for forms newer than ours.
    #[must_use]
    pub fn from_json(value: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(value).ok()?;
        (read.schema_version <= SCHEMA_VERSION).then_some(read)
    }

    /// Its row.
    #[must_use]
    pub fn row(&self) -> Row {
        let ticket = self.ticket.as_ref();
        Row {
            table: Table::Deliveries,
            day: Day::of(self.at),
            cells: vec![
                Cell::text(&self.sink),
                Cell::Text(self.incident.to_string()),
                Cell::count(self.revision),
                Cell::count(self.attempted),
                Cell::Bool(self.attempted > self.revision),
                Cell::Time(self.at),
                Cell::text(&self.idempotency_key),
                Cell::maybe(ticket.map(|ticket| &ticket.id)),
                Cell::maybe(ticket.and_then(|ticket| ticket.number.as_ref())),
                Cell::maybe(ticket.and_then(|ticket| ticket.url.as_ref())),
            ],
        }
    }
}
