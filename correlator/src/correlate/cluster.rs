//! Clusters: which of the abnormal nodes of a pane belong together.
//!
//! Edges carry a score (`ties`, 6.6 of the design's notes): shared failing traces 4 x share; a dependency
//! with the onsets in the right order; the same change; similar labels. What is weak evidence (all
//! but shared traces) pays a hub penalty of half `ln(deg u * deg v)`: a node that everybody knows
//! ties nobody. Connected at 2. Then two corrections: components with independent roots are
//! parted (`roots`), and components that one candidate cause covers are joined (`covers`). Last, what grouping
//! rules gave the same key is one (`keys`).

use std::collections::{BTreeMap, BTreeSet};

use model::incident::JoinReason;
use model::name::Name;

use super::activity::ActiveNode;
use super::config::CorrelateConfig;
use super::covers::join_by_cause;
use super::dedup::Alerts;
use super::keys;
use super::map::Map;
use super::roots::part_by_roots;
use super::ties::scored;
use super::union::Sets;

/// Score at which two nodes belong together.
const CONNECT_AT: f64 = 2.0;

/// What clustering looks at beside the nodes.
pub(super) struct Surroundings<'a> {
    /// The map.
    pub(super) map: &'a Map,
    /// Failing traces of the last panes by (origin, reached).
    pub(super) reach: &'a BTreeMap<(Name, Name), u64>,
    /// All alerts.
    pub(super) alerts: &'a Alerts,
    /// Groups of services that one recent change touched.
    pub(super) changed_together: &'a [BTreeSet<Name>],
    /// Settings.
    pub(super) config: &'a CorrelateConfig,
}

/// Nodes that belong together: indices into the pane's nodes, with the reason that tied each.
#[derive(Clone, Debug, Default)]
pub(super) struct Component {
    /// Indices with reasons, in order of the nodes.
    pub(super) members: Vec<(usize, JoinReason)>,
}

/// All clusters of a pane, by their first node.
pub(super) fn components(nodes: &[ActiveNode], around: &Surroundings<'_>) -> Vec<Component> {
    let mut sets = Sets::new(nodes.len());
    let mut reasons: BTreeMap<usize, (f64, JoinReason)> = BTreeMap::new();
    for ((a, b), score, reason) in scored(nodes, around) {
        if score >= CONNECT_AT {
            sets.join(a, b);
            for end in [a, b] {
                let best = reasons.entry(end).or_insert((score, reason));
                if score > best.0 {
                    *best = (score, reason);
                }
            }
        }
    }
    let mut groups: Vec<Vec<usize>> =
        sets.groups().into_iter().flat_map(|group| part_by_roots(&group, nodes, around)).collect();
    groups = keys::join(join_by_cause(groups, nodes, around), nodes);
    let reason = |node: &usize| match reasons.get(node) {
        Some(found) => found.1,
        None if nodes.get(*node).is_some_and(|node| !node.keys.is_empty()) => JoinReason::Grouped,
        None => JoinReason::Dependency,
    };
    groups
        .into_iter()
        .map(|group| Component { members: group.iter().map(|n| (*n, reason(n))).collect() })
        .collect()
}
