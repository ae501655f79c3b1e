//! CDEvents by the webhook: detected, reported, resolved.

use model::incident::{Incident, IncidentState, Ticket};
use serde_json::Value;

use crate::double::receiver::Receiver;
use crate::fixture::{at, in_state, incident, with_service};
use crate::webhook::receiver;
use crate::world::{Crash, Setup, World};

pub(crate) fn sink_config(receiver: &Receiver) -> Setup {
    let mut setup = crate::webhook::sink_config(receiver);
    setup.json = setup.json.replace("\"timeout_ms\"", "\"format\": \"cdevents\", \"timeout_ms\"");
    setup
}

fn linked(mut incident: Incident) -> Incident {
    incident.tickets.push(Ticket {
        sink: "itsm".into(),
        id: "1".into(),
        number: Some("INC1".into()),
        url: Some("https://itsm.example/1".into()),
    });
    incident
}

#[test]
fn an_incident_is_detected_reported_and_resolved_each_once() {
    let receiver = receiver();
    receiver.inbox().now_secs = None;
    let mut world = World::new(&sink_config(&receiver));
    for (revision, now) in [
        (incident(1), at(10)),
        (linked(incident(2)), at(100)),
        (linked(with_service(3, "cart")), at(200)),
        (linked(in_state(4, IncidentState::Resolved)), at(300)),
        (linked(incident(5)), at(400)),
    ] {
        world.publish(&revision, now);
        world.run(now);
    }
    let words = ["detected", "reported", "resolved", "detected"];
    let kinds = words.map(|word| format!("dev.cdevents.incident.{word}.0.3.0"));
    assert_eq!(receiver.kinds(), kinds, "an update is no event of CDEvents");
    let inbox = receiver.inbox();
    let reported = &inbox.events[1];
    assert_eq!(reported.id, "00000000000000ab-2-ops-reported");
    for (place, value) in [
        ("/data/context/specversion", "0.5.0"),
        ("/data/context/id", "00000000000000ab-2-ops-reported"),
        ("/data/context/type", "dev.cdevents.incident.reported.0.3.0"),
        ("/data/context/timestamp", "2026-03-17T02:07:20.000Z"),
        ("/data/subject/id", "00000000000000ab"),
        ("/data/subject/content/environment/id", "production"),
        ("/data/subject/content/service/id", "payment"),
        ("/data/subject/content/ticketURI", "https://itsm.example/1"),
    ] {
        let found = reported.json.pointer(place).and_then(Value::as_str);
        assert_eq!(found, Some(value), "{place}");
    }
    let detected = inbox.events[0].json.pointer("/data/subject/content").expect("content");
    assert!(detected.get("ticketURI").is_none(), "a field that `detected` does not have");
}

#[test]
fn what_has_a_ticket_from_the_start_is_detected_and_reported_in_one_delivery() {
    let receiver = receiver();
    let mut world = World::new(&sink_config(&receiver));
    world.publish(&linked(incident(1)), at(10));
    world.run(at(10));
    assert_eq!(receiver.kinds().len(), 2);
}

#[test]
fn an_update_whose_answer_was_lost_is_not_detected_again() {
    let receiver = receiver();
    receiver.inbox().now_secs = None;
    let mut world = World::new(&sink_config(&receiver));
    world.publish(&linked(incident(1)), at(10));
    world.run(at(10));
    world.publish(&linked(with_service(2, "cart")), at(100));
    world.crash(Crash::AfterAnswer, at(130));
    world.drain(at(200));
    assert_eq!(receiver.kinds().len(), 2, "{:?}", receiver.kinds());
}
