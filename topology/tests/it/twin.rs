//! The walks agree with their slow, obvious twins: an enumeration of all walks, and petgraph's
//! shortest paths.

use std::collections::BTreeMap;

use model::map::ObservedDependency;
use model::name::Name;
use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use proptest::prelude::*;
use topology::{NODES_MAX, Scratch, Snapshot, Topology};

use crate::words::{dep, pane};

type Calls = BTreeMap<(u8, u8), u64>;

fn calls() -> impl Strategy<Value = Calls> {
    prop::collection::btree_map((0..9_u8, 0..9_u8), 1..100_u64, 0..24)
}

fn name(node: u8) -> Name {
    format!("s{node}").into()
}

fn map_of(calls: &Calls) -> Topology {
    let deps: Vec<ObservedDependency> =
        calls.iter().map(|((from, to), calls)| dep(&name(*from), &name(*to), *calls)).collect();
    let mut map = Topology::default();
    map.observe(pane(0), &deps);
    map
}

/// The product of probabilities along every walk from `at` that does not come back to `start`.
fn enumerate(
    snapshot: &Snapshot,
    at: &Name,
    start: &Name,
    left: u32,
    product: f64,
    sums: &mut BTreeMap<Name, f64>,
) {
    if left == 0 {
        return;
    }
    for edge in snapshot.callers(at) {
        if *edge.from == **start {
            continue;
        }
        let product = product * edge.probability;
        *sums.entry(edge.from.to_name()).or_default() += product;
        enumerate(snapshot, &edge.from.to_name(), start, left - 1, product, sums);
    }
}

proptest! {
    #[test]
    fn downstream_is_the_sum_over_all_walks(calls in calls(), start in 0..9_u8, hops in 0..5_u32) {
        let snapshot = map_of(&calls).snapshot();
        let start = name(start);
        let mut sums = BTreeMap::new();
        if snapshot.contains(&start) {
            enumerate(&snapshot, &start, &start, hops, 1.0, &mut sums);
        }
        let reached = snapshot.downstream(&start, hops);
        prop_assert_eq!(reached.len(), sums.len());
        for reached in reached {
            let sum = sums.get(reached.node.as_str()).copied().unwrap_or_default().min(1.0);
            prop_assert!((reached.probability - sum).abs() < 1e-9, "{reached:?} {sum}");
        }
    }

    #[test]
    fn hops_are_those_of_shortest_paths(calls in calls(), start in 0..9_u8, hops in 0..9_u32) {
        let snapshot = map_of(&calls).snapshot();
        let graph = DiGraph::<(), ()>::from_edges(
            // The last edge makes sure that all nodes are there.
            calls.keys().map(|&(from, to)| (u32::from(from), u32::from(to))).chain([(9, 9)]),
        );
        let mut reverse = graph.clone();
        reverse.reverse();
        for (graph, downstream) in [(graph, false), (reverse, true)] {
            let found = if downstream {
                snapshot.downstream(&name(start), hops)
            } else {
                snapshot.upstream(&name(start), hops)
            };
            let expected: BTreeMap<Name, u32> = dijkstra(&graph, NodeIndex::new(start.into()), None, |_| 1)
                .into_iter()
                .map(|(node, far): (NodeIndex, u32)| (node.index() as u8, far))
                .filter(|(node, far)| *node != start && *far <= hops.min(8))
                .map(|(node, far)| (name(node), far))
                .collect();
            let found: BTreeMap<Name, u32> =
                found.into_iter().map(|reached| (reached.node.to_name(), reached.hops)).collect();
            prop_assert_eq!(&found, &expected);
            for (node, far) in expected {
                let (from, to) =
                    if downstream { (node, name(start)) } else { (name(start), node) };
                prop_assert_eq!(snapshot.distance(&from, &to, hops), Some(far));
            }
        }
    }

    #[test]
    fn callers_and_callees_are_the_two_sides_of_the_same_edges(calls in calls()) {
        let snapshot = map_of(&calls).snapshot();
        let mut out: Vec<_> = snapshot.nodes().flat_map(|n| snapshot.callees(&n)).collect();
        let mut back: Vec<_> = snapshot.nodes().flat_map(|n| snapshot.callers(&n)).collect();
        for side in [&mut out, &mut back] {
            side.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        }
        prop_assert_eq!(&out, &back);
        prop_assert_eq!(out.len(), calls.keys().filter(|(from, to)| from != to).count());
    }

    #[test]
    fn used_scratch_gives_what_fresh_scratch_gives(calls in calls(), starts in prop::collection::vec(0..9_u8, 1..5)) {
        let snapshot = map_of(&calls).snapshot();
        let mut scratch = Scratch::default();
        for start in starts {
            let start = name(start);
            prop_assert_eq!(
                snapshot.downstream_with(&mut scratch, &start, 8),
                snapshot.downstream(&start, 8)
            );
            prop_assert_eq!(
                snapshot.upstream_with(&mut scratch, &start, 8),
                snapshot.upstream(&start, 8)
            );
        }
    }
}

#[test]
fn a_hub_with_more_callers_than_the_bound_ends_at_the_bound() {
    let mut map = Topology::default();
    let deps: Vec<ObservedDependency> =
        (0..5_000).map(|n| dep(&format!("caller-{n:05}"), "hub", 1)).collect();
    map.observe(pane(0), &deps);
    let snapshot = map.snapshot();
    let reached = snapshot.downstream("hub", 8);
    assert_eq!(reached.len(), NODES_MAX);
    assert_eq!(&*reached.first().unwrap().node, "caller-00000", "the first by name, every time");
    assert_eq!(map.snapshot().distance("caller-04999", "hub", 8), Some(1));
}
