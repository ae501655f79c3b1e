//! What follows from the outcome of a delivery.

use model::command::Command;
use model::id::IncidentId;
use model::incident::{Incident, Ticket};
use model::time::{Nanos, Timestamp};

use super::{Done, DoneResult, Due, LastTrouble, Outbox};
use crate::delivery::decide::{Decision, decide, is_over};
use crate::delivery::entry::rank;
use crate::delivery::queue::Slot;
use crate::delivery::record::{Delivered, SCHEMA_VERSION, content_hash};
use crate::render::told::Told;
use crate::retry::{Jitter, backoff};
use crate::sink::{Outcome, Trouble, Wait};

impl Outbox {
    /// Takes in how a delivery went.
    pub fn on_outcome(
        &mut self,
        due: &Due,
        outcome: Outcome,
        now: Timestamp,
        jitter: Jitter,
    ) -> Done {
        self.in_flight = false;
        let (result, record) = match outcome {
            Outcome::Delivered { ticket, title, note } => {
                self.stats.said += 1;
                self.breaker.on_success();
                (DoneResult::Said(note), Some(self.said(due, ticket, title, now)))
            }
            Outcome::Unchanged { ticket } => {
                self.stats.unchanged += 1;
                self.breaker.on_success();
                (DoneResult::Unchanged, Some(self.unchanged(due, ticket, now)))
            }
            Outcome::RetryAfter(wait, trouble) => {
                (self.failed(due, wait, trouble, now, jitter), None)
            }
            Outcome::Refused(trouble) => {
                self.stats.refused += 1;
                // It answered, so it is there.
                self.breaker.on_success();
                self.note_trouble(due, &trouble, now);
                self.settle(due, None, now);
                (DoneResult::Refused(trouble), None)
            }
        };
        let command = record.as_ref().and_then(|record| link(record, &due.incident));
        if let Some(record) = &record {
            self.settle(due, Some(record.clone()), now);
        }
        Done {
            incident: due.incident.id,
            revision: due.incident.revision,
            reason: due.reason,
            result,
            record,
            command,
        }
    }

    /// When it is over, records keep the title and weight that they had: those stay as told, so that
    /// they are compared with the record's own should it come back.
    fn said(
        &self,
        due: &Due,
        ticket: Option<Ticket>,
        title: Option<String>,
        now: Timestamp,
    ) -> Delivered {
        let mut told = Told::of(&due.incident);
        let known = due.known.as_ref();
        if is_over(told.state)
            && let Some(before) = known.map(|known| &known.told)
        {
            told.priority = before.priority;
            told.title.clone_from(&before.title);
        }
        Delivered {
            schema_version: SCHEMA_VERSION,
            sink: self.sink.clone(),
            incident: due.incident.id,
            revision: due.incident.revision,
            attempted: due.incident.revision,
            at: now,
            content_hash: content_hash(&due.incident),
            idempotency_key: due.idempotency_key.clone(),
            ticket: ticket.or_else(|| known.and_then(|known| known.ticket.clone())),
            title: title.or_else(|| known.and_then(|known| known.title.clone())),
            told,
        }
    }

    /// Small changes add up to news: what was told stays as it was told.
    fn unchanged(&self, due: &Due, ticket: Option<Ticket>, now: Timestamp) -> Delivered {
        let new = self.said(due, ticket, None, now);
        match &due.known {
            Some(known) => Delivered { at: known.at, told: known.told.clone(), ..new },
            None => new,
        }
    }

    fn failed(
        &mut self,
        due: &Due,
        wait: Wait,
        trouble: Trouble,
        now: Timestamp,
        jitter: Jitter,
    ) -> DoneResult {
        self.note_trouble(due, &trouble, now);
        let id = due.incident.id;
        let is_failure = !matches!(wait, Wait::Incident(_));
        self.stats.failed += u64::from(is_failure);
        let failures = match self.entries.get_mut(&id) {
            Some(entry) if !is_failure => entry.failures,
            Some(entry) => {
                entry.failures = entry.failures.saturating_add(1);
                entry.failures
            }
            None => 1,
        };
        let until = match wait {
            Wait::Backoff => {
                self.breaker.on_failure(now, jitter);
                now + backoff(&self.retry, failures, jitter)
            }
            Wait::Told(length) => {
                let length = Nanos(length.0.clamp(0, self.limits.told_wait_max.0));
                self.quiet_until = self.quiet_until.max(now + length);
                // It answered: it is busy, not broken.
                self.breaker.on_success();
                now + length
            }
            Wait::Incident(length) => {
                // It answered.
                self.breaker.on_success();
                now + Nanos(length.0.clamp(0, self.limits.told_wait_max.0))
            }
        };
        let until = self.reschedule(id, until, now);
        DoneResult::Later(until, trouble)
    }

    /// After a failure: the newest revision waits.
    fn reschedule(&mut self, id: IncidentId, until: Timestamp, now: Timestamp) -> Timestamp {
        let Some(entry) = self.entries.get_mut(&id) else { return until };
        let Some(newest) = entry.newest.clone() else { return until };
        let snoozed_at = entry.snooze.map(|snooze| snooze.priority);
        let known = entry.known.as_ref();
        let decision = decide(&self.policy, &newest, known, snoozed_at, now);
        let (newest, slot) = match decision {
            Decision::Say(reason, due) => {
                entry.owed(&newest, due, now);
                let rank = rank(&newest, reason);
                (Some(newest), Slot::Waiting(until.max(due), rank))
            }
            Decision::Skip(_) => {
                entry.owed_since = None;
                (None, Slot::Idle(now))
            }
        };
        entry.newest = newest;
        self.place(id, Slot::InFlight, slot);
        match slot {
            Slot::Waiting(at, _) => at,
            Slot::Idle(_) | Slot::Ready(_) | Slot::InFlight => until,
        }
    }

    fn note_trouble(&mut self, due: &Due, trouble: &Trouble, now: Timestamp) {
        self.last_trouble =
            Some(LastTrouble { at: now, incident: due.incident.id, trouble: trouble.clone() });
    }

    /// The attempt is over: keeps the record, and goes on with what has come since.
    fn settle(&mut self, due: &Due, record: Option<Delivered>, now: Timestamp) {
        let id = due.incident.id;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.failures = 0;
        entry.owed_since = None;
        if record.is_some() {
            entry.known = record;
        }
        let newer = entry.newest.take().filter(|newest| newest.revision > due.incident.revision);
        self.place(id, Slot::InFlight, Slot::Idle(now));
        if let Some(newer) = newer {
            self.on_incident(newer, now);
        }
    }
}

/// The command that links a new or changed ticket to its incident.
fn link(record: &Delivered, incident: &Incident) -> Option<Command> {
    let ticket = record.ticket.clone()?;
    if incident.tickets.contains(&ticket) {
        return None;
    }
    Some(Command::LinkTicket { incident: incident.id, ticket })
}
