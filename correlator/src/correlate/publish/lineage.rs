//! Lineage: which record another became part of.

use std::collections::BTreeSet;

use model::id::{Fingerprint, IncidentId};
use model::incident::{Incident, IncidentState, IncidentSymptom};
use model::time::Timestamp;

use super::spoken::Spoken;
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
    /// gone: the settled fold clusters otherwise than the provisional one did, and nothing vanishes. The same
    /// at another time is another thing. What a person holds open stands for itself.
    pub(super) fn lives_on_in(
        &self,
        id: IncidentId,
        present: &BTreeSet<IncidentId>,
    ) -> Option<IncidentId> {
        let record = self.records.get(&id).filter(|record| !record.is_held_open())?;
        let gone = &record.incident;
        let alerts = alerts(gone);
        let common = |other: &Incident| {
            let same = |one: &&IncidentSymptom| gone.symptoms.iter().any(|own| is_same(own, one));
            alerts.intersection(&self::alerts(other)).count()
                + other.symptoms.iter().filter(same).count()
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
        let spoken = record.spoken.clone();
        let mut outputs = vec![record.end(state, into, reason, around)];
        if let Some(into) = into {
            outputs.extend(self.adopt(id, into, spoken, around));
        }
        outputs
    }

    /// The incidents that live on in one, by their own records.
    pub(super) fn part_of(&self, id: IncidentId) -> impl Iterator<Item = IncidentId> {
        let is_part = move |record: &Published| {
            record.incident.state == IncidentState::Merged
                && record.incident.lineage.merged_into == Some(id)
        };
        self.records.iter().filter(move |(_, record)| is_part(record)).map(|(id, _)| *id)
    }

    /// Gives what people had said of a merged record to the one that it lives on in, and notes where it
    /// is.
    fn adopt(
        &mut self,
        id: IncidentId,
        into: IncidentId,
        spoken: Option<Box<Spoken>>,
        around: Around<'_>,
    ) -> Option<Output> {
        let record = self.records.get_mut(&into)?;
        let known = record.incident.lineage.merged_from.contains(&id);
        if known && spoken.is_none() {
            return None;
        }
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

/// The alerts of an incident, each with its begin: one that fires again is another.
fn alerts(incident: &Incident) -> BTreeSet<(Fingerprint, Timestamp)> {
    incident.alerts.iter().map(|alert| (alert.fingerprint, alert.starts_at)).collect()
}

/// Whether two symptoms are the same one at the same time.
fn is_same(a: &IncidentSymptom, b: &IncidentSymptom) -> bool {
    (&a.entity, a.kind, &a.detail) == (&b.entity, b.kind, &b.detail)
        && a.first_at < b.last_at
        && b.first_at < a.last_at
}
