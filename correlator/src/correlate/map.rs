//! The seam to the map of the system: the few questions that correlation asks of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::entity::{Criticality, EntityKind};
use model::map::{ItemKind, ObservedDependency, RelationKind, TopologyDocument};
use model::name::Name;
use model::time::{Pane, Timestamp};
use serde::{Deserialize, Serialize};

/// The map as correlation sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Map {
    kinds: BTreeMap<Name, EntityKind>,
    owners: BTreeMap<Name, Name>,
    tiers: BTreeMap<Name, Criticality>,
    aliases: BTreeMap<Name, Name>,
    ids: BTreeMap<Name, Name>,
    callees: BTreeMap<Name, BTreeMap<Name, u64>>,
    callers: BTreeMap<Name, BTreeSet<Name>>,
}

impl Map {
    /// Takes declared structure in.
    pub(super) fn apply(&mut self, doc: &TopologyDocument, _at: Timestamp) {
        for item in &doc.items {
            let kind = match item.kind {
                ItemKind::Service => EntityKind::Service,
                ItemKind::Database => EntityKind::Database,
                ItemKind::Messaging => EntityKind::Messaging,
                ItemKind::Host => EntityKind::Host,
                ItemKind::External => EntityKind::External,
                ItemKind::Instance | ItemKind::Workload | ItemKind::Other => {
                    self.ids.insert(item.id.clone(), item.name.clone());
                    continue;
                }
            };
            self.ids.insert(item.id.clone(), item.name.clone());
            self.kinds.insert(item.name.clone(), kind);
            if let Some(owner) = &item.owner {
                self.owners.insert(item.name.clone(), owner.clone());
            }
            if let Some(tier) = item.criticality {
                self.tiers.insert(item.name.clone(), tier);
            }
            for alias in &item.aliases {
                self.aliases.insert(alias.clone(), item.name.clone());
            }
        }
        for relation in &doc.relations {
            let (Some(from), Some(to)) =
                (self.ids.get(&relation.from).cloned(), self.ids.get(&relation.to).cloned())
            else {
                continue;
            };
            match relation.kind {
                RelationKind::DependsOn | RelationKind::RunsOn => self.link(from, to, 1),
                RelationKind::PartOf => {
                    self.aliases.insert(from, to);
                }
                RelationKind::Related => {}
            }
        }
    }

    fn link(&mut self, from: Name, to: Name, calls: u64) {
        self.callers.entry(to.clone()).or_default().insert(from.clone());
        *self.callees.entry(from).or_default().entry(to).or_default() += calls;
    }

    /// Learns what traces show.
    pub(super) fn observe(&mut self, _pane: Pane, deps: &[ObservedDependency]) {
        for dep in deps {
            self.kinds.entry(dep.from.clone()).or_insert(EntityKind::Service);
            self.kinds.entry(dep.to.clone()).or_insert(dep.to_kind);
            self.link(dep.from.clone(), dep.to.clone(), dep.calls);
        }
    }

    /// The service that a name speaks of.
    pub(super) fn bind(&self, name: &str) -> Option<Name> {
        if let Some((known, _)) = self.kinds.get_key_value(name) {
            return Some(known.clone());
        }
        self.aliases.get(name).cloned()
    }

    /// What a node is, if the map knows it.
    pub(super) fn kind(&self, node: &str) -> Option<EntityKind> {
        self.kinds.get(node).copied()
    }

    /// Who owns a service.
    pub(super) fn owner(&self, node: &str) -> Option<Name> {
        self.owners.get(node).cloned()
    }

    /// How much the business misses it.
    pub(super) fn criticality(&self, node: &str) -> Option<Criticality> {
        self.tiers.get(node).copied()
    }

    /// Who calls it directly.
    pub(super) fn callers(&self, node: &str) -> Vec<Name> {
        self.callers.get(node).map(|all| all.iter().cloned().collect()).unwrap_or_default()
    }

    /// What it calls directly.
    pub(super) fn callees(&self, node: &str) -> Vec<Name> {
        self.callees.get(node).map(|all| all.keys().cloned().collect()).unwrap_or_default()
    }

    /// Who depends on it within some hops, with the hops and the probability that a request of
    /// theirs passes it; sorted by name.
    pub(super) fn downstream(&self, node: &Name, hops: u32) -> Vec<(Name, u32, f64)> {
        let mut found: BTreeMap<Name, (u32, f64)> = BTreeMap::new();
        let mut queue = VecDeque::from([(node.clone(), 0_u32, 1.0_f64)]);
        while let Some((at, depth, probability)) = queue.pop_front() {
            if depth >= hops {
                continue;
            }
            for caller in self.callers(&at) {
                if caller == *node || found.contains_key(&caller) {
                    continue;
                }
                found.insert(caller.clone(), (depth + 1, probability));
                queue.push_back((caller, depth + 1, probability));
            }
        }
        found.into_iter().map(|(name, (hops, p))| (name, hops, p)).collect()
    }

    /// Hops from a node to what it depends on, at most `max`.
    pub(super) fn distance(&self, from: &Name, to: &Name, max: u32) -> Option<u32> {
        if from == to {
            return Some(0);
        }
        self.downstream(to, max).into_iter().find(|(name, _, _)| name == from).map(|found| found.1)
    }
}
