//! The outbox alone: its bounds, and who waits for whom.

use std::sync::Arc;

use model::id::IncidentId;
use model::incident::{Incident, IncidentState, Priority};
use model::time::Nanos;
use sinks::delivery::decide::{Decision, DeliveryPolicy, SayReason, SkipReason};
use sinks::delivery::outbox::{DoneResult, Due, Outbox, OutboxLimits, Owed};
use sinks::retry::{BreakerState, Jitter, RetryPolicy};
use sinks::sink::{Outcome, Trouble, Wait};

use crate::fixture::{at, in_state, incident, with_service};

fn outbox(limits: OutboxLimits) -> Outbox {
    Outbox::new("ops".into(), DeliveryPolicy::default(), RetryPolicy::default(), limits)
}

fn numbered(id: u64, state: IncidentState) -> Arc<Incident> {
    Arc::new(Incident { id: IncidentId(id), ..in_state(1, state) })
}

fn said() -> Outcome {
    Outcome::Delivered { ticket: None, title: None, note: None }
}

fn failed() -> Outcome {
    Outcome::RetryAfter(Wait::Backoff, Trouble::Unavailable(500))
}

fn poll(outbox: &mut Outbox, secs: i64) -> Due {
    outbox.poll_due(at(secs)).unwrap_or_else(|| panic!("something is due at {secs}"))
}

#[test]
fn a_full_outbox_asks_to_stop_reading_and_forgets_nothing_that_is_queued() {
    let limits = OutboxLimits { queued_max: 3, remembered_max: 2, ..OutboxLimits::default() };
    let mut outbox = outbox(limits);
    for id in 0..3 {
        assert!(outbox.has_room());
        outbox.on_incident(numbered(id, IncidentState::Open), at(10));
    }
    assert!(!outbox.has_room());
    assert_eq!((outbox.queued(), outbox.stats().forgotten), (3, 0));
    for _ in 0..3 {
        let due = poll(&mut outbox, 10);
        outbox.on_outcome(&due, said(), at(10), Jitter(0));
    }
    // Idle now: the next one pushes out the longest idle ones.
    outbox.on_incident(numbered(9, IncidentState::Open), at(20));
    assert_eq!(outbox.stats().forgotten, 2);
}

#[test]
fn one_request_is_out_at_a_time_and_a_newer_revision_waits_for_its_answer() {
    let mut outbox = outbox(OutboxLimits::default());
    outbox.on_incident(Arc::new(incident(1)), at(10));
    let due = poll(&mut outbox, 10);
    outbox.on_incident(Arc::new(with_service(2, "cart")), at(11));
    outbox.on_incident(numbered(9, IncidentState::Open), at(11));
    assert!(outbox.poll_due(at(11)).is_none());
    assert_eq!(outbox.next_deadline(at(11)), None, "nothing before the answer");
    outbox.on_outcome(&due, said(), at(12), Jitter(0));
    let other = poll(&mut outbox, 12);
    assert_eq!(other.incident.id, IncidentId(9));
    outbox.on_outcome(&other, said(), at(12), Jitter(0));
    assert_eq!(outbox.next_deadline(at(12)), Some(at(42)), "the update is coalesced");
    assert_eq!(poll(&mut outbox, 42).incident.revision, 2);
}

#[test]
fn an_older_revision_that_comes_late_is_not_said() {
    let mut outbox = outbox(OutboxLimits::default());
    outbox.on_incident(Arc::new(in_state(4, IncidentState::Withdrawn)), at(10));
    assert_eq!(
        outbox.on_incident(Arc::new(incident(3)), at(11)),
        Decision::Skip(SkipReason::Outdated)
    );
    assert!(outbox.poll_due(at(11)).is_none());
}

#[test]
fn a_destination_cannot_impose_an_endless_wait() {
    let mut outbox = outbox(OutboxLimits::default());
    outbox.on_incident(Arc::new(incident(1)), at(10));
    let due = poll(&mut outbox, 10);
    let forever = Outcome::RetryAfter(Wait::Told(Nanos(i64::MAX)), Trouble::Throttled);
    let done = outbox.on_outcome(&due, forever, at(10), Jitter(0));
    assert_eq!(done.result, DoneResult::Later(at(10 + 7200), Trouble::Throttled));
}

#[test]
fn first_pages_pass_before_retries_that_nobody_can_afford() {
    let mut outbox = outbox(OutboxLimits::default());
    for id in 0..4 {
        outbox.on_incident(numbered(id, IncidentState::Open), at(10));
        let due = poll(&mut outbox, 10);
        outbox.on_outcome(&due, failed(), at(10), Jitter(0));
    }
    assert_eq!(outbox.breaker(), BreakerState::Closed);
    let mut retried = Vec::new();
    for _ in 0..2 {
        let due = poll(&mut outbox, 15);
        retried.push(due.incident.id);
        outbox.on_outcome(&due, said(), at(15), Jitter(0));
    }
    assert_eq!(retried, [IncidentId(0), IncidentId(1)], "what was saved, and the trickle");
    assert!(outbox.poll_due(at(15)).is_none());
    assert_eq!(outbox.next_deadline(at(15)), Some(at(20)));
    outbox.on_incident(numbered(9, IncidentState::Open), at(16));
    let due = poll(&mut outbox, 16);
    assert_eq!(due.incident.id, IncidentId(9));
    outbox.on_outcome(&due, said(), at(16), Jitter(0));
    assert_eq!(poll(&mut outbox, 20).incident.id, IncidentId(2));
}

#[test]
fn every_first_attempt_of_a_revision_has_its_intent_and_a_repeat_has_none() {
    let mut outbox = outbox(OutboxLimits::default());
    outbox.on_incident(Arc::new(incident(1)), at(10));
    let due = poll(&mut outbox, 10);
    let intent = due.intent.clone().expect("the first attempt has one");
    assert_eq!((intent.revision, intent.attempted), (0, 1));
    assert!(due.known.is_none(), "an intent is no news for a sink");
    outbox.on_outcome(&due, failed(), at(10), Jitter(0));
    let due = poll(&mut outbox, 11);
    assert_eq!(due.intent, None);
    let done = outbox.on_outcome(&due, said(), at(11), Jitter(0));
    let record = done.record.expect("it was said");
    assert_eq!((record.revision, record.attempted), (1, 1));
    outbox.on_incident(Arc::new(with_service(2, "cart")), at(12));
    let due = poll(&mut outbox, 41);
    let intent = due.intent.expect("the next revision has one");
    assert_eq!((intent.revision, intent.attempted), (1, 2));
    assert_eq!(due.known.map(|known| known.revision), Some(1));
}

#[test]
fn a_snooze_of_what_nobody_was_told_ends_when_it_gets_worse() {
    let mut outbox = outbox(OutboxLimits::default());
    let snoozed = |revision, priority| {
        let mut incident = incident(revision);
        incident.people.snoozed_until = Some(at(900));
        incident.priority = priority;
        Arc::new(incident)
    };
    let later = Decision::Say(SayReason::First, at(900));
    assert_eq!(outbox.on_incident(snoozed(1, Priority::P3), at(10)), later);
    assert_eq!(outbox.on_incident(snoozed(2, Priority::P4), at(11)), later);
    assert_eq!(outbox.on_incident(snoozed(3, Priority::P3), at(12)), later, "as it was");
    let now = Decision::Say(SayReason::First, at(13));
    assert_eq!(outbox.on_incident(snoozed(4, Priority::P2), at(13)), now);
    let due = poll(&mut outbox, 13);
    outbox.on_outcome(&due, said(), at(13), Jitter(0));
    let quiet = outbox.on_incident(snoozed(5, Priority::P2), at(50));
    assert_eq!(quiet, Decision::Skip(SkipReason::SameContent));
}

#[test]
fn an_escalation_that_is_acknowledged_in_time_is_never_said() {
    let policy =
        DeliveryPolicy { escalate_after: Some(Nanos::from_secs(600)), ..DeliveryPolicy::default() };
    let limits = OutboxLimits::default();
    let mut outbox = Outbox::new("ops".into(), policy, RetryPolicy::default(), limits);
    outbox.on_incident(Arc::new(incident(1)), at(10));
    assert!(outbox.poll_due(at(609)).is_none());
    assert_eq!(outbox.next_deadline(at(20)), Some(at(610)));
    let mut taken = incident(2);
    taken.people.acknowledged = Some(model::people::Said {
        act: "a-1".into(),
        author: "ann".into(),
        via: "cli".into(),
        at: at(300),
        text: String::new(),
    });
    let decision = outbox.on_incident(Arc::new(taken), at(300));
    assert_eq!(decision, Decision::Skip(SkipReason::Acknowledged));
    assert!(outbox.poll_due(at(700)).is_none());
    // It is given back: the time has long passed.
    outbox.on_incident(Arc::new(with_service(3, "cart")), at(700));
    assert_eq!(poll(&mut outbox, 700).reason, SayReason::First);
}

#[test]
fn a_wait_of_one_incident_holds_up_no_other_and_is_no_failure() {
    let mut outbox = outbox(OutboxLimits::default());
    outbox.on_incident(Arc::new(incident(1)), at(10));
    let unsure =
        || Outcome::RetryAfter(Wait::Incident(Nanos::from_secs(60)), Trouble::Unsure("it"));
    for count in 0..20 {
        let due = poll(&mut outbox, 10 + 60 * count);
        let done = outbox.on_outcome(&due, unsure(), at(10 + 60 * count), Jitter(0));
        assert_eq!(done.result, DoneResult::Later(at(70 + 60 * count), Trouble::Unsure("it")));
    }
    assert_eq!((outbox.stats().failed, outbox.breaker()), (0, BreakerState::Closed));
    outbox.on_incident(numbered(9, IncidentState::Open), at(1_155));
    assert_eq!(poll(&mut outbox, 1_155).incident.id, IncidentId(9));
}

#[test]
fn a_destination_in_trouble_or_that_asked_for_quiet_is_left_alone_by_who_listens_too() {
    let mut outbox = outbox(OutboxLimits::default());
    assert!(!outbox.is_quiet(at(10)));
    outbox.quiet_until(at(20));
    assert!(outbox.is_quiet(at(19)) && !outbox.is_quiet(at(20)));
    for id in 0..5 {
        outbox.on_incident(numbered(id, IncidentState::Open), at(20));
        let due = poll(&mut outbox, 20);
        outbox.on_outcome(&due, failed(), at(20), Jitter(u32::MAX));
    }
    assert!(outbox.is_quiet(at(21)) && !outbox.is_quiet(at(60)));
}

#[test]
fn what_is_owed_counts_from_when_it_was_due_whatever_failed_since() {
    let mut outbox = outbox(OutboxLimits::default());
    let owed = |incidents, since| Owed { incidents, oldest_since: since };
    assert_eq!(outbox.owed(at(10)), owed(0, None));
    outbox.on_incident(Arc::new(incident(1)), at(10));
    outbox.on_incident(numbered(9, IncidentState::Open), at(12));
    assert_eq!(outbox.owed(at(12)), owed(2, Some(at(10))));
    let due = poll(&mut outbox, 20);
    outbox.on_outcome(&due, failed(), at(21), Jitter(0));
    outbox.on_incident(Arc::new(with_service(2, "cart")), at(22));
    assert_eq!(outbox.owed(at(22)), owed(2, Some(at(10))), "a newer revision is as late");
    let mut told = 0;
    for secs in 23..600 {
        if let Some(due) = outbox.poll_due(at(secs)) {
            outbox.on_outcome(&due, said(), at(secs), Jitter(0));
            told += 1;
        }
    }
    assert_eq!((told, outbox.owed(at(600))), (2, owed(0, None)));
    // What waits for others to come, or for its escalation, is not late.
    outbox.on_incident(Arc::new(with_service(3, "search")), at(600));
    let due = poll(&mut outbox, 600);
    outbox.on_outcome(&due, said(), at(600), Jitter(0));
    outbox.on_incident(Arc::new(with_service(4, "mail")), at(610));
    assert_eq!(outbox.queued(), 1);
    assert_eq!(outbox.owed(at(610)), owed(0, None));
    assert_eq!(outbox.owed(at(640)), owed(1, Some(at(630))));
}

#[test]
fn a_fresh_revision_of_what_was_told_long_ago_is_owed_since_it_is_there() {
    let mut outbox = outbox(OutboxLimits::default());
    outbox.on_incident(Arc::new(incident(1)), at(10));
    let due = poll(&mut outbox, 10);
    outbox.on_outcome(&due, said(), at(10), Jitter(0));
    let mut fresh = with_service(2, "cart");
    fresh.updated_at = at(9_000);
    outbox.on_incident(Arc::new(fresh), at(9_000));
    let owed = |since| Owed { incidents: 1, oldest_since: Some(since) };
    assert_eq!(outbox.owed(at(9_000)), owed(at(9_000)));
    let due = poll(&mut outbox, 9_000);
    outbox.on_outcome(&due, failed(), at(9_001), Jitter(0));
    assert_eq!(outbox.owed(at(9_001)), owed(at(9_000)), "one that failed is as late");
}
