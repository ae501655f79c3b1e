//! One alert per incident in Jira Service Management's Operations.

use model::incident::{IncidentState, Priority};

use crate::double::Fault;
use crate::double::jsm_ops::{JsmOps, KEY};
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Crash, Setup, World};

pub(crate) fn sink_config(double: &JsmOps) -> Setup {
    let json = format!(
        r#"{{"jsm_ops": {{"name": "ops", "url": "{}/v2", "timeout_ms": 300,
            "api_key": "SECRET0", "teams": ["Payments"], "tags": ["faultline"],
            "console_url": "https://faultline.example"}}}}"#,
        double.server.url(),
    );
    Setup { json, secrets: vec![KEY.to_owned()] }
}

fn world() -> (JsmOps, World) {
    let double = JsmOps::start();
    let world = World::new(&sink_config(&double));
    (double, world)
}

#[test]
fn an_incident_is_one_alert_from_its_first_page_to_its_end() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let alert = double.alert();
    assert_eq!(alert.fields["message"], "P2 Checkout is slow and fails");
    assert_eq!((alert.fields["alias"].as_str(), alert.open), (Some("00000000000000ab"), true));
    let mut worse = with_service(2, "cart");
    worse.priority = Priority::P1;
    world.publish(&worse, at(50));
    world.run(at(50));
    let alert = double.alert();
    assert_eq!((alert.fields["priority"].as_str(), alert.notes.len()), (Some("P1"), 1));
    world.publish(&in_state(3, IncidentState::Resolved), at(100));
    world.run(at(100));
    assert!(!double.alert().open);
}

#[test]
fn what_is_active_again_is_a_new_alert() {
    let (double, mut world) = world();
    for (revision, secs) in
        [(incident(1), 10), (in_state(2, IncidentState::Resolved), 50), (incident(3), 100)]
    {
        world.publish(&revision, at(secs));
        world.run(at(secs));
    }
    let open: Vec<bool> = double.ops().alerts.iter().map(|alert| alert.open).collect();
    assert_eq!(open, [false, true]);
}

#[test]
fn no_alert_twice_whatever_breaks_where() {
    for fault in [Fault::DoneThenError, Fault::DoneThenCut, Fault::DoneThenHang, Fault::Status(503)]
    {
        let (double, mut world) = world();
        double.fail(&[fault]);
        world.publish(&incident(1), at(10));
        world.drain(at(10));
        assert!(double.alert().open, "{fault:?}");
    }
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.crash(Crash::AfterAnswer, at(10));
    world.drain(at(11));
    assert_eq!(double.alert().count, 2, "a repeat, counted there as one");
}

#[test]
fn an_incident_that_ended_before_anybody_was_told_is_opened_and_closed() {
    let (double, mut world) = world();
    world.publish(&in_state(1, IncidentState::Resolved), at(10));
    world.run(at(10));
    assert!(!double.alert().open);
}
