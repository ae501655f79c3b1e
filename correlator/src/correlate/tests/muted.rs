//! What is muted: it opens nothing, holds nothing, and costs little.

use model::alert::Severity::{Critical, Warning};
use model::command::Decision;
use model::entity::Entity;
use model::id::CellId;
use model::incident::{Incident, IncidentState};
use model::journal::JournalRecord;
use model::matcher::{MatchOp, Matcher};
use model::name::Name;
use model::symptom::SymptomKind;

use super::dsl::{Ending, Say, Story, at};
use crate::correlate::{CorrelateConfig, Correlator};

const SHOP: &str = "front>checkout checkout>payment front>ads front>catalog checkout>mail";

fn silence(label: &str, value: &str, from: i64, to: i64) -> Decision {
    let matchers = vec![Matcher { label: label.into(), op: MatchOp::Equal, value: value.into() }];
    Decision::Silence { matchers, starts_at: at(from), ends_at: at(to) }
}

fn only(ending: &Ending) -> &Incident {
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
    ending.last.values().next().unwrap()
}

pub(super) fn derivations(story: &Story) -> u64 {
    let mut correlator = Correlator::new(CellId("test".into()), 1, CorrelateConfig::default());
    story.journal().iter().for_each(|entry| correlator.step(entry));
    correlator.stats().derivations
}

#[test]
fn a_storm_in_a_silence_is_looked_at_once_a_pane() {
    let storm = |silenced: bool| {
        let story = Story::new(SHOP, 660).act(500, silence("alertname", "Quiet", 500, 1200));
        let name = if silenced { "Quiet" } else { "Loud" };
        (0..30_i64).fold(story, |story, place| {
            story.fires(601 + place % 8, &format!("{name} service=s{place}"), Critical)
        })
    };
    let (quiet, loud) = (derivations(&storm(true)), derivations(&storm(false)));
    assert!(loud >= quiet + 28, "each that may open something is looked at: {loud} and {quiet}");
}

#[test]
fn a_silenced_alert_holds_no_incident_open() {
    let story =
        |noise: bool| {
            let story = Story::new(SHOP, 4200)
                .act(500, silence("alertname", "Noise", 500, 4200))
                .slow("payment", 600, 1200, &["checkout", "front"]);
            if !noise {
                return story;
            }
            (700..4200).step_by(60).fold(story, |story, secs| {
                story.fires_late(700, secs, "Noise service=payment", Critical)
            })
        };
    let (plain, noisy) = (story(false).run(), story(true).run());
    assert_eq!(only(&noisy).alerts.len(), 1, "it is listed");
    assert_eq!(only(&noisy).state, IncidentState::Resolved);
    assert_eq!(only(&noisy).resolved_at, only(&plain).resolved_at);
}

#[test]
fn a_listed_alert_holds_it_once_the_silence_is_over() {
    let resolved_at = |silent_until: i64| {
        let story = Story::new(SHOP, 4200)
            .act(500, silence("alertname", "Noise", 500, silent_until))
            .slow("payment", 600, 1200, &["checkout", "front"]);
        let story = (700..4200).step_by(60).fold(story, |story, secs| {
            story.fires_late(700, secs, "Noise service=payment", Critical)
        });
        only(&story.run()).resolved_at.unwrap()
    };
    assert!(resolved_at(1000) > resolved_at(4200));
}

#[test]
fn the_last_word_on_an_incident_still_says_what_is_muted() {
    let story = Story::new(SHOP, 9000).act(500, silence("alertname", "Noise", 500, 9000)).slow(
        "payment",
        600,
        1200,
        &["checkout", "front"],
    );
    let story = (700..9000)
        .step_by(60)
        .fold(story, |story, secs| story.fires_late(700, secs, "Noise service=payment", Critical));
    let last = only(&story.run()).clone();
    assert_eq!(last.alerts[0].muted_by.as_deref(), Some("act-0"));
}

#[test]
fn what_was_silenced_while_it_fired_opens_nothing_when_it_ends() {
    let says: [(i64, Say); 2] = [
        (780, |_| silence("alertname", "Noise", 780, 1500)),
        (800, |told| Decision::Resolve { incident: told.of("payment") }),
    ];
    let story = Story::new(SHOP, 1400)
        .slow("payment", 600, 1400, &["checkout", "front"])
        .fires(900, "Noise service=payment", Warning)
        .resolves(1000, "Noise service=payment", Warning);
    let (_, ending) = Ending::with_people(&story.journal(), &says);
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    let after = ending.revisions.iter().filter(|(incident, _)| incident.updated_at > at(800));
    assert!(after.into_iter().all(|(incident, _)| incident.state == IncidentState::Resolved));
    assert_eq!(only(&ending).alerts.len(), 1);
}

#[test]
fn what_a_service_that_is_worked_on_says_of_others_is_no_evidence() {
    let story = Story::new(SHOP, 2400)
        .act(
            500,
            Decision::Maintenance {
                services: vec!["checkout".into()],
                starts_at: at(550),
                ends_at: at(2400),
            },
        )
        .symptom(
            Entity::edge("checkout", Name::from("payment")),
            SymptomKind::SlowEdge,
            20,
            (600, 1400),
            &[],
        );
    assert_eq!(story.run().revisions.len(), 0, "{}", story.run().drawn());
}

#[test]
fn a_silence_that_was_ended_before_it_came_covers_nothing() {
    let story = Story::new(SHOP, 1500)
        .act(400, Decision::Expire { target: "act-1".into() })
        .act(500, silence("service", "ads", 500, 9000))
        .fires(600, "Down service=ads", Critical);
    let ending = story.run();
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    assert_eq!(only(&ending).opened_at, at(600));
}

#[test]
fn a_silence_counts_in_its_time_while_telemetry_stalls() {
    let story = Story::new(SHOP, 12_000)
        .act(800, silence("service", "ads", 800, 1500))
        .fires(1000, "Down service=ads", Critical)
        .fires(8000, "Down service=mail", Critical)
        .act(8010, silence("service", "front", 8010, 9000))
        .fires(8020, "Slow service=catalog", Critical);
    let stalled = |record: &JournalRecord| matches!(record, JournalRecord::Symptoms(_));
    let mut journal = story.journal();
    journal.retain(|entry| entry.arrival < at(700) || !stalled(&entry.record));
    let ending = Ending::of(&journal);
    assert!(!ending.last.is_empty());
    let of_ads =
        |one: &Incident| one.alerts.iter().any(|alert| alert.service.as_deref() == Some("ads"));
    assert!(!ending.last.values().any(of_ads), "{}", ending.drawn());
}
