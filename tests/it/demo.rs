//! The demo's promise: one incident holds the fault, its first hypothesis is right, no decoy beats it.

use model::incident::{Incident, IncidentState};
use pipeline::player::final_incidents;
use pipeline::stages::settings::Settings;

fn told() -> Vec<Incident> {
    let story = simulator::the_two_oh_seven();
    let records = story.records().map(Ok);
    let incidents = final_incidents(Settings::default(), 1, records, |_| {}).expect("it plays");
    incidents.into_iter().map(|(incident, _)| incident).collect()
}

#[test]
fn the_story_ends_as_one_explained_incident() {
    let truth = simulator::the_two_oh_seven().truth();
    let fault = truth.faults.first().expect("the story has a fault");
    let incidents = told();
    let live = |incident: &&Incident| {
        matches!(incident.state, IncidentState::Open | IncidentState::Resolved)
    };
    let holding: Vec<&Incident> = incidents
        .iter()
        .filter(live)
        .filter(|incident| incident.services.iter().any(|service| **service == *"payment"))
        .collect();
    assert_eq!(holding.len(), 1, "exactly one incident holds the fault");
    assert!(incidents.len() <= 3, "at most two others: {}", incidents.len());

    let first = holding[0].hypotheses.first().expect("it has hypotheses");
    assert_eq!(&*first.entity.service, "payment");
    let change = first.change.as_ref().expect("a change is blamed");
    assert_eq!(Some(change.id.to_string()), fault.change_id.as_ref().map(ToString::to_string));
    assert!(holding[0].alerts.len() >= 100, "alerts: {}", holding[0].alerts.len());
    assert!(
        holding[0].hypotheses.iter().any(|h| h.kind == model::hypothesis::CauseKind::None),
        "none is always among them"
    );
}
