//! Decrees: what people say about which services are one incident. Facts of the fold like any other.
//!
//! A person speaks of an incident as it was told; the case behind it may be derived anew, under another
//! id. So a decree remembers the members, and finds the case that has most of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::id::{Fingerprint, IncidentId};
use model::incident::Incident;
use model::name::Name;
use model::time::{Pane, Timestamp};
use serde::{Deserialize, Serialize};

use crate::correlate::activity::NodeKey;
use crate::correlate::case::Case;
use crate::correlate::incident::CaseState;
use crate::correlate::limits::ANCHOR_ALERTS_MAX;
use crate::correlate::membership;
use crate::correlate::world::{Rules, World};

/// An incident as a person saw it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::correlate) struct Anchor {
    case: IncidentId,
    services: BTreeSet<Name>,
    alerts: BTreeSet<Fingerprint>,
}

impl Anchor {
    /// What a person sees of a case.
    pub(in crate::correlate) fn new(case: IncidentId, incident: &Incident) -> Self {
        let alerts = incident.alerts.iter().take(ANCHOR_ALERTS_MAX).map(|alert| alert.fingerprint);
        Self {
            case,
            services: incident.services.iter().cloned().collect(),
            alerts: alerts.collect(),
        }
    }

    /// The case that is meant: by its id, else what took it in, else the told one with most of its members.
    fn find(&self, world: &World) -> Option<IncidentId> {
        if world.cases.contains_key(&self.case) {
            return Some(self.case);
        }
        let took_it = |case: &&Arc<Case>| case.merged_from.contains(&self.case);
        if let Some(case) = world.cases.values().find(took_it) {
            return Some(case.id);
        }
        let told = world.cases.values().filter(|case| case.is_told());
        let common = |case: &Case| {
            let services = case.services().intersection(&self.services).count();
            services + self.alerts.iter().filter(|fp| case.alerts.contains_key(fp)).count()
        };
        let best = told.map(|case| (common(case), std::cmp::Reverse(case.id))).max()?;
        (best.0 > 0).then_some(best.1.0)
    }
}

/// What is to be one, or two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::correlate) enum Bond {
    /// The first becomes part of the second.
    Merge(Anchor, Anchor),
    /// These services leave it.
    Split(Anchor, BTreeSet<Name>),
}

/// A bond with the act that made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::correlate) struct Decree {
    /// When the act arrived.
    pub(in crate::correlate) at: Timestamp,
    /// The act.
    pub(in crate::correlate) act: Name,
    /// What it says.
    pub(in crate::correlate) bond: Bond,
}

/// Carries out what people decided in a pane.
pub(in crate::correlate) fn apply(
    world: &mut World,
    pane: Pane,
    decrees: &[Decree],
    rules: Rules<'_>,
) {
    for decree in decrees {
        match &decree.bond {
            Bond::Merge(from, into) => merge(world, from, into),
            Bond::Split(from, services) => split(world, pane, from, services, rules),
        }
    }
}

fn merge(world: &mut World, from: &Anchor, into: &Anchor) {
    let (Some(from), Some(into)) = (from.find(world), into.find(world)) else { return };
    if from == into {
        return;
    }
    let Some(gone) = world.cases.remove(&from) else { return };
    let Some(slot) = world.cases.get_mut(&into) else { return };
    let kept = Arc::make_mut(slot);
    let parted = |key: &NodeKey, of: &Case| of.nodes.contains_key(key);
    kept.apart.retain(|key| !parted(key, &gone));
    let own: BTreeSet<NodeKey> = kept.nodes.keys().cloned().collect();
    kept.merge(&gone);
    kept.apart.retain(|key| !own.contains(key));
    kept.is_whole = true;
    kept.frozen = None;
    if !kept.is_live() && gone.is_live() {
        kept.state = gone.state;
        kept.resolved_at = None;
    } else if kept.state == CaseState::Suspected && gone.state == CaseState::Open {
        kept.state = CaseState::Open;
    }
}

fn split(
    world: &mut World,
    pane: Pane,
    from: &Anchor,
    services: &BTreeSet<Name>,
    rules: Rules<'_>,
) {
    let Some(id) = from.find(world) else { return };
    let Some(case) = world.cases.get(&id) else { return };
    let leaves = |key: &&NodeKey| key.service().is_some_and(|name| services.contains(name));
    let keys: BTreeSet<NodeKey> = case.nodes.keys().filter(leaves).cloned().collect();
    if keys.is_empty() || keys.len() == case.nodes.len() {
        return;
    }
    let alerts = world.alerts.clone();
    let Some(slot) = world.cases.get_mut(&id) else { return };
    let case = Arc::make_mut(slot);
    let mut part = membership::part(case, &keys, pane, &alerts);
    part.resolved_at = case.resolved_at;
    part.apart.extend(case.nodes.keys().cloned());
    case.apart.extend(keys.iter().cloned());
    case.frozen = None;
    membership::settle_in(world, part, keys.first(), rules);
}
