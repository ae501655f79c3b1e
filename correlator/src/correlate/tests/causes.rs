//! Stories of causes that several services have in common.

use model::alert::Severity::Warning;
use model::hypothesis::{CauseKind, EvidenceTerm};

use super::dsl::{Ending, Story};

/// The first cause of the only incident, and what kind it is.
fn first(ending: &Ending) -> (String, CauseKind) {
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
    let incident = ending.last.values().next().expect("there is one");
    let cause = incident.hypotheses.first().expect("it has causes");
    (cause.entity.service.to_string(), cause.kind)
}

fn slow(story: Story, services: &[&str]) -> Story {
    services.iter().fold(story, |story, service| story.slow(service, 900, 1300, &["front"]))
}

fn shop() -> Story {
    Story::new("front>cart front>mail front>ads cart>stock", 2000)
}

#[test]
fn a_crowded_host_is_to_blame_for_what_its_guests_show_together() {
    let guests = ["cart", "mail", "stock"];
    let ending = slow(shop().runs_on(10, "node-7", &guests), &guests).run();
    assert_eq!(first(&ending), ("node-7".into(), CauseKind::Resource), "{}", ending.drawn());
}

#[test]
fn a_host_is_not_to_blame_for_one_of_its_guests_nor_for_few_of_many() {
    let guests = ["cart", "mail", "stock", "ads", "front"];
    let one = slow(shop().runs_on(10, "node-7", &guests), &["cart"]).run();
    assert_eq!(first(&one).0, "cart", "{}", one.drawn());
    let elsewhere = slow(shop().runs_on(10, "node-7", &["mail", "ads"]), &["cart", "stock"]).run();
    assert!(!elsewhere.last.is_empty(), "{}", elsewhere.drawn());
    let blamed = elsewhere.last.values().map(|incident| incident.hypotheses.first().expect("one"));
    let is_host = |cause: &model::hypothesis::Hypothesis| cause.entity.service.as_str() == "node-7";
    assert!(!blamed.into_iter().any(is_host));
}

#[test]
fn alerts_tell_which_of_two_hosts_it_is() {
    let guests = ["cart", "mail", "stock"];
    let map = || shop().runs_on(10, "node-7", &guests).runs_on(20, "node-8", &guests);
    for node in ["node-7", "node-8"] {
        let story = guests.iter().fold(slow(map(), &guests), |story, guest| {
            story.fires(950, &format!("CPUHigh service={guest} node={node}"), Warning)
        });
        let ending = story.run();
        assert_eq!(first(&ending).0, node, "{}", ending.drawn());
    }
}

/// Traffic of so many requests a pane, five times as many while a service is slow; beside an alert that
/// always fires.
fn rush(usual: u64, then: u64) -> Ending {
    rush_at(1500, usual, then)
}

/// The same with a rush from some second on.
fn rush_at(from: i64, usual: u64, then: u64) -> Ending {
    Story::new("front>cart", 3000)
        .fires(20, "DiskFillsUp service=mail", Warning)
        .traffic("front", usual, 0, from)
        .traffic("front", then, from, 2000)
        .traffic("front", usual, 2000, 3000)
        .slow("cart", 1500, 2000, &["front"])
        .run()
}

/// The first cause of the incident that requests tell of, and whether it says that traffic rose.
fn blamed(ending: &Ending) -> (CauseKind, bool) {
    let told = ending.last.values().find(|incident| !incident.symptoms.is_empty());
    let cause = told.and_then(|incident| incident.hypotheses.first()).expect("it has causes");
    let rose = cause.evidence.iter().any(|row| row.term == EvidenceTerm::CommonCause);
    (cause.kind, rose)
}

#[test]
fn a_rush_is_known_beside_an_alert_that_always_fires() {
    assert_eq!(blamed(&rush(200, 500)), (CauseKind::None, true));
    assert!(!blamed(&rush(200, 240)).1, "a little more is no rush");
}

#[test]
fn twice_of_very_little_is_no_rush() {
    assert!(!blamed(&rush(4, 9)).1);
}

#[test]
fn who_retries_what_has_failed_makes_no_rush() {
    assert!(!blamed(&rush_at(1560, 200, 500)).1);
}
