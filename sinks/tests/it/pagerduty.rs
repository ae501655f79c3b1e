//! One alert per incident, acknowledged when people acknowledge, and the change beside it.

use model::incident::{Incident, IncidentState, Priority, Ticket};
use model::people::Said;
use serde_json::Value;
use sinks::delivery::outbox::DoneResult;

use crate::double::Fault;
use crate::double::pagerduty::{KEY, PagerDuty};
use crate::double::served::Served;
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Setup, World};

pub(crate) fn sink_config(double: &Served<PagerDuty>) -> Setup {
    let json = format!(
        r#"{{"pagerduty": {{"name": "page", "url": "{}", "timeout_ms": 1000,
            "routing_key": "SECRET0", "console_url": "https://faultline.example"}}}}"#,
        double.server.url()
    );
    Setup { json, secrets: vec![KEY.to_owned()] }
}

fn world() -> (Served<PagerDuty>, World) {
    let double = Served::start(PagerDuty::default());
    let world = World::new(&sink_config(&double));
    (double, world)
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

fn actions(double: &Served<PagerDuty>) -> Vec<String> {
    let inner = double.lock();
    let action = |body: Option<Value>| {
        let action = body.as_ref().and_then(|body| body.get("event_action"));
        action.and_then(Value::as_str).unwrap_or("change").to_owned()
    };
    inner.requests.iter().map(|request| action(request.json())).collect()
}

#[test]
fn a_page_says_what_where_how_bad_and_why() {
    let (double, mut world) = world();
    let mut linked = incident(1);
    linked.tickets.push(Ticket {
        sink: "itsm".into(),
        id: "1".into(),
        number: Some("INC1".into()),
        url: Some("https://itsm.example/1".into()),
    });
    world.publish(&linked, at(10));
    world.run(at(10));
    let inner = double.lock();
    let [alert] = inner.service.alerts.as_slice() else { panic!("{:?}", inner.service) };
    let [payload] = alert.log.as_slice() else { panic!("{alert:?}") };
    for (field, value) in [
        ("/summary", "P2 Checkout is slow and fails"),
        ("/source", "payment"),
        ("/component", "payment"),
        ("/group", "production"),
        ("/class", "change"),
        ("/severity", "critical"),
        ("/timestamp", "2026-03-17T02:07:00.000Z"),
        ("/custom_details/owner", "team-payments"),
        ("/custom_details/priority", "P2"),
    ] {
        assert_eq!(payload.pointer(field).and_then(Value::as_str), Some(value), "{field}");
    }
    let event = inner.requests[0].json().expect("json");
    let hrefs: Vec<&str> = event["links"]
        .as_array()
        .expect("links")
        .iter()
        .filter_map(|link| link["href"].as_str())
        .collect();
    let own = "https://faultline.example/incidents/00000000000000ab";
    assert_eq!(hrefs, [own, "https://itsm.example/1"]);
    let [change] = inner.service.changes.as_slice() else { panic!("{:?}", inner.service) };
    let summary = change.pointer("/payload/summary").and_then(Value::as_str);
    assert_eq!(summary, Some("config change on payment at 01:55:00 UTC: pool size 10"));
}

#[test]
fn people_and_news_become_acknowledge_trigger_and_resolve() {
    let (double, mut world) = world();
    let story = [
        (incident(1), at(10)),
        (acknowledged(incident(2)), at(100)),
        (acknowledged(with_service(3, "cart")), at(200)),
        (in_state(4, IncidentState::Resolved), at(300)),
        (incident(5), at(400)),
    ];
    for (revision, now) in &story {
        world.publish(revision, *now);
        world.run(*now);
    }
    assert_eq!(
        actions(&double),
        ["trigger", "change", "acknowledge", "trigger", "resolve", "trigger"],
        "the change is told once, and what came back opens a new alert"
    );
    let alerts = double.lock().service.alerts.clone();
    let shown: Vec<_> = alerts.iter().map(|alert| (alert.status, alert.log.len())).collect();
    assert_eq!(shown, [("resolved", 2), ("triggered", 1)]);
}

#[test]
fn a_revision_without_news_is_not_sent() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let mut next = incident(2);
    next.narrative.push_str(" It goes on.");
    world.publish(&next, at(100));
    world.run(at(100));
    assert_eq!(actions(&double), ["trigger", "change"]);
}

#[test]
fn a_change_that_is_not_taken_is_noted_and_repeats_no_page() {
    let (double, mut world) = world();
    double.lock().faults.plan(&[Fault::Pass, Fault::Status(400)]);
    world.publish(&incident(1), at(10));
    let done = world.run(at(10));
    assert!(
        matches!(done.as_slice(), [done] if matches!(&done.result,
            DoneResult::Said(Some(note)) if note.starts_with("the change event was not taken"))),
        "{done:?}"
    );
    assert!(world.drain(at(10)) == at(10));
    assert_eq!(double.lock().service.alerts.len(), 1);
}

#[test]
fn a_limit_without_a_time_is_waited_out_for_a_minute() {
    let (double, mut world) = world();
    double.lock().faults.plan(&[Fault::Throttled { retry_after: None, reset: None }]);
    world.publish(&incident(1), at(10));
    world.run(at(10));
    assert_eq!(world.outbox.next_deadline(at(10)), Some(at(70)));
}

#[test]
fn what_nobody_weighed_is_as_severe_as_its_priority() {
    for (priority, severity) in [(Priority::P1, "critical"), (Priority::P4, "info")] {
        let (double, mut world) = world();
        let mut one = incident(1);
        (one.severity, one.priority) = (model::alert::Severity::Unknown, priority);
        world.publish(&one, at(10));
        world.run(at(10));
        let inner = double.lock();
        assert_eq!(inner.service.alerts[0].log[0]["severity"], severity);
    }
}
