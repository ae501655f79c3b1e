//! The map at one moment, immutable: who depends on whom, in compact adjacency both ways.
//!
//! Nodes are numbered in the order of their names, so every walk and every list has an order that
//! depends on content alone. Rows hold only neighbour and weight number, in as few bits as they need;
//! edges that must weigh the same share a weight. Names stay where they are held. Structure and
//! weights are apart, because calls change with every pane and structure hardly ever.

use std::sync::Arc;

use model::entity::EntityKind;
use model::map::RelationKind;

use crate::node_name::NodeName;
use crate::node_names::NodeNames;
use crate::rows::{Edge, Link, Rows};

/// What an edge weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weight {
    pub(crate) confidence: f64,
    pub(crate) probability: f64,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) kind: RelationKind,
    pub(crate) declared: bool,
    pub(crate) observed: bool,
}

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To what a node depends on.
    Upstream,
    /// To who depends on a node.
    Downstream,
}

/// An edge, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EdgeView<'a> {
    /// Who depends.
    pub from: NodeName<'a>,
    /// On whom.
    pub to: NodeName<'a>,
    /// How sure we are that the dependency exists. Unit: 0 to 1.
    pub confidence: f64,
    /// Share of `from`'s requests that call `to`, as far as it is known. Unit: 0 to 1.
    pub probability: f64,
    /// Decayed calls.
    pub calls: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Whether an import says so.
    pub declared: bool,
    /// Whether spans showed it.
    pub observed: bool,
    /// `DependsOn` or `RunsOn`.
    pub kind: RelationKind,
}

/// Nodes and rows.
#[derive(Debug, Default)]
pub(crate) struct Structure {
    names: NodeNames,
    kinds: Box<[EntityKind]>,
    services: usize,
    upstream: Rows,
    downstream: Rows,
}

impl Structure {
    /// From names and kinds of nodes, sorted by name without repeats, and edges sorted by
    /// (from, to) without repeats, whose ends are numbers of nodes, with numbers of so many
    /// weights.
    pub(crate) fn build(
        names: NodeNames,
        kinds: Box<[EntityKind]>,
        edges: &[Edge],
        weights: usize,
    ) -> Self {
        let outgoing =
            edges.iter().map(|edge| (edge.from, Link { node: edge.to, weight: edge.weight }));
        let incoming =
            edges.iter().map(|edge| (edge.to, Link { node: edge.from, weight: edge.weight }));
        let upstream = Rows::build(names.len(), weights, outgoing);
        let downstream = Rows::build(names.len(), weights, incoming);
        let services = kinds.iter().filter(|kind| **kind == EntityKind::Service).count();
        Self { names, kinds, services, upstream, downstream }
    }

    fn rows(&self, direction: Direction) -> &Rows {
        match direction {
            Direction::Upstream => &self.upstream,
            Direction::Downstream => &self.downstream,
        }
    }
}

/// The map of one time. Cheap to share (`Arc`), never changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    version: u64,
    structure: Arc<Structure>,
    weights: Vec<Weight>,
}

impl Snapshot {
    /// Invariant: every weight number of the structure is one of `weights`.
    pub(crate) fn new(version: u64, structure: Arc<Structure>, weights: Vec<Weight>) -> Self {
        Self { version, structure, weights }
    }

    /// Count of structural changes up to this map.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Names of all nodes, sorted.
    pub fn nodes(&self) -> impl Iterator<Item = NodeName<'_>> {
        (0..self.node_count() as u32).map(|node| self.name(node))
    }

    /// Count of nodes.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.structure.names.len()
    }

    /// Whether a node has this name. Aliases don't count: `Topology::bind` first.
    #[must_use]
    pub fn contains(&self, node: &str) -> bool {
        self.index(node).is_some()
    }

    /// What a node is.
    #[must_use]
    pub fn kind(&self, node: &str) -> Option<EntityKind> {
        self.structure.kinds.get(self.index(node)? as usize).copied()
    }

    /// Count of services.
    #[must_use]
    pub fn service_count(&self) -> usize {
        self.structure.services
    }

    /// Count of edges.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.structure.upstream.len()
    }

    /// Who depends directly on a node, sorted by name.
    #[must_use]
    pub fn callers(&self, node: &str) -> Vec<EdgeView<'_>> {
        self.edges_of(node, Direction::Downstream)
    }

    /// What a node depends on directly, sorted by name.
    #[must_use]
    pub fn callees(&self, node: &str) -> Vec<EdgeView<'_>> {
        self.edges_of(node, Direction::Upstream)
    }

    /// The edge by which `from` depends directly on `to`.
    #[must_use]
    pub fn edge(&self, from: &str, to: &str) -> Option<EdgeView<'_>> {
        let (from, to) = (self.index(from)?, self.index(to)?);
        let link = self.structure.upstream.find(from, to)?;
        self.view(from, Direction::Upstream, link)
    }

    fn edges_of(&self, node: &str, direction: Direction) -> Vec<EdgeView<'_>> {
        let Some(node) = self.index(node) else { return Vec::new() };
        self.row(node, direction).filter_map(|link| self.view(node, direction, link)).collect()
    }

    fn view(&self, node: u32, direction: Direction, link: Link) -> Option<EdgeView<'_>> {
        let (from, to) = match direction {
            Direction::Upstream => (node, link.node),
            Direction::Downstream => (link.node, node),
        };
        let weight = self.weight(link)?;
        Some(EdgeView {
            from: self.name(from),
            to: self.name(to),
            confidence: weight.confidence,
            probability: weight.probability,
            calls: weight.calls,
            failed: weight.failed,
            declared: weight.declared,
            observed: weight.observed,
            kind: weight.kind,
        })
    }

    pub(crate) fn index(&self, node: &str) -> Option<u32> {
        self.structure.names.find(node)
    }

    pub(crate) fn name(&self, node: u32) -> NodeName<'_> {
        NodeName::new(&self.structure.names, node)
    }

    pub(crate) fn rows(&self, direction: Direction) -> &Rows {
        self.structure.rows(direction)
    }

    pub(crate) fn row(&self, node: u32, direction: Direction) -> impl Iterator<Item = Link> {
        self.rows(direction).row(node)
    }

    pub(crate) fn weight(&self, link: Link) -> Option<&Weight> {
        self.weights.get(link.weight as usize)
    }
}
