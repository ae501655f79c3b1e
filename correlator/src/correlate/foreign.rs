//! Foreign: what of a cluster cannot come from the open case that holds some of it.
//!
//! Alerts of half a dozen services tie what is in trouble now to what was in trouble minutes ago. A fault spreads
//! along dependencies while it lasts: what is strong by itself, began long after the case, and stands in no
//! dependency to what carried it then is a fault of its own, and takes along who needs it and fell ill with it.
//! Deliberately absent: what began together ([`super::roots`]).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use model::id::IncidentId;
use model::name::Name;
use model::nats::Nats;
use model::symptom::SymptomKind;
use model::time::Pane;

use super::activity::ActiveNode;
use super::case::Case;
use super::cluster::{Component, Surroundings};
use super::incident::CaseState;
use super::lifecycle;
use super::limits::WALK_HOPS_MAX;
use super::membership::{Holders, group_keys};
use super::past;
use super::roots;
use super::ties::onsets_in_order;
use super::world::{Rules, World};

/// Parts clusters, and takes what is foreign to an open case from it.
pub(super) fn part<'a>(
    world: &mut World,
    nodes: &[ActiveNode],
    all: &'a [Component],
    around: &Surroundings<'_>,
    held: &mut Holders,
    rules: Rules<'_>,
) -> Cow<'a, [Component]> {
    let level = lifecycle::open_level(world, rules.config);
    if !nodes.iter().any(|node| node.opening_level() >= level) {
        return Cow::Borrowed(all);
    }
    let mut parted = Vec::new();
    for component in all {
        let mut rest = component.clone();
        for id in holders(nodes, component, held) {
            let Some(case) = world.cases.get(&id).filter(|case| tells(case)) else { continue };
            let Some(news) = news(case, nodes, &rest, around, level) else { continue };
            past::let_go(world, id, nodes, &news, held);
            rest.members.retain(|(at, _)| !news.members.iter().any(|(other, _)| at == other));
            parted.push(news);
        }
        if !rest.members.is_empty() {
            parted.push(rest);
        }
    }
    Cow::Owned(parted)
}

/// The live cases that hold nodes of a cluster.
fn holders(nodes: &[ActiveNode], component: &Component, held: &Holders) -> BTreeSet<IncidentId> {
    let members = component.members.iter().filter_map(|(at, _)| nodes.get(*at));
    members.filter_map(|node| held.get(&node.key).copied()).collect()
}

/// Whether requests told of a case that is open, and nobody said that it is one.
fn tells(case: &Case) -> bool {
    case.state == CaseState::Open && !case.is_whole && !case.rests_on_metrics()
}

/// Whether two open cases that requests told of, and that began at different times, are one: what carries the
/// earlier most was loud when the later began, and may be why. `None` for others: they have nothing of the kind to go
/// by, or began together.
pub(super) fn is_one(a: &Case, b: &Case, around: &Surroundings<'_>) -> Option<bool> {
    let (a, b) = (told(a)?, told(b)?);
    let (earlier, later) = if a.onset <= b.onset { (a, b) } else { (b, a) };
    if onsets_in_order((earlier.onset, true), (later.onset, true), around.config) {
        return None;
    }
    let cause = (&earlier.leading, earlier.last);
    Some(explains(cause, (&later.leading, later.onset), around))
}

/// What an open case is about.
struct Told {
    /// The service with most evidence.
    leading: Name,
    /// The last pane in which requests showed it.
    last: Pane,
    /// When the case began.
    onset: Pane,
}

/// Of an open case that requests told of.
fn told(case: &Case) -> Option<Told> {
    if case.state != CaseState::Open || case.rests_on_metrics() {
        return None;
    }
    let evidence = case.evidence_by_service();
    let leading = evidence.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))?.0;
    let last = causes(case).get(&leading).copied()?;
    Some(Told { leading, last, onset: case.onset() })
}

/// The part of a cluster that is a fault of its own beside a case.
fn news(
    case: &Case,
    nodes: &[ActiveNode],
    component: &Component,
    around: &Surroundings<'_>,
    level: Nats,
) -> Option<Component> {
    let members = || component.members.iter().filter_map(|(at, _)| nodes.get(*at));
    if case.has_key(&group_keys(nodes, component), around.alerts) {
        return None;
    }
    let causes = causes(case);
    let began = case.onset();
    let is_root = |node: &&ActiveNode| {
        let Some(service) = node.key.service() else { return false };
        node.measured
            && node.opening_level() >= level
            && !onsets_in_order((began, true), (node.onset, true), around.config)
            && node.onset > began
            && !causes
                .iter()
                .any(|(cause, last)| explains((cause, *last), (service, node.onset), around))
    };
    let roots: BTreeMap<&Name, Pane> = members()
        .filter(is_root)
        .filter_map(|node| Some((node.key.service()?, node.onset)))
        .collect();
    if roots.is_empty() {
        return None;
    }
    let goes = |node: &ActiveNode| {
        let Some(service) = node.key.service() else { return false };
        let suffers = |(root, onset): (&&Name, &Pane)| {
            around.map.distance(service, root, WALK_HOPS_MAX).is_some()
                && onsets_in_order((*onset, true), (node.onset, true), around.config)
        };
        roots.contains_key(service) || !causes.contains_key(service) && roots.iter().any(suffers)
    };
    let gone = |(at, _): &&(usize, _)| nodes.get(*at).is_some_and(goes);
    let members = component.members.iter().filter(gone).copied().collect();
    Some(Component { members })
}

/// The services that carry a case, with the last pane in which requests showed each.
fn causes(case: &Case) -> BTreeMap<Name, Pane> {
    let core: BTreeSet<Name> = case.core();
    let last = |name: &Name| {
        let own = case
            .symptoms
            .iter()
            .filter(|(key, _)| key.entity.service == *name && key.kind != SymptomKind::Metric);
        own.map(|(_, sum)| sum.last).max()
    };
    core.into_iter().filter_map(|name| Some((name.clone(), last(&name)?))).collect()
}

/// Whether one service may be why another is in trouble, or the other way round: one depends on the other, or both
/// on a node that shows nothing of itself while half of its dependants fail; and the one was loud when the other began.
fn explains(
    (cause, last): (&Name, Pane),
    (effect, onset): (&Name, Pane),
    around: &Surroundings<'_>,
) -> bool {
    let was_loud = onsets_in_order((last.min(onset), true), (onset, true), around.config);
    let tied = roots::related(cause, effect, around) || roots::shared_blind(cause, effect, around);
    cause == effect || was_loud && tied
}
