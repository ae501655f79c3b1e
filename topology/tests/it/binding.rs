//! Names lead to the service that we reason about.

use crate::words::{at, dep, doc, item, pane, relation, removal};
use model::entity::{Criticality, EntityKind};
use model::map::{ItemIdentity, ItemKind, RelationKind};
use topology::{NodeName, Topology};

fn shop() -> Topology {
    let mut map = Topology::default();
    let mut checkout = item("svc-123", ItemKind::Service, "Checkout Service", &["checkout"]);
    checkout.owner = Some("team-pay".into());
    checkout.criticality = Some(Criticality::High);
    let items = vec![
        checkout,
        item("payment", ItemKind::Service, "payment", &[]),
        item("dep-9", ItemKind::Workload, "payment-deploy", &[]),
        item("pod-a", ItemKind::Instance, "payment-deploy-7d9f8b6c5d-x2x4z", &[]),
        item("node-1", ItemKind::Host, "ip-10-0-0-1", &[]),
    ];
    let relations = vec![
        relation("svc-123", "payment", RelationKind::DependsOn),
        relation("pod-a", "dep-9", RelationKind::PartOf),
        relation("dep-9", "payment", RelationKind::PartOf),
        relation("pod-a", "node-1", RelationKind::RunsOn),
    ];
    map.apply(&doc(items, relations), at(0));
    map
}

fn bound(map: &Topology, name: &str) -> String {
    map.bind(name).map(|name| name.to_string()).unwrap_or_default()
}

#[test]
fn telemetry_name_and_cmdb_id_become_one_node() {
    let mut map = shop();
    assert_eq!(bound(&map, "checkout"), "Checkout Service", "no telemetry yet");
    map.observe(pane(1), &[dep("checkout", "payment", 10)]);
    for name in ["checkout", "svc-123", "Checkout Service", "CHECKOUT", "checkout service"] {
        assert_eq!(bound(&map, name), "checkout", "{name}");
    }
    let snapshot = map.snapshot();
    let names: Vec<&str> = snapshot.nodes().map(NodeName::as_str).collect();
    assert_eq!(names, ["checkout", "ip-10-0-0-1", "payment"]);
    let edge = snapshot.edge("checkout", "payment").unwrap();
    assert!(edge.declared && edge.observed);
    assert_eq!((edge.confidence, edge.probability, edge.calls), (1.0, 1.0, 10));
}

#[test]
fn pods_and_workloads_speak_for_their_service() {
    let map = shop();
    for name in ["pod-a", "dep-9", "payment-deploy", "payment-deploy-7d9f8b6c5d-x2x4z"] {
        assert_eq!(bound(&map, name), "payment", "{name}");
    }
    // A pod that no import knows, of a workload that one does.
    assert_eq!(bound(&map, "shop/payment-deploy-7d9f8b6c5d-zzzzz"), "payment");
    assert_eq!(bound(&map, "payment.shop.svc.cluster.local:8080"), "payment");
    assert_eq!(bound(&map, "payment.shop"), "payment");
    assert_eq!(bound(&map, "payments.example.com"), "");
    assert_eq!(map.hosts_of("payment"), ["ip-10-0-0-1".into()]);
    assert_eq!(map.services_on("node-1"), ["payment".into()]);
    assert_eq!(map.services_on("IP-10-0-0-1"), ["payment".into()]);
}

#[test]
fn owner_criticality_and_kind_follow_the_binding() {
    let mut map = shop();
    map.observe(pane(1), &[dep("checkout", "payment", 10), dep("payment", "ledger", 3)]);
    assert_eq!(map.owner("CHECKOUT"), Some("team-pay".into()));
    assert_eq!(map.criticality("checkout"), Some(Criticality::High));
    assert_eq!(map.owner("payment"), None);
    assert_eq!(map.kind("pod-a"), Some(EntityKind::Service));
    assert_eq!(map.kind("node-1"), Some(EntityKind::Host));
    assert_eq!(map.kind("ledger"), Some(EntityKind::Service));
    assert_eq!(map.kind("nobody"), None);
}

#[test]
fn a_membership_cycle_ends_and_stays_deterministic() {
    let mut map = Topology::default();
    let items =
        vec![item("a", ItemKind::Workload, "a", &[]), item("b", ItemKind::Workload, "b", &[])];
    let relations =
        vec![relation("a", "b", RelationKind::PartOf), relation("b", "a", RelationKind::PartOf)];
    map.apply(&doc(items, relations), at(0));
    assert!(map.bind("a").is_some() && map.bind("b").is_some());
}

#[test]
fn a_service_goes_before_a_grouping_of_the_same_name() {
    let mut map = Topology::default();
    let items = vec![
        item("system:default/checkout", ItemKind::Other, "checkout", &[]),
        item("component:default/checkout", ItemKind::Service, "checkout", &[]),
    ];
    map.apply(&doc(items, vec![]), at(0));
    assert_eq!(bound(&map, "component:default/checkout"), "checkout");
    assert_eq!(bound(&map, "system:default/checkout"), "system:default/checkout");
    assert_eq!(bound(&map, "checkout"), "checkout");
}

#[test]
fn a_peer_seen_by_its_cluster_address_is_the_service_behind_it() {
    let mut map = shop();
    let mut call = dep("checkout", "payment.shop.svc.cluster.local:8080", 4);
    call.to_kind = EntityKind::External;
    let mut foreign = dep("checkout", "payment.example.com", 4);
    foreign.to_kind = EntityKind::External;
    map.observe(pane(1), &[call, foreign]);
    let snapshot = map.snapshot();
    assert_eq!(snapshot.edge("checkout", "payment").unwrap().calls, 4);
    assert_eq!(snapshot.kind("payment.example.com"), Some(EntityKind::External));
}

#[test]
fn pods_of_a_service_that_only_telemetry_knows_are_its_parts() {
    let mut map = Topology::default();
    let items = vec![
        item("pod-a", ItemKind::Instance, "pod-a", &[]),
        item("node-1", ItemKind::Host, "node-1", &[]),
    ];
    let relations = vec![
        relation("pod-a", "web", RelationKind::PartOf),
        relation("pod-a", "node-1", RelationKind::RunsOn),
    ];
    map.apply(&doc(items, relations), at(0));
    map.observe(pane(1), &[dep("web", "cart", 1)]);
    assert_eq!(bound(&map, "pod-a"), "web");
    assert_eq!(map.hosts_of("web"), ["node-1".into()]);
    assert_eq!(map.services_on("node-1"), ["web".into()]);
    let snapshot = map.snapshot();
    assert_eq!(snapshot.edge("web", "node-1").unwrap().kind, RelationKind::RunsOn);
    assert!(!snapshot.contains("pod-a"));
}

/// `source:id` of all identities of a name.
fn identities(map: &Topology, name: &str) -> Vec<String> {
    let text = |one: ItemIdentity| format!("{}:{}", one.source, one.id);
    map.identities(name).into_iter().map(text).collect()
}

#[test]
fn every_source_tells_what_it_calls_a_service() {
    let mut map = shop();
    let mut cmdb = doc(
        vec![
            item("c1", ItemKind::Service, "Payment", &[]),
            item("c2", ItemKind::Other, "payment", &[]),
            item("c3", ItemKind::Service, "cart", &[]),
            item("c4", ItemKind::Service, "cart", &[]),
            item("c5", ItemKind::Instance, "cart-7d9f8b6c5d-x2x4z", &[]),
        ],
        vec![relation("c5", "c4", RelationKind::PartOf)],
    );
    cmdb.source = "servicenow".into();
    map.apply(&cmdb, at(1));
    assert_eq!(identities(&map, "payment"), ["servicenow:c1", "test:payment"], "no grouping");
    assert_eq!(identities(&map, "pod-a"), ["test:pod-a"]);
    assert_eq!(identities(&map, "checkout"), ["test:svc-123"]);
    assert_eq!(identities(&map, "cart"), Vec::<String>::new(), "two are called so");
    assert_eq!(identities(&map, "nobody"), Vec::<String>::new());
    let mut other = doc(vec![item("cart", ItemKind::Service, "cart", &[])], Vec::new());
    other.source = "backstage".into();
    map.apply(&other, at(2));
    assert_eq!(identities(&map, "cart"), ["backstage:cart"]);
    map.apply(&removal(&["c4"]), at(3));
    assert_eq!(identities(&map, "cart"), ["backstage:cart", "servicenow:c3"]);
    assert_eq!(identities(&map, "cart-7d9f8b6c5d-x2x4z"), ["servicenow:c5"]);
}
