//! Ties: by how much every two abnormal nodes belong together, and why.

use std::collections::{BTreeMap, BTreeSet};

use model::id::TraceId;
use model::incident::JoinReason;
use model::name::Name;
use model::symptom::SymptomKind;
use model::time::{Nanos, Pane};

use super::activity::ActiveNode;
use super::binding::similarity;
use super::cluster::Surroundings;
use super::config::CorrelateConfig;
use super::limits::WALK_HOPS_MAX;

/// Weight of the share of failing traces that two nodes have in common.
const SHARED_TRACES: f64 = 4.0;
/// A direct dependency with the onsets in the right order.
const DEPENDENCY: f64 = 2.5;
/// What each silent node between two others costs.
const SILENT_NODE: f64 = 0.75;
/// Ways of one caller whose onsets lie closer than this became slow together: a pane, and one more on either
/// side, since a way of few calls is judged later than one of many.
const BECAME_SLOW_TOGETHER: Nanos = Nanos::from_secs(30);
/// What two of them have in common: as much as half of their traces.
const ONE_CALLER: f64 = 0.5;
/// Touched by one change.
const SAME_CHANGE: f64 = 2.0;
/// Labels alike; multiplied by their similarity.
const SIMILAR_LABELS: f64 = 3.0;

#[derive(Clone, Copy, Debug, Default)]
struct Tie {
    share: f64,
    weak: f64,
    reason: Option<JoinReason>,
}

/// Every tie with its score, the hub penalty taken off.
pub(super) fn scored(
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
    tie_symptoms(&mut ties, nodes, around);
    tie_ways(&mut ties, nodes, around);
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

/// Symptoms that the same traces show, of two services of which one needs the other: sources without a
/// status have no failing traces, but what goes wrong below is logged above in the very same trace.
fn tie_symptoms(
    ties: &mut BTreeMap<(usize, usize), Tie>,
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) {
    for (a, node) in nodes.iter().enumerate() {
        for (b, other) in nodes.iter().enumerate().skip(a + 1) {
            let share = shared(&node.shown_by, &other.shown_by);
            if share <= 0.0 || !depend(node, other, around) {
                continue;
            }
            let tie = tie(ties, a, b);
            if share > tie.share {
                tie.share = share;
                tie.reason = Some(JoinReason::SharedTraces);
            }
        }
    }
}

/// The largest share of one symptom's traces that show one of the other side as well.
fn shared(left: &[BTreeSet<TraceId>], right: &[BTreeSet<TraceId>]) -> f64 {
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
    let share = |(a, b): (&BTreeSet<TraceId>, &BTreeSet<TraceId>)| {
        ratio(a.intersection(b).count() as u64, a.len().min(b.len()) as u64)
    };
    pairs.map(share).fold(0.0, f64::max)
}

/// Ways of one caller that became slow together: it is the caller that starves, or the host that it runs on.
fn tie_ways(
    ties: &mut BTreeMap<(usize, usize), Tie>,
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
) {
    let mut ways: BTreeMap<&str, BTreeSet<(Pane, usize)>> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        let slow = node.symptoms.iter().filter(|key| key.kind == SymptomKind::SlowEdge);
        for caller in slow.filter_map(|key| key.entity.edge_from()) {
            ways.entry(caller).or_default().insert((node.onset, at));
        }
    }
    let together = around.config.width.panes_in(BECAME_SLOW_TOGETHER);
    for ends in ways.into_values() {
        // Neighbours in time are enough: what is tied in turn is one cluster.
        for (one, next) in ends.iter().zip(ends.iter().skip(1)) {
            if next.0.since(one.0) <= together {
                let tie = tie(ties, one.1, next.1);
                tie.share = tie.share.max(ONE_CALLER);
                tie.reason.get_or_insert(JoinReason::Dependency);
            }
        }
    }
}

fn depend(a: &ActiveNode, b: &ActiveNode, around: &Surroundings<'_>) -> bool {
    let (Some(a), Some(b)) = (a.key.service(), b.key.service()) else { return false };
    around.map.distance(a, b, WALK_HOPS_MAX).is_some()
        || around.map.distance(b, a, WALK_HOPS_MAX).is_some()
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
    if !cause.ties || !effect.ties {
        return false;
    }
    onsets_in_order((cause.onset, cause.measured), (effect.onset, effect.measured), config)
}

/// As [`in_order`], for onsets alone; the flag says whether telemetry measured it.
pub(super) fn onsets_in_order(
    cause: (Pane, bool),
    effect: (Pane, bool),
    config: &CorrelateConfig,
) -> bool {
    let lag_secs = effect.0.since(cause.0).saturating_mul(config.width.nanos().secs());
    let is_measured = cause.1 && effect.1;
    let earliest = if is_measured { -20 } else { -300 };
    (earliest..=longest_lag(is_measured).secs()).contains(&lag_secs)
}

/// The longest that an effect begins after its cause, by onsets that telemetry measured or that a monitor told.
pub(super) const fn longest_lag(is_measured: bool) -> Nanos {
    if is_measured { Nanos::from_secs(120) } else { Nanos::from_secs(600) }
}

/// A part of a whole, at most 1; nothing of nothing is nothing.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(ids: &[u128]) -> BTreeSet<TraceId> {
        ids.iter().map(|id| TraceId(*id)).collect()
    }

    #[test]
    fn the_share_is_that_of_the_two_symptoms_most_alike() {
        let left = [traces(&[1, 2, 3, 4]), traces(&[9])];
        assert!((shared(&left, &[traces(&[3, 4, 5, 6])]) - 0.5).abs() < 1e-9);
        assert!((shared(&left, &[traces(&[9, 10])]) - 1.0).abs() < 1e-9);
        assert!(shared(&left, &[traces(&[7])]).abs() < 1e-9);
        assert!(shared(&left, &[]).abs() < 1e-9);
    }
}
