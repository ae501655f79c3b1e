//! What each pane means for the state of each case: enough to open, quiet, come back.
//!
//! The table of states is [`super::incident`]; here its events are told from the facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::alert::Severity;
use model::id::{Fingerprint, IncidentId};
use model::name::Name;
use model::nats::Nats;
use model::time::{Pane, Timestamp};

use super::activity::{ActiveNode, NodeKey, is_present};
use super::case::{Case, Frozen};
use super::config::CorrelateConfig;
use super::dedup::{AlertState, Alerts};
use super::episode;
use super::habits::{Habits, TELLING_ALERT};
use super::incident::{CaseEvent, CaseState, next};
use super::limits::WALK_HOPS_MAX;
use super::past::{self, Told};
use super::ranking;
use super::render;
use super::world::{Rules, World};

/// Surprise of a grave alert that opens a case alone. A rule of grave alerts keeps it as long as it fires
/// for less than about two minutes a day: one false incident.
const GRAVE_ALERT: Nats = Nats(Nats::from_int(13).0 / 2);
/// Surprise of different alerts together that opens a case: two rules that hardly ever fire.
const ALERTS_TOGETHER: Nats = Nats::from_int(8);
/// Panes with telemetry that must have shown quiet.
const QUIET_PANES_MIN: i64 = 3;

/// Ends what the time before a pane has ended: gaps hold no facts, but alerts grow stale in them.
pub(super) fn pass_time(world: &mut World, now: Timestamp, rules: Rules<'_>) {
    let due: Vec<(IncidentId, Timestamp)> = world
        .cases
        .values()
        .filter(|case| case.is_live())
        .filter_map(|case| Some((case.id, quiet_at(case, world, now, rules.config)?)))
        .collect();
    for (id, at) in due {
        enter(world, id, CaseEvent::Quiet, at, rules);
    }
}

/// When the mere passing of time ended a case: its alerts were resolved for long enough and there
/// was never anything else, or there was no news for long, whether or not telemetry could have
/// brought any.
fn quiet_at(
    case: &Case,
    world: &World,
    now: Timestamp,
    config: &CorrelateConfig,
) -> Option<Timestamp> {
    if is_held(case, world, now, config) {
        return None;
    }
    let ended = case.heard().filter_map(|fp| world.alerts.get(*fp)?.over_since()).max();
    let at = match ended {
        Some(ended) if case.symptoms.is_empty() => ended + config.quiet_after,
        _ => config.width.end(case.last_news) + config.unseen_after,
    };
    (at < now).then_some(at)
}

/// Whether alerts hold a case open. Where requests told of it, only grave ones of a service that carries it:
/// a warning is no reason to stay when nobody suffers. Where only alerts tell of it, all together,
/// half of what opened it, and none that flaps: nothing but its going back and forth is known, and that
/// was told. What is merely suspected is held by any.
///
/// A rule that fires most of the time holds nothing: that it fires says nothing.
fn is_held(case: &Case, world: &World, now: Timestamp, config: &CorrelateConfig) -> bool {
    let (alerts, habits) = (&world.alerts, &world.habits);
    let core = case.core();
    let measured = !case.rests_on_metrics();
    let carries = |state: &AlertState| match state.binding.node() {
        Some(node) => core.is_empty() || core.contains(node),
        None => core.is_empty(),
    };
    let tells = |state: &AlertState| habits.surprise(&state.alert) >= TELLING_ALERT;
    let holding: Vec<&AlertState> = case
        .heard()
        .filter_map(|fingerprint| alerts.get(*fingerprint))
        .filter(|state| carries(state) && tells(state))
        .filter(|state| state.holds(now, config.alert_stale_after))
        .collect();
    let is_grave = |state: &&AlertState| is_graded(state.alert.severity);
    if measured {
        return holding.iter().any(is_grave);
    }
    if case.state != CaseState::Open || !core.is_empty() {
        return !holding.is_empty();
    }
    let holding: Vec<&AlertState> = holding.into_iter().filter(|state| !state.flapping()).collect();
    holding.iter().any(is_grave) || Nats(together(&holding, habits).0 * 2) >= ALERTS_TOGETHER
}

/// Whether a severity means that somebody should come. A monitor that grades nothing means each of its
/// alerts.
fn is_graded(severity: Severity) -> bool {
    severity >= Severity::Error || severity == Severity::Unknown
}

/// Services with signs that an alert is held against.
const SPEAKING_MAX: usize = 50;

/// Judges every case at the end of a pane.
pub(super) fn judge(world: &mut World, pane: Pane, nodes: &[ActiveNode], rules: Rules<'_>) {
    let now = rules.config.width.end(pane);
    let summary = world.recent.back().map(|(_, summary)| Arc::clone(summary));
    let level = open_level(world, rules.config);
    Told::forget(&mut world.told, &world.alerts);
    let active: BTreeMap<&NodeKey, &ActiveNode> =
        nodes.iter().map(|node| (&node.key, node)).collect();
    let (ids, mut held) = in_order_of_claim(world);
    for id in ids {
        let Some(slot) = world.cases.get_mut(&id) else { continue };
        let is_free = |key: &&NodeKey| slot.is_live() || !held.contains(*key);
        let members: Vec<&ActiveNode> =
            slot.nodes.keys().filter(is_free).filter_map(|key| active.get(key).copied()).collect();
        if slot.is_live() {
            let case = Arc::make_mut(slot);
            if let Some(summary) = &summary {
                case.note_quiet(pane, summary, rules);
                note_heat(case, summary, &members, level, rules.config);
            }
        }
        let Some(case) = world.cases.get(&id) else { continue };
        let event = event(case, &members, world, (now, level), rules.config);
        let comes_back =
            !case.is_live() && matches!(event, CaseEvent::Returned | CaseEvent::AlertAnew);
        enter(world, id, event, now, rules);
        if comes_back {
            let recent = world.recent.clone();
            let onset = episode::onset(&members, rules.config);
            if let (Some(slot), Some(onset)) = (world.cases.get_mut(&id), onset) {
                Arc::make_mut(slot).begin_episode(&members, onset, recent.iter());
            }
        }
        if let Some(case) = world.cases.get(&id).filter(|case| case.is_live()) {
            held.extend(case.nodes.keys().cloned());
        }
    }
    past::live_on(world);
}

/// All cases with the nodes of the live ones: live cases first, then the resolved, the last one first. A
/// node belongs to one live case, so what has come back wakes the last case that had it, and no other.
fn in_order_of_claim(world: &World) -> (Vec<IncidentId>, BTreeSet<NodeKey>) {
    let mut cases: Vec<&Arc<Case>> = world.cases.values().collect();
    cases.sort_by_key(|case| (!case.is_live(), std::cmp::Reverse((case.resolved_at, case.id))));
    let live = cases.iter().filter(|case| case.is_live());
    let held = live.flat_map(|case| case.nodes.keys().cloned()).collect();
    (cases.iter().map(|case| case.id).collect(), held)
}

/// Counts the panes in which telemetry alone would open the case. A pane without takes one away, so
/// that a fault in every other pane still opens.
fn note_heat(
    case: &mut Case,
    summary: &super::facts::PaneSummary,
    members: &[&ActiveNode],
    level: Nats,
    config: &CorrelateConfig,
) {
    let present = |name: &Name| {
        let own = summary.symptoms.iter().filter(|s| s.entity.service == *name);
        own.into_iter().any(is_present)
    };
    let hot = members.iter().any(|node| {
        node.opens_by_metrics(level)
            || node.opening_level() >= level && node.key.service().is_some_and(present)
    });
    // Not above what opens: a long fault must not take as long again to be over.
    let more = (case.hot_panes + 1).min(config.open_panes);
    case.hot_panes = match (hot, summary.has_telemetry) {
        (true, _) => more,
        (false, true) => case.hot_panes.saturating_sub(1),
        // Between two scrapes nobody could have said anything.
        (false, false) => case.hot_panes,
    };
}

fn event(
    case: &Case,
    members: &[&ActiveNode],
    world: &World,
    (now, level): (Timestamp, Nats),
    config: &CorrelateConfig,
) -> CaseEvent {
    if !case.is_live() {
        return match returned(case, members, &world.alerts, level) {
            Some(Return::Shown) => CaseEvent::Returned,
            Some(Return::Alerted) if is_strong(case, members, world, config) => CaseEvent::Returned,
            Some(Return::Alerted) => CaseEvent::AlertAnew,
            None => CaseEvent::Quiet,
        };
    }
    if case.state == CaseState::Forming && members.is_empty() {
        return CaseEvent::Quiet;
    }
    // All that it told of belongs to another case now.
    if case.state == CaseState::Open && case.nodes.is_empty() {
        return if past::waits(world, case) { CaseEvent::Active } else { CaseEvent::Quiet };
    }
    if is_strong(case, members, world, config) {
        return CaseEvent::Strong;
    }
    if is_quiet(case, world, now, config) {
        return CaseEvent::Quiet;
    }
    let is_news = |fingerprint: &Fingerprint| {
        let state = world.alerts.get(*fingerprint);
        state.is_none_or(|state| !world.told.has(*fingerprint, state))
    };
    if case.alerts.keys().any(is_news) { CaseEvent::AlertAlone } else { CaseEvent::Active }
}

/// How a resolved case comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Return {
    /// Telemetry shows it.
    Shown,
    /// An alert fires anew.
    Alerted,
}

/// The trouble of the case again, with evidence as strong as opens one, or a member alert of a service that
/// carries it that fires anew.
fn returned(case: &Case, members: &[&ActiveNode], alerts: &Alerts, level: Nats) -> Option<Return> {
    let resolved_at = case.resolved_at?;
    let is_strong = members.iter().any(|node| node.opening_level() >= level);
    if is_strong && case.is_again(members) {
        return Some(Return::Shown);
    }
    let fires = |node: &&ActiveNode| fires_anew(case, node, alerts, resolved_at);
    members.iter().copied().any(|node| fires(&node)).then_some(Return::Alerted)
}

/// Whether a member alert of a service that carries a resolved case fires anew.
pub(super) fn fires_anew(
    case: &Case,
    node: &ActiveNode,
    alerts: &Alerts,
    resolved_at: Timestamp,
) -> bool {
    let anew = |state: &AlertState| {
        state.status == model::alert::AlertStatus::Firing && state.news_since() > resolved_at
    };
    let carries = || {
        let core = case.core();
        core.is_empty() || node.key.service().is_some_and(|name| core.contains(name))
    };
    let mut own = node.alerts.iter().filter(|fingerprint| case.alerts.contains_key(fingerprint));
    own.any(|fingerprint| alerts.get(*fingerprint).is_some_and(anew)) && carries()
}

/// Enough to open: telemetry over the threshold in enough panes, something used up, a grave alert, two
/// different alerts, or one alert that telemetry or somebody's words support. What alerts say is
/// weighed by how often their rules fire anyway; what a case that has ended told already is no news.
fn is_strong(
    case: &Case,
    members: &[&ActiveNode],
    world: &World,
    config: &CorrelateConfig,
) -> bool {
    let (alerts, habits) = (&world.alerts, &*world.habits);
    if case.hot_panes >= config.open_panes || members.iter().any(|node| node.is_saturated) {
        return true;
    }
    let states: Vec<&AlertState> = members
        .iter()
        .flat_map(|node| &node.alerts)
        .filter(|fingerprint| case.alerts.contains_key(fingerprint))
        .filter_map(|fingerprint| Some((fingerprint, alerts.get(*fingerprint)?)))
        .filter(|(_, state)| !state.flapping() && state.alert.severity != Severity::Info)
        .filter(|(fingerprint, state)| !world.told.has(**fingerprint, state))
        .map(|(_, state)| state)
        .collect();
    let surprise = |state: &AlertState| habits.surprise(&state.alert);
    // That one fires for good after it flapped is another thing than how often it does.
    let is_rare = |state: &AlertState| state.is_steady() || surprise(state) >= GRAVE_ALERT;
    let grave = |state: &AlertState| is_graded(state.alert.severity) && is_rare(state);
    let supported = members.iter().any(|node| node.supporting_level() >= config.support_level);
    let most = states.iter().map(|state| surprise(state)).max().unwrap_or_default();
    let mut telling = states.iter().filter(|state| surprise(state) >= TELLING_ALERT);
    states.iter().any(|state| grave(state))
        || together(&states, habits) >= ALERTS_TOGETHER
        || (supported && most >= TELLING_ALERT)
        || telling.any(|state| is_spoken_of(world, state.binding.node(), config))
}

/// Whether others or the platform speak clearly of a service, or of one that it needs.
fn is_spoken_of(world: &World, node: Option<&Name>, config: &CorrelateConfig) -> bool {
    let Some(node) = node else { return false };
    let ever = Pane(i64::MIN);
    let clearly = |name: &&Name| world.signs.weight(name, ever) >= config.support_level;
    let needs = |name: &Name| world.map.distance(node, name, WALK_HOPS_MAX).is_some();
    world.signs.subjects(ever).filter(clearly).take(SPEAKING_MAX).any(needs)
}

/// What different alerts say together: of each rule the first two services, since a rule that fires for
/// many says little more than one that fires for two. Rules that fire every now and then add nothing: on
/// one host or in one rush hour they do so together.
fn together(states: &[&AlertState], habits: &Habits) -> Nats {
    let different: BTreeSet<(&Name, Option<&Name>)> =
        states.iter().map(|state| (&state.alert.name, state.binding.node())).collect();
    let mut rules: BTreeMap<&Name, (Nats, i64)> = BTreeMap::new();
    let telling = |state: &&&AlertState| habits.surprise(&state.alert) >= TELLING_ALERT;
    for state in states.iter().filter(telling) {
        let rule = rules.entry(&state.alert.name).or_default();
        rule.0 = rule.0.max(habits.surprise(&state.alert));
    }
    for (name, _) in different {
        if let Some(rule) = rules.get_mut(name) {
            rule.1 = (rule.1 + 1).min(2);
        }
    }
    rules.values().map(|(nats, times)| Nats(nats.0.saturating_mul(*times))).sum()
}

/// What telemetry has to say to open a case in a system of this size: `ln(K*P/F)` with ten tests a node,
/// the panes of a day and one false incident a day, at most what is configured.
pub(super) fn open_level(world: &World, config: &CorrelateConfig) -> Nats {
    let keys = 10.0 * world.map.size().max(1) as f64;
    let panes = 86_400.0 / config.width.nanos().as_secs_f64();
    Nats::from_f64(libm::log(keys * panes)).min(config.open_level)
}

/// Quiet: no alert holds it, and its causes kept quiet for long enough, as panes with telemetry at the end
/// of that time show: where nothing was asked of a service, nothing was amiss. A case of alerts alone
/// has only its alerts to go by.
fn is_quiet(case: &Case, world: &World, now: Timestamp, config: &CorrelateConfig) -> bool {
    let alerts = &world.alerts;
    if is_held(case, world, now, config) {
        return false;
    }
    if case.symptoms.is_empty() {
        let word = |fingerprint: &Fingerprint| alerts.get(*fingerprint)?.over_since();
        let ended = case.heard().filter_map(word).max();
        return ended.is_some_and(|at| now - at >= config.quiet_after);
    }
    let since = now - config.width.end(case.last_loud);
    case.quiet_panes >= QUIET_PANES_MIN && since >= config.quiet_after
}

/// Moves a case along the table and does what the new state asks for.
fn enter(world: &mut World, id: IncidentId, event: CaseEvent, now: Timestamp, rules: Rules<'_>) {
    let Some(case) = world.cases.get(&id) else { return };
    let before = case.state;
    let Some(after) = next(before, event) else {
        world.cases.remove(&id);
        return;
    };
    if after == before {
        if after == CaseState::Resolved && case.frozen.is_none() {
            freeze(world, id, rules);
        }
        return;
    }
    let Some(slot) = world.cases.get_mut(&id) else { return };
    let case = Arc::make_mut(slot);
    case.state = after;
    case.history.push((now, after));
    match after {
        CaseState::Resolved => {
            case.resolved_at = Some(now);
            Arc::make_mut(&mut world.told).ends(case, now);
            freeze(world, id, rules);
        }
        CaseState::Open | CaseState::Suspected | CaseState::Forming => {
            case.reopened += u32::from(before == CaseState::Resolved);
            case.resolved_at = None;
            case.frozen = None;
            case.quiet_panes = 0;
            if before == CaseState::Resolved {
                Arc::make_mut(&mut world.told).comes_back(case);
            }
        }
    }
}

/// Keeps what a case showed at its end.
fn freeze(world: &mut World, id: IncidentId, rules: Rules<'_>) {
    let Some(case) = world.cases.get(&id) else { return };
    let analysis = ranking::analyse(world, case, rules);
    let alerts = render::alerts(world, case);
    if let Some(case) = world.cases.get_mut(&id) {
        Arc::make_mut(case).frozen = Some(Arc::new(Frozen { analysis, alerts }));
    }
}
