//! Stories of faults one after the other that alerts of the same services tie together.

use std::collections::BTreeMap;

use model::alert::Severity::{Critical, Warning};
use model::entity::Entity;
use model::hypothesis::EvidenceTerm;
use model::symptom::SymptomKind::{Complaint, LogPath, Silence};

use super::dsl::{Ending, Story};

/// Of each incident, when it began in seconds and what it blames first.
fn blamed(ending: &Ending) -> BTreeMap<i64, String> {
    let first = |incident: &model::incident::Incident| {
        let onset = (incident.onset_at - super::dsl::at(0)).secs();
        (onset, incident.hypotheses.first().expect("it has causes").entity.service.to_string())
    };
    ending.last.values().map(first).collect()
}

fn shop() -> Story {
    Story::new("front>checkout checkout>payment front>ads front>catalog", 2000).fires(
        480,
        "Slow service=front",
        Warning,
    )
}

#[test]
fn a_second_fault_that_cannot_come_from_the_first_stands_for_itself() {
    // Front's alert ties both, and the first goes on. No trace fails: only what is logged tells.
    let way = |service: &str| Entity::operation(service.into(), "op");
    let ending = shop()
        .symptom(way("ads"), LogPath, 8, (500, 760), &[])
        .symptom(way("catalog"), LogPath, 8, (680, 900), &[])
        .run();
    let told = blamed(&ending);
    assert_eq!(told.get(&500).map(String::as_str), Some("ads"), "{}", ending.drawn());
    assert_eq!(told.get(&680).map(String::as_str), Some("catalog"), "{}", ending.drawn());
}

#[test]
fn what_depends_on_a_fault_that_goes_on_is_part_of_it_however_late() {
    let way = Entity::operation("checkout".into(), "op");
    let ending = shop()
        .errors("payment", 500, 900, &["checkout", "front"])
        .symptom(way, LogPath, 8, (700, 900), &[])
        .run();
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
}

#[test]
fn a_complaint_that_was_over_before_the_trouble_began_is_not_of_it() {
    let complains = |from: i64| {
        let ending = shop()
            .says(
                "checkout",
                Complaint,
                "WARN no servers available for: payment",
                4,
                (from, from + 60),
            )
            .dead("payment", (from, from + 60))
            .errors("checkout", 800, 900, &["front"])
            .run();
        let causes = ending.last.values().flat_map(|incident| &incident.hypotheses);
        let rows = causes.flat_map(|cause| &cause.evidence);
        rows.filter(|row| row.term == EvidenceTerm::Complaint).count()
    };
    assert_eq!(complains(500), 0, "four minutes before");
    assert!(complains(730) > 0, "a minute before");
}

#[test]
fn calls_that_are_not_made_say_no_more_than_the_log_paths_that_say_it_too() {
    let nats = |omits: bool| -> f64 {
        let way = Entity::operation("checkout".into(), "op");
        let mut story = shop().fires(500, "Down service=checkout", Critical).symptom(
            way,
            LogPath,
            6,
            (500, 560),
            &[],
        );
        if omits {
            story = story.symptom(Entity::service("checkout".into()), Silence, 5, (500, 560), &[]);
        }
        let ending = story.run();
        let causes = ending.last.values().flat_map(|incident| &incident.hypotheses);
        let of = causes.filter(|cause| &*cause.entity.service == "checkout");
        let own = |term| matches!(term, EvidenceTerm::LogPath | EvidenceTerm::Silence);
        let rows = of.flat_map(|cause| &cause.evidence).filter(|row| own(row.term));
        rows.map(|row| row.nats).sum()
    };
    assert!(nats(false) > 30.0);
    assert!((nats(true) - nats(false)).abs() < 1e-9, "{} and {}", nats(true), nats(false));
}
