//! Brings what is declared and what is seen together: one node per thing, one edge per pair.
//!
//! Deliberately absent: what an edge weighs (see `weigh`).

use model::entity::EntityKind;
use model::map::{ItemKind, RelationKind};
use model::name::Name;
use model::time::Pane;

use crate::binding::{Resolver, Root};
use crate::called::Called;
use crate::learned::SeenNode;
use crate::life::When;
use crate::limits::MapParameters;
use crate::names::Sym;

/// Stands for "no node" in the table from numbers of names to numbers of nodes.
const NO_NODE: u32 = u32::MAX;

/// Stands for "no span showed it" in an edge.
const NOT_SEEN: u32 = u32::MAX;

/// A node of the reconciled map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) name: Called<'a>,
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
    /// Number of what spans showed of it, or `NOT_SEEN`: apart, because it is rare and large.
    seen: u32,
}

/// What spans showed of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeenEdge {
    pub(crate) first: Pane,
    pub(crate) last: Pane,
    pub(crate) calls: u64,
}

/// The reconciled map: nodes sorted by name, edges by (from, to).
#[derive(Debug, Default)]
pub(crate) struct Reconciled<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    pub(crate) edges: Vec<Draft>,
    seen_edges: Vec<SeenEdge>,
}

impl<'a> Reconciled<'a> {
    pub(crate) fn new(resolver: Resolver<'a>, when: When, parameters: &MapParameters) -> Self {
        let (nodes, node_of_item) = gather_nodes(resolver, when, parameters);
        let mut edges = declared_edges(resolver, when, parameters, &nodes, &node_of_item);
        let (learned, seen_edges) = learned_edges(resolver, when, parameters, &nodes);
        edges.extend(learned);
        let mut map = Self { nodes, edges, seen_edges };
        map.merge();
        map
    }

    /// What spans showed of an edge.
    pub(crate) fn seen(&self, edge: &Draft) -> Option<SeenEdge> {
        self.seen_edges.get(edge.seen as usize).copied()
    }

    pub(crate) fn node(&self, number: u32) -> Option<&Node<'a>> {
        self.nodes.get(number as usize)
    }

    /// The number of the node with a name.
    pub(crate) fn find(&self, name: Called<'_>) -> Option<u32> {
        find(&self.nodes, name.as_str())
    }

    /// The number of the edge between two nodes.
    pub(crate) fn find_edge(&self, from: u32, to: u32) -> Option<usize> {
        self.edges.binary_search_by_key(&(from, to), |edge| (edge.from, edge.to)).ok()
    }

    /// Makes one edge per pair of nodes.
    fn merge(&mut self) {
        let Self { edges, seen_edges, .. } = self;
        edges.sort_by_key(|edge| (edge.from, edge.to, edge.kind));
        edges.dedup_by(|next, kept| {
            let same = (next.from, next.to) == (kept.from, kept.to);
            if same {
                kept.declared = match (kept.declared, next.declared) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                let other = seen_edges.get(next.seen as usize).copied();
                match (seen_edges.get_mut(kept.seen as usize), other) {
                    (Some(kept), Some(next)) => {
                        kept.first = kept.first.min(next.first);
                        kept.last = kept.last.max(next.last);
                        kept.calls = kept.calls.saturating_add(next.calls);
                    }
                    (None, Some(_)) => kept.seen = next.seen,
                    (_, None) => {}
                }
            }
            same
        });
    }
}

/// All nodes, and for each number of a name the node of the item with that id.
fn gather_nodes<'a>(
    resolver: Resolver<'a>,
    when: When,
    parameters: &MapParameters,
) -> (Vec<Node<'a>>, Vec<u32>) {
    let declared = resolver.declared.items_at(when, parameters.pane_width);
    let declared = declared.map(|(id, item)| (declared_node(resolver, id, item.kind), Some(id)));
    let begun = |seen: &SeenNode| !matches!(when, When::AsOf(pane) if seen.first > pane);
    let learned = resolver.learned.nodes().filter(|(_, seen)| begun(seen)).map(|(name, seen)| {
        let name = resolver.node_of_seen(name);
        (Node { name, kind: seen.kind, declared: false, seen: Some(Seen::of(seen)) }, None)
    });
    unite(declared.chain(learned).collect(), resolver.declared.names.len())
}

fn declared_node(resolver: Resolver<'_>, id: Sym, own_kind: ItemKind) -> Node<'_> {
    let root = resolver.root(id);
    // A part gives its node the kind of the whole, where that is known.
    let kind = match root {
        Root::Item(whole) => resolver.declared.item(whole).map_or(own_kind, |whole| whole.kind),
        Root::Unknown(_) => own_kind,
    };
    Node { name: resolver.root_name(root), kind: entity_kind(kind), declared: true, seen: None }
}

/// Sorts by name and makes one node of those with the same name. What is declared knows the kind
/// better than what was seen.
fn unite(mut all: Vec<(Node<'_>, Option<Sym>)>, names: usize) -> (Vec<Node<'_>>, Vec<u32>) {
    all.sort_by(|(a, _), (b, _)| {
        let names = a.name.as_str().cmp(b.name.as_str());
        names.then(b.declared.cmp(&a.declared)).then(a.kind.cmp(&b.kind))
    });
    let (mut nodes, mut node_of_item) = (Vec::<Node<'_>>::new(), vec![NO_NODE; names]);
    for (node, item) in all {
        match nodes.last_mut() {
            Some(kept) if kept.name.as_str() == node.name.as_str() => {
                kept.seen = match (kept.seen, node.seen) {
                    (Some(a), Some(b)) => Some(a.merge(b)),
                    (a, b) => a.or(b),
                };
            }
            _ => nodes.push(node),
        }
        if let Some(slot) = item.and_then(|item| node_of_item.get_mut(item as usize)) {
            *slot = (nodes.len() - 1) as u32;
        }
    }
    (nodes, node_of_item)
}

fn find(nodes: &[Node<'_>], name: &str) -> Option<u32> {
    let at = nodes.binary_search_by(|node| node.name.as_str().cmp(name)).ok()?;
    u32::try_from(at).ok()
}

fn declared_edges(
    resolver: Resolver<'_>,
    when: When,
    parameters: &MapParameters,
    nodes: &[Node<'_>],
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
            (from != to).then_some(Draft { from, to, kind, declared, seen: NOT_SEEN })
        })
        .collect()
}

fn learned_edges<'a>(
    resolver: Resolver<'a>,
    when: When,
    parameters: &MapParameters,
    nodes: &[Node<'_>],
) -> (Vec<Draft>, Vec<SeenEdge>) {
    let node = |name: &'a Name| find(nodes, resolver.node_of_seen(name).as_str());
    let (mut drafts, mut seen_edges) = (Vec::new(), Vec::new());
    for (from, to, edge, volume) in resolver.learned.edges_at(when, parameters) {
        let (Some(from), Some(to)) = (node(from), node(to)) else { continue };
        if from != to {
            let seen = seen_edges.len() as u32;
            let kind = RelationKind::DependsOn;
            drafts.push(Draft { from, to, kind, declared: None, seen });
            let (first, last) = (edge.first, edge.last);
            seen_edges.push(SeenEdge { first, last, calls: volume.calls });
        }
    }
    (drafts, seen_edges)
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
