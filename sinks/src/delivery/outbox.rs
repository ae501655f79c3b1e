//! The machine of one sink: incidents in, requests out, outcomes in, records out.
//!
//! The shell reads `faultline.deliveries` ([`Outbox::on_record`]) and `faultline.incidents`
//! ([`Outbox::on_incident`]), then loops: [`Outbox::poll_due`], append the intent, the sink's
//! `deliver`, [`Outbox::on_outcome`], append the record. A crash anywhere in that loop says the newest
//! revision again under the same idempotency key, and never loses it. One request is out at a time.

mod outcome;
mod owed;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::id::IncidentId;
use model::incident::Incident;
use model::name::Name;
use model::time::{Nanos, Timestamp};

use super::decide::{Decision, DeliveryPolicy, SkipReason, decide};
use super::entry::Entry;
use super::queue::{Queue, Slot};
use super::record::{Delivered, idempotency_key};
use crate::retry::{Breaker, BreakerState, RetryBudget, RetryPolicy};
use crate::sink::Trouble;

pub use self::owed::Owed;
pub use super::turn::{Done, DoneResult, Due};

/// Bounds of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Incidents that wait to be said; above it [`Outbox::has_room`] is false and the shell stops
    /// reading: the topic is the buffer.
    pub queued_max: usize,
    /// Incidents that are remembered, said ones included; the longest idle are forgotten.
    pub remembered_max: usize,
    /// Longest wait that a destination may impose.
    pub told_wait_max: Nanos,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            queued_max: 5_000,
            remembered_max: 100_000,
            told_wait_max: Nanos::from_secs(2 * 3600),
        }
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// Requests that the destination took.
    pub said: u64,
    /// Requests that changed nothing.
    pub unchanged: u64,
    /// Attempts that have to be made again.
    pub failed: u64,
    /// Revisions that were given up.
    pub refused: u64,
    /// Revisions that were replaced by a newer one before they were said.
    pub superseded: u64,
    /// Revisions with nothing to say.
    pub skipped: u64,
    /// Incidents forgotten because of the bound.
    pub forgotten: u64,
}

/// The last thing that went wrong, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastTrouble {
    /// When.
    pub at: Timestamp,
    /// Which incident.
    pub incident: IncidentId,
    /// What.
    pub trouble: Trouble,
}

/// What one sink has said and has to say.
#[derive(Clone, Debug)]
pub struct Outbox {
    sink: Name,
    policy: DeliveryPolicy,
    retry: RetryPolicy,
    limits: OutboxLimits,
    entries: BTreeMap<IncidentId, Entry>,
    queue: Queue,
    breaker: Breaker,
    budget: RetryBudget,
    /// The destination asked for quiet until then.
    quiet_until: Timestamp,
    in_flight: bool,
    stats: OutboxStats,
    last_trouble: Option<LastTrouble>,
}

impl Outbox {
    /// An empty one.
    #[must_use]
    pub fn new(
        sink: Name,
        policy: DeliveryPolicy,
        retry: RetryPolicy,
        limits: OutboxLimits,
    ) -> Self {
        Self {
            sink,
            policy,
            retry,
            limits,
            entries: BTreeMap::new(),
            queue: Queue::default(),
            breaker: Breaker::new(retry),
            budget: RetryBudget::new(retry),
            quiet_until: Timestamp::EPOCH,
            in_flight: false,
            stats: OutboxStats::default(),
            last_trouble: None,
        }
    }

    /// The sink's name.
    #[must_use]
    pub fn sink(&self) -> &Name {
        &self.sink
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> OutboxStats {
        self.stats
    }

    /// What the breaker thinks of the destination.
    #[must_use]
    pub fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// The last thing that went wrong.
    #[must_use]
    pub fn last_trouble(&self) -> Option<&LastTrouble> {
        self.last_trouble.as_ref()
    }

    /// Incidents that wait to be said.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.queued()
    }

    /// Whether another incident may be handed in; else the shell stops reading for a while.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queued() < self.limits.queued_max
    }

    /// Takes in what was said before the start. Records of other sinks and older ones are ignored.
    /// All records come before the first incident.
    pub fn on_record(&mut self, record: Delivered) {
        if record.sink != self.sink {
            return;
        }
        let id = record.incident;
        let old = self.entries.get(&id);
        if old
            .and_then(|entry| entry.known.as_ref())
            .is_some_and(|k| k.attempted > record.attempted)
        {
            return;
        }
        let slot = Slot::Idle(record.at);
        let old_slot = old.map(|entry| entry.slot);
        self.queue.put(id, old_slot, slot);
        let entry = Entry {
            revision_seen: record.revision,
            newest: None,
            known: Some(record),
            failures: 0,
            slot,
            snooze: None,
            owed_since: None,
        };
        self.entries.insert(id, entry);
        self.forget();
    }

    /// Takes in a revision of an incident and decides. Only the newest one counts.
    pub fn on_incident(&mut self, incident: Arc<Incident>, now: Timestamp) -> Decision {
        let id = incident.id;
        let old = self.entries.get(&id);
        // An equal revision is taken again: the shell may read the topic anew after a restart.
        if old.is_some_and(|entry| incident.revision < entry.revision_seen) {
            self.stats.skipped += 1;
            return Decision::Skip(SkipReason::Outdated);
        }
        if old
            .and_then(|entry| entry.newest.as_ref())
            .is_some_and(|n| n.revision < incident.revision)
        {
            self.stats.superseded += 1;
        }
        let mut entry = self.entries.remove(&id).unwrap_or_else(|| Entry::new(now));
        let snoozed_at = entry.snoozed_at(&incident);
        let known = entry.known.as_ref();
        let decision = decide(&self.policy, &incident, known, snoozed_at, now);
        if matches!(decision, Decision::Skip(_)) {
            self.stats.skipped += 1;
        }
        let old_slot = entry.slot;
        entry.revision_seen = incident.revision;
        entry.schedule(incident, decision, now);
        self.queue.put(id, Some(old_slot), entry.slot);
        self.entries.insert(id, entry);
        self.forget();
        decision
    }

    /// What is to be said now, if anything. The shell appends its `intent`, if there is one, to
    /// `faultline.deliveries` before the sink is called.
    pub fn poll_due(&mut self, now: Timestamp) -> Option<Due> {
        if self.in_flight || now < self.quiet_until {
            return None;
        }
        while let Some((at, rank, id)) = self.queue.next_due(now) {
            self.place(id, Slot::Waiting(at, rank), Slot::Ready(rank));
        }
        loop {
            let id = self.queue.first_ready()?;
            if !self.breaker.try_pass(now) {
                return None;
            }
            let retried = self.entries.get(&id).is_some_and(|entry| entry.failures > 0);
            if !retried {
                self.budget.on_first_attempt();
            } else if self.breaker.state() == BreakerState::Closed
                && let Err(next) = self.budget.try_take(now)
            {
                // No retry is affordable: first attempts pass before it.
                self.wait_until(id, next);
                continue;
            }
            return self.take(id, now);
        }
    }

    /// The destination asked for quiet until then, in another exchange than ours.
    pub fn quiet_until(&mut self, until: Timestamp) {
        self.quiet_until = self.quiet_until.max(until);
    }

    /// Whether the destination is to be left alone: it asked for quiet, or is in trouble.
    #[must_use]
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        now < self.quiet_until || self.breaker.opens_at().is_some_and(|at| now < at)
    }

    /// When [`Outbox::poll_due`] is worth calling again; `None`: not before the next incident.
    #[must_use]
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        if self.in_flight {
            return None;
        }
        let due = self.queue.next_deadline(now)?;
        let breaker = self.breaker.opens_at().unwrap_or(Timestamp::EPOCH);
        Some(due.max(self.quiet_until).max(breaker))
    }

    fn take(&mut self, id: IncidentId, now: Timestamp) -> Option<Due> {
        let entry = self.entries.get_mut(&id)?;
        let Slot::Ready(rank) = entry.slot else { return None };
        let incident = entry.newest.clone()?;
        let known = entry.known.clone().filter(|known| !known.is_intent());
        let doubt = entry.known.as_ref().filter(|known| known.in_doubt());
        let in_doubt_since = doubt.map(|known| known.at);
        let tried = entry.known.as_ref().map_or(0, |known| known.attempted);
        let intent = (tried < incident.revision)
            .then(|| Delivered::intent(&incident, &self.sink, entry.known.as_ref(), now));
        if intent.is_some() {
            entry.known.clone_from(&intent);
        }
        let idempotency_key = idempotency_key(&incident, &self.sink);
        self.place(id, Slot::Ready(rank), Slot::InFlight);
        self.in_flight = true;
        let reason = rank.reason;
        Some(Due { incident, known, intent, in_doubt_since, idempotency_key, reason })
    }

    fn wait_until(&mut self, id: IncidentId, until: Timestamp) {
        if let Some(Slot::Ready(rank)) = self.entries.get(&id).map(|entry| entry.slot) {
            self.place(id, Slot::Ready(rank), Slot::Waiting(until, rank));
        }
    }

    fn place(&mut self, id: IncidentId, old: Slot, new: Slot) {
        self.queue.put(id, Some(old), new);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.slot = new;
        }
    }

    fn forget(&mut self) {
        while self.entries.len() > self.limits.remembered_max {
            let Some((at, id)) = self.queue.longest_idle() else { return };
            self.place(id, Slot::Idle(at), Slot::InFlight);
            self.entries.remove(&id);
            self.stats.forgotten += 1;
        }
    }
}
