//! Publishing: told cases against what was published of them; ids, revisions, reasons.
//!
//! A case is matched with its record by its own id, else by the largest overlap of members. What
//! grows a little every pane is told at most every 30 s; what changes a decision is told at once.
//! Only here do moments of decision (`opened_at`, `updated_at`) and revision numbers exist.

use std::collections::{BTreeMap, BTreeSet};

use model::id::{Fingerprint, IncidentId, stable_hash};
use model::incident::{Incident, IncidentState, Ticket};
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::limits::CLOSED_PUBLISHED_MAX;
use super::output::{ChangeReason, Output};

/// Least event time between two revisions that only differ in their numbers.
const NUMBERS_AFTER: Nanos = Nanos::from_secs(30);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Published {
    case: IncidentId,
    incident: Incident,
    told_at: Timestamp,
    closed: bool,
}

impl Published {
    fn is_live(&self) -> bool {
        let gone = matches!(self.incident.state, IncidentState::Merged | IncidentState::Withdrawn);
        !self.closed && !gone
    }
}

/// What has been published, by public id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Registry {
    records: BTreeMap<IncidentId, Published>,
    closed: BTreeSet<IncidentId>,
}

/// A told case as a record, with what its lineage refers to.
pub(super) struct Told {
    /// The case's id.
    pub(super) case: IncidentId,
    /// Cases that became part of it.
    pub(super) merged_from: Vec<IncidentId>,
    /// The case it was split from.
    pub(super) split_from: Option<IncidentId>,
    /// The record.
    pub(super) incident: Incident,
    /// Whether nothing can change it any more but being reopened.
    pub(super) settled: bool,
}

impl Told {
    /// A record of a case.
    pub(super) fn new(case: &Case, incident: Incident, settled: bool) -> Self {
        Self {
            case: case.id,
            merged_from: case.merged_from.clone(),
            split_from: case.split_from,
            incident,
            settled,
        }
    }
}

impl Registry {
    /// Compares all told cases with what was published and returns what is new.
    pub(super) fn update(&mut self, told: Vec<Told>, now: Timestamp) -> Vec<Output> {
        let mut outputs = Vec::new();
        let merged: BTreeMap<IncidentId, IncidentId> = told
            .iter()
            .flat_map(|one| one.merged_from.iter().map(|from| (*from, one.case)))
            .collect();
        let places = self.places(&told, &merged);
        let by_case: BTreeMap<IncidentId, IncidentId> =
            told.iter().zip(&places).map(|(one, place)| (one.case, *place)).collect();
        let present: BTreeSet<IncidentId> = places.iter().copied().collect();
        for (one, place) in told.into_iter().zip(places) {
            outputs.extend(self.tell(one, place, now));
        }
        let missing: Vec<IncidentId> = self
            .records
            .iter()
            .filter(|(id, record)| record.is_live() && !present.contains(id))
            .map(|(id, _)| *id)
            .collect();
        for id in missing {
            let into = self.records.get(&id).and_then(|record| merged.get(&record.case));
            let into = into.and_then(|case| by_case.get(case)).copied();
            outputs.extend(self.take_back(id, into, now));
        }
        outputs
    }

    /// The public id of each told case: the one it had, else the one of the record with most members
    /// in common, else its own.
    fn places(&self, told: &[Told], merged: &BTreeMap<IncidentId, IncidentId>) -> Vec<IncidentId> {
        let mut taken: BTreeSet<IncidentId> = BTreeSet::new();
        let mut places: Vec<Option<IncidentId>> = Vec::new();
        for one in told {
            let known = self.records.iter().find(|(id, record)| {
                record.case == one.case && !record.closed && !taken.contains(id)
            });
            taken.extend(known.map(|(id, _)| *id));
            places.push(known.map(|(id, _)| *id));
        }
        for (one, place) in told.iter().zip(&mut places).filter(|(_, place)| place.is_none()) {
            let free = self.records.iter().filter(|(id, record)| {
                record.is_live() && !taken.contains(id) && !merged.contains_key(&record.case)
            });
            let best = free
                .map(|(id, record)| (overlap(&record.incident, &one.incident), *id))
                .filter(|(common, _)| *common > 0)
                .max_by_key(|(common, id)| (*common, std::cmp::Reverse(*id)));
            let id = best.map_or_else(|| self.free_id(one.case, &taken), |(_, id)| id);
            taken.insert(id);
            *place = Some(id);
        }
        places.into_iter().zip(told).map(|(place, one)| place.unwrap_or(one.case)).collect()
    }

    fn free_id(&self, wanted: IncidentId, taken: &BTreeSet<IncidentId>) -> IncidentId {
        let mut id = wanted;
        while self.records.contains_key(&id) || self.closed.contains(&id) || taken.contains(&id) {
            id = IncidentId(stable_hash(&[b"again", &id.0.to_le_bytes()]));
        }
        id
    }

    fn public(&self, case: IncidentId) -> IncidentId {
        let found = self.records.iter().find(|(_, record)| record.case == case);
        found.map_or(case, |(id, _)| *id)
    }

    fn tell(&mut self, told: Told, id: IncidentId, now: Timestamp) -> Option<Output> {
        let mut incident = told.incident;
        incident.id = id;
        incident.updated_at = now;
        let mut from: Vec<IncidentId> = told.merged_from.iter().map(|c| self.public(*c)).collect();
        from.retain(|other| *other != id);
        from.sort();
        from.dedup();
        incident.lineage.merged_from = from;
        incident.lineage.split_from = told.split_from.map(|case| self.public(case));
        let reason = match self.records.get_mut(&id) {
            None => {
                incident.opened_at = now;
                ChangeReason::Opened
            }
            Some(before) => {
                before.case = told.case;
                incident.opened_at = before.incident.opened_at;
                incident.tickets.clone_from(&before.incident.tickets);
                incident.revision = before.incident.revision;
                let due = told.settled || now - before.told_at >= NUMBERS_AFTER;
                difference(&before.incident, &incident, due)?
            }
        };
        incident.revision = incident.revision.saturating_add(1);
        let record = Published { case: told.case, incident, told_at: now, closed: false };
        let incident = Box::new(record.incident.clone());
        self.records.insert(id, record);
        Some(Output::Incident { incident, reason })
    }

    /// A record without a case: it became part of another, or it never was one.
    fn take_back(
        &mut self,
        id: IncidentId,
        into: Option<IncidentId>,
        now: Timestamp,
    ) -> Option<Output> {
        let record = self.records.get_mut(&id)?;
        let incident = &mut record.incident;
        let (state, reason) = match into {
            Some(_) => (IncidentState::Merged, ChangeReason::Merged),
            None => (IncidentState::Withdrawn, ChangeReason::Withdrawn),
        };
        incident.state = state;
        incident.lineage.merged_into = into;
        incident.resolved_at = Some(now);
        incident.updated_at = now;
        incident.revision = incident.revision.saturating_add(1);
        record.told_at = now;
        Some(Output::Incident { incident: Box::new(incident.clone()), reason })
    }

    /// Closes the record of a case that can no longer change, with its last word.
    pub(super) fn close(&mut self, told: Told, now: Timestamp) -> Option<Output> {
        let places = self.places(std::slice::from_ref(&told), &BTreeMap::new());
        let id = *places.first()?;
        let output = self.tell(told, id, now);
        if let Some(record) = self.records.get_mut(&id) {
            record.closed = true;
        }
        self.closed.insert(id);
        self.forget();
        output
    }

    /// Keeps only the newest closed records; their ids are remembered.
    fn forget(&mut self) {
        let done = |record: &Published| !record.is_live();
        while self.records.values().filter(|record| done(record)).count() > CLOSED_PUBLISHED_MAX {
            let oldest = self
                .records
                .iter()
                .filter(|(_, record)| done(record))
                .min_by_key(|(id, record)| (record.told_at, **id))
                .map(|(id, _)| *id);
            let Some(id) = oldest else { break };
            self.records.remove(&id);
        }
    }

    /// Notes a ticket; it replaces an earlier one of the same sink.
    pub(super) fn link(
        &mut self,
        id: IncidentId,
        ticket: Ticket,
        now: Timestamp,
    ) -> Option<Output> {
        let record = self.records.get_mut(&id)?;
        let incident = &mut record.incident;
        if incident.tickets.contains(&ticket) {
            return None;
        }
        incident.tickets.retain(|known| known.sink != ticket.sink);
        incident.tickets.push(ticket);
        incident.tickets.sort();
        incident.updated_at = now;
        incident.revision = incident.revision.saturating_add(1);
        Some(Output::Incident {
            incident: Box::new(incident.clone()),
            reason: ChangeReason::TicketLinked,
        })
    }

    /// Public ids of closed incidents and of the given cases.
    pub(super) fn settled(&self, cases: &BTreeSet<IncidentId>) -> Vec<IncidentId> {
        let live = self.records.iter().filter(|(_, record)| cases.contains(&record.case));
        let live = live.filter(|(_, record)| record.is_live()).map(|(id, _)| *id);
        self.closed.iter().copied().chain(live).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether an incident that is not over names the service.
    pub(super) fn is_open_for(&self, service: &Name) -> bool {
        let open = |record: &Published| {
            matches!(record.incident.state, IncidentState::Open | IncidentState::Suspected)
                && !record.closed
        };
        self.records.values().any(|r| open(r) && r.incident.services.contains(service))
    }

    /// How many incidents are open.
    pub(super) fn open(&self) -> u64 {
        let open = |record: &&Published| record.incident.state == IncidentState::Open;
        self.records.values().filter(open).count() as u64
    }
}

/// Members in common: services and alerts.
fn overlap(a: &Incident, b: &Incident) -> usize {
    let alerts =
        |i: &Incident| i.alerts.iter().map(|x| x.fingerprint).collect::<BTreeSet<Fingerprint>>();
    let services = a.services.iter().filter(|name| b.services.contains(name)).count();
    services + alerts(a).intersection(&alerts(b)).count()
}

/// Why a record must be told again; `None` if it need not. `numbers` says whether changed numbers
/// alone are reason enough.
fn difference(before: &Incident, after: &Incident, numbers: bool) -> Option<ChangeReason> {
    if before.state != after.state {
        return Some(match (before.state, after.state) {
            (_, IncidentState::Resolved) => ChangeReason::Resolved,
            (IncidentState::Resolved, _) => ChangeReason::Reopened,
            _ => ChangeReason::Opened,
        });
    }
    if before.lineage.merged_from != after.lineage.merged_from {
        return Some(ChangeReason::Merged);
    }
    if before.lineage.split_from != after.lineage.split_from {
        return Some(ChangeReason::Split);
    }
    let alerts =
        |i: &Incident| i.alerts.iter().map(|alert| alert.fingerprint).collect::<BTreeSet<_>>();
    if alerts(before) != alerts(after) {
        return Some(ChangeReason::AlertJoined);
    }
    if before.services != after.services {
        return Some(ChangeReason::Symptoms);
    }
    if verdict(before) != verdict(after) {
        return Some(ChangeReason::Ranked);
    }
    if numbers && content(before) != content(after) {
        return Some(ChangeReason::Symptoms);
    }
    None
}

/// Causes in order with their chances in steps of 2 %, and the impact in whole points.
fn verdict(incident: &Incident) -> (Vec<(Name, Option<Name>, i64)>, i64) {
    let cause = |h: &model::hypothesis::Hypothesis| {
        let change = h.change.as_ref().map(|change| change.id.clone());
        (h.entity.id.clone(), change, (h.probability * 50.0).round() as i64)
    };
    let causes = incident.hypotheses.iter().take(5).map(cause).collect();
    (causes, incident.blast_radius.impact.round() as i64)
}

/// Everything but the moment of decision.
fn content(incident: &Incident) -> Incident {
    Incident { updated_at: Timestamp::EPOCH, revision: 0, ..incident.clone() }
}
