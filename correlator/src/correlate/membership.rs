//! Membership: which case each cluster of a pane belongs to; births, merges and splits.
//!
//! A member stays one while its case lives. Clusters that touch several cases join them only if a
//! cause is checked to cover both. Deliberately absent: whether a case is worth telling.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::id::{Fingerprint, IncidentId, stable_hash};
use model::incident::JoinReason;
use model::name::Name;
use model::time::Pane;

use super::activity::{ActiveNode, NodeKey};
use super::case::{Case, Member};
use super::cluster::{Component, Surroundings};
use super::config::CorrelateConfig;
use super::dedup::{AlertState, Alerts};
use super::facts::PaneSummary;
use super::foreign;
use super::past;
use super::roots;
use super::ties::longest_lag;
use super::traffic::Rush;
use super::world::{Rules, World};

/// Share of the failing traces that each part of a split must have to itself.
const SPLIT_SHARE: f64 = 0.35;
/// Panes in a row that must show two roots before a case is split.
const SPLIT_PANES: u32 = 2;

/// Hands every cluster to a case.
pub(super) fn assign(
    world: &mut World,
    pane: Pane,
    nodes: &[ActiveNode],
    components: &[Component],
    around: &Surroundings<'_>,
    rush: Rush,
    rules: Rules<'_>,
) {
    let mut held: Holders = BTreeMap::new();
    for case in world.cases.values().filter(|case| case.is_live()) {
        held.extend(case.nodes.keys().map(|key| (key.clone(), case.id)));
    }
    let components = parted_by_people(world, nodes, components);
    let components = foreign::part(world, nodes, &components, around, &mut held, rules);
    let mut added: Added = BTreeMap::new();
    for component in components.iter() {
        let emptied = past::part(world, nodes, component, &mut held, rules);
        let owners = owners(world, nodes, component, &held);
        let case = match owners.as_slice() {
            [] => match past::returning(world, nodes, component, rules) {
                Some(id) => Some(id),
                None => Some(give_birth(world, pane, nodes, component, rush, rules)),
            },
            [one] => Some(*one),
            several => join_cases(world, several, nodes, around, &mut held),
        };
        if let Some(id) = case {
            added.extend(enlist(world, id, pane, nodes, component, &mut held, rules));
            past::bequeath(world, &emptied, id);
        }
    }
    take_over(world, &added);
    split_cases(world, pane, around, rules);
}

/// Clusters without what people parted from the live cases that hold some of their nodes: that stands
/// for itself.
fn parted_by_people<'a>(
    world: &World,
    nodes: &[ActiveNode],
    all: &'a [Component],
) -> Cow<'a, [Component]> {
    let live = world.cases.values().filter(|case| case.is_live() && !case.apart.is_empty());
    let cases: Vec<&Case> = live.map(Arc::as_ref).collect();
    if cases.is_empty() {
        return Cow::Borrowed(all);
    }
    let mut clusters = Vec::new();
    // What was cut may be torn by another case: it is looked at again.
    let mut waiting: Vec<Component> = all.iter().rev().cloned().collect();
    while let Some(component) = waiting.pop() {
        let keys = |at: usize| nodes.get(at).map(|node| &node.key);
        let has = |set: &dyn Fn(&NodeKey) -> bool| {
            component.members.iter().any(|(at, _)| keys(*at).is_some_and(set))
        };
        let torn = cases.iter().find(|case| {
            let stays = |key: &NodeKey| case.nodes.contains_key(key) && !case.apart.contains(key);
            has(&stays) && has(&|key| case.apart.contains(key))
        });
        let Some(case) = torn else {
            clusters.push(component);
            continue;
        };
        let leaves = |at: usize| keys(at).is_some_and(|key| case.apart.contains(key));
        let (gone, kept) = component.members.iter().partition(|(at, _)| leaves(*at));
        waiting.push(Component { members: gone });
        waiting.push(Component { members: kept });
    }
    Cow::Owned(clusters)
}

/// Which live case each node is a member of.
pub(super) type Holders = BTreeMap<NodeKey, IncidentId>;

/// Alerts that became members in this pane, with the node that they speak of and the case that has them.
type Added<'a> = BTreeMap<Fingerprint, (&'a NodeKey, IncidentId)>;

/// The live cases whose members are in a cluster, the oldest first.
fn owners(
    world: &World,
    nodes: &[ActiveNode],
    component: &Component,
    held: &Holders,
) -> Vec<IncidentId> {
    let keys = component.members.iter().filter_map(|(at, _)| nodes.get(*at)).map(|n| &n.key);
    let mut ids: BTreeSet<IncidentId> = keys.filter_map(|key| held.get(key).copied()).collect();
    let grouped = group_keys(nodes, component);
    if !grouped.is_empty() {
        let live = world.cases.values().filter(|case| case.is_live());
        let parted = |case: &Case| {
            let members = component.members.iter().filter_map(|(at, _)| nodes.get(*at));
            members.into_iter().any(|node| case.apart.contains(&node.key))
        };
        let same = live.filter(|case| case.has_key(&grouped, &world.alerts) && !parted(case));
        ids.extend(same.map(|case| case.id));
    }
    let cases = ids.iter().filter_map(|id| world.cases.get(id));
    let mut found: Vec<(Pane, IncidentId)> = cases.map(|case| (case.born, case.id)).collect();
    found.sort();
    // A told case goes before one that is still forming: its id is known outside.
    found.sort_by_key(|(_, id)| world.cases.get(id).is_none_or(|case| !case.is_told()));
    found.into_iter().map(|(_, id)| id).collect()
}

/// The keys that grouping rules gave to the alerts of a cluster.
pub(super) fn group_keys<'a>(nodes: &'a [ActiveNode], component: &Component) -> BTreeSet<&'a Name> {
    let members = component.members.iter().filter_map(|(at, _)| nodes.get(*at));
    members.flat_map(|node| &node.keys).collect()
}

fn give_birth(
    world: &mut World,
    pane: Pane,
    nodes: &[ActiveNode],
    component: &Component,
    rush: Rush,
    rules: Rules<'_>,
) -> IncidentId {
    let members = || component.members.iter().filter_map(|(at, _)| nodes.get(*at));
    // A monitor that has been firing for long says nothing of when the trouble began that telemetry shows.
    let shown = |node: &&ActiveNode| node.opening_level() >= rules.config.support_level;
    let began = members().filter(shown).map(|node| node.onset).min();
    let onset = began.or_else(|| members().map(|node| node.onset).min()).unwrap_or(pane);
    let first = members().map(|node| &node.key).min();
    let id = free_id(world, first, onset, rules);
    let mut case = Case::new(id, pane, onset);
    case.rush = rush;
    for (_, summary) in world.recent.iter().filter(|(past, _)| *past >= onset) {
        case.absorb_traffic(summary);
    }
    for (past, summary) in &world.recent {
        case.listen(*past, summary);
    }
    world.cases.insert(id, Arc::new(case));
    id
}

/// Hash of cell, first entity and onset pane; salted while another case has it.
fn free_id(world: &World, first: Option<&NodeKey>, onset: Pane, rules: Rules<'_>) -> IncidentId {
    let (kind, name): (&[u8], &str) = match first {
        Some(NodeKey::Service(name)) => (b"service", name.as_str()),
        Some(NodeKey::Rule(name)) => (b"rule", name.as_str()),
        None => (b"none", ""),
    };
    let mut salt = 0_u64;
    loop {
        let id = IncidentId(stable_hash(&[
            rules.cell.0.as_bytes(),
            kind,
            name.as_bytes(),
            &onset.0.to_le_bytes(),
            &salt.to_le_bytes(),
        ]));
        if !world.cases.contains_key(&id) {
            return id;
        }
        salt += 1;
    }
}

/// Joins the cases that a cluster touches, as far as a cause covers them; the oldest lives on.
fn join_cases(
    world: &mut World,
    owners: &[IncidentId],
    nodes: &[ActiveNode],
    around: &Surroundings<'_>,
    held: &mut Holders,
) -> Option<IncidentId> {
    let (first, others) = owners.split_first()?;
    for other in others {
        let (Some(a), Some(b)) = (world.cases.get(first), world.cases.get(other)) else { continue };
        if !may_merge(a, b, nodes, around) {
            continue;
        }
        let Some(mut gone) = world.cases.remove(other) else { continue };
        held.extend(gone.nodes.keys().map(|key| (key.clone(), *first)));
        if let Some(kept) = world.cases.get_mut(first) {
            let since = of_its_time(kept, around.config);
            Arc::make_mut(&mut gone).symptoms.retain(|_, sum| sum.last >= since);
            Arc::make_mut(kept).merge(&gone);
        }
    }
    Some(*first)
}

/// Two cases are one if one cause explains both: origins of the one are related to those of the
/// other, or all members with telemetry depend on one candidate. A case of alerts alone has no
/// origin of its own and follows the cluster.
fn may_merge(a: &Case, b: &Case, nodes: &[ActiveNode], around: &Surroundings<'_>) -> bool {
    let parted = |case: &Case, other: &Case| other.nodes.keys().any(|key| case.apart.contains(key));
    if parted(a, b) || parted(b, a) {
        return false;
    }
    if b.has_key(&a.keys(around.alerts).collect(), around.alerts) {
        return true;
    }
    // What failing traces told apart is not joined again because they have become fewer.
    let split = |part: &Case, whole: &Case| {
        let from = |id| id == whole.id || whole.merged_from.contains(&id);
        part.split_from.is_some_and(from)
    };
    if split(a, b) || split(b, a) {
        return false;
    }
    if let Some(is_one) = foreign::is_one(a, b, around) {
        return is_one;
    }
    let origins = |case: &Case| -> Vec<Name> {
        let active = nodes.iter().filter(|n| n.measured && case.nodes.contains_key(&n.key));
        let strong = active.filter(|node| node.opening_level() >= around.config.support_level);
        strong.filter_map(|node| node.key.service().cloned()).collect()
    };
    let (left, right) = (origins(a), origins(b));
    if left.is_empty() || right.is_empty() {
        return true;
    }
    let pairs = left.len() * right.len();
    let tied = left.iter().flat_map(|x| right.iter().map(move |y| (x, y)));
    let tied = tied.filter(|(x, y)| common_cause(x, y, around)).count();
    tied * 10 >= pairs * 5
}

fn common_cause(a: &Name, b: &Name, around: &Surroundings<'_>) -> bool {
    if roots::related(a, b, around) {
        return true;
    }
    let need = around.map.callees(b);
    let shared = |name: &&Name| need.contains(*name) && roots::is_blind(around.map, name);
    around.map.callees(a).iter().any(|name| shared(&name))
}

/// Makes the nodes of a cluster members, unless they are members of another live case. Returns the alerts
/// that came with them.
fn enlist<'a>(
    world: &mut World,
    id: IncidentId,
    pane: Pane,
    nodes: &'a [ActiveNode],
    component: &Component,
    held: &mut Holders,
    rules: Rules<'_>,
) -> Added<'a> {
    let mut added: Added<'a> = BTreeMap::new();
    let World { cases, recent, .. } = world;
    let Some(slot) = cases.get_mut(&id) else { return added };
    let case = Arc::make_mut(slot);
    let mut joined: BTreeMap<Name, Pane> = BTreeMap::new();
    for (at, reason) in &component.members {
        let free = |node: &&ActiveNode| held.get(&node.key).is_none_or(|holder| *holder == id);
        let Some(node) = nodes.get(*at).filter(free) else { continue };
        held.insert(node.key.clone(), id);
        let reason = if case.nodes.is_empty() { JoinReason::First } else { *reason };
        if let Some(service) = node.key.service().filter(|_| !case.nodes.contains_key(&node.key)) {
            joined.insert(service.clone(), node.onset);
        }
        let member = Member { onset: node.onset, measured: node.measured, reason };
        let known = case.nodes.entry(node.key.clone()).or_insert(member);
        if node.measured && !known.measured {
            known.measured = true;
            known.onset = node.onset;
        }
        let why = known.reason;
        for (place, fingerprint) in node.alerts.iter().enumerate() {
            let why =
                if place == 0 && node.symptoms.is_empty() { why } else { JoinReason::SameEntity };
            let is_new = case.add_alert(*fingerprint, why);
            // What was only listed is heard now.
            if is_new || case.listed.remove(fingerprint) {
                case.last_news = case.last_news.max(pane);
                case.frozen = None;
            }
            if is_new {
                added.insert(*fingerprint, (&node.key, id));
            }
        }
    }
    catch_up(case, &joined, recent, rules);
    added
}

/// An alert is heard in one live case: one that let go of the service kept what had ended of it, and
/// would be held open by it, or come back for it, once it fires anew.
fn take_over(world: &mut World, added: &Added<'_>) {
    if added.is_empty() {
        return;
    }
    for slot in world.cases.values_mut().filter(|case| case.is_live()) {
        let taken = |fingerprint: &&Fingerprint| {
            let has = |(key, id): &(&NodeKey, IncidentId)| {
                *id != slot.id && !slot.nodes.contains_key(*key)
            };
            added.get(fingerprint).is_some_and(has)
        };
        // By the shorter of the two: one alert asks all cases, a storm asks each case for its own.
        let gone: Vec<Fingerprint> = if slot.alerts.len() < added.len() {
            slot.alerts.keys().filter(taken).copied().collect()
        } else {
            let known = added.keys().filter(|fingerprint| slot.alerts.contains_key(fingerprint));
            known.filter(taken).copied().collect()
        };
        if !gone.is_empty() {
            let case = Arc::make_mut(slot);
            gone.iter().for_each(|fingerprint| case.let_go(fingerprint));
        }
    }
}

/// New members bring what the last panes said of them since their onset, but not what
/// was over before the case began.
fn catch_up(
    case: &mut Case,
    joined: &BTreeMap<Name, Pane>,
    recent: &VecDeque<(Pane, Arc<PaneSummary>)>,
    rules: Rules<'_>,
) {
    let horizon = rules.config.ranking.evidence_panes;
    let opened = case.first_opened(rules.config.width);
    let since = of_its_time(case, rules.config);
    for (pane, summary) in recent.iter().filter(|(pane, _)| *pane >= since) {
        let of: BTreeSet<Name> = joined
            .iter()
            .filter(|(_, onset)| **onset <= *pane)
            .map(|(service, _)| service.clone())
            .collect();
        if !of.is_empty() {
            let early = opened.is_none_or(|opened| pane.since(opened) <= horizon);
            case.absorb(*pane, summary, &of, early);
        }
    }
}

/// The first pane whose facts may be a case's: as long before its onset as an effect comes after its cause.
fn of_its_time(case: &Case, config: &CorrelateConfig) -> Pane {
    let lag = config.width.panes_in(longest_lag(!case.rests_on_metrics()));
    Pane(case.onset().0.saturating_sub(lag))
}

/// Splits cases in which two independent roots each explain a good part for themselves.
fn split_cases(world: &mut World, pane: Pane, around: &Surroundings<'_>, rules: Rules<'_>) {
    let ids: Vec<IncidentId> =
        world.cases.values().filter(|case| case.is_live()).map(|case| case.id).collect();
    for id in ids {
        let Some(case) = world.cases.get(&id) else { continue };
        let services: Vec<&Name> = case.nodes.keys().filter_map(NodeKey::service).collect();
        let roots = roots::independent_roots(&services, SPLIT_SHARE, around);
        let two = roots.len() >= 2 && !case.is_whole;
        if !two && case.two_roots == 0 {
            continue;
        }
        let due = two && case.two_roots + 1 >= SPLIT_PANES;
        let mut parts = if due { parts(case, &roots, around) } else { Vec::new() };
        parts.retain(|keys| !case.is_torn(keys, around.alerts));
        let Some(slot) = world.cases.get_mut(&id) else { continue };
        let case = Arc::make_mut(slot);
        case.two_roots = if two && !due { case.two_roots + 1 } else { 0 };
        let mut born = Vec::new();
        for keys in parts {
            let part = part(case, &keys, pane, around.alerts);
            born.push((keys, part));
        }
        for (keys, part) in born {
            settle_in(world, part, keys.first(), rules);
        }
    }
}

/// Cuts members out of a case, with their alerts, as a case of its own in the same state.
pub(super) fn part(case: &mut Case, keys: &BTreeSet<NodeKey>, pane: Pane, alerts: &Alerts) -> Case {
    let mut part = case.cut(keys, IncidentId(0), pane);
    part.hot_panes = case.hot_panes;
    part.state = case.state;
    part.history.clone_from(&case.history);
    let moved = |fp: &Fingerprint| speaks_of(&alerts.get(*fp), keys);
    part.alerts = case.alerts.extract_if(.., |fp, _| moved(fp)).collect();
    part.listed = case.listed.extract_if(.., |fp| moved(fp)).collect();
    part
}

/// Gives a new case its id and its place.
pub(super) fn settle_in(
    world: &mut World,
    mut case: Case,
    first: Option<&NodeKey>,
    rules: Rules<'_>,
) {
    case.id = free_id(world, first, case.first_onset, rules);
    world.cases.insert(case.id, Arc::new(case));
}

/// The members of each root but the leading one, which keeps the id: the one with most evidence.
fn parts(case: &Case, roots: &[Name], around: &Surroundings<'_>) -> Vec<BTreeSet<NodeKey>> {
    let evidence = case.evidence_by_service();
    let weight = |root: &Name| evidence.get(root).copied().unwrap_or_default();
    let leading =
        roots.iter().max_by_key(|root| (weight(root), std::cmp::Reverse((*root).clone())));
    let mut parts: BTreeMap<&Name, BTreeSet<NodeKey>> = BTreeMap::new();
    for key in case.nodes.keys() {
        let Some(service) = key.service() else { continue };
        if let Some(root) = roots.get(roots::nearest(roots, service, around)) {
            parts.entry(root).or_default().insert(key.clone());
        }
    }
    parts.into_iter().filter(|(root, _)| Some(*root) != leading).map(|(_, keys)| keys).collect()
}

/// Alerts go with the node that they are bound to; what is bound to none stays.
pub(super) fn speaks_of(alert: &Option<&AlertState>, keys: &BTreeSet<NodeKey>) -> bool {
    let node = alert.and_then(|state| state.binding.node());
    node.is_some_and(|name| keys.contains(&NodeKey::Service(name.clone())))
}
