//! Stories of time: what belongs to now, what to an earlier trouble, and what keeps an incident open.

use model::alert::Severity::{Critical, Warning};
use model::entity::Entity;
use model::incident::IncidentState;
use model::symptom::SymptomKind;

use super::dsl::{Ending, Story};

fn shop(secs: i64) -> Story {
    Story::new("front>checkout checkout>payment front>ads front>catalog", secs)
}

fn states(ending: &Ending) -> Vec<IncidentState> {
    ending.last.values().map(|incident| incident.state).collect()
}

#[test]
fn a_rule_of_events_holds_nothing_open_and_one_of_conditions_does() {
    let broken = || shop(2000).errors("ads", 500, 700, &["front"]);
    let events = [520, 580, 640].iter().fold(broken(), |story, at| {
        // Each begins anew: what happened has happened again.
        story.fires(*at, "ErrorBurst service=ads", Critical)
    });
    assert_eq!(events.run().drawn(), "+500s Resolved [ads] 1 alerts: ads");
    let condition = [520, 580, 640].iter().fold(broken(), |story, at| {
        // A repeat carries the begin of the first.
        story.fires_late(520, *at, "Down service=ads", Critical)
    });
    assert_eq!(condition.run().drawn(), "+500s Open [ads] 1 alerts: ads");
}

#[test]
fn a_rule_that_was_ever_resolved_is_none_of_events() {
    let story = shop(2000)
        .fires(100, "Down service=ads", Critical)
        .resolves(130, "Down service=ads", Critical)
        .errors("ads", 500, 700, &["front"])
        .fires(520, "Down service=ads", Critical)
        .fires(600, "Down service=ads", Critical);
    assert!(states(&story.run()).contains(&IncidentState::Open));
}

#[test]
fn a_warning_keeps_nobody_up_when_requests_are_well_again() {
    let story = |severity| {
        shop(2000)
            .errors("ads", 500, 700, &["front"])
            .fires(520, "Slow service=ads", severity)
            .run()
    };
    assert_eq!(states(&story(Warning)), [IncidentState::Resolved]);
    assert_eq!(states(&story(Critical)), [IncidentState::Open]);
}

#[test]
fn what_an_old_alert_told_lives_on_in_a_new_fault_that_is_dated_by_itself() {
    let story = |fault: i64| {
        shop(3000)
            .fires(300, "CertExpiry service=payment", Critical)
            .errors("payment", fault, fault + 200, &["checkout", "front"])
            .run()
    };
    assert_eq!(story(400).last.len(), 1, "{}", story(400).drawn());
    let ending = story(1500);
    let first = ending.revisions.first().map(|(incident, _)| incident.id).unwrap();
    let (_, last) =
        ending.last.iter().find(|(id, _)| **id != first).expect("an incident of its own");
    assert_eq!(last.onset_at, super::dsl::at(1500), "{}", ending.drawn());
    assert!(last.alerts.iter().any(|alert| *alert.name == *"CertExpiry"), "{}", ending.drawn());
    assert!(last.lineage.merged_from.contains(&first), "{:?}", last.lineage);
}

#[test]
fn a_fault_that_was_over_is_no_part_of_the_next_one_though_its_alert_still_fires() {
    let ending = shop(3000)
        .errors("ads", 500, 700, &["front"])
        .fires(520, "Burn service=ads", Critical)
        .errors("ads", 1500, 1700, &["front"])
        .run();
    let mut found = states(&ending);
    found.sort();
    assert_eq!(found, [IncidentState::Open, IncidentState::Resolved], "{}", ending.drawn());
}

#[test]
fn what_a_resolved_fault_had_reached_is_news_when_it_fails_itself() {
    // Checkout only suffered then; now it is what fails, and most loudly.
    let ending = shop(3000)
        .errors("payment", 500, 700, &["checkout", "front"])
        .fires(540, "HighErrors service=checkout", Warning)
        .resolves(760, "HighErrors service=checkout", Warning)
        .errors("checkout", 1500, 1800, &["front"])
        .run();
    let drawn = ending.drawn();
    let mut lines: Vec<&str> = drawn.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "+1500s Resolved [checkout] 0 alerts: checkout",
            "+500s Resolved [checkout payment] 1 alerts: payment",
        ]
    );
}

#[test]
fn what_comes_back_behind_an_alert_is_dated_by_what_is_shown_now() {
    let ending = shop(2600)
        .errors("ads", 500, 700, &["front"])
        .fires(520, "Slow service=ads", Warning)
        .resolves(720, "Slow service=ads", Warning)
        .fires(1300, "Slow service=ads", Warning)
        .errors("ads", 1400, 1600, &["front"])
        .resolves(1700, "Slow service=ads", Warning)
        .run();
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
    let incident = ending.last.values().next().unwrap();
    assert_eq!(incident.onset_at, super::dsl::at(1400), "{}", ending.drawn());
}

#[test]
fn what_an_ended_incident_told_opens_nothing_by_firing_on() {
    let ending = shop(2600)
        .errors("payment", 500, 700, &["checkout", "front"])
        .fires(520, "HighErrors service=front", Warning)
        // A few stray errors on the way of what still fires.
        .symptom(service("catalog"), SymptomKind::ErrorOrigin, 8, (1150, 1160), &["front"])
        .run();
    assert_eq!(ending.drawn(), "+500s Resolved [front payment] 1 alerts: payment");
}

fn service(name: &str) -> Entity {
    Entity::service(name.into())
}

#[test]
fn a_failed_call_and_its_log_line_are_one_piece_of_evidence() {
    let stray = |end: i64| {
        [SymptomKind::ErrorOrigin, SymptomKind::LogPath]
            .into_iter()
            .fold(shop(1500), |story, kind| {
                story.symptom(service("ads"), kind, 5, (500, end), &["front"])
            })
    };
    assert!(stray(530).run().last.is_empty(), "{}", stray(530).run().drawn());
    assert_eq!(stray(600).run().last.len(), 1, "what lasts opens");
}

#[test]
fn a_metric_supports_what_began_when_it_moved() {
    let story = |moved: i64| {
        shop(1500)
            .symptom(service("ads"), SymptomKind::Metric, 10, (moved, 600), &[])
            .symptom(service("ads"), SymptomKind::ErrorOrigin, 5, (500, 530), &["front"])
            .run()
    };
    assert_eq!(story(460).last.len(), 1, "{}", story(460).drawn());
    assert!(story(200).last.is_empty(), "{}", story(200).drawn());
}

#[test]
fn nobody_who_was_called_is_called_off_for_what_may_be_nothing() {
    let story = |until: i64| {
        shop(3000)
            .fires(300, "CertExpiry service=payment", Critical)
            .resolves(1400, "CertExpiry service=payment", Critical)
            .errors("payment", 1500, until, &["checkout", "front"])
            .run()
    };
    for (until, outcome) in [(1510, IncidentState::Resolved), (1700, IncidentState::Merged)] {
        let ending = story(until);
        let first = ending.revisions.first().map(|(incident, _)| incident.id).unwrap();
        let of_it = ending.revisions.iter().filter(|(incident, _)| incident.id == first);
        let last = of_it.map(|(incident, _)| incident.state).next_back();
        assert_eq!(last, Some(outcome), "{until}: {}", ending.drawn());
    }
}

#[test]
fn a_new_alert_is_heard_though_an_ended_fault_murmurs_on() {
    let ending = shop(3000)
        .errors("payment", 500, 700, &["checkout", "front"])
        .symptom(service("payment"), SymptomKind::ErrorOrigin, 5, (1500, 1520), &["checkout"])
        .fires(1510, "Down service=checkout", Critical)
        .run();
    let mut found = states(&ending);
    found.sort();
    assert_eq!(found, [IncidentState::Open, IncidentState::Resolved], "{}", ending.drawn());
}

#[test]
fn what_fires_on_is_no_news_half_an_hour_later_either() {
    let ending = shop(5000)
        .errors("payment", 500, 700, &["checkout", "front"])
        .fires(520, "HighErrors service=front", Warning)
        .fires_late(520, 3900, "HighErrors service=front", Warning)
        .symptom(service("catalog"), SymptomKind::ErrorOrigin, 8, (4000, 4010), &["front"])
        .run();
    assert_eq!(ending.drawn(), "+500s Resolved [front payment] 1 alerts: payment");
}

#[test]
fn an_incident_does_not_part_from_itself_for_an_alert_that_has_fired_for_long() {
    let ending = shop(2000)
        .fires(300, "DiskFillsUp service=checkout", Warning)
        .errors("payment", 455, 900, &["checkout", "front"])
        .run();
    let open: std::collections::BTreeSet<_> = ending
        .revisions
        .iter()
        .filter(|(incident, _)| incident.state == IncidentState::Open)
        .map(|(incident, _)| incident.id)
        .collect();
    assert_eq!(open.len(), 1, "{}", ending.drawn());
    let parted =
        ending.revisions.iter().filter(|(incident, _)| incident.state == IncidentState::Merged);
    assert_eq!(parted.count(), 0, "{}", ending.drawn());
}

/// A rule that goes back and forth every 50 seconds from second 500 on.
fn flapping(story: Story, labels: &str) -> Story {
    (0..10).fold(story, |story, round| {
        let at = 500 + 100 * round;
        story.fires(at, labels, Critical).resolves(at + 50, labels, Critical)
    })
}

#[test]
fn an_alert_that_flaps_calls_once_and_holds_nothing_open() {
    let ending = flapping(shop(3000), "PortDown device=eth12").run();
    let states: Vec<IncidentState> =
        ending.revisions.iter().map(|(incident, _)| incident.state).collect();
    let opened = states.iter().filter(|state| **state == IncidentState::Open).count();
    let ended = states.iter().position(|state| *state == IncidentState::Resolved);
    assert!(opened > 0 && ended.is_some(), "{states:?}");
    let again = &states[ended.unwrap_or(0)..];
    assert!(!again.contains(&IncidentState::Open), "{states:?}");
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
}

#[test]
fn an_alert_that_flaps_where_requests_fail_is_still_heard() {
    let ending =
        flapping(shop(3000), "Down service=ads").errors("ads", 500, 1000, &["front"]).run();
    let called = |from: i64, to: i64| {
        ending.revisions.iter().any(|(incident, _)| {
            incident.state == IncidentState::Resolved
                && incident.updated_at > super::dsl::at(from)
                && incident.updated_at < super::dsl::at(to)
        })
    };
    let opened = ending.revisions.iter().any(|(one, _)| one.state == IncidentState::Open);
    assert!(opened && !called(500, 1500), "it holds as long as it flaps: {}", ending.drawn());
}

#[test]
fn an_alert_that_fires_on_after_it_flapped_calls_again() {
    let ending = flapping(shop(4000), "PortDown device=eth12")
        .fires(1500, "PortDown device=eth12", Critical)
        .fires_late(1500, 3600, "PortDown device=eth12", Critical)
        .run();
    let called = ending.revisions.iter().filter(|(one, _)| {
        one.state == IncidentState::Open && one.updated_at > super::dsl::at(1500)
    });
    let first = called.map(|(one, _)| one.updated_at).min();
    // Ten minutes after its last change, with the pane.
    assert_eq!(first, Some(super::dsl::at(2110)), "{}", ending.drawn());
}
