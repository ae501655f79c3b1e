//! Roots: origins of failing traces that stand for themselves, and the parts that belong to each.

use std::collections::BTreeSet;

use model::entity::EntityKind;
use model::name::Name;

use super::activity::{ActiveNode, NodeKey};
use super::cluster::Surroundings;
use super::limits::WALK_HOPS_MAX;
use super::map::Map;
use super::ties::ratio;

/// Share of the failing traces above which a root stands for itself.
const OWN_ROOT: f64 = 0.2;

/// Whether one of two services can be the cause of the other: one lies on the other's failing
/// traces, or depends on it.
pub(super) fn related(a: &Name, b: &Name, around: &Surroundings<'_>) -> bool {
    let traces = |from: &Name, to: &Name| {
        let own = around.reach.get(&(from.clone(), from.clone())).copied().unwrap_or(0);
        ratio(around.reach.get(&(from.clone(), to.clone())).copied().unwrap_or(0), own)
    };
    traces(a, b) >= 0.3
        || traces(b, a) >= 0.3
        || around.map.distance(a, b, WALK_HOPS_MAX).is_some()
        || around.map.distance(b, a, WALK_HOPS_MAX).is_some()
}

/// Roots of a component: origins with at least `share` of its failing traces, none of which can be
/// the cause of another.
pub(super) fn independent_roots(
    services: &[&Name],
    share: f64,
    around: &Surroundings<'_>,
) -> Vec<Name> {
    let own = |name: &Name| around.reach.get(&(name.clone(), name.clone())).copied().unwrap_or(0);
    let total: u64 = services.iter().map(|name| own(name)).sum();
    let mut origins: Vec<&Name> =
        services.iter().copied().filter(|name| ratio(own(name), total) >= share).collect();
    origins.sort_by(|a, b| (own(b), *a).cmp(&(own(a), *b)));
    let mut roots: Vec<Name> = Vec::new();
    for origin in origins {
        let apart =
            |root: &Name| !related(root, origin, around) && !shared_blind(root, origin, around);
        if own(origin) > 0 && roots.iter().all(apart) {
            roots.push(origin.clone());
        }
    }
    roots
}

/// Whether two services need the same node that shows nothing of itself, and half of its dependants fail.
pub(super) fn shared_blind(a: &Name, b: &Name, around: &Surroundings<'_>) -> bool {
    let others = around.map.callees(b);
    let blind = |name: &&Name| {
        others.contains(*name) && is_blind(around.map, name) && half_fails(name, around)
    };
    around.map.callees(a).iter().any(|name| blind(&name))
}

fn half_fails(node: &Name, around: &Surroundings<'_>) -> bool {
    let dependants = around.map.callers(node);
    let origins: BTreeSet<&Name> = around.reach.keys().map(|(origin, _)| origin).collect();
    let failing = dependants.iter().filter(|name| origins.contains(name)).count();
    failing >= 2 && failing * 2 >= dependants.len()
}

/// Whether a node writes no telemetry of its own.
pub(super) fn is_blind(map: &Map, node: &str) -> bool {
    !matches!(map.kind(node), Some(EntityKind::Service) | None)
}

/// Parts a component whose roots are independent of each other.
pub(super) fn part_by_roots(
    group: &[usize],
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) -> Vec<Vec<usize>> {
    let services: Vec<&Name> = group
        .iter()
        .filter_map(|n| nodes.get(*n))
        .filter(|node| node.measured)
        .filter_map(|node| node.key.service())
        .collect();
    let roots = independent_roots(&services, OWN_ROOT, around);
    if roots.len() < 2 {
        return vec![group.to_vec()];
    }
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); roots.len()];
    for member in group {
        let key = nodes.get(*member).map(|node| &node.key);
        let place = key.and_then(NodeKey::service).map_or(0, |name| nearest(&roots, name, around));
        if let Some(part) = parts.get_mut(place) {
            part.push(*member);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.sort();
    parts
}

/// The root whose failing traces pass a service most often; then the nearer one on the map.
pub(super) fn nearest(roots: &[Name], service: &Name, around: &Surroundings<'_>) -> usize {
    let weight = |root: &Name| {
        let traces = around.reach.get(&(root.clone(), service.clone())).copied().unwrap_or(0);
        let hops = around.map.distance(service, root, WALK_HOPS_MAX).unwrap_or(WALK_HOPS_MAX + 1);
        (root == service, traces, std::cmp::Reverse(hops))
    };
    let best =
        roots.iter().enumerate().max_by_key(|(at, root)| (weight(root), std::cmp::Reverse(*at)));
    best.map_or(0, |(at, _)| at)
}
