//! What a ticket of ServiceNow refers to: change, group, configuration item.

#![expect(clippy::indexing_slicing, reason = "a test that indexes out of bounds fails")]

use model::entity::Entity;
use model::map::ItemIdentity;
use sinks::delivery::outbox::DoneResult;

use crate::double::servicenow::{CHANGE, GROUPS, ITEMS, PASSWORD, ServiceNow};
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

/// An instance that was told of an incident, whose item on the map is this, whose owner this.
fn told_of(items: &[(&str, &str)], owner: &str) -> (ServiceNow, World, String) {
    let double = ServiceNow::start();
    let mut setup = sink_config(&double, PASSWORD);
    setup.json = setup.json.replace(r#""payment""#, r#""other""#);
    setup.json = setup.json.replace(r#""look_up_group": false,"#, "");
    let mut world = World::new(&setup);
    let mut told = incident(1);
    told.owner = Some(owner.into());
    told.hypotheses[0].entity = Entity::service("cart".into());
    let identity =
        |(source, id): &(&str, &str)| ItemIdentity { source: (*source).into(), id: (*id).into() };
    told.cause_items = items.iter().map(identity).collect();
    world.publish(&told, at(10));
    let done = world.run(at(10));
    let notes = done.into_iter().filter_map(|done| match done.result {
        DoneResult::Said(note) => note,
        _ => None,
    });
    let notes = notes.collect();
    (double, world, notes)
}

#[test]
fn the_item_that_the_map_has_from_the_cmdb_is_taken_as_it_is() {
    let (double, ..) = told_of(&[("backstage", ITEMS[0].1), ("servicenow", ITEMS[2].1)], "nobody");
    assert_eq!(double.ticket().get("cmdb_ci"), ITEMS[2].1, "also where two are called so");
    assert!(!double.table().requests.contains(&String::from("GET cmdb_ci")));
    // Not an id of this CMDB: it is looked for by its name.
    let (double, ..) = told_of(&[("servicenow", "cart")], "nobody");
    assert_eq!(double.ticket().get("cmdb_ci"), "");
    assert!(double.table().requests.contains(&String::from("GET cmdb_ci")));
}

#[test]
fn the_group_is_the_only_one_that_is_called_as_the_owner_and_is_asked_for_once() {
    let (double, mut world, _) = told_of(&[], "team-cart");
    assert_eq!(double.ticket().get("assignment_group"), GROUPS[0].1);
    let mut another = incident(1);
    another.id = model::id::IncidentId(0xac);
    another.hypotheses[0].entity = Entity::service("cart".into());
    another.owner = Some("team-cart".into());
    world.publish(&another, at(20));
    world.run(at(20));
    let rows = double.table().rows.clone();
    assert_eq!(rows[1].get("assignment_group"), GROUPS[0].1);
    let asked = |one: &&String| one.as_str() == "GET sys_user_group";
    assert_eq!(double.table().requests.iter().filter(asked).count(), 1);
    let (double, ..) = told_of(&[], GROUPS[1].1);
    assert_eq!(double.ticket().get("assignment_group"), GROUPS[1].1, "an owner by its sys_id");
}

#[test]
fn an_owner_without_a_group_of_its_name_is_said_and_the_ticket_is_made() {
    for owner in ["team-twice", "nobody"] {
        let (double, _, note) = told_of(&[], owner);
        assert_eq!(double.ticket().get("assignment_group"), "a".repeat(32), "the one for all");
        assert!(note.contains(owner) && note.contains("under groups"), "{note}");
    }
}
