//! What people decided, as it bears on telling: snooze, mute, acknowledgement, escalation.
//!
//! What a destination was told is told to its end, whoever wants quiet: nobody is left with an open
//! page of an incident that is over, or that somebody works on.

use model::incident::{Incident, Priority, TimelineKind};
use model::time::{Nanos, Timestamp};

use super::decide::{Decision, SayReason, SkipReason, is_over};
use super::record::Delivered;

/// Holds a decision against what people want.
pub(super) fn heed(
    decision: Decision,
    incident: &Incident,
    known: Option<&Delivered>,
    snoozed_at: Option<Priority>,
) -> Decision {
    let Decision::Say(reason, at) = decision else { return decision };
    if known.is_some_and(|known| must_hear(incident, known)) {
        return decision;
    }
    if !incident.people.muted_by.is_empty() {
        return Decision::Skip(SkipReason::Muted);
    }
    match incident.people.snoozed_until {
        Some(until) if until > at && !rose(incident, known, snoozed_at) => {
            snoozed(incident, reason, until)
        }
        Some(_) | None => decision,
    }
}

/// What passes every wish for quiet: the end, and that somebody works on it.
fn must_hear(incident: &Incident, known: &Delivered) -> bool {
    let fresh_ack = incident.people.acknowledged.is_some() && known.told.acknowledged.is_none();
    is_over(incident.state) || (fresh_ack && !known.is_intent())
}

fn snoozed(incident: &Incident, reason: SayReason, until: Timestamp) -> Decision {
    if is_over(incident.state) {
        // Nobody was told, and who snoozed it knows.
        return Decision::Skip(SkipReason::Snoozed);
    }
    Decision::Say(reason, until)
}

/// Whether it is worse than when it was snoozed, and than what the destination was told.
fn rose(incident: &Incident, known: Option<&Delivered>, snoozed_at: Option<Priority>) -> bool {
    // P1 is the highest and the smallest.
    let told = known.map(|known| known.told.priority);
    let worst = told.into_iter().chain(snoozed_at).min();
    worst.is_some_and(|worst| incident.priority < worst)
}

/// When a first page of an incident is due that goes out only if nobody acknowledges it in time;
/// or why it never will be.
pub(super) fn escalation(incident: &Incident, after: Nanos) -> Result<Timestamp, SkipReason> {
    if incident.people.acknowledged.is_some() {
        return Err(SkipReason::Acknowledged);
    }
    if is_over(incident.state) {
        return Err(SkipReason::EndedInTime);
    }
    Ok(active_since(incident) + after)
}

/// When it became active the last time: opened, or reopened.
fn active_since(incident: &Incident) -> Timestamp {
    let states = incident.timeline.iter().filter(|entry| entry.kind == TimelineKind::State);
    states.map(|entry| entry.at).max().map_or(incident.opened_at, |at| at.max(incident.opened_at))
}

#[cfg(test)]
mod tests {
    use model::incident::{IncidentState, TimelineEntry};
    use model::people::Said;

    use super::*;
    use crate::delivery::decide::{DeliveryPolicy, decide};
    use crate::delivery::record::{SCHEMA_VERSION, content_hash, idempotency_key};
    use crate::delivery::testing::{at, in_state, incident, with_service};
    use crate::render::told::Told;

    fn told(incident: &Incident, when: Timestamp) -> Delivered {
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

    fn acknowledged(mut incident: Incident) -> Incident {
        incident.people.acknowledged = Some(Said {
            act: "a-1".into(),
            author: "ann".into(),
            via: "console".into(),
            at: at(50),
            text: String::new(),
        });
        incident
    }

    fn escalating() -> DeliveryPolicy {
        DeliveryPolicy { escalate_after: Some(Nanos::from_secs(600)), ..DeliveryPolicy::default() }
    }

    #[test]
    fn a_snoozed_incident_is_told_when_its_time_has_come() {
        let policy = DeliveryPolicy::default();
        let mut snoozed = incident(2);
        snoozed.people.snoozed_until = Some(at(900));
        let first = decide(&policy, &snoozed, None, None, at(100));
        assert_eq!(first, Decision::Say(SayReason::First, at(900)));
        let known = told(&with_service(1, "cart"), at(50));
        let next = decide(&policy, &snoozed, Some(&known), None, at(100));
        assert_eq!(next, Decision::Say(SayReason::Updated, at(900)));
        let after = decide(&policy, &snoozed, None, None, at(901));
        assert_eq!(after, Decision::Say(SayReason::First, at(901)), "the snooze is over");
    }

    #[test]
    fn a_snooze_ends_when_the_priority_rises_and_does_not_hide_the_end_of_what_was_told() {
        let policy = DeliveryPolicy::default();
        let known = told(&incident(1), at(50));
        let mut worse = incident(2);
        worse.people.snoozed_until = Some(at(900));
        worse.priority = Priority::P1;
        let said = decide(&policy, &worse, Some(&known), None, at(100));
        assert_eq!(said, Decision::Say(SayReason::Updated, at(80)));
        let mut over = in_state(3, IncidentState::Resolved);
        over.people.snoozed_until = Some(at(900));
        let said = decide(&policy, &over, Some(&known), None, at(100));
        assert_eq!(said, Decision::Say(SayReason::Ended, at(80)));
        assert_eq!(
            decide(&policy, &over, None, None, at(100)),
            Decision::Skip(SkipReason::Snoozed)
        );
    }

    #[test]
    fn a_muted_incident_is_not_told_but_ends_where_it_was_told() {
        let policy = DeliveryPolicy::default();
        let known = told(&incident(1), at(50));
        let mut muted = with_service(2, "cart");
        muted.people.muted_by = vec!["silence-1".into()];
        for known in [None, Some(&known)] {
            let decision = decide(&policy, &muted, known, None, at(100));
            assert_eq!(decision, Decision::Skip(SkipReason::Muted));
        }
        let mut over = in_state(3, IncidentState::Resolved);
        over.people.muted_by = vec!["silence-1".into()];
        let said = decide(&policy, &over, Some(&known), None, at(100));
        assert_eq!(said, Decision::Say(SayReason::Ended, at(80)));
        assert_eq!(decide(&policy, &over, None, None, at(100)), Decision::Skip(SkipReason::Muted));
    }

    #[test]
    fn an_acknowledgement_passes_mute_and_snooze_to_whoever_was_told() {
        let policy = DeliveryPolicy::default();
        let known = told(&incident(1), at(50));
        let mut quiet = acknowledged(incident(2));
        quiet.people.muted_by = vec!["silence-1".into()];
        quiet.people.snoozed_until = Some(at(900));
        let said = decide(&policy, &quiet, Some(&known), None, at(100));
        assert_eq!(said, Decision::Say(SayReason::Updated, at(80)));
        assert_eq!(decide(&policy, &quiet, None, None, at(100)), Decision::Skip(SkipReason::Muted));
    }

    #[test]
    fn escalation_tells_what_nobody_acknowledged_in_time_and_is_still_open() {
        let policy = escalating();
        let due = decide(&policy, &incident(1), None, None, at(20));
        assert_eq!(due, Decision::Say(SayReason::First, at(610)), "counted from its opening");
        let late = decide(&policy, &incident(1), None, None, at(5_000));
        assert_eq!(late, Decision::Say(SayReason::First, at(5_000)));
        let taken = decide(&policy, &acknowledged(incident(2)), None, None, at(60));
        assert_eq!(taken, Decision::Skip(SkipReason::Acknowledged));
        let over = decide(&policy, &in_state(2, IncidentState::Resolved), None, None, at(60));
        assert_eq!(over, Decision::Skip(SkipReason::EndedInTime));
    }

    #[test]
    fn escalation_counts_anew_when_an_incident_comes_back() {
        let mut back = incident(4);
        for (secs, text) in [(10, "opened"), (300, "resolved"), (1_000, "opened")] {
            back.timeline.push(TimelineEntry {
                at: at(secs),
                kind: TimelineKind::State,
                service: None,
                text: text.to_owned(),
            });
        }
        let due = decide(&escalating(), &back, None, None, at(1_001));
        assert_eq!(due, Decision::Say(SayReason::First, at(1_600)));
    }

    #[test]
    fn what_was_escalated_is_told_to_its_end() {
        let known = told(&incident(1), at(700));
        for (next, reason) in [
            (acknowledged(incident(2)), SayReason::Updated),
            (in_state(2, IncidentState::Resolved), SayReason::Ended),
        ] {
            let said = decide(&escalating(), &next, Some(&known), None, at(800));
            assert_eq!(said, Decision::Say(reason, at(730)));
        }
    }
}
