//! One alert per incident in ServiceNow's Event Management.

use model::incident::IncidentState;

use crate::double::servicenow::{PASSWORD, ServiceNow};
use crate::fixture::{at, in_state, incident};
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
