//! What one fault's incidents come to.

use std::sync::Arc;

use model::entity::EntityKind;
use model::hypothesis::Hypothesis;
use model::incident::{Incident, IncidentState};
use model::time::{Nanos, Timestamp};

use super::calibration::Promise;
use super::changes::{self, ChangeVerdict};
use super::labels::Fault;
use super::ranks::{first_hypotheses, services, strict_rank};
use super::reach;
use super::whose::Claim;

/// How many services are shown of a ranking.
const SHOWN: usize = 5;

/// The verdict on one fault, under one way of counting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Incidents that the fault claims.
    pub incidents: usize,
    /// Strict rank of the root cause's service; `None` when it is not named, and when nothing
    /// inside the system is to blame.
    pub rank: Option<usize>,
    /// Nothing inside the system is to blame, and the first hypothesis says so.
    pub nothing_right: bool,
    /// What is said of changes.
    pub change: ChangeVerdict,
    /// Jaccard of the observed reach, where the labels tell it.
    pub jaccard: Option<f64>,
    /// From the onset to the first revision of an incident since it may have been the fault's;
    /// negative before the onset.
    pub until_told: Option<Nanos>,
    /// From the onset to the first revision that is open: somebody is called.
    pub until_open: Option<Nanos>,
    /// The first services that are blamed, in the product's order.
    pub top: Vec<String>,
    /// What the first incident promised.
    pub promise: Option<Promise>,
}

/// Judges the incidents that a fault claims.
#[must_use]
pub fn judge(claims: &[Claim<'_>], fault: &Fault) -> Verdict {
    let incidents: Vec<&Arc<Incident>> = claims.iter().map(|claim| claim.incident).collect();
    let rankings: Vec<_> = incidents.iter().map(|incident| services(incident)).collect();
    let rank = fault.service().and_then(|wanted| strict_rank(&rankings, |name| *name == wanted));
    let mut top: Vec<String> = Vec::new();
    for (service, _) in rankings.iter().flat_map(|ranking| &ranking.entries) {
        if top.len() < SHOWN && !top.iter().any(|known| known == service) {
            top.push((*service).to_owned());
        }
    }
    let first = |moment: fn(&Claim<'_>) -> Option<Timestamp>| {
        claims.iter().filter_map(moment).min().map(|at| at - fault.onset)
    };
    let promise = incidents.first().and_then(|incident| promise(incident, fault));
    Verdict {
        incidents: claims.len(),
        rank,
        nothing_right: fault.service().is_none() && promise.is_some_and(|promise| promise.right),
        change: changes::judge(&incidents, fault),
        jaccard: reach::jaccard(&incidents, fault),
        until_told: first(|claim| claim.course.told(claim.since, None)),
        until_open: first(|claim| claim.course.told(claim.since, Some(IncidentState::Open))),
        top,
        promise,
    }
}

/// What the first hypothesis promises: as whom it blames is what is judged, the probability of all that blame the
/// same, whichever change they name. A tie with a wrong one is wrong.
fn promise(incident: &Incident, fault: &Fault) -> Option<Promise> {
    let first = incident.hypotheses.first()?;
    let size = incident.confidence_set_size;
    let same = incident.hypotheses.iter().filter(|other| other.entity == first.entity);
    Some(Promise {
        probability: same.map(|hypothesis| hypothesis.probability).sum::<f64>().min(1.0),
        right: first_hypotheses(incident).all(|hypothesis| is_right(hypothesis, fault)),
        set_size: size,
        covered: incident.hypotheses.iter().take(size as usize).any(|h| is_right(h, fault)),
    })
}

/// Whether a hypothesis blames the root cause: its service, or nothing where nothing is to blame.
#[must_use]
pub fn is_right(hypothesis: &Hypothesis, fault: &Fault) -> bool {
    let nothing = hypothesis.entity.kind == EntityKind::Nothing;
    match fault.service() {
        Some(service) => !nothing && hypothesis.entity.service.as_str() == service,
        None => nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::{at, fault, told, window};
    use crate::eval::history::History;
    use crate::eval::whose::{Counting, claims};

    #[test]
    fn everything_of_one_fault_by_hand() {
        let mut history = History::new([at(400)].into_iter());
        for (time, state) in [(310, IncidentState::Suspected), (330, IncidentState::Open)] {
            let mut revision =
                (*told(1, 5.0, &[("mail", 9.0, None), ("cart", 4.0, None), ("", 1.0, None)]))
                    .clone();
            revision.onset_at = at(305);
            revision.updated_at = at(time);
            revision.state = state;
            revision.confidence_set_size = 2;
            history.take(revision);
        }
        let fault = fault(320, "cart");
        let claims = claims(&history, 0, &window(300, 400), &fault, Counting::Open);
        let verdict = judge(&claims, &fault);
        assert_eq!((verdict.incidents, verdict.rank), (1, Some(2)));
        assert_eq!(verdict.until_told, Some(Nanos::from_secs(-10)));
        assert_eq!(verdict.until_open, Some(Nanos::from_secs(10)));
        assert_eq!(verdict.top, vec!["mail", "cart"]);
        let promise = verdict.promise.unwrap();
        assert!(!promise.right && promise.covered && promise.set_size == 2);
        assert!(verdict.change.none_first && verdict.jaccard.is_none());
    }

    #[test]
    fn nothing_to_blame_is_right_only_when_said_first() {
        let mut fault = fault(320, "cart");
        fault.root_cause = None;
        let nothing = told(1, 1.0, &[("", 9.0, None), ("cart", 8.0, None)]);
        assert!(promise(&nothing, &fault).unwrap().right);
        let tie = told(1, 1.0, &[("", 9.0, None), ("cart", 9.0, None)]);
        assert!(!promise(&tie, &fault).unwrap().right);
        assert_eq!(judge(&[], &fault), Verdict::default());
    }
}
