//! Stories of storms: many services begin to alert inside of one pane.

use std::collections::BTreeSet;

use model::alert::Severity::Critical;
use model::incident::IncidentState;
use model::time::Timestamp;

use super::dsl::{Ending, Story, at};
use super::muted::derivations;

/// So many services begin to alert at 302, one after the other in the journal.
fn storm(services: usize) -> Story {
    let alert = |number: usize| format!("Down service=s{number:03}");
    let story = Story::new("front>back", 700);
    (0..services).fold(story, |story, number| story.fires(302, &alert(number), Critical))
}

/// The services of which an incident was told by then.
fn told_by(ending: &Ending, moment: Timestamp) -> BTreeSet<&str> {
    let told = ending.revisions.iter().filter(|(incident, _)| incident.updated_at <= moment);
    told.flat_map(|(incident, _)| incident.services.iter().map(|name| name.as_str())).collect()
}

#[test]
fn each_service_of_a_storm_has_its_incident_by_the_end_of_the_pane() {
    let ending = storm(300).run();
    let open = ending.last.values().filter(|incident| incident.state == IncidentState::Open);
    assert_eq!(open.count(), 300);
    assert!(told_by(&ending, at(302)).len() >= 280, "{}", told_by(&ending, at(302)).len());
    assert_eq!(told_by(&ending, at(310)).len(), 300);
}

#[test]
fn a_storm_is_not_looked_at_for_each_of_its_services() {
    let (calm, stormy) = (derivations(&storm(0)), derivations(&storm(300)));
    assert!(stormy > calm + 32, "the first are looked at at once: {stormy} and {calm}");
    assert!(stormy < calm + 100, "{stormy} and {calm}");
}

#[test]
fn what_was_merged_is_told_so_also_by_a_look_for_another_service() {
    // The second alerts of `a` and `b` only join; the look for `x` finds that a grouping rule made the two one.
    let story = Story::new("front>back", 700)
        .fires(303, "Late service=a", Critical)
        .fires(303, "Late service=b", Critical)
        .grouped("one")
        .fires(301, "Down service=a", Critical)
        .fires(302, "Down service=b", Critical)
        .fires(305, "Down service=x", Critical);
    let ending = story.run();
    let states = ending.revisions.iter().map(|(incident, _)| incident.state);
    let states: Vec<IncidentState> = states.collect();
    assert!(states.contains(&IncidentState::Merged), "{states:?}");
    assert!(!states.contains(&IncidentState::Withdrawn), "{states:?}");
}
