//! What a ticket of ServiceNow refers to: change, group, configuration item.

use model::entity::Entity;

use crate::double::servicenow::{CHANGE, ITEMS, PASSWORD, ServiceNow};
use crate::fixture::{at, incident};
use crate::servicenow::{sink_config, world};
use crate::world::World;

/// The `cmdb_ci` of the ticket for an incident whose cause is a service; `config` is edited before.
fn item_of(service: &str, config: impl FnOnce(&ServiceNow, String) -> String) -> String {
    let double = ServiceNow::start();
    let mut setup = sink_config(&double, PASSWORD);
    setup.json = config(&double, setup.json);
    let mut world = World::new(&setup);
    let mut told = incident(1);
    if let Some(first) = told.hypotheses.first_mut() {
        first.entity = Entity::service(service.into());
    }
    told.services = vec![service.into()];
    world.publish(&told, at(10));
    world.run(at(10));
    double.ticket().get("cmdb_ci").to_owned()
}

#[test]
fn the_configuration_item_is_the_only_one_that_is_called_as_the_cause() {
    let as_it_is = |_: &ServiceNow, json| json;
    assert_eq!(item_of("checkout", as_it_is), ITEMS[0].1);
    assert_eq!(item_of("cart", as_it_is), "", "two have this name");
    assert_eq!(item_of("nobody", as_it_is), "");
    assert_eq!(item_of("checkout^ORname=cart", as_it_is), "");
    assert_eq!(item_of("payment", as_it_is), "c".repeat(32), "what is configured wins");
}

#[test]
fn no_item_is_taken_from_an_answer_to_another_question_or_when_nobody_asked() {
    let deaf = |double: &ServiceNow, json| {
        double.table().ignores_queries = true;
        json
    };
    assert_eq!(item_of("nobody", deaf), "");
    let off = |_: &ServiceNow, json: String| {
        json.replace(r#""services""#, r#""look_up_ci": false, "services""#)
    };
    assert_eq!(item_of("checkout", off), "");
}

#[test]
fn the_change_that_is_blamed_is_named_in_its_field() {
    let (double, mut world) = world();
    let mut blamed = incident(1);
    if let Some(change) = blamed.hypotheses.first_mut().and_then(|first| first.change.as_mut()) {
        change.title = "CHG0030001: pool size 10".into();
    }
    world.publish(&blamed, at(10));
    world.run(at(10));
    assert_eq!(double.ticket().get("caused_by"), CHANGE.1);
}

#[test]
fn an_owner_has_a_group_where_the_service_has_none() {
    let double = ServiceNow::start();
    let mut setup = sink_config(&double, PASSWORD);
    let groups = format!(r#""groups": {{"team-payments": "{}"}}, "services""#, "b".repeat(32));
    setup.json = setup.json.replace(r#""services""#, &groups);
    let mut world = World::new(&setup);
    world.publish(&incident(1), at(10));
    world.run(at(10));
    assert_eq!(double.ticket().get("assignment_group"), "b".repeat(32));
}
