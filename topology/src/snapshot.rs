//! The map at one moment, immutable: who depends on whom, in compact adjacency both ways.
//!
//! Nodes are numbered in the order of their names, so every walk and every list has an order that
//! depends on content alone. Rows hold only neighbour and weight number (8 bytes each way); edges
//! that must weigh the same share a weight. Structure and weights are apart, because calls change
//! with every pane and structure hardly ever.

use std::sync::Arc;

use model::entity::EntityKind;
use model::map::RelationKind;
use model::name::Name;

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

/// An edge between node numbers, with the number of its weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) weight: u32,
}

/// One entry of a row: the neighbour, and the number of the edge's weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) node: u32,
    weight: u32,
}

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To what a node depends on.
    Upstream,
    /// To who depends on a node.
    Downstream,
}

/// Rows of links, one for each node.
#[derive(Debug, Default)]
struct Rows {
    ends: Vec<u32>,
    links: Vec<Link>,
}

impl Rows {
    /// Rows of (row, link), the links of a row in the order in which they come. Bound: 2^32 links.
    fn build(nodes: usize, links: impl Iterator<Item = (u32, Link)> + Clone) -> Self {
        let mut ends = vec![0_u32; nodes];
        for (row, _) in links.clone() {
            if let Some(count) = ends.get_mut(row as usize) {
                *count += 1;
            }
        }
        let mut start = 0;
        for end in &mut ends {
            (*end, start) = (start, start + *end);
        }
        // Each slot of `ends` now holds where its row begins, and moves to where it ends.
        let mut packed = vec![Link { node: 0, weight: 0 }; start as usize];
        for (row, link) in links {
            let Some(end) = ends.get_mut(row as usize) else { continue };
            if let Some(slot) = packed.get_mut(*end as usize) {
                *slot = link;
            }
            *end += 1;
        }
        Self { ends, links: packed }
    }

    fn row(&self, node: u32) -> &[Link] {
        let end = |node: u32| self.ends.get(node as usize).copied().unwrap_or_default() as usize;
        let start = node.checked_sub(1).map_or(0, end);
        self.links.get(start..end(node)).unwrap_or_default()
    }
}

/// An edge, as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeView {
    /// Who depends.
    pub from: Name,
    /// On whom.
    pub to: Name,
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
    names: Vec<Name>,
    kinds: Vec<EntityKind>,
    services: usize,
    upstream: Rows,
    downstream: Rows,
}

impl Structure {
    /// From nodes sorted by name without repeats, and edges sorted by (from, to) without repeats,
    /// whose ends are numbers of nodes.
    pub(crate) fn build(nodes: impl Iterator<Item = (Name, EntityKind)>, edges: &[Edge]) -> Self {
        let (names, kinds): (Vec<Name>, Vec<EntityKind>) = nodes.unzip();
        let outgoing =
            edges.iter().map(|edge| (edge.from, Link { node: edge.to, weight: edge.weight }));
        let incoming =
            edges.iter().map(|edge| (edge.to, Link { node: edge.from, weight: edge.weight }));
        let upstream = Rows::build(names.len(), outgoing);
        let downstream = Rows::build(names.len(), incoming);
        let services = kinds.iter().filter(|kind| **kind == EntityKind::Service).count();
        Self { names, kinds, services, upstream, downstream }
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
    #[must_use]
    pub fn nodes(&self) -> &[Name] {
        &self.structure.names
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
        self.structure.upstream.links.len()
    }

    /// Who depends directly on a node, sorted by name.
    #[must_use]
    pub fn callers(&self, node: &str) -> Vec<EdgeView> {
        self.edges_of(node, Direction::Downstream)
    }

    /// What a node depends on directly, sorted by name.
    #[must_use]
    pub fn callees(&self, node: &str) -> Vec<EdgeView> {
        self.edges_of(node, Direction::Upstream)
    }

    /// The edge by which `from` depends directly on `to`.
    #[must_use]
    pub fn edge(&self, from: &str, to: &str) -> Option<EdgeView> {
        let (from, to) = (self.index(from)?, self.index(to)?);
        let row = self.row(from, Direction::Upstream);
        let at = row.binary_search_by_key(&to, |link| link.node).ok()?;
        self.view(from, Direction::Upstream, row.get(at)?)
    }

    fn edges_of(&self, node: &str, direction: Direction) -> Vec<EdgeView> {
        let Some(node) = self.index(node) else { return Vec::new() };
        let row = self.row(node, direction).iter();
        row.filter_map(|link| self.view(node, direction, link)).collect()
    }

    fn view(&self, node: u32, direction: Direction, link: &Link) -> Option<EdgeView> {
        let (from, to) = match direction {
            Direction::Upstream => (node, link.node),
            Direction::Downstream => (link.node, node),
        };
        let weight = self.weight(link)?;
        Some(EdgeView {
            from: self.name(from)?.clone(),
            to: self.name(to)?.clone(),
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
        let at = self.structure.names.binary_search_by(|name| name.as_str().cmp(node)).ok()?;
        u32::try_from(at).ok()
    }

    pub(crate) fn name(&self, node: u32) -> Option<&Name> {
        self.structure.names.get(node as usize)
    }

    pub(crate) fn row(&self, node: u32, direction: Direction) -> &[Link] {
        match direction {
            Direction::Upstream => self.structure.upstream.row(node),
            Direction::Downstream => self.structure.downstream.row(node),
        }
    }

    pub(crate) fn weight(&self, link: &Link) -> Option<&Weight> {
        self.weights.get(link.weight as usize)
    }
}
