//! Confidence, decay, versions and drift, as stories.

use model::map::{ItemKind, RelationKind};
use topology::{MapParameters, Topology};

use crate::words::{at, dep, depends, doc, item, pane, relation, removal, service};

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}

#[test]
fn confidence_is_sure_of_what_both_say_and_unsure_of_what_one_says() {
    let mut map = Topology::default();
    map.apply(
        &doc(
            vec![service("web"), service("cart"), service("mail")],
            vec![depends("web", "cart"), depends("web", "mail"), depends("mail", "cart")],
        ),
        at(0),
    );
    map.observe(pane(1), &[dep("web", "cart", 12), dep("cart", "db", 4)]);
    let snapshot = map.snapshot();
    let confidence = |from, to| snapshot.edge(from, to).unwrap().confidence;
    assert!(close(confidence("web", "cart"), 1.0), "declared and seen");
    assert!(close(confidence("web", "mail"), 0.6), "declared, caller just seen for the first time");
    assert!(close(confidence("mail", "cart"), 0.6), "declared, caller never seen");
    assert!(close(confidence("cart", "db"), 0.5), "4 calls / (4 + 4)");
    let probability = |from, to| snapshot.edge(from, to).unwrap().probability;
    assert!(close(probability("web", "cart"), 1.0), "nobody calls web: 12 of its 12 calls");
    assert!(close(probability("cart", "db"), 4.0 / 12.0), "4 calls for 12 requests");
    assert!(close(probability("web", "mail"), 0.6), "not seen: as sure as the edge");
}

#[test]
fn confidence_in_an_unused_declaration_fades_while_its_caller_is_seen() {
    let parameters = MapParameters { disuse_half_life_ticks: 10, ..MapParameters::default() };
    let mut map = Topology::new(parameters);
    map.apply(
        &doc(
            vec![service("web"), service("old"), service("dark")],
            vec![depends("web", "old"), depends("dark", "old")],
        ),
        at(0),
    );
    for index in 0..=10 {
        map.observe(pane(index), &[dep("web", "cart", 1)]);
    }
    let snapshot = map.snapshot();
    let edge = snapshot.edge("web", "old").unwrap();
    assert!(close(edge.confidence, 0.3), "one half-life: {}", edge.confidence);
    let snapshot = map.snapshot();
    let edge = snapshot.edge("dark", "old").unwrap();
    assert!(close(edge.confidence, 0.6), "a caller without telemetry proves nothing");
    for index in 11..200 {
        map.observe(pane(index), &[dep("web", "cart", 1)]);
    }
    let snapshot = map.snapshot();
    let edge = snapshot.edge("web", "old").unwrap();
    assert!(close(edge.confidence, 0.1), "never to nothing");
}

#[test]
fn calls_halve_at_each_half_life_and_the_edge_expires_when_unseen() {
    let parameters =
        MapParameters { half_life_ticks: 4, expiry_ticks: 10, ..MapParameters::default() };
    let mut map = Topology::new(parameters);
    map.observe(pane(0), &[dep("web", "cart", 1_000)]);
    for index in 1..11 {
        map.observe(pane(index), &[dep("web", "mail", 1)]);
    }
    // Ticks 1 to 11: two boundaries (4, 8) have passed.
    assert_eq!(map.snapshot().edge("web", "cart").unwrap().calls, 250);
    let before = map.version();
    map.observe(pane(11), &[dep("web", "mail", 1)]);
    assert_eq!(map.snapshot().edge("web", "cart"), None, "11 ticks unseen");
    assert_eq!(map.version(), before + 1);
    assert!(map.as_of(pane(10)).edge("web", "cart").is_some(), "it was there then");
}

#[test]
fn a_gap_in_all_telemetry_forgets_nothing() {
    let parameters =
        MapParameters { half_life_ticks: 4, expiry_ticks: 10, ..MapParameters::default() };
    let mut map = Topology::new(parameters);
    map.observe(pane(0), &[dep("web", "cart", 1_000)]);
    map.observe(pane(500_000), &[dep("web", "mail", 1)]);
    assert_eq!(map.snapshot().edge("web", "cart").unwrap().calls, 1_000);
    for index in 1..100 {
        map.observe(pane(500_000 + index), &[]);
    }
    assert_eq!(map.snapshot().edge("web", "cart").unwrap().calls, 1_000);
}

#[test]
fn an_incident_is_judged_by_the_map_of_its_time() {
    let mut map = Topology::default();
    let items = vec![service("web"), service("cart"), service("db")];
    map.apply(&doc(items, vec![depends("web", "cart")]), at(10));
    map.apply(&doc(vec![], vec![depends("cart", "db")]), at(20));
    map.apply(&removal(&["cart"]), at(30));
    let edges = |index| {
        let snapshot = map.as_of(pane(index));
        (snapshot.version(), snapshot.distance("web", "db", 8), snapshot.contains("cart"))
    };
    assert_eq!(edges(10), (1, None, true));
    assert_eq!(edges(19), (1, None, true));
    assert_eq!(edges(20), (2, Some(2), true));
    assert_eq!(edges(29), (2, Some(2), true));
    assert_eq!(edges(30), (3, None, false));
    assert_eq!(edges(31), (3, None, false));
    assert_eq!(edges(0), (1, None, true), "before all: the oldest that is known");
    assert_eq!(map.snapshot().version(), 3);
}

#[test]
fn versions_that_are_remembered_are_bounded() {
    let parameters = MapParameters { versions_max: 4, ..MapParameters::default() };
    let mut map = Topology::new(parameters);
    for index in 0..100 {
        map.apply(&doc(vec![service(&format!("s{index}"))], vec![]), at(index));
    }
    assert_eq!(map.version(), 100);
    assert_eq!(map.as_of(pane(98)).version(), 99);
    assert_eq!(map.as_of(pane(98)).node_count(), 99);
    assert_eq!(map.as_of(pane(5)).version(), 97, "the oldest of four");
}

#[test]
fn what_is_wrong_with_a_document_is_counted_and_the_rest_is_taken() {
    let parameters = MapParameters { items_max: 3, ..MapParameters::default() };
    let mut map = Topology::new(parameters);
    let long = "x".repeat(600);
    let items = vec![service("a"), service(&long), service(""), service("b")];
    let relations =
        vec![depends("a", "a"), depends("a", "b"), depends("a", "c"), depends(&long, "a")];
    let report = map.apply(&doc(items, relations), at(0));
    assert_eq!(report.items_added, 2);
    assert_eq!(report.oversize, 3);
    assert_eq!(report.self_loops, 1);
    assert_eq!((report.relations_added, report.dangling), (2, 1));
    assert_eq!(map.snapshot().callees("a").len(), 1, "c is nobody yet");
    let report = map.apply(&doc(vec![service("c"), service("d")], vec![]), at(1));
    assert_eq!((report.items_added, report.over_limit), (1, 1));
    assert_eq!(map.snapshot().callees("a").len(), 2, "now c is somebody");
}

#[test]
fn the_latest_word_on_an_item_wins_whatever_comes_first() {
    let old = doc(vec![item("a", ItemKind::Service, "old name", &[])], vec![]);
    let new = doc(vec![item("a", ItemKind::Service, "new name", &[])], vec![]);
    let mut map = Topology::default();
    assert_eq!(map.apply(&new, at(5)).items_added, 1);
    let report = map.apply(&old, at(1));
    assert_eq!((report.stale, report.changed()), (1, false));
    assert_eq!(map.bind("a"), Some("new name".into()));
    assert_eq!(map.bind("old name"), None);
    assert_eq!(map.apply(&removal(&["a"]), at(3)).stale, 1, "older than the latest word");
    assert_eq!(map.apply(&removal(&["a"]), at(6)).items_removed, 1);
    assert_eq!(map.bind("new name"), None);
}

#[test]
fn drift_says_what_is_declared_and_never_seen_and_the_reverse() {
    let mut map = Topology::default();
    map.apply(
        &doc(
            vec![service("web"), service("cart"), service("mail"), service("dark")],
            vec![depends("web", "cart"), depends("web", "mail"), depends("dark", "mail")],
        ),
        at(100),
    );
    map.observe(pane(110), &[dep("web", "cart", 5), dep("cart", "redis", 7)]);
    let report = map.drift(pane(120));
    assert_eq!(report.agreed, 1);
    let [row] = report.declared_never_seen.as_slice() else { panic!("{report:?}") };
    assert_eq!((&*row.from, &*row.to, row.declared_panes_ago), ("web", "mail", 20));
    let [row] = report.seen_never_declared.as_slice() else { panic!("{report:?}") };
    assert_eq!((&*row.from, &*row.to, row.calls), ("cart", "redis", 7));
    assert_eq!((row.first_seen_panes_ago, row.last_seen_panes_ago), (10, 10));
    assert_eq!(report.declared_items_never_seen, ["dark".into(), "mail".into()]);
    assert_eq!(report.seen_items_never_declared, ["redis".into()]);
}

#[test]
fn a_host_reaches_the_services_on_it_and_no_service_reaches_another_over_it() {
    let mut map = Topology::default();
    let items = vec![
        service("a"),
        service("b"),
        item("h1", ItemKind::Host, "h1", &[]),
        item("h2", ItemKind::Host, "h2", &[]),
    ];
    let on = |from, to| relation(from, to, RelationKind::RunsOn);
    map.apply(&doc(items, vec![on("a", "h1"), on("a", "h2"), on("b", "h1")]), at(0));
    let snapshot = map.snapshot();
    let reached: Vec<(String, f64)> =
        snapshot.downstream("h1", 8).iter().map(|r| (r.node.to_string(), r.probability)).collect();
    assert_eq!(reached, [("a".into(), 0.5), ("b".into(), 1.0)]);
    assert_eq!(snapshot.distance("a", "b", 8), None);
}

#[test]
fn probability_adds_up_over_paths_and_cycles_end() {
    let mut map = Topology::default();
    // web -> {a, b} -> db, each half of the requests; db -> web closes a cycle.
    map.observe(
        pane(0),
        &[
            dep("user", "web", 100),
            dep("web", "a", 50),
            dep("web", "b", 50),
            dep("a", "db", 25),
            dep("b", "db", 50),
            dep("db", "web", 0),
        ],
    );
    let snapshot = map.snapshot();
    let down = snapshot.downstream("db", 8);
    let of = |name: &str| down.iter().find(|reached| &*reached.node == name).unwrap();
    assert!(close(of("a").probability, 0.5) && of("a").hops == 1);
    assert!(close(of("web").probability, 0.5 * 0.5 + 0.5 * 1.0), "{}", of("web").probability);
    assert_eq!(of("web").hops, 2);
    assert_eq!(snapshot.distance("web", "db", 8), Some(2));
    assert_eq!(snapshot.distance("web", "db", 1), None);
    assert_eq!(snapshot.shape().cycles.len(), 1);
    assert_eq!(snapshot.shape().islands, 1);
}
