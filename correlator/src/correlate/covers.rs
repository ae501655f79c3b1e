//! Covers: what each candidate cause would explain, and the components that one of them joins.

use std::collections::{BTreeMap, BTreeSet};

use model::name::Name;

use super::activity::ActiveNode;
use super::cluster::Surroundings;
use super::limits::{MERGE_CAUSES_MAX, WALK_HOPS_MAX};
use super::roots::is_blind;
use super::ties::in_order;
use super::union::Sets;

/// Share of a cluster that a cause must cover to join it with another.
const COVERS: f64 = 0.7;

/// Joins components that one candidate cause covers: an abnormal node, or a node without telemetry
/// half of whose dependants are abnormal.
pub(super) fn join_by_cause(
    groups: Vec<Vec<usize>>,
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) -> Vec<Vec<usize>> {
    if groups.len() < 2 {
        return groups;
    }
    let mut sets = Sets::new(groups.len());
    for cover in covers(nodes, around) {
        let covered: Vec<usize> = groups
            .iter()
            .enumerate()
            .filter(|(_, group)| {
                let inside = group.iter().filter(|node| cover.contains(node)).count();
                inside as f64 >= COVERS * group.len() as f64
            })
            .map(|(at, _)| at)
            .collect();
        for pair in covered.windows(2) {
            if let [a, b] = pair {
                sets.join(*a, *b);
            }
        }
    }
    let mut joined: Vec<Vec<usize>> = Vec::new();
    for set in sets.groups() {
        let mut members: Vec<usize> =
            set.iter().filter_map(|at| groups.get(*at)).flatten().copied().collect();
        members.sort_unstable();
        joined.push(members);
    }
    joined
}

/// Which nodes each candidate cause explains.
fn covers(nodes: &[ActiveNode], around: &Surroundings<'_>) -> Vec<BTreeSet<usize>> {
    let index: BTreeMap<&Name, usize> = nodes
        .iter()
        .enumerate()
        .filter_map(|(at, node)| node.key.service().map(|name| (name, at)))
        .collect();
    let mut strongest: Vec<&ActiveNode> = nodes.iter().collect();
    strongest.sort_by(|a, b| (b.level, &a.key).cmp(&(a.level, &b.key)));
    let mut found = Vec::new();
    for node in strongest.into_iter().take(MERGE_CAUSES_MAX) {
        let Some(service) = node.key.service() else { continue };
        let mut cover: BTreeSet<usize> = index.get(service).copied().into_iter().collect();
        for (name, _, _) in around.map.downstream(service, WALK_HOPS_MAX) {
            let Some(&at) = index.get(&name) else { continue };
            if nodes.get(at).is_some_and(|effect| in_order(node, effect, around.config)) {
                cover.insert(at);
            }
        }
        found.push(cover);
    }
    found.extend(blind_covers(&index, around));
    found
}

fn blind_covers(index: &BTreeMap<&Name, usize>, around: &Surroundings<'_>) -> Vec<BTreeSet<usize>> {
    let needed: BTreeSet<Name> = index.keys().flat_map(|name| around.map.callees(name)).collect();
    let blind =
        needed.iter().filter(|name| is_blind(around.map, name) && !index.contains_key(name));
    let mut found = Vec::new();
    for name in blind.take(MERGE_CAUSES_MAX) {
        let dependants = around.map.callers(name);
        let direct = dependants.iter().filter(|d| index.contains_key(d)).count();
        if direct < 2 || direct * 2 < dependants.len() {
            continue;
        }
        let reached = around.map.downstream(name, WALK_HOPS_MAX);
        found.push(reached.iter().filter_map(|(d, _, _)| index.get(d)).copied().collect());
    }
    found
}
