//! Acts about one incident: what each changes in its record, and what the fold has to do about it.

use model::change::ChangeEvent;
use model::command::{Act, CauseRef, Decision};
use model::id::IncidentId;
use model::incident::{Incident, IncidentState};
use model::name::Name;
use model::people::{Refused, Said, Verdict};
use model::time::Nanos;

use super::spoken::{Hold, Word};
use super::{Around, ChangeReason, Output, Published, Registry, difference};
use crate::correlate::limits::KEPT_OPEN_MAX;
use crate::correlate::people::{ActFault, Anchor, Bond, is_own, line, refusal};

/// How much a clock elsewhere may be behind: an act is not believed to be older when it arrives.
const BEHIND_MAX: Nanos = Nanos::from_secs(3600);

/// What came of an act.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Done {
    /// New revisions.
    pub(in crate::correlate) outputs: Vec<Output>,
    /// What the fold has to do: which incidents are one.
    pub(in crate::correlate) bond: Option<Bond>,
    /// A verdict to learn from: of which incident, of which cause, and whether it was that.
    pub(in crate::correlate) judged: Option<(IncidentId, CauseRef, bool)>,
}

impl Registry {
    /// Carries out an act about the incident `id`, or about what it became part of.
    ///
    /// # Errors
    /// What the act asks for cannot be done to that incident.
    pub(in crate::correlate) fn act(
        &mut self,
        act: &Act,
        id: IncidentId,
        around: Around<'_>,
    ) -> Result<Done, ActFault> {
        self.in_trouble = None;
        let named = id;
        let id = self.heir(named).ok_or(ActFault::UnknownIncident(named))?;
        let mut done = Done::default();
        // Elsewhere people call a ticket a duplicate and close it: that ends nothing of what it is part of.
        let is_end = matches!(act.decision, Decision::Resolve { .. } | Decision::Reopen { .. });
        if is_end && id != named && !is_own(&act.via) {
            return Ok(done);
        }
        match &act.decision {
            Decision::Merge { into, .. } => return self.merge(act, id, *into, around),
            Decision::Split { services, .. } => done.bond = Some(self.split(id, services)?),
            Decision::ConfirmCause { cause, .. } | Decision::RejectCause { cause, .. } => {
                self.knows(id, cause, around)?;
                let is_cause = matches!(act.decision, Decision::ConfirmCause { .. });
                done.judged = Some((id, cause.clone(), is_cause));
            }
            Decision::Reopen { .. } => self.has_room(id)?,
            _ => {}
        }
        self.say(act, id, around);
        done.outputs.extend(self.revised(id, around));
        Ok(done)
    }

    /// Notes that what somebody did elsewhere could not be carried out: once, however often it comes.
    pub(in crate::correlate) fn refuse(
        &mut self,
        act: &Act,
        id: IncidentId,
        why: &str,
        around: Around<'_>,
    ) -> Option<Output> {
        let id = self.heir(id)?;
        let record = self.records.get_mut(&id)?;
        let at = act.at.min(around.now).max(around.now - BEHIND_MAX);
        let refused = refusal(act, at, why);
        let known = |other: &Refused| other.said.act == refused.said.act;
        if record.incident.people.refused.iter().any(known) {
            return None;
        }
        record.spoken().refuse(refused);
        self.revised(id, around)
    }

    /// Notes what was said with the record.
    fn say(&mut self, act: &Act, id: IncidentId, around: Around<'_>) {
        let Some(record) = self.records.get_mut(&id) else { return };
        let at = act.at.min(around.now).max(around.now - BEHIND_MAX);
        let said = Said::from(act);
        let hold = |word| Some(Hold { word, since: at, said: said.clone() });
        let (had_case, was_settled) = (record.has_case(), record.closed || record.kept);
        let was_over = record.incident.state != IncidentState::Open;
        let spoken = record.spoken();
        let people = &mut spoken.people;
        match &act.decision {
            Decision::Acknowledge { .. } => people.acknowledged = Some(said),
            Decision::Unacknowledge { .. } => people.acknowledged = None,
            Decision::Snooze { until, .. } => people.snoozed_until = Some(*until),
            Decision::Unsnooze { .. } => people.snoozed_until = None,
            Decision::Assign { to, .. } => people.assignee.clone_from(to),
            Decision::Comment { .. } => spoken.comment(said),
            Decision::Resolve { .. } => spoken.hold = hold(Word::Over),
            Decision::Reopen { .. } => {
                spoken.reopened += u32::from(was_over);
                spoken.hold = hold(Word::Open);
            }
            Decision::ConfirmCause { cause, .. } => {
                spoken.judge(Verdict { said, cause: cause.clone(), is_cause: true });
            }
            Decision::RejectCause { cause, .. } => {
                spoken.judge(Verdict { said, cause: cause.clone(), is_cause: false });
            }
            Decision::Merge { .. }
            | Decision::Split { .. }
            | Decision::Silence { .. }
            | Decision::Expire { .. }
            | Decision::Maintenance { .. }
            | Decision::Inhibit { .. }
            | Decision::Uninhibit { .. } => {}
        }
        spoken.tell(line(act, at));
        if !had_case {
            record.kept = record.is_held_open();
            // What never was one does not become one by a word about it.
            if was_settled {
                record.closed = !record.kept;
                self.closed.insert(id);
            }
        }
    }

    /// The new revision of a record of which something was said: always one, whatever it changed.
    fn revised(&mut self, id: IncidentId, around: Around<'_>) -> Option<Output> {
        let record = self.records.get_mut(&id)?;
        let before = record.incident.clone();
        let Output::Incident { incident, .. } = record.revise(ChangeReason::Decided, around) else {
            return None;
        };
        let reason = difference(&before, &incident, false).unwrap_or(ChangeReason::Decided);
        let reason = match reason {
            ChangeReason::Resolved | ChangeReason::Reopened => reason,
            _ => ChangeReason::Decided,
        };
        self.forget();
        Some(Output::Incident { incident, reason })
    }

    /// Two incidents are one. Where a case stands behind both, the fold makes them one; what has none any
    /// more is only noted as part of the other.
    fn merge(
        &mut self,
        act: &Act,
        id: IncidentId,
        into: IncidentId,
        around: Around<'_>,
    ) -> Result<Done, ActFault> {
        let into = self.heir(into).ok_or(ActFault::UnknownIncident(into))?;
        // They are one already: by what somebody did before, or in another ITSM.
        if id == into {
            return Ok(Done::default());
        }
        let record = |id| self.records.get(&id);
        let has_case = record(id).is_some_and(Published::has_case);
        let takes = if has_case { Published::has_case } else { Published::is_live };
        if !record(into).is_some_and(takes) {
            return Err(ActFault::IntoClosed(into));
        }
        let mut done = Done::default();
        if has_case {
            let anchors = self.anchor(id).zip(self.anchor(into));
            done.bond = anchors.map(|(from, into)| Bond::Merge(from, into));
            self.say(act, id, around);
            done.outputs.extend(self.revised(id, around));
            return Ok(done);
        }
        self.say(act, id, around);
        if let Some(record) = self.records.get_mut(&id) {
            record.closed = true;
        }
        done.outputs.extend(self.take_back(id, Some(into), around));
        Ok(done)
    }

    fn split(&self, id: IncidentId, services: &[Name]) -> Result<Bond, ActFault> {
        let record = self.records.get(&id).filter(|record| record.has_case());
        let record = record.ok_or(ActFault::SplitOfClosed(id))?;
        let own = &record.incident.services;
        if let Some(service) = services.iter().find(|service| !own.contains(service)) {
            return Err(ActFault::NotAMember { incident: id, service: service.clone() });
        }
        if own.iter().all(|service| services.contains(service)) {
            return Err(ActFault::NothingLeft(id));
        }
        let anchor = Anchor::new(record.case, &record.incident);
        Ok(Bond::Split(anchor, services.iter().cloned().collect()))
    }

    fn anchor(&self, id: IncidentId) -> Option<Anchor> {
        self.records.get(&id).map(|record| Anchor::new(record.case, &record.incident))
    }

    /// Whether the service and the change that a person names are known: a name that nobody knows is a
    /// slip, and would rename the incident.
    fn knows(&self, id: IncidentId, cause: &CauseRef, around: Around<'_>) -> Result<(), ActFault> {
        let incident = self.newest(id);
        let ledger = &around.world.ledger;
        let change = cause.change.as_ref().map(|named| {
            let blamed = incident.into_iter().flat_map(|i| &i.hypotheses);
            let known = blamed.filter_map(|h| h.change.as_ref()).any(|c| c.id == *named)
                || ledger.events().any(|event| event.id == *named);
            if known { Ok(named) } else { Err(ActFault::UnknownChange(named.clone())) }
        });
        let change = change.transpose()?;
        let Some(service) = &cause.service else { return Ok(()) };
        let changed = |event: &ChangeEvent| {
            Some(&event.id) == change && event.targets.iter().any(|target| target == service)
        };
        let known = around.world.map.bind(service).is_some()
            || incident.is_some_and(|incident| speaks_of(incident, service))
            || ledger.events().any(changed);
        if known { Ok(()) } else { Err(ActFault::UnknownService(service.clone())) }
    }

    /// Whether one more incident without a case may be held open.
    fn has_room(&self, id: IncidentId) -> Result<(), ActFault> {
        let kept = self.records.values().filter(|record| record.kept).count();
        let needs = self.records.get(&id).is_some_and(|record| !record.has_case());
        if needs && kept >= KEPT_OPEN_MAX {
            return Err(ActFault::Full(kept, "reopened incidents"));
        }
        Ok(())
    }

    /// The newest revision of a record.
    pub(in crate::correlate) fn newest(
        &self,
        id: IncidentId,
    ) -> Option<&model::incident::Incident> {
        self.records.get(&id).map(|record| &record.incident)
    }
}

/// Whether an incident shows a service: as a member, a cause, by a symptom, or in its reach.
fn speaks_of(incident: &Incident, service: &Name) -> bool {
    let radius = &incident.blast_radius;
    incident.services.contains(service)
        || incident.hypotheses.iter().any(|h| h.entity.service == *service)
        || incident.symptoms.iter().any(|symptom| symptom.entity.service == *service)
        || radius.observed.iter().any(|reach| reach.service == *service)
}
