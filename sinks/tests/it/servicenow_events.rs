//! One alert per incident in ServiceNow's Event Management.

use model::command::Decision;
use model::incident::IncidentState;

use crate::double::servicenow::{PASSWORD, PERSON, ServiceNow};
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Crash, Setup, World};

pub(crate) fn sink_config(double: &ServiceNow) -> Setup {
    let mut setup = crate::servicenow::sink_config(double, PASSWORD);
    setup.json = setup.json.replace(r#""category""#, r#""mode": "events", "category""#);
    setup
}

#[test]
fn as_events_one_alert_is_opened_and_cleared_under_one_key() {
    let double = ServiceNow::start();
    let mut world = World::new(&sink_config(&double));
    world.publish(&incident(1), at(10));
    world.run(at(10));
    world.crash(Crash::AfterAnswer, at(11));
    world.run(at(11));
    let key = incident(1).id.to_string();
    let alert = |double: &ServiceNow| double.table().alerts.get(&key).cloned().expect("an alert");
    assert_eq!((alert(&double).severity.as_str(), alert(&double).is_open()), ("2", true));
    world.publish(&in_state(2, IncidentState::Resolved), at(50));
    world.run(at(50));
    assert_eq!((alert(&double).severity.as_str(), alert(&double).is_open()), ("0", false));
    assert_eq!(double.table().alerts.len(), 1);
    assert_eq!(double.table().rows.len(), 0);
}

#[test]
fn what_people_do_to_an_alert_comes_back_once_and_what_rules_do_does_not() {
    let double = ServiceNow::start();
    let mut world = World::new(&sink_config(&double));
    assert!(world.config().listen_every().is_some());
    let mut cursor = None;
    let mut hear = |world: &mut World| {
        let heard = world.listen(cursor.as_deref(), at(1_000)).expect("the instance answers");
        cursor.clone_from(&heard.cursor.or_else(|| cursor.clone()));
        heard.acts.into_iter().map(|act| (act.author.to_string(), act.decision)).collect::<Vec<_>>()
    };
    assert_eq!(hear(&mut world), [], "the first time says from where to listen");
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let (key, id) = (incident(1).id.to_string(), incident(1).id);
    double.table().change_alert(&key, "operator", &[("acknowledged", "1")]);
    double.table().change_alert(&key, "operator", &[("work_notes", "pool was too small")]);
    double.table().change_alert(&key, "operator", &[("assigned_to", PERSON.1)]);
    double.table().change_alert(&key, "operator", &[("state", "Closed")]);
    let operator = |decision| (String::from("operator"), decision);
    assert_eq!(
        hear(&mut world),
        [
            operator(Decision::Acknowledge { incident: id }),
            operator(Decision::Comment { incident: id }),
            operator(Decision::Assign { incident: id, to: Some("operator".into()) }),
            operator(Decision::Acknowledge { incident: id }),
            operator(Decision::Resolve { incident: id }),
        ]
    );
    assert_eq!(hear(&mut world), [], "nothing is heard twice");
    // Active again, and over: rules of the instance reopen and close it.
    world.publish(&with_service(2, "cart"), at(100));
    world.run(at(100));
    world.publish(&in_state(3, IncidentState::Resolved), at(200));
    world.run(at(200));
    assert_eq!(hear(&mut world), []);
    double.table().change_alert(&key, "operator", &[("state", "Reopen"), ("acknowledged", "0")]);
    assert_eq!(
        hear(&mut world),
        [
            operator(Decision::Unacknowledge { incident: id }),
            operator(Decision::Reopen { incident: id }),
        ]
    );
}

#[test]
fn alerts_of_another_sink_are_not_listened_to() {
    let double = ServiceNow::start();
    let mut world = World::new(&sink_config(&double));
    let mut other = sink_config(&double);
    other.json = other.json.replace(r#""name": "itsm""#, r#""name": "other""#);
    let mut other = World::new(&other);
    let first = other.listen(None, at(0)).expect("it answers").cursor;
    world.publish(&incident(1), at(10));
    world.run(at(10));
    double.table().change_alert(&incident(1).id.to_string(), "operator", &[("acknowledged", "1")]);
    assert_eq!(other.listen(first.as_deref(), at(1_000)).expect("it answers").acts, []);
}
