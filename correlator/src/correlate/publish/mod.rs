//! Publishing: told cases against what was published of them; ids, revisions, reasons.
//!
//! A case is matched with its record by its own id, else by the largest overlap of members. What
//! grows a little every pane is told at most every 30 s; what changes a decision is told at once.
//! Only here do moments of decision (`opened_at`, `updated_at`) and revision numbers exist. What people say
//! of an incident is kept with its record (`spoken`, by `act`) and put over whatever the fold says of it;
//! `lineage` follows records into each other.

use std::collections::{BTreeMap, BTreeSet};

use model::id::{Fingerprint, IncidentId, stable_hash};
use model::incident::{Incident, IncidentState, Ticket};
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::limits::CLOSED_PUBLISHED_MAX;
use super::output::{ChangeReason, Output};
use super::people::Cover;
use super::render;
use super::world::{Rules, World};

mod act;
mod lineage;
mod spoken;
mod standing;

#[cfg(test)]
mod tests;

pub(super) use act::Done;
use spoken::Spoken;

/// Least event time between two revisions that only differ in their numbers.
const NUMBERS_AFTER: Nanos = Nanos::from_secs(30);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Published {
    case: IncidentId,
    incident: Incident,
    told_at: Timestamp,
    closed: bool,
    /// A person holds it open although its case is gone.
    #[serde(default)]
    kept: bool,
    /// What people said about it.
    #[serde(default)]
    spoken: Option<Box<Spoken>>,
}

impl Published {
    fn is_live(&self) -> bool {
        !self.closed && !self.is_gone()
    }

    /// Whether it became part of another, or never was one.
    fn is_gone(&self) -> bool {
        matches!(self.incident.state, IncidentState::Merged | IncidentState::Withdrawn)
    }

    /// Whether a case stands behind it.
    fn has_case(&self) -> bool {
        self.is_live() && !self.kept
    }
}

/// What has been published, by public id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Registry {
    records: BTreeMap<IncidentId, Published>,
    closed: BTreeSet<IncidentId>,
    /// The services of all that is not over; made when it is asked for, gone with the next word.
    #[serde(skip)]
    in_trouble: Option<BTreeSet<Name>>,
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
    /// The acts that mute all that it shows; `None` if that cannot be said now: what was true stays.
    pub(super) muted_by: Option<Vec<Name>>,
}

/// What records are drawn up against: for what people say of causes.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    /// Changes and owners.
    pub(super) world: &'a World,
    /// Settings.
    pub(super) rules: Rules<'a>,
    /// The time of the decision.
    pub(super) now: Timestamp,
}

impl Told {
    /// A told case as it is now, with what covers it. `None` for a forming one.
    pub(super) fn of(world: &World, case: &Case, cover: &Cover, rules: Rules<'_>) -> Option<Self> {
        let mut incident = render::incident(world, case, rules)?;
        for alert in &mut incident.alerts {
            alert.muted_by = cover.muted.get(&alert.fingerprint).cloned();
        }
        Some(Self {
            case: case.id,
            merged_from: case.merged_from.clone(),
            split_from: case.split_from,
            incident,
            settled: false,
            muted_by: cover.mutes(case, world, rules),
        })
    }

    /// The same, and whether it can change.
    pub(super) fn settled(self, settled: bool) -> Self {
        Self { settled, ..self }
    }
}

impl Registry {
    /// Compares told cases with what was published and returns what is new. `standing` are the other cases that
    /// are told, each with its record, of which nothing new is said.
    pub(super) fn compare(
        &mut self,
        told: Vec<Told>,
        standing: BTreeMap<IncidentId, IncidentId>,
        around: Around<'_>,
    ) -> Vec<Output> {
        self.in_trouble = None;
        let mut outputs = Vec::new();
        let merged: BTreeMap<IncidentId, IncidentId> = told
            .iter()
            .flat_map(|one| one.merged_from.iter().map(|from| (*from, one.case)))
            .collect();
        let places = self.places(&told, &merged, standing.values().copied().collect());
        let mut by_case = standing;
        by_case.extend(told.iter().zip(&places).map(|(one, place)| (one.case, *place)));
        let present: BTreeSet<IncidentId> = by_case.values().copied().collect();
        for (one, place) in told.into_iter().zip(places) {
            outputs.extend(self.tell(one, place, around));
        }
        let missing: Vec<IncidentId> = self
            .records
            .iter()
            .filter(|(id, record)| record.has_case() && !present.contains(id))
            .map(|(id, _)| *id)
            .collect();
        for id in missing {
            let into = self.records.get(&id).and_then(|record| merged.get(&record.case));
            let into = into.and_then(|case| by_case.get(case)).copied();
            let into = into.or_else(|| self.lives_on_in(id, &present));
            outputs.extend(self.take_back(id, into, around));
        }
        outputs
    }

    /// The public id of each told case: the one it had, else the one of the record with most members
    /// in common, else its own. None of those that are `taken`.
    fn places(
        &self,
        told: &[Told],
        merged: &BTreeMap<IncidentId, IncidentId>,
        mut taken: BTreeSet<IncidentId>,
    ) -> Vec<IncidentId> {
        let mut places: Vec<Option<IncidentId>> = Vec::new();
        let by_case = self.by_case();
        for one in told {
            let known = by_case.get(&one.case).filter(|id| !taken.contains(id)).copied();
            taken.extend(known);
            places.push(known);
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

    /// The records that are not closed by their cases; the first where several have one.
    fn by_case(&self) -> BTreeMap<IncidentId, IncidentId> {
        let open = self.records.iter().rev().filter(|(_, record)| !record.closed);
        open.map(|(id, record)| (record.case, *id)).collect()
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

    fn tell(&mut self, told: Told, id: IncidentId, around: Around<'_>) -> Option<Output> {
        let now = around.now;
        let mut incident = told.incident;
        incident.id = id;
        incident.updated_at = now;
        let mut from: Vec<IncidentId> = told.merged_from.iter().map(|c| self.public(*c)).collect();
        from.extend(self.part_of(id));
        from.retain(|other| *other != id);
        from.sort();
        from.dedup();
        incident.lineage.merged_from = from;
        incident.lineage.split_from = told.split_from.map(|case| self.public(case));
        let Some(before) = self.records.get_mut(&id) else {
            incident.opened_at = now;
            incident.people.muted_by = told.muted_by.unwrap_or_default();
            return Some(self.enter(id, told.case, incident, now));
        };
        before.case = told.case;
        before.kept = false;
        let known = &before.incident;
        incident.opened_at = known.opened_at;
        incident.updated_at = now.max(known.updated_at);
        incident.tickets.clone_from(&known.tickets);
        incident.revision = known.revision;
        incident.people.muted_by = told.muted_by.unwrap_or_else(|| known.people.muted_by.clone());
        let mut is_over = false;
        if let Some(spoken) = &mut before.spoken {
            incident = spoken.hear(incident, known.state, around);
            is_over = spoken.is_over();
        }
        let due = told.settled || now - before.told_at >= NUMBERS_AFTER;
        let reason = difference(known, &incident, due)?;
        // What a person called over is not told again for every number that moves.
        let moves = matches!(reason, ChangeReason::Ranked | ChangeReason::Symptoms);
        if moves && is_over && !told.settled {
            return None;
        }
        incident.revision = incident.revision.saturating_add(1);
        before.told_at = now;
        before.incident = incident;
        Some(Output::Incident { incident: Box::new(before.incident.clone()), reason })
    }

    /// A record of its own for what is told for the first time.
    fn enter(
        &mut self,
        id: IncidentId,
        case: IncidentId,
        mut incident: Incident,
        now: Timestamp,
    ) -> Output {
        incident.revision = 1;
        let record = Published {
            case,
            incident: incident.clone(),
            told_at: now,
            closed: false,
            kept: false,
            spoken: None,
        };
        self.records.insert(id, record);
        Output::Incident { incident: Box::new(incident), reason: ChangeReason::Opened }
    }

    /// Closes the record of a case that can no longer change, with its last word.
    pub(super) fn close(&mut self, told: Told, around: Around<'_>) -> Option<Output> {
        self.in_trouble = None;
        let places = self.places(std::slice::from_ref(&told), &BTreeMap::new(), BTreeSet::new());
        let id = *places.first()?;
        let output = self.tell(told, id, around);
        if let Some(record) = self.records.get_mut(&id) {
            record.kept = record.is_held_open();
            record.closed = !record.kept;
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
        incident.updated_at = now.max(incident.updated_at);
        incident.revision = incident.revision.saturating_add(1);
        Some(Output::Incident {
            incident: Box::new(incident.clone()),
            reason: ChangeReason::TicketLinked,
        })
    }

    /// Public ids of closed incidents and of the given cases, without what became part of another or
    /// never was one.
    pub(super) fn settled(&self, cases: &BTreeSet<IncidentId>) -> Vec<IncidentId> {
        let live = self.records.iter().filter(|(_, record)| cases.contains(&record.case));
        let live = live.filter(|(_, record)| record.is_live()).map(|(id, _)| *id);
        let gone = |id: &IncidentId| self.records.get(id).is_some_and(Published::is_gone);
        let closed = self.closed.iter().copied().filter(|id| !gone(id));
        closed.chain(live).collect::<BTreeSet<_>>().into_iter().collect()
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
    if before.people != after.people {
        return Some(ChangeReason::Decided);
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
