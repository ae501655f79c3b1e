//! What is due: one pure decision with a named reason.
//!
//! Only the newest revision of an incident is ever considered; what lies between is never said.

use model::incident::{Incident, IncidentState, Priority};
use model::time::{Nanos, Timestamp};

use super::people::{escalation, heed};
use super::record::{Delivered, content_hash};
use super::when::When;
use crate::render::told::Told;

/// What a sink wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// Whether incidents that are only suspected are told, too.
    pub suspected: Suspected,
    /// Lowest priority that is told. Once told, an incident is told to its end.
    pub priority_lowest: Priority,
    /// At most one update per incident in this time. The first page never waits.
    pub update_every: Nanos,
    /// What was resolved longer ago than this and was never told stays untold: a new sink does
    /// not tell history.
    pub stale_after: Nanos,
    /// Which incidents are told. As with the priority: once told, to the end.
    pub when: When,
    /// The first page goes out only if nobody acknowledged the incident for so long after it was
    /// opened, and it is still active.
    pub escalate_after: Option<Nanos>,
    /// Whether a ticket that another sink opened is news.
    pub tickets: TicketNews,
}

/// Whether it is news that an incident got a ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TicketNews {
    /// It is not.
    #[default]
    Ignored,
    /// The first one is.
    Told,
}

/// What to do with incidents that are only suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspected {
    /// They are told.
    Told,
    /// They wait until they are open.
    Untold,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            suspected: Suspected::Untold,
            priority_lowest: Priority::P4,
            update_every: Nanos::from_secs(30),
            stale_after: Nanos::from_secs(24 * 3600),
            when: When::default(),
            escalate_after: None,
            tickets: TicketNews::default(),
        }
    }
}

/// What to do with the newest revision of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Say it, not before this moment.
    Say(SayReason, Timestamp),
    /// There is nothing to say.
    Skip(SkipReason),
}

/// Why something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SayReason {
    /// The sink has not heard of it: the page.
    First,
    /// It is active again after its end was told.
    Reopened,
    /// It ended: resolved, withdrawn or merged.
    Ended,
    /// It changed.
    Updated,
}

/// Why nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// This revision, or a newer one, was said.
    AlreadySaid,
    /// A newer revision was seen: this record came late.
    Outdated,
    /// Nothing in it differs from what was said.
    SameContent,
    /// It is only suspected.
    OnlySuspected,
    /// It ended as part of another incident, or never was one, and nobody was told.
    NeverTold,
    /// It ended long ago and nobody was told.
    Stale,
    /// Its priority is below what the sink wants.
    BelowPriority,
    /// The sink's matchers do not match it.
    NotMatched,
    /// A silence, a maintenance window or an inhibition covers all of it.
    Muted,
    /// A person wanted quiet about it, and it ended meanwhile.
    Snoozed,
    /// Somebody works on it, and this sink is for what nobody does.
    Acknowledged,
    /// It ended before it had to be escalated.
    EndedInTime,
}

/// Whether the story is over in this state.
#[must_use]
pub fn is_over(state: IncidentState) -> bool {
    match state {
        IncidentState::Suspected | IncidentState::Open => false,
        IncidentState::Resolved | IncidentState::Merged | IncidentState::Withdrawn => true,
    }
}

/// Whether it ended without ever having been one of its own: nobody opens a record to say that.
#[must_use]
pub fn ended_as_none(state: IncidentState) -> bool {
    matches!(state, IncidentState::Withdrawn | IncidentState::Merged)
}

/// Decides. `snoozed_at` is what the incident's priority was when it was snoozed, as far as that is
/// known; `now` is the wall clock.
#[must_use]
pub fn decide(
    policy: &DeliveryPolicy,
    incident: &Incident,
    known: Option<&Delivered>,
    snoozed_at: Option<Priority>,
    now: Timestamp,
) -> Decision {
    let decision = match known {
        None => decide_first(policy, incident, now),
        Some(known) if known.is_intent() => decide_attempted(incident, now),
        Some(known) => decide_next(policy, incident, known),
    };
    heed(decision, incident, known, snoozed_at)
}

fn decide_first(policy: &DeliveryPolicy, incident: &Incident, now: Timestamp) -> Decision {
    let skip = match incident.state {
        IncidentState::Suspected if policy.suspected == Suspected::Untold => {
            Some(SkipReason::OnlySuspected)
        }
        IncidentState::Withdrawn | IncidentState::Merged => Some(SkipReason::NeverTold),
        IncidentState::Resolved
            if policy.suspected == Suspected::Untold && incident.was_only_suspected() =>
        {
            Some(SkipReason::OnlySuspected)
        }
        IncidentState::Resolved => {
            let ended_at = incident.resolved_at.unwrap_or(incident.updated_at);
            (now - ended_at > policy.stale_after).then_some(SkipReason::Stale)
        }
        IncidentState::Suspected | IncidentState::Open => None,
    };
    if let Some(reason) = skip {
        return Decision::Skip(reason);
    }
    // P1 is the highest and the smallest.
    if incident.priority > policy.priority_lowest {
        return Decision::Skip(SkipReason::BelowPriority);
    }
    if !policy.when.matches(incident) {
        return Decision::Skip(SkipReason::NotMatched);
    }
    match policy.escalate_after.map(|after| escalation(incident, after)) {
        Some(Ok(due)) => Decision::Say(SayReason::First, due.max(now)),
        Some(Err(reason)) => Decision::Skip(reason),
        None => Decision::Say(SayReason::First, now),
    }
}

/// Saying it was begun and perhaps done: whatever became of the incident has to be told.
fn decide_attempted(incident: &Incident, now: Timestamp) -> Decision {
    let reason = match incident.state {
        IncidentState::Withdrawn | IncidentState::Merged => SayReason::Ended,
        IncidentState::Suspected | IncidentState::Open | IncidentState::Resolved => {
            SayReason::First
        }
    };
    Decision::Say(reason, now)
}

fn decide_next(policy: &DeliveryPolicy, incident: &Incident, known: &Delivered) -> Decision {
    if incident.revision <= known.revision {
        return Decision::Skip(SkipReason::AlreadySaid);
    }
    let first_ticket = policy.tickets == TicketNews::Told
        && known.told.ticket.is_none()
        && Told::ticket_of(incident).is_some();
    let same = content_hash(incident) == known.content_hash && !first_ticket;
    if !known.in_doubt() && same {
        return Decision::Skip(SkipReason::SameContent);
    }
    let reason = match (is_over(known.told.state), is_over(incident.state)) {
        (true, false) => SayReason::Reopened,
        (false, true) => SayReason::Ended,
        (false, false) | (true, true) => SayReason::Updated,
    };
    Decision::Say(reason, known.at + policy.update_every)
}

#[cfg(test)]
mod tests {
    use model::incident::{TimelineEntry, TimelineKind};

    use super::*;
    use crate::delivery::record::{SCHEMA_VERSION, idempotency_key};
    use crate::delivery::testing::{at, in_state, incident, with_service};

    fn said(incident: &Incident, when: Timestamp) -> Delivered {
        Delivered {
            schema_version: SCHEMA_VERSION,
            sink: "ops".into(),
            incident: incident.id,
            revision: incident.revision,
            attempted: incident.revision,
            at: when,
            content_hash: content_hash(incident),
            idempotency_key: idempotency_key(incident, &"ops".into()),
            ticket: None,
            title: None,
            told: Told::of(incident),
        }
    }

    fn first(incident: &Incident) -> Decision {
        decide(&DeliveryPolicy::default(), incident, None, None, at(100))
    }

    #[test]
    fn the_first_page_is_due_at_once_and_an_update_waits_its_time() {
        assert_eq!(first(&incident(1)), Decision::Say(SayReason::First, at(100)));
        let known = said(&incident(1), at(100));
        let next = with_service(2, "cart");
        assert_eq!(
            decide(&DeliveryPolicy::default(), &next, Some(&known), None, at(101)),
            Decision::Say(SayReason::Updated, at(130))
        );
    }

    #[test]
    fn what_nobody_was_told_of_ends_unsaid_unless_it_was_real_and_recent() {
        assert_eq!(
            first(&in_state(1, IncidentState::Suspected)),
            Decision::Skip(SkipReason::OnlySuspected)
        );
        for state in [IncidentState::Withdrawn, IncidentState::Merged] {
            assert_eq!(first(&in_state(2, state)), Decision::Skip(SkipReason::NeverTold));
        }
        let mut resolved = in_state(2, IncidentState::Resolved);
        assert_eq!(first(&resolved), Decision::Say(SayReason::First, at(100)));
        let line = |text: &str| TimelineEntry {
            at: at(0),
            kind: TimelineKind::State,
            service: None,
            text: text.to_owned(),
        };
        resolved.timeline = vec![line("suspected"), line("resolved: its causes are quiet")];
        assert_eq!(first(&resolved), Decision::Skip(SkipReason::OnlySuspected));
        let told = DeliveryPolicy { suspected: Suspected::Told, ..DeliveryPolicy::default() };
        let say = Decision::Say(SayReason::First, at(100));
        assert_eq!(decide(&told, &resolved, None, None, at(100)), say);
        resolved.timeline.push(line("opened"));
        assert_eq!(first(&resolved), say);
        let much_later = at(20 + 24 * 3600 + 1);
        assert_eq!(
            decide(&DeliveryPolicy::default(), &resolved, None, None, much_later),
            Decision::Skip(SkipReason::Stale)
        );
    }

    #[test]
    fn what_was_perhaps_told_is_told_to_its_end() {
        let intent = Delivered::intent(&incident(1), &"ops".into(), None, at(100));
        let policy = DeliveryPolicy::default();
        for (state, reason) in [
            (IncidentState::Open, SayReason::First),
            (IncidentState::Resolved, SayReason::First),
            (IncidentState::Withdrawn, SayReason::Ended),
            (IncidentState::Merged, SayReason::Ended),
        ] {
            assert_eq!(
                decide(&policy, &in_state(2, state), Some(&intent), None, at(101)),
                Decision::Say(reason, at(101))
            );
        }
    }

    #[test]
    fn ends_and_reopenings_of_told_incidents_are_told() {
        let open = said(&incident(1), at(100));
        for state in [IncidentState::Resolved, IncidentState::Withdrawn, IncidentState::Merged] {
            assert_eq!(
                decide(&DeliveryPolicy::default(), &in_state(2, state), Some(&open), None, at(100)),
                Decision::Say(SayReason::Ended, at(130))
            );
        }
        let ended = said(&in_state(2, IncidentState::Resolved), at(200));
        assert_eq!(
            decide(&DeliveryPolicy::default(), &incident(3), Some(&ended), None, at(300)),
            Decision::Say(SayReason::Reopened, at(230))
        );
    }

    #[test]
    fn priority_holds_back_the_first_page_only() {
        let policy = DeliveryPolicy { priority_lowest: Priority::P1, ..DeliveryPolicy::default() };
        let p2 = incident(2);
        assert_eq!(
            decide(&policy, &p2, None, None, at(100)),
            Decision::Skip(SkipReason::BelowPriority)
        );
        let mut p1 = incident(1);
        p1.priority = Priority::P1;
        let known = said(&p1, at(100));
        assert_eq!(
            decide(&policy, &p2, Some(&known), None, at(100)),
            Decision::Say(SayReason::Updated, at(130))
        );
    }

    #[test]
    fn matchers_hold_back_the_first_page_only() {
        let when = When::parse(&[String::from("service=\"cart\"")]).unwrap();
        let policy = DeliveryPolicy { when, ..DeliveryPolicy::default() };
        let other = decide(&policy, &incident(1), None, None, at(100));
        assert_eq!(other, Decision::Skip(SkipReason::NotMatched));
        let mine = with_service(2, "cart");
        let said = decide(&policy, &mine, None, None, at(100));
        assert_eq!(said, Decision::Say(SayReason::First, at(100)));
        let next = decide(&policy, &incident(3), Some(&self::said(&mine, at(100))), None, at(100));
        assert_eq!(next, Decision::Say(SayReason::Updated, at(130)));
    }

    #[test]
    fn the_first_ticket_is_news_only_for_who_wants_it() {
        let known = said(&incident(1), at(100));
        let mut linked = incident(2);
        linked.tickets.push(model::incident::Ticket {
            sink: "itsm".into(),
            id: "1".into(),
            number: None,
            url: Some("https://itsm.example/1".into()),
        });
        let ignored = decide(&DeliveryPolicy::default(), &linked, Some(&known), None, at(100));
        assert_eq!(ignored, Decision::Skip(SkipReason::SameContent));
        let policy = DeliveryPolicy { tickets: TicketNews::Told, ..DeliveryPolicy::default() };
        let told = decide(&policy, &linked, Some(&known), None, at(100));
        assert_eq!(told, Decision::Say(SayReason::Updated, at(130)));
        let known = said(&linked, at(130));
        linked.revision = 3;
        linked.tickets.push(linked.tickets[0].clone());
        let again = decide(&policy, &linked, Some(&known), None, at(200));
        assert_eq!(again, Decision::Skip(SkipReason::SameContent));
    }

    #[test]
    fn a_repeat_and_a_revision_without_news_are_not_said() {
        let known = said(&incident(3), at(100));
        let policy = DeliveryPolicy::default();
        for old in [2, 3] {
            assert_eq!(
                decide(&policy, &incident(old), Some(&known), None, at(500)),
                Decision::Skip(SkipReason::AlreadySaid)
            );
        }
        assert_eq!(
            decide(&policy, &incident(4), Some(&known), None, at(500)),
            Decision::Skip(SkipReason::SameContent)
        );
        // Something else may have been said in between, and its answer was lost.
        let doubtful = Delivered { attempted: 4, ..known };
        assert_eq!(
            decide(&policy, &incident(5), Some(&doubtful), None, at(500)),
            Decision::Say(SayReason::Updated, at(130))
        );
    }
}
