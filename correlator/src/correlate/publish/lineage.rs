//! Lineage: which record another became part of.

use std::collections::BTreeSet;

use model::entity::Entity;
use model::id::{Fingerprint, IncidentId};
use model::incident::{Incident, IncidentState};
use model::name::Name;
use model::symptom::SymptomKind;

use super::{Around, ChangeReason, Output, Published, Registry};

/// Longest chain of incidents that became part of each other.
const HOPS_MAX: usize = 100;

impl Registry {
    /// The record that an incident lives on in: itself, unless it became part of another.
    pub(super) fn heir(&self, id: IncidentId) -> Option<IncidentId> {
        let mut at = id;
        for _ in 0..HOPS_MAX {
            let record = self.records.get(&at)?;
            match record.incident.lineage.merged_into {
                Some(into) if record.incident.state == IncidentState::Merged => at = into,
                _ => return Some(at),
            }
        }
        None
    }

    /// The told record, of those `present`, that has most of the alerts and symptoms of one whose case is
    /// gone: the settled fold clusters otherwise than the provisional one did, and nothing vanishes.
    pub(super) fn lives_on_in(
        &self,
        id: IncidentId,
        present: &BTreeSet<IncidentId>,
    ) -> Option<IncidentId> {
        let gone = &self.records.get(&id)?.incident;
        let shows = shown(gone);
        let common = |other: &Incident| {
            let theirs = shown(other);
            shows.0.intersection(&theirs.0).count() + shows.1.intersection(&theirs.1).count()
        };
        let others = present.iter().filter(|other| **other != id);
        others
            .filter_map(|other| Some((common(&self.records.get(other)?.incident), *other)))
            .filter(|(common, _)| *common > 0)
            .max_by_key(|(common, other)| (*common, std::cmp::Reverse(*other)))
            .map(|(_, other)| other)
    }

    /// A record without a case: it became part of another, or it never was one, or a person holds it.
    pub(super) fn take_back(
        &mut self,
        id: IncidentId,
        into: Option<IncidentId>,
        around: Around<'_>,
    ) -> Vec<Output> {
        let Some(record) = self.records.get_mut(&id) else { return Vec::new() };
        if into.is_none() && record.is_held_open() {
            record.kept = true;
            return Vec::new();
        }
        let (state, reason) = match into {
            Some(_) => (IncidentState::Merged, ChangeReason::Merged),
            None => (IncidentState::Withdrawn, ChangeReason::Withdrawn),
        };
        let mut outputs = vec![record.end(state, into, reason, around)];
        if let Some(into) = into {
            outputs.extend(self.adopt(id, into, around));
        }
        outputs
    }

    /// What was found to live on in another stands for itself again.
    pub(super) fn has_come_back(&mut self, id: IncidentId) {
        let merged = |record: &Published| record.incident.state == IncidentState::Merged;
        if self.records.get(&id).is_some_and(merged) {
            self.records.values_mut().for_each(|record| {
                record.adopted.remove(&id);
            });
        }
    }

    /// Gives what people said of a merged record to the one that it lives on in, and notes where it is.
    pub(super) fn adopt(
        &mut self,
        id: IncidentId,
        into: IncidentId,
        around: Around<'_>,
    ) -> Option<Output> {
        let spoken = self.records.get(&id)?.spoken.clone();
        let record = self.records.get_mut(&into)?;
        let known = record.incident.lineage.merged_from.contains(&id);
        if known && spoken.is_none() {
            return None;
        }
        record.adopted.insert(id);
        if !known {
            record.incident.lineage.merged_from.push(id);
            record.incident.lineage.merged_from.sort();
        }
        if let Some(spoken) = spoken {
            record.spoken().absorb(*spoken);
        }
        Some(record.revise(ChangeReason::Merged, around))
    }
}

type Shown<'a> = (BTreeSet<Fingerprint>, BTreeSet<(&'a Entity, SymptomKind, &'a Name)>);

fn shown(incident: &Incident) -> Shown<'_> {
    let alerts = incident.alerts.iter().map(|alert| alert.fingerprint).collect();
    let symptoms = incident.symptoms.iter().map(|s| (&s.entity, s.kind, &s.detail)).collect();
    (alerts, symptoms)
}
