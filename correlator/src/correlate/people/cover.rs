//! Cover: whether all that a case shows now is muted, and by what.

use std::collections::{BTreeMap, BTreeSet};

use model::name::Name;
use model::time::Timestamp;

use super::mutes::Muted;
use crate::correlate::activity::NodeKey;
use crate::correlate::case::Case;
use crate::correlate::world::{Rules, World};

/// What covers everything in the world at an instant.
pub(in crate::correlate) struct Cover {
    at: Timestamp,
    /// Alerts that are muted.
    pub(in crate::correlate) muted: Muted,
    /// Services that are worked on.
    pub(in crate::correlate) worked_on: BTreeMap<Name, Name>,
}

impl Cover {
    /// What covers at an instant.
    pub(in crate::correlate) fn of(world: &World, now: Timestamp, rules: Rules<'_>) -> Self {
        let mutes = &rules.standing.mutes;
        let node = |name: &Name| world.map.node(name);
        let fired = BTreeMap::new();
        let stale_after = rules.config.alert_stale_after;
        Self {
            at: now,
            muted: mutes.muted(&world.alerts, &fired, now, stale_after, node),
            worked_on: mutes.worked_on((now, Timestamp(now.0.saturating_add(1))), node),
        }
    }

    /// The acts that mute a case: its firing alerts, and its services that are abnormal now or worked on.
    /// Empty if any of them is not covered. `None` if it shows nothing now: then what was true stays.
    pub(in crate::correlate) fn mutes(
        &self,
        case: &Case,
        world: &World,
        rules: Rules<'_>,
    ) -> Option<Vec<Name>> {
        if !case.is_live() {
            return None;
        }
        let mut shown = false;
        let mut acts: BTreeSet<&Name> = BTreeSet::new();
        for fingerprint in case.alerts.keys() {
            let state = world.alerts.get(*fingerprint);
            if !state.is_some_and(|state| state.holds(self.at, rules.config.alert_stale_after)) {
                continue;
            }
            shown = true;
            match self.muted.get(fingerprint) {
                Some(act) => acts.insert(act),
                None => return Some(Vec::new()),
            };
        }
        for service in case.nodes.keys().filter_map(NodeKey::service) {
            match self.worked_on.get(service) {
                Some(act) => {
                    shown = true;
                    acts.insert(act);
                }
                None if world.activity.is_abnormal(service) => return Some(Vec::new()),
                None => {}
            }
        }
        shown.then(|| acts.into_iter().cloned().collect())
    }
}
