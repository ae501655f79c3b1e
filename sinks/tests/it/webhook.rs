//! Signed events, each once by its id.

use model::incident::{Incident, IncidentState};
use model::time::Nanos;
use sinks::delivery::outbox::DoneResult;
use sinks::sink::Trouble;

use crate::double::Fault;
use crate::double::receiver::Receiver;
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Crash, Setup, World};

const KEY: &[u8] = b"0123456789abcdef0123";
const NEXT_KEY: &[u8] = b"fedcba9876543210fedc";

pub(crate) fn receiver() -> Receiver {
    Receiver::start(&[KEY], Some(at(10).millis() / 1_000))
}

pub(crate) fn sink_config(receiver: &Receiver) -> Setup {
    let json = format!(
        r#"{{"webhook": {{"name": "ops", "url": "{}/hook", "timeout_ms": 300,
            "secrets": ["SECRET0"]}}}}"#,
        receiver.server.url()
    );
    Setup { json, secrets: vec![text(KEY)] }
}

fn world() -> (Receiver, World) {
    let receiver = receiver();
    let world = World::new(&sink_config(&receiver));
    (receiver, world)
}

fn text(key: &[u8]) -> String {
    String::from_utf8(key.to_vec()).expect("ASCII")
}

fn ids(receiver: &Receiver) -> Vec<String> {
    receiver.inbox().events.iter().map(|event| event.id.clone()).collect()
}

#[test]
fn an_incident_arrives_whole_as_a_signed_cloud_event() {
    let (receiver, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let inbox = receiver.inbox();
    let [event] = inbox.events.as_slice() else { panic!("{:?}", inbox.events) };
    let text = |name: &str| event.json.get(name).and_then(serde_json::Value::as_str);
    assert_eq!(text("id"), Some("00000000000000ab-1-ops"));
    assert_eq!(text("type"), Some("io.faultline.incident.opened.v1"));
    assert_eq!(text("subject"), Some("00000000000000ab"));
    assert_eq!(text("time"), Some("2026-03-17T02:07:10.000Z"));
    let data: Incident =
        serde_json::from_value(event.json.get("data").cloned().expect("data")).expect("incident");
    assert_eq!(data, incident(1));
}

#[test]
fn each_event_says_what_happened_since_the_last() {
    let (receiver, mut world) = world();
    let story = [
        incident(1),
        with_service(2, "cart"),
        in_state(3, IncidentState::Resolved),
        incident(4),
        in_state(5, IncidentState::Withdrawn),
    ];
    let mut now = at(10);
    for revision in &story {
        world.publish(revision, now);
        world.run(now);
        now = now + Nanos::from_secs(40);
    }
    assert_eq!(
        receiver.kinds(),
        ["opened", "updated", "resolved", "opened", "withdrawn"]
            .map(|kind| format!("io.faultline.incident.{kind}.v1"))
    );
}

#[test]
fn after_a_crash_or_a_lost_answer_the_same_event_comes_again_under_the_same_id() {
    for fault in [Fault::Pass, Fault::DoneThenError, Fault::DoneThenHang, Fault::DoneThenCut] {
        for crash in [None, Some(Crash::AfterIntent), Some(Crash::AfterAnswer)] {
            let (receiver, mut world) = world();
            receiver.fail(&[fault]);
            world.publish(&incident(1), at(10));
            if let Some(crash) = crash {
                world.crash(crash, at(10));
            }
            world.drain(at(10));
            let case = format!("{fault:?} {crash:?}");
            assert_eq!(ids(&receiver), ["00000000000000ab-1-ops"], "{case}");
            world.restart(at(50));
            assert!(world.run(at(50)).is_empty(), "{case}: said and kept");
        }
    }
}

#[test]
fn a_key_can_be_rotated_without_a_gap() {
    for accepted in [KEY, NEXT_KEY] {
        let receiver = Receiver::start(&[accepted], Some(at(10).millis() / 1_000));
        let json = format!(
            r#"{{"webhook": {{"name": "ops", "url": "{}/hook", "secrets": ["SECRET0", "SECRET1"]}}}}"#,
            receiver.server.url()
        );
        let secrets = vec![text(NEXT_KEY), text(KEY)];
        let mut world = World::new(&Setup { json, secrets });
        world.publish(&incident(1), at(10));
        world.run(at(10));
        assert_eq!(ids(&receiver).len(), 1);
    }
}

#[test]
fn a_wrong_key_waits_and_is_not_lost() {
    let receiver = Receiver::start(&[NEXT_KEY], Some(at(10).millis() / 1_000));
    let mut world = World::new(&sink_config(&receiver));
    world.publish(&incident(1), at(10));
    world.run(at(10));
    assert!(ids(&receiver).is_empty());
    receiver.inbox().keys.push(KEY.to_vec());
    world.drain(at(10));
    assert_eq!(ids(&receiver).len(), 1);
}

#[test]
fn statuses_are_honoured_as_their_protocol_means_them() {
    let (receiver, mut world) = world();
    let mut now = at(10);
    let throttled = Fault::Throttled { retry_after: Some(7), reset: None };
    receiver.fail(&[Fault::Status(503), throttled, Fault::Status(400)]);
    world.publish(&incident(1), now);
    let mut results = Vec::new();
    for _ in 0..3 {
        results.extend(world.run(now).into_iter().map(|done| done.result));
        now = world.outbox.next_deadline(now).unwrap_or(now);
    }
    assert!(
        matches!(
            results.as_slice(),
            [
                DoneResult::Later(_, Trouble::Unavailable(503)),
                DoneResult::Later(_, Trouble::Throttled),
                DoneResult::Refused(Trouble::Rejected { status: 400, .. }),
            ]
        ),
        "{results:?}"
    );
    assert_eq!(world.outbox.next_deadline(now), None, "a refused revision is given up");
    assert_eq!(world.outbox.stats().refused, 1);
    world.publish(&with_service(2, "cart"), now);
    world.drain(now);
    assert_eq!(ids(&receiver), ["00000000000000ab-2-ops"], "the next one is tried");
}

#[test]
fn a_sink_that_is_down_is_left_alone_by_the_breaker() {
    let (receiver, mut world) = world();
    receiver.inbox().now_secs = None;
    receiver.fail(&[Fault::Status(500); 30]);
    for count in 0..20 {
        let mut one = incident(1);
        one.id = model::id::IncidentId(count);
        world.publish(&one, at(10));
    }
    world.run(at(10));
    assert_eq!(receiver.inbox().requests, 5, "five failures open it");
    let end = world.drain(at(10));
    let inbox = receiver.inbox();
    assert_eq!(inbox.events.len(), 20, "all arrive in the end");
    assert!(end - at(10) < Nanos::from_secs(3 * 3600), "{:?}", end - at(10));
}

#[test]
fn pages_come_before_updates_and_the_heavier_before_the_lighter() {
    let (receiver, mut world) = world();
    let other = |id: u64, priority| {
        let mut one = incident(1);
        one.id = model::id::IncidentId(id);
        one.priority = priority;
        one
    };
    world.publish(&incident(1), at(10));
    world.run(at(10));
    world.publish(&with_service(2, "cart"), at(50));
    world.publish(&other(2, model::incident::Priority::P4), at(50));
    world.publish(&other(3, model::incident::Priority::P1), at(50));
    world.run(at(50));
    assert_eq!(
        ids(&receiver),
        [
            "00000000000000ab-1-ops",
            "0000000000000003-1-ops",
            "0000000000000002-1-ops",
            "00000000000000ab-2-ops",
        ]
    );
}
