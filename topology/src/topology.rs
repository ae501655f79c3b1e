//! The map as others use it: documents and observations in, snapshots and answers out.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use model::entity::{Criticality, EntityKind};
use model::map::{ItemIdentity, ObservedDependency, RelationKind, TopologyDocument};
use model::name::Name;
use model::time::{Pane, Timestamp};
use serde::{Deserialize, Serialize};

use crate::binding::{Resolver, Root};
use crate::declared::Declared;
use crate::drift::DriftReport;
use crate::identity;
use crate::learned::Learned;
use crate::life::When;
use crate::limits::MapParameters;
use crate::reconcile::{Reconciled, entity_kind};
use crate::report::ApplyReport;
use crate::snapshot::Snapshot;
use crate::weigh::Plan;

/// The map of a cell. A clone shares everything with its origin until one of them changes.
///
/// Invariant: answers depend on what was applied and observed, never on which questions were asked
/// before, nor on a round through a serialised form.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Topology {
    parameters: MapParameters,
    declared: Arc<Declared>,
    learned: Arc<Learned>,
    version: u64,
    /// Panes with structural changes, rising; the map was the same from one to the next.
    versions: Vec<Boundary>,
    #[serde(skip)]
    now: Built,
}

/// The map from the end of a pane on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Boundary {
    pane: Pane,
    version: u64,
    #[serde(skip)]
    built: Built,
}

/// A snapshot, built when first asked for: until something is counted; and its plan: until the
/// structure changes.
#[derive(Clone, Debug, Default)]
struct Built {
    plan: OnceLock<Arc<Plan>>,
    snapshot: OnceLock<Arc<Snapshot>>,
}

/// Sizes, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TopologyStats {
    /// Declared items, removed ones that are still remembered among them.
    pub items: usize,
    /// Declared relations, likewise.
    pub relations: usize,
    /// Learned edges, expired ones that are still remembered among them.
    pub learned_edges: usize,
    /// Observed dependencies that were dropped: no room, no name, or a call to oneself.
    pub observations_dropped: u64,
}

impl Topology {
    /// An empty map.
    #[must_use]
    pub fn new(parameters: MapParameters) -> Self {
        Self { parameters, ..Self::default() }
    }

    /// Takes declared structure in. `at` is when the document arrived: the latest word on an item
    /// wins, whatever the order of the calls. Nothing in a document is fatal; what is wrong with
    /// it is counted.
    pub fn apply(&mut self, doc: &TopologyDocument, at: Timestamp) -> ApplyReport {
        let report = Arc::make_mut(&mut self.declared).apply(doc, at, &self.parameters);
        if report.touched() {
            self.mark(self.parameters.pane_width.pane_of(at));
        }
        self.forget_snapshots();
        report
    }

    /// Takes what spans showed in a pane. Counts add up: give the whole of a pane once, in any
    /// number of parts and any order; panes in rising order.
    pub fn observe(&mut self, pane: Pane, deps: &[ObservedDependency]) {
        if deps.is_empty() {
            return;
        }
        let changes = Arc::make_mut(&mut self.learned).observe(pane, deps, &self.parameters);
        if changes > 0 {
            self.mark(pane);
        }
        self.forget_snapshots();
    }

    /// The map of now. Built when first asked for after a change.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.build(&self.now, When::Now, self.version)
    }

    /// The map as it was at the end of a pane: its structure of then, with the names and weights
    /// of today. Before the oldest version that is remembered: that version.
    #[must_use]
    pub fn as_of(&self, pane: Pane) -> Arc<Snapshot> {
        let after = self.versions.partition_point(|boundary| boundary.pane <= pane);
        if after == self.versions.len() {
            return self.snapshot();
        }
        match self.versions.get(after.saturating_sub(1)) {
            Some(then) => self.build(&then.built, When::AsOf(then.pane), then.version),
            None => self.snapshot(),
        }
    }

    /// Count of documents and observations that changed the structure, of now or of earlier.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The node that a name means: any id, name or alias of an item, a pod or workload by
    /// `part_of`, a name seen in telemetry; exactly, else in another case, else as a qualified
    /// name (`ns/name`, `name.ns.svc`, `name:port`), else as the name of a pod.
    #[must_use]
    pub fn bind(&self, name: &str) -> Option<Name> {
        self.resolver().bind(name)
    }

    /// Who owns what a name means: its own item first, else the service that it is part of.
    #[must_use]
    pub fn owner(&self, name: &str) -> Option<Name> {
        self.item_and_root(name).into_iter().flatten().find_map(|id| {
            let owner = self.declared.item(id)?.owner?;
            Some(self.declared.names.text(owner).into())
        })
    }

    /// What the sources of the map call what a name means, sorted by source: of each the item that has the best
    /// claim to the name, and where two have it, neither; else the item that it is bound to, or the service of
    /// that. At most 16.
    #[must_use]
    pub fn identities(&self, name: &str) -> Vec<ItemIdentity> {
        identity::of(self.resolver(), name, self.item_and_root(name))
    }

    /// How much the business misses what a name means, or the service that it is part of.
    #[must_use]
    pub fn criticality(&self, name: &str) -> Option<Criticality> {
        let mut items = self.item_and_root(name).into_iter().flatten();
        items.find_map(|id| self.declared.item(id)?.criticality)
    }

    /// What a node is: as declared, else as seen.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<EntityKind> {
        let node = self.bind(name)?;
        match self.item_and_root(&node) {
            [_, Some(root)] => self.declared.item(root).map(|item| entity_kind(item.kind)),
            _ => self.learned.node(&node).map(|seen| seen.kind),
        }
    }

    /// Hosts on which a service or any part of it runs, sorted.
    #[must_use]
    pub fn hosts_of(&self, service: &str) -> Vec<Name> {
        let Some(root) = self.root_of(service) else { return Vec::new() };
        let resolver = self.resolver();
        let hosts: BTreeSet<Name> = self
            .parts_of(root)
            .into_iter()
            .flat_map(|part| self.declared.targets(part, RelationKind::RunsOn))
            .filter_map(|host| resolver.bind(self.declared.names.text(host)))
            .collect();
        hosts.into_iter().collect()
    }

    /// Services of which any part runs on a host, sorted.
    #[must_use]
    pub fn services_on(&self, host: &str) -> Vec<Name> {
        let resolver = self.resolver();
        let words = self.words_of(host);
        let guests: BTreeSet<Name> = words
            .into_iter()
            .flat_map(|word| self.declared.origins(word, RelationKind::RunsOn))
            .filter_map(|guest| resolver.bind(self.declared.names.text(guest)))
            .collect();
        guests.into_iter().collect()
    }

    /// Where declared and seen structure differ, as of a pane.
    #[must_use]
    pub fn drift(&self, now: Pane) -> DriftReport {
        let map = Reconciled::new(self.resolver(), When::Now, &self.parameters);
        DriftReport::new(&map, now, &self.parameters)
    }

    /// Sizes, for metrics.
    #[must_use]
    pub fn stats(&self) -> TopologyStats {
        TopologyStats {
            items: self.declared.item_count(),
            relations: self.declared.relation_count(),
            learned_edges: self.learned.edge_count(),
            observations_dropped: self.learned.dropped,
        }
    }

    fn resolver(&self) -> Resolver<'_> {
        Resolver { declared: &self.declared, learned: &self.learned }
    }

    fn build(&self, built: &Built, when: When, version: u64) -> Arc<Snapshot> {
        let plan = || Arc::new(Plan::new(self.resolver(), when, &self.parameters));
        let weigh = || {
            let plan = built.plan.get_or_init(plan);
            Arc::new(plan.snapshot(&self.learned, version, &self.parameters))
        };
        Arc::clone(built.snapshot.get_or_init(weigh))
    }

    /// The item that a name means, and the one that it is part of in the end.
    fn item_and_root(&self, name: &str) -> [Option<u32>; 2] {
        let resolver = self.resolver();
        let item = resolver
            .item_of(name)
            .or_else(|| resolver.bind(name).and_then(|node| resolver.item_of(&node)));
        let root = item.and_then(|item| match resolver.root(item) {
            Root::Item(root) => Some(root),
            Root::Unknown(_) => None,
        });
        [item, root]
    }

    /// What a name is part of in the end, items or not.
    fn root_of(&self, name: &str) -> Option<Root> {
        let names = &self.declared.names;
        match self.item_and_root(name) {
            [Some(_), Some(root)] => Some(Root::Item(root)),
            _ => names.get(&self.bind(name)?).map(Root::Unknown),
        }
    }

    /// A root and everything that is part of it, over workloads.
    fn parts_of(&self, root: Root) -> BTreeSet<u32> {
        let resolver = self.resolver();
        let (Root::Item(top) | Root::Unknown(top)) = root;
        let mut parts = BTreeSet::from([top]);
        let mut open = vec![top];
        while let Some(whole) = open.pop() {
            for word in resolver.words_of(whole) {
                for part in self.declared.origins(word, RelationKind::PartOf) {
                    if resolver.root(part) == root && parts.insert(part) {
                        open.push(part);
                    }
                }
            }
        }
        parts
    }

    /// All texts by which relations may speak of what a name means.
    fn words_of(&self, name: &str) -> Vec<u32> {
        match self.item_and_root(name) {
            [Some(item), _] => self.resolver().words_of(item),
            _ => self.declared.names.get(name).into_iter().collect(),
        }
    }

    /// Notes that the structure changed in a pane, perhaps an earlier one than the last.
    fn mark(&mut self, pane: Pane) {
        self.version += 1;
        self.now = Built::default();
        let at = self.versions.partition_point(|boundary| boundary.pane < pane);
        if self.versions.get(at).is_none_or(|boundary| boundary.pane != pane) {
            let before = at.checked_sub(1).and_then(|at| self.versions.get(at));
            let version = before.map_or(0, |boundary| boundary.version);
            self.versions.insert(at, Boundary { pane, version, built: Built::default() });
        }
        for boundary in self.versions.iter_mut().skip(at) {
            boundary.version += 1;
        }
        // Earlier versions too: they speak in the names of today.
        for boundary in &mut self.versions {
            boundary.built = Built::default();
        }
        let extra = self.versions.len().saturating_sub(self.parameters.versions_max.max(1));
        self.versions.drain(..extra);
    }

    /// Weights are no longer those of today; plans still hold.
    fn forget_snapshots(&mut self) {
        let built = self.versions.iter_mut().map(|boundary| &mut boundary.built);
        for built in built.chain([&mut self.now]) {
            built.snapshot = OnceLock::new();
        }
    }
}
