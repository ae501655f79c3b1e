//! Log events and spans that a Collector decodes.

use model::incident::{IncidentState, TimelineEntry, TimelineKind};
use sinks::delivery::outbox::DoneResult;
use sinks::sink::Trouble;

use crate::double::Fault;
use crate::double::collector::{Collector, TOKEN, attribute};
use crate::double::served::Served;
use crate::fixture::{at, in_state, incident};
use crate::world::{Setup, World};

pub(crate) fn sink_config(double: &Served<Collector>) -> Setup {
    let json = format!(
        r#"{{"otlp": {{"name": "otlp", "url": "{}", "timeout_ms": 1000,
            "headers": {{"authorization": "SECRET0"}}}}}}"#,
        double.server.url()
    );
    Setup { json, secrets: vec![TOKEN.to_owned()] }
}

fn world() -> (Served<Collector>, World) {
    let double = Served::start(Collector::default());
    let world = World::new(&sink_config(&double));
    (double, world)
}

#[test]
fn an_incident_is_a_story_of_log_events_and_one_span_at_its_end() {
    let (double, mut world) = world();
    let mut over = in_state(2, IncidentState::Resolved);
    over.timeline.push(TimelineEntry {
        at: at(5),
        kind: TimelineKind::Alert,
        service: Some("checkout".into()),
        text: String::from("HighLatency fires"),
    });
    world.publish(&incident(1), at(10));
    world.run(at(10));
    world.publish(&over, at(100));
    world.run(at(100));
    let inner = double.lock();
    let names: Vec<&str> = inner.service.logs.iter().map(|log| log.event_name.as_str()).collect();
    assert_eq!(names, ["faultline.incident.opened", "faultline.incident.resolved"]);
    let opened = &inner.service.logs[0];
    assert_eq!((opened.severity_text.as_str(), opened.severity_number), ("ERROR", 17));
    let get = |key: &str| attribute(&opened.attributes, key).unwrap_or_default();
    assert_eq!(get("faultline.incident.id"), "00000000000000ab");
    assert_eq!(get("faultline.incident.revision"), "1");
    assert_eq!(get("faultline.incident.cause.service"), "payment");
    let [span] = inner.service.spans.as_slice() else { panic!("{:?}", inner.service.spans) };
    assert_eq!(span.start_time_unix_nano as i64, at(0).0, "from the onset");
    assert_eq!(span.end_time_unix_nano as i64, at(20).0, "to the end");
    let [event] = span.events.as_slice() else { panic!("{:?}", span.events) };
    assert_eq!(event.name, "HighLatency fires");
    assert_eq!((&span.trace_id, &span.span_id), (&opened.trace_id, &opened.span_id));
}

#[test]
fn what_the_protocol_forbids_to_send_again_is_not_sent_again() {
    for status in [400, 404, 413, 500, 501] {
        let (double, mut world) = world();
        double.lock().faults.plan(&[Fault::Status(status)]);
        world.publish(&incident(1), at(10));
        let done = world.run(at(10));
        assert!(
            matches!(done.as_slice(), [done] if matches!(&done.result, DoneResult::Refused(_))),
            "{status}: {done:?}"
        );
        assert_eq!(double.lock().requests.len(), 1);
    }
}

#[test]
fn a_partial_success_is_told_and_not_sent_again() {
    let (double, mut world) = world();
    double.lock().service.partial = Some("attribute limit");
    world.publish(&incident(1), at(10));
    let done = world.run(at(10));
    let [done] = done.as_slice() else { panic!("{done:?}") };
    assert!(
        matches!(&done.result, DoneResult::Refused(Trouble::Rejected { detail, .. })
            if detail == "attribute limit"),
        "{done:?}"
    );
}
