//! Nodes without telemetry (database, queue, host, outside party) are seen through their dependants:
//! when most of them fail together, the shared node is the simpler explanation.

use model::hypothesis::{Evidence, EvidenceTerm};
use model::name::Name;

use crate::correlate::roots::is_blind;

use super::{View, evidence};

/// Probability that a dependant is abnormal if the shared node is the cause.
const GIVEN_CAUSE: f64 = 0.7;
/// Least probability that a dependant is abnormal by itself.
const BY_ITSELF_MIN: f64 = 0.1;
/// Bound of the term. Unit: nats.
const CAP: f64 = 15.0;

/// The share of abnormal services among those that do not need the node: a node that half of a
/// troubled system needs is not to blame for half of its needers being in trouble.
fn elsewhere(abnormal: usize, view: &View<'_>, dependants: usize) -> f64 {
    let others = view.world.map.service_count().saturating_sub(dependants).max(abnormal);
    let share = (abnormal as f64 + 1.0) / (others as f64 + 2.0);
    share.clamp(BY_ITSELF_MIN, GIVEN_CAUSE)
}

/// `ln P(k of n | common cause) - ln P(k of n | independent)`, only for nodes without telemetry with
/// at least two abnormal dependants.
pub(super) fn term(view: &View<'_>, name: &Name) -> Option<Evidence> {
    if !is_blind(&view.world.map, name) {
        return None;
    }
    let members = view.case.services();
    let dependants = view.world.map.callers(name);
    let abnormal = dependants.iter().filter(|caller| members.contains(*caller)).count();
    if abnormal < 2 {
        return None;
    }
    let well = dependants.len() - abnormal;
    let alone = elsewhere(members.len() - abnormal, view, dependants.len());
    let nats = abnormal as f64 * libm::log(GIVEN_CAUSE / alone)
        + well as f64 * libm::log((1.0 - GIVEN_CAUSE) / (1.0 - alone));
    let text =
        format!("{abnormal} of the {} services that need it are in trouble", dependants.len());
    Some(evidence::row(EvidenceTerm::CommonCause, nats.clamp(-CAP, CAP), text))
}
