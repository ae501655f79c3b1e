//! Brings what is declared and what is seen together: one node per thing, one edge per pair, each
//! with a confidence and a probability.
//!
//! Confidence that a dependency exists:
//! * declared and seen: 1;
//! * declared `RunsOn`: 1 (spans don't show hosts);
//! * declared `DependsOn`, not seen: `max(0.1, 0.6 x 2^(-d / disuse half-life))`, where `d` is for
//!   how many ticks the caller has been seen since the edge was declared; a caller that telemetry
//!   never shows proves nothing, `d` = 0;
//! * seen only: `min(0.95, n / (n + 4))` with `n` decayed calls, at least 0.05.
//!
//! Probability that a request of `from` calls `to`: seen: decayed calls / requests of `from`, at
//! most 1. Requests of `from` are the calls it gets, or, if more, the most that it makes to one
//! callee (entry services get calls that nobody sees). Not seen: the confidence. `RunsOn`: one
//! over the number of hosts that share the service.

use model::entity::EntityKind;
use model::map::{ItemKind, RelationKind};
use model::name::Name;
use model::time::Pane;

use crate::binding::{Resolver, Root};
use crate::declared::When;
use crate::limits::MapParameters;
use crate::names::Sym;
use crate::snapshot::{Edge, Snapshot, Weight};

/// Stands for "no node" in the table from numbers of names to numbers of nodes.
const NO_NODE: u32 = u32::MAX;

/// A node of the reconciled map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: Name,
    pub(crate) kind: EntityKind,
    pub(crate) declared: bool,
    /// When telemetry saw it: ticks and panes.
    pub(crate) seen: Option<Seen>,
}

/// First and last time that telemetry showed a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) first: Pane,
    pub(crate) last: Pane,
    first_tick: u64,
    last_tick: u64,
}

/// An edge of the reconciled map, before it is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) kind: RelationKind,
    /// The pane of the first declaration.
    pub(crate) declared: Option<Pane>,
    /// First and last pane with a call.
    pub(crate) observed: Option<(Pane, Pane)>,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
}

/// The reconciled map: nodes sorted by name, edges by (from, to).
#[derive(Debug, Default)]
pub(crate) struct Reconciled {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Draft>,
}

impl Reconciled {
    pub(crate) fn new(resolver: Resolver<'_>, when: When, parameters: &MapParameters) -> Self {
        let (nodes, node_of_item) = gather_nodes(resolver, when, parameters);
        let mut edges = declared_edges(resolver, when, parameters, &nodes, &node_of_item);
        edges.extend(learned_edges(resolver, when, parameters, &nodes));
        Self { nodes, edges: merge(edges) }
    }

    pub(crate) fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)
    }

    /// Weighs the edges and packs everything.
    pub(crate) fn into_snapshot(self, version: u64, parameters: &MapParameters) -> Snapshot {
        let edges = self.weigh(parameters);
        let nodes = self.nodes.into_iter().map(|node| (node.name, node.kind)).collect();
        Snapshot::build(version, nodes, &edges)
    }

    pub(crate) fn weigh(&self, parameters: &MapParameters) -> Vec<Edge> {
        let (mut received, mut most_made) =
            (vec![0_u64; self.nodes.len()], vec![0_u64; self.nodes.len()]);
        let mut hosts = vec![0_u32; self.nodes.len()];
        for edge in &self.edges {
            if let Some(calls) = received.get_mut(edge.to as usize) {
                *calls = calls.saturating_add(edge.calls);
            }
            if let Some(calls) = most_made.get_mut(edge.from as usize) {
                *calls = edge.calls.max(*calls);
            }
            if let Some(count) = hosts.get_mut(edge.from as usize) {
                *count += u32::from(edge.kind == RelationKind::RunsOn);
            }
        }
        let of = |lane: &[u64], node: u32| lane.get(node as usize).copied().unwrap_or_default();
        let weigh = |edge: &Draft| {
            let requests = of(&received, edge.from).max(of(&most_made, edge.from));
            let hosts = hosts.get(edge.from as usize).copied().unwrap_or_default();
            let confidence = self.confidence(edge, parameters);
            Weight {
                confidence,
                probability: probability(edge, confidence, requests, hosts),
                calls: edge.calls,
                failed: edge.failed,
                kind: edge.kind,
                declared: edge.declared.is_some(),
                observed: edge.observed.is_some(),
            }
        };
        self.edges
            .iter()
            .map(|edge| Edge { from: edge.from, to: edge.to, weight: weigh(edge) })
            .collect()
    }

    /// The formula in the header of this file.
    pub(crate) fn confidence(&self, edge: &Draft, parameters: &MapParameters) -> f64 {
        match (edge.declared, edge.observed, edge.kind) {
            (Some(_), Some(_), _) | (_, _, RelationKind::RunsOn) => 1.0,
            (Some(declared), None, _) => {
                let disuse = self.disuse_ticks(edge.from, declared) as f64;
                let half_life = parameters.disuse_half_life_ticks.max(1) as f64;
                (0.6 * libm::exp2(-disuse / half_life)).max(0.1)
            }
            (None, _, _) => {
                let calls = edge.calls as f64;
                (calls / (calls + 4.0)).clamp(0.05, 0.95)
            }
        }
    }

    /// For how many ticks the caller was seen since `declared`; a tick is at most one pane.
    fn disuse_ticks(&self, caller: u32, declared: Pane) -> u64 {
        let Some(seen) = self.node(caller).and_then(|node| node.seen) else { return 0 };
        let since = u64::try_from(seen.last.since(declared)).unwrap_or(0);
        seen.last_tick.saturating_sub(seen.first_tick).min(since)
    }
}

fn probability(edge: &Draft, confidence: f64, requests: u64, hosts: u32) -> f64 {
    match edge.observed {
        Some(_) if requests > 0 => (edge.calls as f64 / requests as f64).min(1.0),
        None if edge.kind == RelationKind::RunsOn => 1.0 / f64::from(hosts.max(1)),
        _ => confidence,
    }
}

/// All nodes, and for each number of a name the node of the item with that id.
fn gather_nodes(
    resolver: Resolver<'_>,
    when: When,
    parameters: &MapParameters,
) -> (Vec<Node>, Vec<u32>) {
    let mut nodes = Vec::new();
    let mut items: Vec<(Sym, Name)> = Vec::new();
    for (id, item) in resolver.declared.items_at(when, parameters.pane_width) {
        let root = resolver.root(id);
        let name = resolver.root_name(root);
        // A part gives its node the kind of the whole, where that is known.
        let whole = match root {
            Root::Item(whole) => resolver.declared.item(whole).map(|whole| whole.kind),
            Root::Unknown(_) => None,
        };
        let kind = entity_kind(whole.unwrap_or(item.kind));
        nodes.push(Node { name: name.clone(), kind, declared: true, seen: None });
        items.push((id, name));
    }
    for (name, seen) in resolver.learned.nodes() {
        if matches!(when, When::AsOf(pane) if seen.first > pane) {
            continue;
        }
        let name = resolver.node_of_seen(name);
        let kind = seen.kind;
        let seen = Seen {
            first: seen.first,
            last: seen.last,
            first_tick: seen.first_tick,
            last_tick: seen.last_tick,
        };
        nodes.push(Node { name, kind, declared: false, seen: Some(seen) });
    }
    let nodes = unite(nodes);
    let mut node_of_item = vec![NO_NODE; resolver.declared.names.len()];
    for (id, name) in items {
        if let (Some(slot), Some(node)) = (node_of_item.get_mut(id as usize), find(&nodes, &name)) {
            *slot = node;
        }
    }
    (nodes, node_of_item)
}

/// Sorts by name and makes one node of those with the same name. What is declared knows the kind
/// better than what was seen.
fn unite(mut nodes: Vec<Node>) -> Vec<Node> {
    nodes.sort_by(|a, b| {
        a.name.cmp(&b.name).then(b.declared.cmp(&a.declared)).then(a.kind.cmp(&b.kind))
    });
    nodes.dedup_by(|next, kept| {
        let same = next.name == kept.name;
        if same {
            kept.seen = match (kept.seen, next.seen) {
                (Some(a), Some(b)) => Some(Seen {
                    first: a.first.min(b.first),
                    last: a.last.max(b.last),
                    first_tick: a.first_tick.min(b.first_tick),
                    last_tick: a.last_tick.max(b.last_tick),
                }),
                (a, b) => a.or(b),
            };
        }
        same
    });
    nodes
}

fn find(nodes: &[Node], name: &Name) -> Option<u32> {
    let at = nodes.binary_search_by(|node| node.name.cmp(name)).ok()?;
    u32::try_from(at).ok()
}

fn declared_edges(
    resolver: Resolver<'_>,
    when: When,
    parameters: &MapParameters,
    nodes: &[Node],
    node_of_item: &[u32],
) -> Vec<Draft> {
    let width = parameters.pane_width;
    let node_of = |end: Sym| {
        let direct = node_of_item.get(end as usize).copied().filter(|&node| node != NO_NODE);
        direct.or_else(|| {
            let item = resolver.end(end)?;
            node_of_item.get(item as usize).copied().filter(|&node| node != NO_NODE)
        })
    };
    // An end without an item may still be something that telemetry knows.
    let seen = |end: Sym| find(nodes, &resolver.bind(resolver.declared.names.text(end))?);
    resolver
        .declared
        .relations_at(when, width)
        .filter(|(_, kind, ..)| matches!(kind, RelationKind::DependsOn | RelationKind::RunsOn))
        .filter_map(|(from, kind, to, life)| {
            let from = node_of(from).or_else(|| seen(from))?;
            let to = node_of(to).or_else(|| seen(to))?;
            let declared = Some(width.pane_of(life.first));
            (from != to).then_some(Draft {
                from,
                to,
                kind,
                declared,
                observed: None,
                calls: 0,
                failed: 0,
            })
        })
        .collect()
}

fn learned_edges(
    resolver: Resolver<'_>,
    when: When,
    parameters: &MapParameters,
    nodes: &[Node],
) -> Vec<Draft> {
    let node = |name: &Name| find(nodes, &resolver.node_of_seen(name));
    resolver
        .learned
        .edges_at(when, parameters)
        .filter_map(|(from, to, edge, volume)| {
            let (from, to) = (node(from)?, node(to)?);
            (from != to).then_some(Draft {
                from,
                to,
                kind: RelationKind::DependsOn,
                declared: None,
                observed: Some((edge.first, edge.last)),
                calls: volume.calls,
                failed: volume.failed,
            })
        })
        .collect()
}

/// One edge per pair of nodes.
fn merge(mut edges: Vec<Draft>) -> Vec<Draft> {
    edges.sort_by_key(|edge| (edge.from, edge.to, edge.kind));
    edges.dedup_by(|next, kept| {
        let same = (next.from, next.to) == (kept.from, kept.to);
        if same {
            kept.declared = match (kept.declared, next.declared) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            kept.observed = match (kept.observed, next.observed) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            };
            kept.calls = kept.calls.saturating_add(next.calls);
            kept.failed = kept.failed.saturating_add(next.failed);
        }
        same
    });
    edges
}

/// What an item of a kind is in the words of evidence.
pub(crate) fn entity_kind(kind: ItemKind) -> EntityKind {
    match kind {
        ItemKind::Database => EntityKind::Database,
        ItemKind::Messaging => EntityKind::Messaging,
        ItemKind::Host => EntityKind::Host,
        ItemKind::External => EntityKind::External,
        // A workload or pod that is part of nothing known is the service, as far as we can tell.
        ItemKind::Service | ItemKind::Workload | ItemKind::Instance | ItemKind::Other => {
            EntityKind::Service
        }
    }
}
