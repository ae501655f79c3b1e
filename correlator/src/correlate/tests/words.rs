//! Stories in which words tell: complaints of others, the platform, and the alerts of monitors.

use model::alert::Severity::Warning;
use model::entity::Entity;
use model::hypothesis::EvidenceTerm;
use model::incident::{Incident, IncidentState};
use model::symptom::SymptomKind::{Complaint, LogPath, Platform};

use super::dsl::{Ending, Story};

const SHOP: &str = "front>checkout checkout>payment front>ads front>catalog checkout>mail";

fn shop() -> Story {
    Story::new(SHOP, 1200)
}

fn only(ending: &Ending) -> &Incident {
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
    ending.last.values().next().unwrap()
}

fn first_cause(ending: &Ending) -> String {
    only(ending).hypotheses.first().unwrap().entity.service.to_string()
}

#[test]
fn a_service_without_telemetry_is_found_by_what_others_log_of_it() {
    let story = shop()
        .says(
            "checkout",
            Complaint,
            "WARN no servers available for service: payment",
            4,
            (500, 560),
        )
        .dead("payment", (500, 560))
        .fires(560, "RequestErrors service=front", Warning);
    let ending = story.run();
    assert_eq!(first_cause(&ending), "payment");
    assert!(ending.revisions.iter().any(|(incident, _)| incident.state == IncidentState::Open));
}

#[test]
fn words_alone_open_nothing() {
    let story = shop().says("checkout", Complaint, "no answer from payment", 6, (500, 900));
    assert_eq!(story.run().drawn(), "");
}

#[test]
fn a_word_that_the_map_does_not_know_names_nobody() {
    let story = shop()
        .says("checkout", Complaint, "WARN cache miss for customer", 6, (500, 560))
        .fires(560, "RequestErrors service=front", Warning);
    let ending = story.run();
    let suspected = |incident: &Incident| incident.state != IncidentState::Open;
    assert!(ending.revisions.iter().all(|(incident, _)| suspected(incident)));
    assert_eq!(first_cause(&ending), "front");
}

#[test]
fn the_platform_is_believed_where_it_says_something_of_one_service_only() {
    let mut story =
        shop().says("payment", Platform, "BackOff: restarting failed container", 6, (400, 410));
    for service in ["front", "checkout", "payment", "ads", "catalog", "mail"] {
        story = story.says(service, Platform, "Unhealthy: startup probe failed", 6, (100, 130));
    }
    let ending = story.fires(560, "RequestErrors service=front", Warning).run();
    assert_eq!(first_cause(&ending), "payment");
    let said = |incident: &Incident, name: &str| -> f64 {
        let of = incident.hypotheses.iter().filter(|h| &*h.entity.service == name);
        let rows = of.flat_map(|h| &h.evidence);
        rows.filter(|row| row.text.starts_with("Unhealthy")).map(|row| row.nats).sum()
    };
    assert!(said(only(&ending), "front").abs() < 1e-9, "what everybody has tells nobody apart");
}

#[test]
fn who_passes_an_error_on_logs_it_as_loudly_and_is_not_blamed() {
    let logs = |story: Story, service: &str| {
        story.symptom(Entity::service(service.into()), LogPath, 3, (500, 600), &[])
    };
    let story = logs(logs(shop(), "front"), "checkout")
        .says("checkout", Complaint, "ERROR payment: connection refused", 4, (500, 600))
        .dead("payment", (500, 600))
        .fires(560, "RequestErrors service=front", Warning);
    assert_eq!(first_cause(&story.run()), "payment");
}

#[test]
fn who_is_complained_of_and_answers_all_the_same_is_not_gone() {
    let story = shop()
        .says("checkout", Complaint, "WARN no servers available for: payment", 4, (500, 560))
        .fires(560, "RequestErrors service=front", Warning);
    let ending = story.run();
    let causes = ending.last.values().flat_map(|incident| &incident.hypotheses);
    let complaints =
        causes.flat_map(|cause| &cause.evidence).filter(|row| row.term == EvidenceTerm::Complaint);
    assert_eq!(complaints.count(), 0, "{}", ending.drawn());
    assert!(ending.revisions.iter().all(|(incident, _)| incident.state != IncidentState::Open));
}

#[test]
fn an_unusual_path_that_ends_in_a_complaint_of_another_is_not_all_ones_own() {
    let logs = |service: &str| {
        let way = Entity::operation(service.into(), "op");
        shop().symptom(way, LogPath, 20, (500, 600), &[])
    };
    let own = |story: Story| -> f64 {
        let ending = story.run();
        let of = only(&ending).hypotheses.iter().find(|h| &*h.entity.service == "checkout");
        let rows = of.unwrap().evidence.iter().filter(|row| row.term == EvidenceTerm::LogPath);
        rows.map(|row| row.nats).sum()
    };
    let complains = |text: &str| logs("checkout").says("checkout", Complaint, text, 4, (500, 600));
    let passed_on = own(complains("ERROR no servers available for: payment"));
    let alone = own(complains("ERROR no room in the cart"));
    assert!(alone > 40.0 && passed_on < alone / 3.0, "{passed_on} of {alone}");
}

#[test]
fn an_alert_that_nobody_else_has_tells_more_than_three_that_everybody_has() {
    let mut story = Story::new("front>a front>b front>c", 1200);
    for (secs, service) in [(500, "a"), (501, "b"), (502, "c"), (503, "front")] {
        for metric in ["cpu1", "cpu2", "cpu3"] {
            story = story.fires(secs, &format!("Up service={service} metric={metric}"), Warning);
        }
    }
    let ending = story.fires(510, "Up service=b metric=memory", Warning).run();
    let causes = &only(&ending).hypotheses;
    let inside = causes.iter().find(|hypothesis| !hypothesis.entity.id.is_empty()).unwrap();
    assert_eq!(&*inside.entity.service, "b");
}
