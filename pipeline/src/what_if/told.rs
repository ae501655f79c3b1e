//! What one run told of its incidents in the end.

use std::collections::{BTreeMap, BTreeSet};

use model::id::IncidentId;
use model::incident::{Incident, IncidentState};
use model::time::Timestamp;

use crate::stages::line::LineOutput;

/// An incident at its last revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The incident.
    pub incident: Incident,
    /// When it was first open, that is, worth waking somebody; `None` if it was only suspected.
    pub paged_at: Option<Timestamp>,
}

impl Told {
    /// How many alerts and symptoms it holds.
    #[must_use]
    pub fn members(&self) -> usize {
        self.incident.alerts.len() + self.incident.symptoms.len()
    }
}

/// Keeps the last revision of each incident.
#[derive(Default)]
pub struct Keeper(BTreeMap<IncidentId, Told>);

impl Keeper {
    /// Takes what left the line; dead letters are not compared.
    pub fn take(&mut self, output: LineOutput) {
        let LineOutput::Revision(incident, _) = output else { return };
        let known = self.0.get(&incident.id).and_then(|told| told.paged_at);
        let open = (incident.state == IncidentState::Open).then_some(incident.updated_at);
        self.0.insert(incident.id, Told { incident: *incident, paged_at: known.or(open) });
    }

    /// The incidents that stand at the end, by onset: those that became part of another or were
    /// taken back are left out, for their members are told elsewhere or nowhere.
    #[must_use]
    pub fn end(self, settled: &BTreeSet<IncidentId>) -> Vec<Told> {
        let stands = |told: &Told| {
            settled.contains(&told.incident.id)
                && !matches!(told.incident.state, IncidentState::Merged | IncidentState::Withdrawn)
        };
        let mut told: Vec<Told> = self.0.into_values().filter(stands).collect();
        told.sort_by_key(|told| (told.incident.onset_at, told.incident.id));
        told
    }
}
