//! The seam to the map of the system: the few questions that correlation asks of it.
//!
//! Deliberately absent: any knowledge of its own; [`topology`] holds and answers everything.

use model::entity::{Criticality, EntityKind};
use model::map::{ItemIdentity, ObservedDependency, TopologyDocument};
use model::name::Name;
use model::time::{Pane, PaneWidth, Timestamp};
use serde::{Deserialize, Serialize};
use topology::{DriftReport, MapParameters, Topology};

/// The map as correlation sees it. A clone is cheap.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Map {
    topology: Topology,
}

impl Map {
    /// An empty map for panes of a width.
    pub(super) fn new(pane_width: PaneWidth) -> Self {
        Self { topology: Topology::new(MapParameters { pane_width, ..MapParameters::default() }) }
    }

    /// Takes declared structure in. Nothing in a document is fatal; the map counts what is wrong.
    pub(super) fn apply(&mut self, doc: &TopologyDocument, at: Timestamp) {
        self.topology.apply(doc, at);
    }

    /// Learns what traces show.
    pub(super) fn observe(&mut self, pane: Pane, deps: &[ObservedDependency]) {
        self.topology.observe(pane, deps);
    }

    /// Whether traces have shown nothing yet.
    pub(super) fn has_learned_nothing(&self) -> bool {
        self.topology.stats().learned_edges == 0
    }

    /// How many items are declared.
    pub(super) fn items(&self) -> usize {
        self.topology.stats().items
    }

    /// How many nodes it knows.
    pub(super) fn size(&self) -> usize {
        self.topology.snapshot().node_count()
    }

    /// The service that a name speaks of.
    pub(super) fn bind(&self, name: &str) -> Option<Name> {
        self.topology.bind(name)
    }

    /// What the map calls a service that somebody named; its own name where the map has none.
    pub(super) fn node(&self, name: &Name) -> Name {
        self.bind(name).unwrap_or_else(|| name.clone())
    }

    /// What a node is, if the map knows it.
    pub(super) fn kind(&self, node: &str) -> Option<EntityKind> {
        self.topology.snapshot().kind(node)
    }

    /// How many services it knows.
    pub(super) fn service_count(&self) -> usize {
        self.topology.snapshot().service_count()
    }

    /// Who owns a service.
    pub(super) fn owner(&self, node: &str) -> Option<Name> {
        self.topology.owner(node)
    }

    /// What the sources of the map call a service.
    pub(super) fn identities(&self, node: &str) -> Vec<ItemIdentity> {
        self.topology.identities(node)
    }

    /// How much the business misses it.
    pub(super) fn criticality(&self, node: &str) -> Option<Criticality> {
        self.topology.criticality(node)
    }

    /// Who depends on it directly, sorted.
    pub(super) fn callers(&self, node: &str) -> Vec<Name> {
        let snapshot = self.topology.snapshot();
        snapshot.callers(node).into_iter().map(|edge| edge.from.to_name()).collect()
    }

    /// What it depends on directly, sorted.
    pub(super) fn callees(&self, node: &str) -> Vec<Name> {
        let snapshot = self.topology.snapshot();
        snapshot.callees(node).into_iter().map(|edge| edge.to.to_name()).collect()
    }

    /// Who depends on it within some hops: name, hops, probability that a request of theirs passes
    /// it; by hops, then by name.
    pub(super) fn downstream(&self, node: &str, hops: u32) -> Vec<(Name, u32, f64)> {
        let snapshot = self.topology.snapshot();
        let reached = snapshot.downstream(node, hops).into_iter();
        reached.map(|found| (found.node.to_name(), found.hops, found.probability)).collect()
    }

    /// Hops from a node to what it depends on, at most `max`.
    pub(super) fn distance(&self, from: &str, to: &str, max: u32) -> Option<u32> {
        self.topology.snapshot().distance(from, to, max)
    }

    /// Where declared and seen structure differ.
    pub(super) fn drift(&self, now: Pane) -> DriftReport {
        self.topology.drift(now)
    }
}
