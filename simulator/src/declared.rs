//! The topology document: what the shop's CMDB says of the world. One record a service.

use model::entity::Criticality;
use model::recording::{ENCODING_HEADER, TopicRecord, topic};
use serde_json::{Value, json};

use crate::world::{Callee, World};

/// The declared structure as records that arrive at one instant.
pub(crate) fn records(world: &World, at_ms: i64) -> Vec<TopicRecord> {
    let mut documents = vec![shared(world)];
    documents.extend(world.services.ids().map(|service| of_service(world, service)));
    let record = |document: Value| TopicRecord {
        topic: topic::TOPOLOGY.to_owned(),
        timestamp_ms: at_ms,
        key: None,
        headers: vec![(ENCODING_HEADER.to_owned(), String::from("topology_json"))],
        value: document.to_string().into_bytes(),
    };
    documents.into_iter().map(record).collect()
}

/// Databases, outside parties and hosts.
fn shared(world: &World) -> Value {
    let item = |kind: &str, name: &str| json!({ "id": name, "kind": kind, "name": name });
    let stores = world.stores.iter().map(|it| item("database", &it.name));
    let providers = world.providers.iter().map(|it| item("external", &it.name));
    let nodes = world.nodes.iter().map(|it| item("host", it));
    let items: Vec<Value> = stores.chain(providers).chain(nodes).collect();
    json!({ "items": items, "relations": [] })
}

fn of_service(world: &World, service: usize) -> Value {
    let entry = &world.services[service];
    let mut targets: Vec<&str> = Vec::new();
    for operation in world.operations.ids() {
        if world.operations[operation].service == service {
            let direct = |call: &usize| !matches!(world.calls[*call].to, Callee::Queue { .. });
            let calls = world.calls_of(operation).filter(direct);
            targets.extend(calls.map(|call| world.callee_name(call)));
        }
    }
    targets.sort_unstable();
    targets.dedup();
    let relation = |to: &str, kind: &str| json!({ "from": entry.name, "to": to, "type": kind });
    let mut relations: Vec<Value> =
        targets.iter().map(|target| relation(target, "depends_on")).collect();
    let mut nodes: Vec<usize> =
        (0..entry.instances).map(|instance| world.node_of(service, instance)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    relations.extend(nodes.into_iter().map(|node| relation(&world.nodes[node], "runs_on")));
    json!({
        "items": [{
            "id": entry.name, "kind": "service", "name": entry.name, "owner": entry.owner,
            "criticality": criticality(entry.criticality),
        }],
        "relations": relations,
    })
}

const fn criticality(criticality: Criticality) -> &'static str {
    match criticality {
        Criticality::Critical => "critical",
        Criticality::High => "high",
        Criticality::Medium => "medium",
        Criticality::Low => "low",
    }
}
