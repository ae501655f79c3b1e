//! Past: what a cluster has to do with cases that began before it.
//!
//! A live case of another time lets go of what is in trouble anew; a resolved one takes a cluster only if that
//! is its own trouble again, so that no evidence goes to a case that it does not wake
//! (`docs/adr/0014-news-is-news.md`). Deliberately absent: births, and joining cases of one time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::id::{Fingerprint, IncidentId};
use model::time::Timestamp;

use super::activity::{ActiveNode, NodeKey};
use super::case::Case;
use super::cluster::Component;
use super::dedup::AlertState;
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
            case.nodes.retain(|key, _| !own.contains(key));
            case.alerts.retain(|fp, _| !fires.contains(fp) || !speaks_of(&alerts.get(*fp), &own));
            case.symptoms.retain(|key, sum| {
                sum.onset < onset || !own.contains(&NodeKey::Service(key.entity.service.clone()))
            });
            held.retain(|key, _| !own.contains(key));
            if case.nodes.is_empty() && case.rests_on_metrics() {
                emptied.push(case.id);
            }
        } else {
            let mine: Vec<&ActiveNode> =
                members.iter().copied().filter(|node| own.contains(&node.key)).collect();
            case.begin_episode(&mine, recent.iter(), rules.config);
            held.retain(|key, id| *id != case.id || own.contains(key));
        }
    }
    emptied
}

/// Cases that monitors alone told of and whose nodes all went to another one were its first word: they are that
/// one from now on.
pub(super) fn live_on(world: &mut World, emptied: &[IncidentId], heir: IncidentId) {
    for id in emptied.iter().filter(|id| **id != heir) {
        let Some(gone) = world.cases.remove(id) else { continue };
        if let Some(slot) = world.cases.get_mut(&heir) {
            Arc::make_mut(slot).inherit(&gone);
        }
    }
}

/// A resolved case to which a cluster belongs: its trouble has come back, or an alert of it fires anew; or
/// nothing but alerts of its time has come late.
pub(super) fn returning(
    world: &World,
    nodes: &[ActiveNode],
    component: &Component,
    rules: Rules<'_>,
) -> Option<IncidentId> {
    let members: Vec<&ActiveNode> =
        component.members.iter().filter_map(|(at, _)| nodes.get(*at)).collect();
    let is_shown = members.iter().any(|node| node.opening_level() >= rules.config.support_level);
    let belongs = |case: &&Arc<Case>| {
        let Some(resolved_at) = case.resolved_at.filter(|_| !case.is_live()) else { return false };
        // What says too little to tie comes back only to a case of its own.
        let own = |node: &&&ActiveNode| node.ties || case.nodes.len() == 1;
        let known = || members.iter().filter(|node| case.nodes.contains_key(&node.key));
        let fires = || {
            let mut own = known().filter(own);
            own.any(|node| lifecycle::fires_anew(case, node, &world.alerts, resolved_at))
        };
        let is_late = || {
            let mut late = known().filter(|node| !node.measured);
            !is_shown && late.any(|node| self::is_late(world, node, case, resolved_at, rules))
        };
        case.is_again(&members) || fires() || is_late()
    };
    let found = world.cases.values().filter(belongs).max_by_key(|case| (case.resolved_at, case.id));
    found.map(|case| case.id)
}

/// What cases that have ended told: of each of their alerts until when. Made once a pane.
pub(super) struct Told(BTreeMap<Fingerprint, Timestamp>);

impl Told {
    pub(super) fn of(world: &World) -> Self {
        let mut until: BTreeMap<Fingerprint, Timestamp> = BTreeMap::new();
        for case in world.cases.values().filter(|case| !case.is_live()) {
            let Some(resolved_at) = case.resolved_at else { continue };
            for fingerprint in case.alerts.keys() {
                let at = until.entry(*fingerprint).or_insert(resolved_at);
                *at = (*at).max(resolved_at);
            }
        }
        Self(until)
    }

    /// Whether this firing of an alert is among it: that it goes on is no news.
    pub(super) fn has(&self, fingerprint: Fingerprint, state: &AlertState) -> bool {
        self.0.get(&fingerprint).is_some_and(|until| state.since <= *until)
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
