//! Brings what is declared and what is seen together: one node per thing, one edge per pair.
//!
//! Deliberately absent: what an edge weighs (see `weigh`).

use model::entity::EntityKind;
use model::map::{ItemKind, RelationKind};
use model::name::Name;
use model::time::Pane;

use crate::binding::{Resolver, Root};
use crate::learned::SeenNode;
use crate::life::When;
use crate::limits::MapParameters;
use crate::names::Sym;

/// Stands for "no node" in the table from numbers of names to numbers of nodes.
const NO_NODE: u32 = u32::MAX;

/// A node of the reconciled map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: Name,
    pub(crate) kind: EntityKind,
    pub(crate) declared: bool,
    pub(crate) seen: Option<Seen>,
}

/// When telemetry showed a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) last: Pane,
    pub(crate) first_tick: u64,
    pub(crate) last_tick: u64,
}

impl Seen {
    pub(crate) fn of(node: &SeenNode) -> Self {
        Self { last: node.last, first_tick: node.first_tick, last_tick: node.last_tick }
    }

    /// Of two names of one node.
    pub(crate) fn merge(self, other: Self) -> Self {
        Self {
            last: self.last.max(other.last),
            first_tick: self.first_tick.min(other.first_tick),
            last_tick: self.last_tick.max(other.last_tick),
        }
    }
}

/// An edge of the reconciled map.
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

    /// The number of the node with a name.
    pub(crate) fn find(&self, name: &Name) -> Option<u32> {
        find(&self.nodes, name)
    }

    /// The number of the edge between two nodes.
    pub(crate) fn find_edge(&self, from: u32, to: u32) -> Option<usize> {
        self.edges.binary_search_by_key(&(from, to), |edge| (edge.from, edge.to)).ok()
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
        let (kind, seen) = (seen.kind, Some(Seen::of(seen)));
        nodes.push(Node { name, kind, declared: false, seen });
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
                (Some(a), Some(b)) => Some(a.merge(b)),
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
