//! The picture of a blast radius: the cause, whom it reaches, and their neighbours, the nearest
//! first, closed over its edges.

use std::collections::{BTreeMap, BTreeSet};

use model::blast_radius::{
    EntryPoint, Graph, GraphEdge, GraphNode, GraphRole, ObservedReach, PredictedReach,
};
use model::name::Name;

use super::limits::GRAPH_NODES_MAX;
use super::map::Map;

/// Draws the neighbourhood; at most [`GRAPH_NODES_MAX`] nodes.
pub(super) fn draw(
    map: &Map,
    causes: &BTreeSet<Name>,
    observed: &[ObservedReach],
    predicted: &[PredictedReach],
    entries: &[EntryPoint],
) -> Graph {
    let mut roles: BTreeMap<Name, GraphRole> = BTreeMap::new();
    let mut add = |name: &Name, role: GraphRole| {
        if roles.len() < GRAPH_NODES_MAX && !name.is_empty() {
            roles.entry(name.clone()).or_insert(role);
        }
    };
    for cause in causes {
        add(cause, GraphRole::Cause);
    }
    let mut nearest: Vec<&ObservedReach> = observed.iter().collect();
    nearest.sort_by_key(|reach| (reach.hops.unwrap_or(u32::MAX), reach.service.clone()));
    for reach in nearest {
        add(&reach.service, GraphRole::Observed);
    }
    for reach in predicted {
        add(&reach.service, GraphRole::Predicted);
    }
    for cause in causes.iter().chain(observed.iter().map(|reach| &reach.service)) {
        for neighbour in map.callees(cause).into_iter().chain(map.callers(cause)) {
            add(&neighbour, GraphRole::Healthy);
        }
    }
    let mut edges: Vec<GraphEdge> = Vec::new();
    for from in roles.keys() {
        for to in map.callees(from).into_iter().filter(|to| roles.contains_key(to)) {
            edges.push(GraphEdge { from: from.clone(), to });
        }
    }
    edges.sort();
    edges.dedup();
    let is_entry = |name: &Name| entries.iter().any(|entry| entry.service == *name);
    let nodes = roles.into_iter().map(|(id, role)| GraphNode { entry: is_entry(&id), id, role });
    Graph { nodes: nodes.collect(), edges }
}
