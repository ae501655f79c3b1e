//! Past: what a cluster has to do with cases that began before it.
//!
//! A live case of another time lets go of what is in trouble anew; a resolved one takes a cluster only if that
//! is its own trouble: it wakes for it, or what murmurs on hides no new alert
//! (`docs/adr/0014-news-is-news.md`). Deliberately absent: births, and joining cases of one time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::id::{Fingerprint, IncidentId};
use model::time::{Pane, Timestamp};
use serde::{Deserialize, Serialize};

use super::activity::{ActiveNode, NodeKey};
use super::case::Case;
use super::cluster::Component;
use super::dedup::{AlertState, Alerts};
use super::incident::CaseState;
use super::lifecycle;
use super::membership::{Holders, group_keys, speaks_of};
use super::world::{Rules, World};

/// Parts a cluster from live cases of another time: two nodes are tied only if their onsets are in order,
/// and so must a cluster be with the case that holds its nodes. An open case lets go of them and of
/// those of their alerts that fire now; one that has ended is listed where it was. A case that nobody was
/// woken for starts anew with what is shown now. Returns the cases that nothing is left of.
pub(super) fn part(
    world: &mut World,
    nodes: &[ActiveNode],
    component: &Component,
    held: &mut Holders,
    rules: Rules<'_>,
) -> Vec<IncidentId> {
    let mut emptied = Vec::new();
    let members: Vec<&ActiveNode> =
        component.members.iter().filter_map(|(at, _)| nodes.get(*at)).collect();
    let shown = |node: &&&ActiveNode| node.opening_level() >= rules.config.support_level;
    let Some(onset) = members.iter().filter(shown).map(|node| node.onset).min() else {
        return emptied;
    };
    let fires: BTreeSet<Fingerprint> =
        members.iter().flat_map(|node| node.alerts.iter().copied()).collect();
    let grouped = group_keys(nodes, component);
    let alerts = &world.alerts;
    let recent = &world.recent;
    for slot in world.cases.values_mut().filter(|case| case.is_live()) {
        let own: BTreeSet<NodeKey> = members
            .iter()
            .map(|node| &node.key)
            .filter(|key| held.get(*key) == Some(&slot.id))
            .cloned()
            .collect();
        if own.is_empty() || slot.takes_in(onset, &own, rules) || slot.has_key(&grouped, alerts) {
            continue;
        }
        let case = Arc::make_mut(slot);
        if case.state == CaseState::Open {
            release(case, &own, (onset, &fires), alerts);
            held.retain(|key, _| !own.contains(key));
            if case.nodes.is_empty() && case.rests_on_metrics() {
                emptied.push(case.id);
            }
        } else {
            let mine: Vec<&ActiveNode> =
                members.iter().copied().filter(|node| own.contains(&node.key)).collect();
            case.begin_episode(&mine, onset, recent.iter());
            held.retain(|key, id| *id != case.id || own.contains(key));
        }
    }
    emptied
}

/// Takes nodes from a case with those of their alerts that fire now and what they show since an onset.
fn release(
    case: &mut Case,
    own: &BTreeSet<NodeKey>,
    (onset, fires): (Pane, &BTreeSet<Fingerprint>),
    alerts: &Alerts,
) {
    case.nodes.retain(|key, _| !own.contains(key));
    case.alerts.retain(|fp, _| !fires.contains(fp) || !speaks_of(&alerts.get(*fp), own));
    case.symptoms.retain(|key, sum| {
        sum.onset < onset || !own.contains(&NodeKey::Service(key.entity.service.clone()))
    });
}

/// Takes a part of a cluster from the open case that holds some of it.
pub(super) fn let_go(
    world: &mut World,
    id: IncidentId,
    nodes: &[ActiveNode],
    part: &Component,
    held: &mut Holders,
) {
    let members = || part.members.iter().filter_map(|(at, _)| nodes.get(*at));
    let is_own = |key: &&NodeKey| held.get(*key) == Some(&id);
    let own: BTreeSet<NodeKey> = members().map(|node| &node.key).filter(is_own).cloned().collect();
    let Some(onset) = members().filter(|node| node.measured).map(|node| node.onset).min() else {
        return;
    };
    if own.is_empty() {
        return;
    }
    let fires = members().flat_map(|node| node.alerts.iter().copied()).collect();
    if let Some(slot) = world.cases.get_mut(&id) {
        release(Arc::make_mut(slot), &own, (onset, &fires), &world.alerts);
    }
    held.retain(|key, _| !own.contains(key));
}

/// Cases that monitors alone told of and the last of whose nodes went to another one were its first word: they
/// wait for it.
pub(super) fn bequeath(world: &mut World, emptied: &[IncidentId], heir: IncidentId) {
    for id in emptied.iter().filter(|id| **id != heir) {
        if let Some(case) = world.cases.get_mut(id) {
            Arc::make_mut(case).heir = Some(heir);
        }
    }
}

/// Whether a case waits for another one that may still call somebody.
pub(super) fn waits(world: &World, case: &Case) -> bool {
    let heir = case.heir.and_then(|id| world.cases.get(&id));
    case.nodes.is_empty() && heir.is_some_and(|heir| heir.is_live())
}

/// What waited for a case is that case from the moment on in which somebody is called for it. Whom it called
/// is not called off for what may turn out to be nothing.
pub(super) fn live_on(world: &mut World) {
    let open = |id: IncidentId| world.cases.get(&id).is_some_and(|c| c.state == CaseState::Open);
    let waiting = world.cases.values().filter(|case| case.is_live() && waits(world, case));
    let due: Vec<(IncidentId, IncidentId)> =
        waiting.filter_map(|case| Some((case.id, case.heir.filter(|heir| open(*heir))?))).collect();
    for (id, heir) in due {
        let Some(gone) = world.cases.remove(&id) else { continue };
        if let Some(slot) = world.cases.get_mut(&heir) {
            Arc::make_mut(slot).inherit(&gone);
        }
    }
}

/// A resolved case to which a cluster belongs: its trouble has come back, or murmurs on and no new alert
/// fires; or an alert of it fires anew; or nothing but alerts of its time has come late.
pub(super) fn returning(
    world: &World,
    nodes: &[ActiveNode],
    component: &Component,
    rules: Rules<'_>,
) -> Option<IncidentId> {
    let level = lifecycle::open_level(world, rules.config);
    let members: Vec<&ActiveNode> =
        component.members.iter().filter_map(|(at, _)| nodes.get(*at)).collect();
    let is_shown = members.iter().any(|node| node.opening_level() >= rules.config.support_level);
    let is_strong = members.iter().any(|node| node.opening_level() >= level);
    let belongs = |case: &&Arc<Case>| {
        let Some(resolved_at) = case.resolved_at.filter(|_| !case.is_live()) else { return false };
        // What says too little to tie comes back only to a case of its own.
        let own = |node: &&&ActiveNode| node.ties || case.nodes.len() == 1;
        let known = || members.iter().filter(|node| case.nodes.contains_key(&node.key));
        if known().next().is_none() {
            return false;
        }
        let fires = || {
            let mut own = known().filter(own);
            own.any(|node| lifecycle::fires_anew(case, node, &world.alerts, resolved_at))
        };
        let is_late = || {
            let mut late = known().filter(|node| !node.measured);
            !is_shown && late.any(|node| self::is_late(world, node, case, resolved_at, rules))
        };
        let is_news = |fingerprint: &Fingerprint| {
            let state = world.alerts.get(*fingerprint);
            !case.alerts.contains_key(fingerprint)
                && state.is_some_and(|state| state.news_since() > resolved_at)
        };
        let has_news = || members.iter().flat_map(|node| &node.alerts).any(is_news);
        fires() || is_late() || ((is_strong || !has_news()) && case.is_again(&members))
    };
    let found = world.cases.values().filter(belongs).max_by_key(|case| (case.resolved_at, case.id));
    found.map(|case| case.id)
}

/// What cases told that have ended: of each of their alerts until when, kept until it fires anew or is
/// forgotten. At most as many as there are alerts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Told(BTreeMap<Fingerprint, Timestamp>);

impl Told {
    /// A case ends.
    pub(super) fn ends(&mut self, case: &Case, now: Timestamp) {
        self.0.extend(case.alerts.keys().map(|fingerprint| (*fingerprint, now)));
    }

    /// A case comes back: its alerts speak for it again.
    pub(super) fn comes_back(&mut self, case: &Case) {
        for fingerprint in case.alerts.keys() {
            self.0.remove(fingerprint);
        }
    }

    /// Forgets the alerts that fire anew, and those that are forgotten themselves.
    pub(super) fn forget(told: &mut Arc<Self>, alerts: &Alerts) {
        let goes_on = |fingerprint: &Fingerprint, until: &Timestamp| {
            alerts.get(*fingerprint).is_some_and(|state| state.news_since() <= *until)
        };
        if !told.0.iter().all(|(fingerprint, until)| goes_on(fingerprint, until)) {
            Arc::make_mut(told).0.retain(|fingerprint, until| goes_on(fingerprint, until));
        }
    }

    /// Whether this firing of an alert is among it: that it goes on is no news.
    pub(super) fn has(&self, fingerprint: Fingerprint, state: &AlertState) -> bool {
        self.0.get(&fingerprint).is_some_and(|until| state.news_since() <= *until)
    }
}

/// Whether all alerts of a node began while the case was going on.
fn is_late(
    world: &World,
    node: &ActiveNode,
    case: &Case,
    resolved_at: Timestamp,
    rules: Rules<'_>,
) -> bool {
    let onset = rules.config.width.start(case.first_onset);
    let inside = |fingerprint: &Fingerprint| {
        let since = world.alerts.get(*fingerprint).map(|state| state.since);
        since.is_some_and(|at| at >= onset && at <= resolved_at)
    };
    !node.alerts.is_empty() && node.alerts.iter().all(inside)
}
