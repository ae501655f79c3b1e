//! Keys: alerts to which a grouping rule gave the same key are in one incident.
//!
//! The key is on the alert: rules were evaluated where it entered the journal, so a replay sees the same.
//! It ties clusters and live cases, whatever the map says; only a person parts what it ties.

use std::collections::{BTreeMap, BTreeSet};

use model::name::Name;

use super::activity::{ActiveNode, NodeKey};
use super::case::Case;
use super::dedup::{AlertState, Alerts};

/// Joins clusters, given as indices, whose alerts have a key in common.
pub(super) fn join(groups: Vec<Vec<usize>>, nodes: &[ActiveNode]) -> Vec<Vec<usize>> {
    if nodes.iter().all(|node| node.keys.is_empty()) {
        return groups;
    }
    let mut joined: Vec<Vec<usize>> = Vec::new();
    let mut place_of: BTreeMap<&Name, usize> = BTreeMap::new();
    for group in groups {
        let keys: BTreeSet<&Name> = keys_of(&group, nodes);
        let mut places: BTreeSet<usize> =
            keys.iter().filter_map(|key| place_of.get(key).copied()).collect();
        let Some(first) = places.pop_first() else {
            place_of.extend(keys.into_iter().map(|key| (key, joined.len())));
            joined.push(group);
            continue;
        };
        let mut taken = group;
        for place in places {
            taken.extend(joined.get_mut(place).map(std::mem::take).unwrap_or_default());
        }
        if let Some(all) = joined.get_mut(first) {
            all.extend(taken);
            all.sort_unstable();
            place_of.extend(keys_of(all, nodes).into_iter().map(|key| (key, first)));
        }
    }
    joined.retain(|group| !group.is_empty());
    joined
}

fn keys_of<'a>(group: &[usize], nodes: &'a [ActiveNode]) -> BTreeSet<&'a Name> {
    group.iter().filter_map(|at| nodes.get(*at)).flat_map(|node| &node.keys).collect()
}

impl Case {
    /// Whether an alert of it has one of the keys.
    pub(super) fn has_key(&self, keys: &BTreeSet<&Name>, alerts: &Alerts) -> bool {
        !keys.is_empty() && self.keys(alerts).any(|key| keys.contains(key))
    }

    /// Whether cutting some members out would part alerts of the same key.
    pub(super) fn is_torn(&self, members: &BTreeSet<NodeKey>, alerts: &Alerts) -> bool {
        let states = || self.alerts.keys().filter_map(|fingerprint| alerts.get(*fingerprint));
        let goes = |state: &&AlertState| members.contains(&state.node());
        let gone: BTreeSet<&Name> =
            states().filter(goes).filter_map(|state| state.alert.group.as_ref()).collect();
        let mut kept = states().filter(|state| !goes(state));
        kept.any(|state| state.alert.group.as_ref().is_some_and(|key| gone.contains(key)))
    }

    /// The keys of its alerts.
    pub(super) fn keys<'a>(&'a self, alerts: &'a Alerts) -> impl Iterator<Item = &'a Name> {
        let states = self.heard().filter_map(|fingerprint| alerts.get(*fingerprint));
        states.filter_map(|state| state.alert.group.as_ref())
    }
}
