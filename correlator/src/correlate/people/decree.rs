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
            Bond::Merge(from, into) => merge(world, from, into, rules.config.width.end(pane)),
            Bond::Split(from, services) => split(world, pane, from, services, rules),
        }
    }
}

fn merge(world: &mut World, from: &Anchor, into: &Anchor, now: Timestamp) {
    let (Some(from), Some(into)) = (from.find(world), into.find(world)) else { return };
    if from == into {
        return;
    }
    let Some(gone) = world.cases.remove(&from) else { return };
    // What a resolved case had may be a member of another live one by now, and stays there.
    let others = world.cases.values().filter(|case| case.id != into && case.is_live());
    let taken: BTreeSet<NodeKey> =
        others.clone().flat_map(|case| case.nodes.keys().cloned()).collect();
    let heard: BTreeSet<Fingerprint> = others.flat_map(|case| case.heard().copied()).collect();
    let Some(slot) = world.cases.get_mut(&into) else { return };
    let kept = Arc::make_mut(slot);
    let parted = |key: &NodeKey, of: &Case| of.nodes.contains_key(key);
    kept.apart.retain(|key| !parted(key, &gone));
    let own: BTreeSet<NodeKey> = kept.nodes.keys().cloned().collect();
    kept.merge(&gone);
    if kept.is_live() || gone.is_live() {
        kept.nodes.retain(|key, _| !taken.contains(key));
        let elsewhere: Vec<Fingerprint> =
            kept.alerts.keys().filter(|fp| heard.contains(fp)).copied().collect();
        elsewhere.iter().for_each(|fingerprint| kept.let_go(fingerprint));
    }
    kept.apart.retain(|key| !own.contains(key));
    kept.is_whole = true;
    kept.frozen = None;
    let is_back = !kept.is_live() && gone.is_live();
    if is_back || kept.state == CaseState::Suspected && gone.state == CaseState::Open {
        kept.state = gone.state;
        kept.resolved_at = None;
        kept.reopened += u32::from(is_back);
        kept.history.push((now, kept.state));
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
    let Some(mut slot) = world.cases.remove(&id) else { return };
    let case = Arc::make_mut(&mut slot);
    let mut part = membership::part(case, &keys, pane, &world.alerts);
    part.resolved_at = case.resolved_at;
    part.apart.extend(case.nodes.keys().cloned());
    case.apart.extend(keys.iter().cloned());
    case.frozen = None;
    world.cases.insert(id, slot);
    membership::settle_in(world, part, keys.first(), rules);
}

#[cfg(test)]
mod tests {
    use model::id::CellId;
    use model::incident::JoinReason;

    use super::*;
    use crate::correlate::CorrelateConfig;
    use crate::correlate::case::Member;
    use crate::correlate::people::Standing;
    use crate::correlate::tests::dsl::at;

    fn node(name: &str) -> NodeKey {
        NodeKey::Service(name.into())
    }

    fn case(id: u64, state: CaseState, services: &[&str], alerts: &[u64]) -> Arc<Case> {
        let mut case = Case::new(IncidentId(id), Pane(1), Pane(1));
        case.state = state;
        case.resolved_at = (state == CaseState::Resolved).then(|| at(100));
        for name in services {
            let member = Member { onset: Pane(1), measured: true, reason: JoinReason::First };
            case.nodes.insert(node(name), member);
        }
        for alert in alerts {
            case.add_alert(Fingerprint(*alert), JoinReason::First);
        }
        Arc::new(case)
    }

    /// The first becomes part of the second; what is there afterwards.
    fn merged(cases: &[Arc<Case>], from: u64, into: u64) -> World {
        let config = CorrelateConfig::default();
        let (cell, standing) = (CellId("test".into()), Standing::default());
        let mut world = World::new(&config);
        world.cases = cases.iter().map(|case| (case.id, Arc::clone(case))).collect();
        let anchor = |id| Anchor {
            case: IncidentId(id),
            services: BTreeSet::new(),
            alerts: BTreeSet::new(),
        };
        let decree =
            Decree { at: at(200), act: "m".into(), bond: Bond::Merge(anchor(from), anchor(into)) };
        apply(&mut world, Pane(20), &[decree], Rules::new(&cell, &config, &standing));
        world
    }

    #[test]
    fn what_another_live_case_has_by_now_stays_there() {
        let cases = [
            case(1, CaseState::Resolved, &["stock", "web"], &[7, 8]),
            case(2, CaseState::Open, &["web"], &[7]),
            case(3, CaseState::Open, &["cart"], &[9]),
        ];
        let world = merged(&cases, 1, 3);
        let kept = &world.cases[&IncidentId(3)];
        assert_eq!(kept.nodes.keys().cloned().collect::<Vec<_>>(), [node("cart"), node("stock")]);
        assert_eq!(kept.alerts.keys().map(|fp| fp.0).collect::<Vec<_>>(), [8, 9]);
        assert_eq!(world.cases[&IncidentId(2)], cases[1]);
    }

    #[test]
    fn what_another_live_case_only_lists_is_kept() {
        let mut listing = case(2, CaseState::Open, &["web"], &[7]);
        Arc::make_mut(&mut listing).listed.insert(Fingerprint(7));
        let cases = [
            case(1, CaseState::Open, &["stock"], &[]),
            listing,
            case(3, CaseState::Open, &["cart"], &[7]),
        ];
        let world = merged(&cases, 1, 3);
        assert!(world.cases[&IncidentId(3)].alerts.contains_key(&Fingerprint(7)));
    }

    #[test]
    fn what_takes_an_open_case_in_is_open_again() {
        let cases = [
            case(1, CaseState::Open, &["stock"], &[]),
            case(2, CaseState::Resolved, &["cart"], &[]),
        ];
        let world = merged(&cases, 1, 2);
        let kept = &world.cases[&IncidentId(2)];
        assert_eq!((kept.state, kept.resolved_at, kept.reopened), (CaseState::Open, None, 1));
        assert_eq!(kept.history.last().map(|(_, state)| *state), Some(CaseState::Open));
    }
}
