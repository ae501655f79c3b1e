//! Clusters: which of the abnormal nodes of a pane belong together.
//!
//! Edges carry a score (`notes` of the design, 6.6): shared failing traces 4 x share; a dependency
//! with the onsets in the right order; the same change; similar labels. What is weak evidence (all
//! but shared traces) pays a hub penalty of half `ln(deg u * deg v)`: a node that everybody knows
//! ties nobody. Connected at 2. Then two corrections: components with independent roots are
//! parted, and components that one candidate cause covers are joined.

use std::collections::{BTreeMap, BTreeSet};

use model::entity::EntityKind;
use model::incident::JoinReason;
use model::name::Name;
use model::time::Pane;

use super::activity::{ActiveNode, NodeKey};
use super::binding::similarity;
use super::config::CorrelateConfig;
use super::dedup::Alerts;
use super::limits::{MERGE_CAUSES_MAX, WALK_HOPS_MAX};
use super::map::Map;
use super::union::Sets;

/// Score at which two nodes belong together.
const CONNECT_AT: f64 = 2.0;
/// Weight of the share of failing traces that two nodes have in common.
const SHARED_TRACES: f64 = 4.0;
/// A direct dependency with the onsets in the right order.
const DEPENDENCY: f64 = 2.5;
/// What each silent node between two others costs.
const SILENT_NODE: f64 = 0.75;
/// Touched by one change.
const SAME_CHANGE: f64 = 2.0;
/// Labels alike; multiplied by their similarity.
const SIMILAR_LABELS: f64 = 3.0;
/// Share of a cluster that a cause must cover to join it with another.
const COVERS: f64 = 0.7;
/// Share of the failing traces above which a root stands for itself.
const OWN_ROOT: f64 = 0.2;

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

#[derive(Clone, Copy, Debug, Default)]
struct Tie {
    share: f64,
    weak: f64,
    reason: Option<JoinReason>,
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
    groups = join_by_cause(groups, nodes, around);
    let reason = |node: &usize| reasons.get(node).map_or(JoinReason::Dependency, |found| found.1);
    groups
        .into_iter()
        .map(|group| Component { members: group.iter().map(|n| (*n, reason(n))).collect() })
        .collect()
}

fn scored(
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) -> Vec<((usize, usize), f64, JoinReason)> {
    let ties = ties(nodes, around);
    let mut degrees: BTreeMap<usize, f64> = BTreeMap::new();
    for ((a, b), _) in ties.iter().filter(|(_, tie)| tie.share <= 0.0) {
        *degrees.entry(*a).or_default() += 1.0;
        *degrees.entry(*b).or_default() += 1.0;
    }
    let degree = |node: usize| degrees.get(&node).copied().unwrap_or(1.0).max(1.0);
    let score = |(pair, tie): (&(usize, usize), &Tie)| {
        let penalty = 0.5 * libm::log(degree(pair.0) * degree(pair.1));
        let score = SHARED_TRACES * tie.share + (tie.weak - penalty).max(0.0);
        (*pair, score, tie.reason.unwrap_or(JoinReason::Dependency))
    };
    ties.iter().map(score).collect()
}

fn ties(nodes: &[ActiveNode], around: &Surroundings<'_>) -> BTreeMap<(usize, usize), Tie> {
    let index: BTreeMap<&Name, usize> = nodes
        .iter()
        .enumerate()
        .filter_map(|(at, node)| node.key.service().map(|name| (name, at)))
        .collect();
    let mut ties: BTreeMap<(usize, usize), Tie> = BTreeMap::new();
    tie_traces(&mut ties, &index, nodes, around);
    tie_dependencies(&mut ties, &index, nodes, around);
    tie_changes(&mut ties, &index, around);
    tie_labels(&mut ties, nodes, around);
    ties
}

fn tie(ties: &mut BTreeMap<(usize, usize), Tie>, a: usize, b: usize) -> &mut Tie {
    ties.entry((a.min(b), a.max(b))).or_default()
}

/// Share: of the origin's failing traces those that reach the other, or of the other's failing
/// traces those that come from the origin, whichever is more.
fn tie_traces(
    ties: &mut BTreeMap<(usize, usize), Tie>,
    index: &BTreeMap<&Name, usize>,
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) {
    let mut into: BTreeMap<&Name, u64> = BTreeMap::new();
    for ((_, reached), traces) in around.reach {
        *into.entry(reached).or_default() += traces;
    }
    for ((origin, reached), traces) in around.reach.iter().filter(|((o, r), _)| o != r) {
        let (Some(&a), Some(&b)) = (index.get(origin), index.get(reached)) else { continue };
        if !nodes.get(a).is_some_and(|node| node.measured) {
            continue;
        }
        let own = around.reach.get(&(origin.clone(), origin.clone())).copied().unwrap_or(0);
        let all = into.get(reached).copied().unwrap_or(0);
        let share = ratio(*traces, own).max(ratio(*traces, all));
        let tie = tie(ties, a, b);
        if share > tie.share {
            tie.share = share;
            tie.reason = Some(JoinReason::SharedTraces);
        }
    }
}

fn tie_dependencies(
    ties: &mut BTreeMap<(usize, usize), Tie>,
    index: &BTreeMap<&Name, usize>,
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) {
    for (cause, node) in nodes.iter().enumerate() {
        let Some(service) = node.key.service() else { continue };
        for (dependant, hops, _) in around.map.downstream(service, 2) {
            let Some(&effect) = index.get(&dependant) else { continue };
            let Some(other) = nodes.get(effect) else { continue };
            if !in_order(node, other, around.config) {
                continue;
            }
            let score = DEPENDENCY - SILENT_NODE * f64::from(hops.saturating_sub(1));
            let tie = tie(ties, cause, effect);
            tie.weak = tie.weak.max(score);
            tie.reason.get_or_insert(JoinReason::Dependency);
        }
    }
}

fn tie_changes(
    ties: &mut BTreeMap<(usize, usize), Tie>,
    index: &BTreeMap<&Name, usize>,
    around: &Surroundings<'_>,
) {
    for group in around.changed_together {
        let touched: Vec<usize> =
            group.iter().filter_map(|name| index.get(name)).copied().collect();
        for (place, a) in touched.iter().enumerate() {
            for b in touched.iter().skip(place + 1) {
                let tie = tie(ties, *a, *b);
                tie.weak += SAME_CHANGE;
                tie.reason.get_or_insert(JoinReason::SameChange);
            }
        }
    }
}

/// Rules that name no service join by the labels of their alerts.
fn tie_labels(
    ties: &mut BTreeMap<(usize, usize), Tie>,
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) {
    let first = |node: &ActiveNode| {
        let fingerprint = node.alerts.first().copied()?;
        around.alerts.get(fingerprint).map(|state| state.alert.clone())
    };
    for (a, node) in nodes.iter().enumerate().filter(|(_, n)| n.key.service().is_none()) {
        let Some(loose) = first(node) else { continue };
        for (b, other) in nodes.iter().enumerate().filter(|(b, _)| *b != a) {
            let Some(alert) = first(other) else { continue };
            let alike = similarity(&loose, &alert);
            if alike >= 0.5 {
                let tie = tie(ties, a, b);
                tie.weak = tie.weak.max(SIMILAR_LABELS * alike);
                tie.reason.get_or_insert(JoinReason::SimilarLabels);
            }
        }
    }
}

/// Whether what happened at `effect` may come from `cause`, by their onsets: between 20 s before
/// and 120 s after. Where only a monitor tells the onset, its own waiting time blurs it.
pub(super) fn in_order(cause: &ActiveNode, effect: &ActiveNode, config: &CorrelateConfig) -> bool {
    onsets_in_order((cause.onset, cause.measured), (effect.onset, effect.measured), config)
}

/// As [`in_order`], for onsets alone; the flag says whether telemetry measured it.
pub(super) fn onsets_in_order(
    cause: (Pane, bool),
    effect: (Pane, bool),
    config: &CorrelateConfig,
) -> bool {
    let lag_secs = effect.0.since(cause.0).saturating_mul(config.width.nanos().secs());
    let window = if cause.1 && effect.1 { -20..=120 } else { -300..=600 };
    window.contains(&lag_secs)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).min(1.0) }
}

/// Whether one of two services can be the cause of the other: one lies on the other's failing
/// traces, or depends on it.
pub(super) fn related(a: &Name, b: &Name, around: &Surroundings<'_>) -> bool {
    let traces = |from: &Name, to: &Name| {
        let own = around.reach.get(&(from.clone(), from.clone())).copied().unwrap_or(0);
        ratio(around.reach.get(&(from.clone(), to.clone())).copied().unwrap_or(0), own)
    };
    traces(a, b) >= 0.3
        || traces(b, a) >= 0.3
        || around.map.distance(a, b, WALK_HOPS_MAX).is_some()
        || around.map.distance(b, a, WALK_HOPS_MAX).is_some()
}

/// Roots of a component: origins with at least `share` of its failing traces, none of which can be
/// the cause of another.
pub(super) fn independent_roots(
    services: &[&Name],
    share: f64,
    around: &Surroundings<'_>,
) -> Vec<Name> {
    let own = |name: &Name| around.reach.get(&(name.clone(), name.clone())).copied().unwrap_or(0);
    let total: u64 = services.iter().map(|name| own(name)).sum();
    let mut origins: Vec<&Name> =
        services.iter().copied().filter(|name| ratio(own(name), total) >= share).collect();
    origins.sort_by(|a, b| (own(b), *a).cmp(&(own(a), *b)));
    let mut roots: Vec<Name> = Vec::new();
    for origin in origins {
        let apart =
            |root: &Name| !related(root, origin, around) && !shared_blind(root, origin, around);
        if own(origin) > 0 && roots.iter().all(apart) {
            roots.push(origin.clone());
        }
    }
    roots
}

/// Whether two services need the same node that shows nothing of itself.
fn shared_blind(a: &Name, b: &Name, around: &Surroundings<'_>) -> bool {
    let others = around.map.callees(b);
    let blind = |name: &&Name| {
        others.contains(*name) && is_blind(around.map, name) && half_fails(name, around)
    };
    around.map.callees(a).iter().any(|name| blind(&name))
}

fn half_fails(node: &Name, around: &Surroundings<'_>) -> bool {
    let dependants = around.map.callers(node);
    let origins: BTreeSet<&Name> = around.reach.keys().map(|(origin, _)| origin).collect();
    let failing = dependants.iter().filter(|name| origins.contains(name)).count();
    failing >= 2 && failing * 2 >= dependants.len()
}

/// Whether a node writes no telemetry of its own.
pub(super) fn is_blind(map: &Map, node: &str) -> bool {
    !matches!(map.kind(node), Some(EntityKind::Service) | None)
}

fn part_by_roots(
    group: &[usize],
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) -> Vec<Vec<usize>> {
    let services: Vec<&Name> = group
        .iter()
        .filter_map(|n| nodes.get(*n))
        .filter(|node| node.measured)
        .filter_map(|node| node.key.service())
        .collect();
    let roots = independent_roots(&services, OWN_ROOT, around);
    if roots.len() < 2 {
        return vec![group.to_vec()];
    }
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); roots.len()];
    for member in group {
        let key = nodes.get(*member).map(|node| &node.key);
        let place = key.and_then(NodeKey::service).map_or(0, |name| nearest(&roots, name, around));
        if let Some(part) = parts.get_mut(place) {
            part.push(*member);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.sort();
    parts
}

/// The root whose failing traces pass a service most often; then the nearer one on the map.
pub(super) fn nearest(roots: &[Name], service: &Name, around: &Surroundings<'_>) -> usize {
    let weight = |root: &Name| {
        let traces = around.reach.get(&(root.clone(), service.clone())).copied().unwrap_or(0);
        let hops = around.map.distance(service, root, WALK_HOPS_MAX).unwrap_or(WALK_HOPS_MAX + 1);
        (root == service, traces, std::cmp::Reverse(hops))
    };
    let best =
        roots.iter().enumerate().max_by_key(|(at, root)| (weight(root), std::cmp::Reverse(*at)));
    best.map_or(0, |(at, _)| at)
}

/// Joins components that one candidate cause covers: an abnormal node, or a node without telemetry
/// half of whose dependants are abnormal.
fn join_by_cause(
    groups: Vec<Vec<usize>>,
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) -> Vec<Vec<usize>> {
    if groups.len() < 2 {
        return groups;
    }
    let mut sets = Sets::new(groups.len());
    for cover in covers(nodes, around) {
        let covered: Vec<usize> = groups
            .iter()
            .enumerate()
            .filter(|(_, group)| {
                let inside = group.iter().filter(|node| cover.contains(node)).count();
                inside as f64 >= COVERS * group.len() as f64
            })
            .map(|(at, _)| at)
            .collect();
        for pair in covered.windows(2) {
            if let [a, b] = pair {
                sets.join(*a, *b);
            }
        }
    }
    let mut joined: Vec<Vec<usize>> = Vec::new();
    for set in sets.groups() {
        let mut members: Vec<usize> =
            set.iter().filter_map(|at| groups.get(*at)).flatten().copied().collect();
        members.sort_unstable();
        joined.push(members);
    }
    joined
}

/// Which nodes each candidate cause explains.
fn covers(nodes: &[ActiveNode], around: &Surroundings<'_>) -> Vec<BTreeSet<usize>> {
    let index: BTreeMap<&Name, usize> = nodes
        .iter()
        .enumerate()
        .filter_map(|(at, node)| node.key.service().map(|name| (name, at)))
        .collect();
    let mut strongest: Vec<&ActiveNode> = nodes.iter().collect();
    strongest.sort_by(|a, b| (b.level, &a.key).cmp(&(a.level, &b.key)));
    let mut found = Vec::new();
    for node in strongest.into_iter().take(MERGE_CAUSES_MAX) {
        let Some(service) = node.key.service() else { continue };
        let mut cover: BTreeSet<usize> = index.get(service).copied().into_iter().collect();
        for (name, _, _) in around.map.downstream(service, WALK_HOPS_MAX) {
            let Some(&at) = index.get(&name) else { continue };
            if nodes.get(at).is_some_and(|effect| in_order(node, effect, around.config)) {
                cover.insert(at);
            }
        }
        found.push(cover);
    }
    found.extend(blind_covers(&index, around));
    found
}

fn blind_covers(index: &BTreeMap<&Name, usize>, around: &Surroundings<'_>) -> Vec<BTreeSet<usize>> {
    let needed: BTreeSet<Name> = index.keys().flat_map(|name| around.map.callees(name)).collect();
    let blind =
        needed.iter().filter(|name| is_blind(around.map, name) && !index.contains_key(name));
    let mut found = Vec::new();
    for name in blind.take(MERGE_CAUSES_MAX) {
        let dependants = around.map.callers(name);
        let direct = dependants.iter().filter(|d| index.contains_key(d)).count();
        if direct < 2 || direct * 2 < dependants.len() {
            continue;
        }
        let reached = around.map.downstream(name, WALK_HOPS_MAX);
        found.push(reached.iter().filter_map(|(d, _, _)| index.get(d)).copied().collect());
    }
    found
}
