//! What people said of one incident, and how it is put over what the fold says.
//!
//! The fold's own word is kept beside it, so that what a person takes back is as if it had never been
//! said, and what a person says holds however often the incident is derived anew.

use model::alert::AlertStatus;
use model::incident::{
    Incident, IncidentAlert, IncidentState, OPENED, TimelineEntry, TimelineKind,
};
use model::people::{People, Refused, Said, Verdict};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Around, ChangeReason, Output, Published};
use crate::correlate::limits::{REFUSED_MAX, SAID_MAX};
use crate::correlate::people::refused_line;
use crate::correlate::ranking::verdicts;
use crate::correlate::{narrative, priority, timeline};

/// Whether a person calls an incident over, or not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// It is over until something new begins.
    Over,
    /// It is not over until a person says so.
    Open,
}

/// A state that a person decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hold {
    /// Which.
    pub(super) word: Word,
    /// Since when: what began before is over as well.
    pub(super) since: Timestamp,
    /// Who said it.
    pub(super) said: Said,
}

/// What people said of one incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spoken {
    /// What the fold says of it.
    bare: Incident,
    /// What people said.
    pub(super) people: People,
    /// The state that a person decided, if one holds.
    pub(super) hold: Option<Hold>,
    /// Decisions as lines of the timeline, oldest first.
    lines: Vec<TimelineEntry>,
    /// How often people reopened it.
    pub(super) reopened: u32,
}

impl Spoken {
    fn new(bare: Incident) -> Self {
        let people = People { muted_by: Vec::new(), ..bare.people.clone() };
        Self { bare, people, hold: None, lines: Vec::new(), reopened: 0 }
    }

    /// Whether a person's word that it is over holds.
    pub(super) fn is_over(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.word == Word::Over)
    }

    /// Takes a new word of the fold in, and returns it with what people said. `before` is the state that
    /// was told last.
    pub(super) fn hear(
        &mut self,
        bare: Incident,
        before: IncidentState,
        around: Around<'_>,
    ) -> Incident {
        // The fold has a line of its own for what comes back by itself.
        let has_line = is_over(self.bare.state) && !is_over(bare.state);
        self.bare = bare;
        self.dressed((before, has_line), around)
    }

    /// Adds a line to the timeline.
    pub(super) fn tell(&mut self, line: TimelineEntry) {
        self.lines.push(line);
        keep_newest(&mut self.lines);
    }

    /// Adds a comment.
    pub(super) fn comment(&mut self, said: Said) {
        self.people.comments.push(said);
        keep_newest(&mut self.people.comments);
    }

    /// Adds a verdict on a cause.
    pub(super) fn judge(&mut self, verdict: Verdict) {
        self.people.verdicts.push(verdict);
        keep_newest(&mut self.people.verdicts);
    }

    /// Adds what could not be carried out.
    pub(super) fn refuse(&mut self, refused: Refused) {
        self.tell(refused_line(&refused));
        let all = &mut self.people.refused;
        all.push(refused);
        all.drain(..all.len().saturating_sub(REFUSED_MAX));
    }

    /// Takes in what was said of an incident that became part of this one. What was said of this one
    /// goes before.
    pub(super) fn absorb(&mut self, other: Self) {
        let theirs = other.people;
        let ours = &mut self.people;
        ours.acknowledged = ours.acknowledged.take().or(theirs.acknowledged);
        ours.assignee = ours.assignee.take().or(theirs.assignee);
        ours.comments.extend(theirs.comments);
        ours.comments.sort_by(|a, b| (a.at, &a.act).cmp(&(b.at, &b.act)));
        ours.comments.dedup();
        keep_newest(&mut ours.comments);
        ours.verdicts.extend(theirs.verdicts);
        ours.verdicts.sort_by(|a, b| (a.said.at, &a.said.act).cmp(&(b.said.at, &b.said.act)));
        ours.verdicts.dedup();
        keep_newest(&mut ours.verdicts);
        ours.refused.extend(theirs.refused);
        ours.refused.sort_by(|a, b| (a.said.at, &a.said.act).cmp(&(b.said.at, &b.said.act)));
        ours.refused.dedup();
        ours.refused.drain(..ours.refused.len().saturating_sub(REFUSED_MAX));
        self.lines.extend(other.lines);
        self.lines.sort();
        self.lines.dedup();
        keep_newest(&mut self.lines);
        let open = other.hold.filter(|hold| hold.word == Word::Open);
        self.hold = self.hold.take().or(open);
    }

    /// What the fold says, with what people said over it. Words that time has ended are let go: a snooze,
    /// and, when what had ended is active again, that somebody works on it.
    fn dressed(
        &mut self,
        (before, has_line): (IncidentState, bool),
        around: Around<'_>,
    ) -> Incident {
        if self.is_over() && self.begins_anew(around) {
            self.hold = None;
        }
        if is_over(before) && !self.is_ended() {
            self.people.acknowledged = None;
            if !has_line {
                let text = format!("{OPENED} again");
                let (at, kind) = (around.now, TimelineKind::State);
                self.tell(TimelineEntry { at, kind, service: None, text });
            }
        }
        if self.people.snoozed_until.is_some_and(|until| until <= around.now) {
            self.people.snoozed_until = None;
        }
        let mut incident = self.bare.clone();
        let muted_by = std::mem::take(&mut incident.people.muted_by);
        incident.people = People { muted_by, ..self.people.clone() };
        incident.people.state_held = self.hold.as_ref().map(|hold| hold.said.clone());
        incident.lineage.reopened = incident.lineage.reopened.saturating_add(self.reopened);
        self.hold_state(&mut incident);
        let temperature = around.rules.config.ranking.temperature;
        let said = &self.people.verdicts;
        if !said.is_empty() {
            verdicts::apply(&mut incident, said, &around.world.ledger, temperature);
            let cause = incident.hypotheses.first().map(|first| &first.entity.service);
            let map = &around.world.map;
            let items = cause.map(|cause| map.identities(cause)).unwrap_or_default();
            incident.owner = cause.and_then(|cause| map.owner(cause));
            incident.cause_items = items;
            incident.title = narrative::title(&incident);
        }
        if !said.is_empty() || self.hold.is_some() {
            incident.narrative = narrative::narrative(&incident);
        }
        incident.timeline = timeline::with(std::mem::take(&mut incident.timeline), &self.lines);
        incident
    }

    /// Whether it is over, or no incident of its own, by what is known now.
    fn is_ended(&self) -> bool {
        match &self.hold {
            Some(hold) if self.bare.state != IncidentState::Merged => hold.word == Word::Over,
            _ => is_over(self.bare.state) || self.bare.state == IncidentState::Merged,
        }
    }

    fn hold_state(&self, incident: &mut Incident) {
        let is_gone = incident.state == IncidentState::Merged;
        let Some(hold) = self.hold.as_ref().filter(|_| !is_gone) else { return };
        match hold.word {
            Word::Over => {
                incident.state = IncidentState::Resolved;
                incident.resolved_at = Some(hold.since);
            }
            Word::Open => {
                incident.state = IncidentState::Open;
                incident.resolved_at = None;
            }
        }
        // What a person once called open was so, whatever the fold says.
        if hold.word == Word::Open || self.reopened > 0 {
            let (impact, severity) = (incident.blast_radius.impact, incident.severity);
            incident.priority = priority::priority(impact, severity, true);
        }
    }

    /// Whether anything worth a word began after a person called it over.
    fn begins_anew(&self, around: Around<'_>) -> bool {
        let Some(hold) = &self.hold else { return false };
        if self.bare.state == IncidentState::Resolved {
            return false;
        }
        let support = around.rules.config.support_level.to_f64();
        let symptoms = self.bare.symptoms.iter();
        // One that has ended may have been muted while it fired.
        let fires = |alert: &&IncidentAlert| alert.status == AlertStatus::Firing;
        let alerts = self.bare.alerts.iter().filter(fires).filter(|one| one.muted_by.is_none());
        symptoms.filter(|s| s.nats >= support).any(|s| s.first_at > hold.since)
            || alerts.into_iter().any(|alert| alert.starts_at > hold.since)
    }
}

impl Published {
    /// What people said of it; a place for it if nobody has said anything.
    pub(super) fn spoken(&mut self) -> &mut Spoken {
        let incident = &self.incident;
        self.spoken.get_or_insert_with(|| Box::new(Spoken::new(incident.clone())))
    }

    /// Whether a person's word holds it open.
    pub(super) fn is_held_open(&self) -> bool {
        let hold = self.spoken.as_ref().and_then(|spoken| spoken.hold.as_ref());
        hold.is_some_and(|hold| hold.word == Word::Open)
    }

    /// A new revision of what is there, with what people said.
    pub(super) fn revise(&mut self, reason: ChangeReason, around: Around<'_>) -> Output {
        let known = &self.incident;
        let mut incident = match &mut self.spoken {
            Some(spoken) => spoken.dressed((known.state, false), around),
            None => known.clone(),
        };
        incident.id = known.id;
        incident.opened_at = known.opened_at;
        incident.tickets.clone_from(&known.tickets);
        incident.people.muted_by.clone_from(&known.people.muted_by);
        incident.lineage.merged_from.clone_from(&known.lineage.merged_from);
        incident.lineage.merged_into = known.lineage.merged_into;
        incident.updated_at = around.now.max(known.updated_at);
        incident.revision = known.revision.saturating_add(1);
        self.incident = incident;
        self.told_at = around.now;
        Output::Incident { incident: Box::new(self.incident.clone()), reason }
    }

    /// Its last revision as a record of its own.
    pub(super) fn end(
        &mut self,
        state: IncidentState,
        into: Option<model::id::IncidentId>,
        reason: ChangeReason,
        around: Around<'_>,
    ) -> Output {
        let resolved_at = self.incident.resolved_at.or(Some(around.now));
        let mut bares = vec![&mut self.incident];
        bares.extend(self.spoken.as_mut().map(|spoken| &mut spoken.bare));
        for incident in bares {
            incident.state = state;
            incident.resolved_at = resolved_at;
        }
        if let Some(spoken) = &mut self.spoken {
            spoken.hold = None;
        }
        self.incident.lineage.merged_into = into;
        self.kept = false;
        self.revise(reason, around)
    }
}

/// Whether nobody has to act on an incident in this state any more.
fn is_over(state: IncidentState) -> bool {
    matches!(state, IncidentState::Resolved | IncidentState::Withdrawn)
}

fn keep_newest<T>(list: &mut Vec<T>) {
    let surplus = list.len().saturating_sub(SAID_MAX);
    list.drain(..surplus);
}
