//! What each pane means for the state of each case: enough to open, quiet, come back.
//!
//! The table of states is [`super::incident`]; here its events are told from the facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::alert::Severity;
use model::id::IncidentId;
use model::name::Name;
use model::time::{Pane, Timestamp};

use super::activity::{ActiveNode, NodeKey, PRESENT_FROM};
use super::case::{Case, Frozen};
use super::config::CorrelateConfig;
use super::dedup::{AlertState, Alerts};
use super::incident::{CaseEvent, CaseState, next};
use super::limits::WALK_HOPS_MAX;
use super::ranking;
use super::render;
use super::world::{Rules, World};

/// Ends what the time before a pane has ended: gaps hold no facts, but alerts grow stale in them.
pub(super) fn pass_time(world: &mut World, now: Timestamp, rules: Rules<'_>) {
    let due: Vec<(IncidentId, Timestamp)> = world
        .cases
        .values()
        .filter(|case| case.is_live())
        .filter_map(|case| Some((case.id, quiet_at(case, &world.alerts, now, rules.config)?)))
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
    alerts: &Alerts,
    now: Timestamp,
    config: &CorrelateConfig,
) -> Option<Timestamp> {
    if is_held(case, alerts, now, config) {
        return None;
    }
    let ended = case.alerts.keys().filter_map(|fp| alerts.get(*fp)?.ended).max();
    let at = match ended {
        Some(ended) if case.symptoms.is_empty() => ended + config.quiet_after,
        _ => config.width.end(case.last_news) + config.unseen_after,
    };
    (at < now).then_some(at)
}

/// Whether an alert holds a case open: one of a service that carries it; any, where only alerts
/// tell of it.
fn is_held(case: &Case, alerts: &Alerts, now: Timestamp, config: &CorrelateConfig) -> bool {
    let core = case.core();
    let carries = |state: &AlertState| match state.binding.node() {
        Some(node) => core.is_empty() || core.contains(node),
        None => core.is_empty(),
    };
    let holds = |state: &AlertState| carries(state) && state.holds(now, config.alert_stale_after);
    case.alerts.keys().any(|fingerprint| alerts.get(*fingerprint).is_some_and(holds))
}

/// Services with signs that an alert is held against.
const SPEAKING_MAX: usize = 50;

/// Judges every case at the end of a pane.
pub(super) fn judge(world: &mut World, pane: Pane, nodes: &[ActiveNode], rules: Rules<'_>) {
    let now = rules.config.width.end(pane);
    let summary = world.recent.back().map(|(_, summary)| Arc::clone(summary));
    let active: BTreeMap<&NodeKey, &ActiveNode> =
        nodes.iter().map(|node| (&node.key, node)).collect();
    let ids: Vec<IncidentId> = world.cases.keys().copied().collect();
    for id in ids {
        let Some(slot) = world.cases.get_mut(&id) else { continue };
        let members: Vec<&ActiveNode> =
            slot.nodes.keys().filter_map(|key| active.get(key).copied()).collect();
        if slot.is_live() {
            let case = Arc::make_mut(slot);
            if let Some(summary) = &summary {
                case.note_quiet(pane, summary, rules.config.support_level);
                note_heat(case, summary, &members, rules.config);
            }
        }
        let Some(case) = world.cases.get(&id) else { continue };
        let event = event(case, &members, world, now, rules.config);
        enter(world, id, event, now, rules);
    }
}

/// Counts the panes in which telemetry alone would open the case. A pane without takes one away, so
/// that a fault in every other pane still opens.
fn note_heat(
    case: &mut Case,
    summary: &super::facts::PaneSummary,
    members: &[&ActiveNode],
    config: &CorrelateConfig,
) {
    let present = |name: &Name| {
        let own = summary.symptoms.iter().filter(|s| s.entity.service == *name);
        own.into_iter().any(|symptom| symptom.nats >= PRESENT_FROM)
    };
    let hot = members.iter().any(|node| {
        node.opens_by_metrics(config.open_level)
            || node.opening_level() >= config.open_level && node.key.service().is_some_and(present)
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
    now: Timestamp,
    config: &CorrelateConfig,
) -> CaseEvent {
    let alerts = &world.alerts;
    if !case.is_live() {
        return if has_returned(case, members, alerts, config) {
            CaseEvent::Returned
        } else {
            CaseEvent::Quiet
        };
    }
    if case.state == CaseState::Forming && members.is_empty() {
        return CaseEvent::Quiet;
    }
    if is_strong(case, members, world, config) {
        return CaseEvent::Strong;
    }
    if is_quiet(case, alerts, now, config) {
        return CaseEvent::Quiet;
    }
    if case.alerts.is_empty() { CaseEvent::Active } else { CaseEvent::AlertAlone }
}

/// The same symptom of a service that carries the case, with evidence as strong as opens one, or a
/// member alert of such a service that fires anew.
fn has_returned(
    case: &Case,
    members: &[&ActiveNode],
    alerts: &Alerts,
    config: &CorrelateConfig,
) -> bool {
    let Some(resolved_at) = case.resolved_at else { return false };
    let core = case.core();
    let anew = |state: &AlertState| {
        state.status == model::alert::AlertStatus::Firing && state.since > resolved_at
    };
    members.iter().any(|node| {
        let carries = node.key.service().is_some_and(|name| core.contains(name));
        let same = carries
            && node.opening_level() >= config.open_level
            && node.symptoms.iter().any(|key| case.symptoms.contains_key(key));
        let fires = node.alerts.iter().any(|fingerprint| {
            case.alerts.contains_key(fingerprint) && alerts.get(*fingerprint).is_some_and(anew)
        });
        same || fires && (carries || core.is_empty())
    })
}

/// Enough to open: telemetry over the threshold in enough panes, a grave alert, two different
/// alerts, or one alert that telemetry supports, or that somebody's words support.
fn is_strong(
    case: &Case,
    members: &[&ActiveNode],
    world: &World,
    config: &CorrelateConfig,
) -> bool {
    let alerts = &world.alerts;
    if case.hot_panes >= config.open_panes {
        return true;
    }
    let states: Vec<&AlertState> = members
        .iter()
        .flat_map(|node| &node.alerts)
        .filter(|fingerprint| case.alerts.contains_key(fingerprint))
        .filter_map(|fingerprint| alerts.get(*fingerprint))
        .filter(|state| !state.flapping() && state.alert.severity != Severity::Info)
        .collect();
    // A monitor that grades nothing means each of its alerts.
    let is_grave = |severity| severity >= Severity::Error || severity == Severity::Unknown;
    let grave = states.iter().any(|state| is_grave(state.alert.severity));
    let different: BTreeSet<(&Name, Option<&Name>)> =
        states.iter().map(|state| (&state.alert.name, state.binding.node())).collect();
    let supported = members.iter().any(|node| node.opening_level() >= config.support_level);
    let alerted = || states.iter().filter_map(|state| state.binding.node());
    grave
        || different.len() >= 2
        || (supported && !states.is_empty())
        || alerted().any(|node| is_spoken_of(world, node, config))
}

/// Whether others or the platform speak clearly of a service, or of one that it needs.
fn is_spoken_of(world: &World, node: &Name, config: &CorrelateConfig) -> bool {
    let clearly = |name: &&Name| world.signs.weight(name) >= config.support_level;
    let needs = |name: &Name| world.map.distance(node, name, WALK_HOPS_MAX).is_some();
    world.signs.subjects().filter(clearly).take(SPEAKING_MAX).any(needs)
}

/// Quiet: no alert holds it, and its causes kept quiet in panes with telemetry for long enough. A
/// case of alerts alone has only its alerts to go by.
fn is_quiet(case: &Case, alerts: &Alerts, now: Timestamp, config: &CorrelateConfig) -> bool {
    if is_held(case, alerts, now, config) {
        return false;
    }
    if case.symptoms.is_empty() {
        let word = |fingerprint: &model::id::Fingerprint| alerts.get(*fingerprint)?.ended;
        let ended = case.alerts.keys().filter_map(word).max();
        return ended.is_some_and(|at| now - at >= config.quiet_after);
    }
    case.quiet_panes >= config.width.panes_in(config.quiet_after)
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
            freeze(world, id, rules);
        }
        CaseState::Open | CaseState::Suspected | CaseState::Forming => {
            case.reopened += u32::from(before == CaseState::Resolved);
            case.resolved_at = None;
            case.frozen = None;
            case.quiet_panes = 0;
        }
    }
}

/// Keeps what a case showed at its end.
fn freeze(world: &mut World, id: IncidentId, rules: Rules<'_>) {
    let Some(case) = world.cases.get(&id) else { return };
    let analysis = ranking::analyse(world, case, rules.config);
    let alerts = render::alerts(world, case);
    if let Some(case) = world.cases.get_mut(&id) {
        Arc::make_mut(case).frozen = Some(Arc::new(Frozen { analysis, alerts }));
    }
}
