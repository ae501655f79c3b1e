//! Which incidents there were, beyond those that are listed: in which cell, and which records they have.
//!
//! A few bytes an incident, so that what a destination says of one that has left the list is not lost.
//! What is deliberately absent: anything about them that people read.

use std::collections::{BTreeMap, VecDeque};

use model::id::{CellId, IncidentId, stable_hash};
use model::incident::Incident;

/// Incidents that are remembered: as many as a sink's courier remembers.
const REMEMBERED_MAX: usize = 100_000;
/// Records of one incident that are remembered: more sinks than anybody has.
const RECORDS_MAX: usize = 40;

/// The incidents that were published last.
#[derive(Debug, Default)]
pub(super) struct Known {
    incidents: BTreeMap<IncidentId, Place>,
    /// By sink and id of the record.
    records: BTreeMap<u64, IncidentId>,
    /// In the order in which they were first seen.
    order: VecDeque<IncidentId>,
    /// There are few.
    cells: Vec<CellId>,
}

#[derive(Debug, Default)]
struct Place {
    cell: usize,
    records: Vec<u64>,
}

impl Known {
    /// Takes a revision in.
    pub(super) fn note(&mut self, incident: &Incident) {
        let cell = self.cell(&incident.cell);
        let tickets = incident.tickets.iter().take(RECORDS_MAX);
        let records: Vec<u64> = tickets.map(|ticket| key(&ticket.sink, &ticket.id)).collect();
        self.records.extend(records.iter().map(|record| (*record, incident.id)));
        let (owner, gone) = match self.incidents.insert(incident.id, Place { cell, records }) {
            Some(before) => (incident.id, before.records),
            None => {
                self.order.push_back(incident.id);
                let oldest = self.order.pop_front_if(|_| self.incidents.len() > REMEMBERED_MAX);
                let place =
                    oldest.and_then(|oldest| Some((oldest, self.incidents.remove(&oldest)?)));
                place.map(|(oldest, place)| (oldest, place.records)).unwrap_or_default()
            }
        };
        let held = self.incidents.get(&incident.id).map(|place| place.records.as_slice());
        for record in gone.iter().filter(|record| !held.unwrap_or_default().contains(record)) {
            // A record may have gone on to another incident, as those of merged ones do.
            if self.records.get(record) == Some(&owner) {
                self.records.remove(record);
            }
        }
    }

    /// The cell of an incident.
    pub(super) fn cell_of(&self, incident: IncidentId) -> Option<&CellId> {
        self.cells.get(self.incidents.get(&incident)?.cell)
    }

    /// The incident whose record at a sink has this id.
    pub(super) fn with_ticket(&self, sink: &str, id: &str) -> Option<IncidentId> {
        self.records.get(&key(sink, id)).copied()
    }

    fn cell(&mut self, cell: &CellId) -> usize {
        self.cells.iter().position(|known| known == cell).unwrap_or_else(|| {
            self.cells.push(cell.clone());
            self.cells.len() - 1
        })
    }
}

fn key(sink: &str, id: &str) -> u64 {
    stable_hash(&[sink.as_bytes(), id.as_bytes()])
}

#[cfg(test)]
mod tests {
    use model::incident::Ticket;

    use super::*;
    use crate::http::testing::incident as made;
    use model::incident::IncidentState;

    fn ticketed(id: u64, number: &str) -> Incident {
        let mut incident = made(id, 1, IncidentState::Open);
        let ticket = Ticket { sink: "chat".into(), id: number.into(), number: None, url: None };
        incident.tickets = vec![ticket];
        incident
    }

    #[test]
    fn incidents_are_known_by_id_and_by_record_and_the_oldest_are_forgotten_at_the_bound() {
        let mut known = Known::default();
        for id in 1..=REMEMBERED_MAX as u64 + 1 {
            known.note(&ticketed(id, &format!("m-{id}")));
        }
        assert_eq!((known.cell_of(IncidentId(1)), known.with_ticket("chat", "m-1")), (None, None));
        let cell = made(2, 1, IncidentState::Open).cell;
        assert_eq!(known.cell_of(IncidentId(2)), Some(&cell));
        assert_eq!(known.with_ticket("chat", "m-2"), Some(IncidentId(2)));
        assert_eq!(known.with_ticket("mail", "m-2"), None, "another sink's");
        // A record that was made anew is the only one.
        known.note(&ticketed(2, "m-new"));
        assert_eq!(known.with_ticket("chat", "m-2"), None);
        assert_eq!(known.with_ticket("chat", "m-new"), Some(IncidentId(2)));
        assert_eq!(known.incidents.len(), REMEMBERED_MAX);
        assert_eq!((known.records.len(), known.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }

    #[test]
    fn a_record_that_went_on_to_another_incident_stays_there() {
        let mut known = Known::default();
        known.note(&ticketed(1, "m-1"));
        known.note(&ticketed(2, "m-1"));
        known.note(&ticketed(1, "m-new"));
        assert_eq!(known.with_ticket("chat", "m-1"), Some(IncidentId(2)), "revised without it");
        known.note(&ticketed(3, "m-new"));
        for id in 4..=REMEMBERED_MAX as u64 + 1 {
            known.note(&ticketed(id, &format!("m-{id}")));
        }
        assert_eq!(known.cell_of(IncidentId(1)), None);
        assert_eq!(known.with_ticket("chat", "m-new"), Some(IncidentId(3)), "forgotten");
    }
}
