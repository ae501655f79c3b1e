//! The guilty change: its rank, and what is blamed first.

use std::sync::Arc;

use model::incident::Incident;

use super::labels::Fault;
use super::ranks::{Ranking, first_hypotheses, first_incidents, strict_rank};

/// What the incidents of a fault say of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeVerdict {
    /// The guilty change's rank among the changes that are blamed; its aliases count as it.
    pub rank: Option<usize>,
    /// The very first hypothesis blames the guilty change.
    pub guilty_first: bool,
    /// The very first hypothesis blames a change that the source planted as a decoy.
    pub decoy_first: bool,
    /// There is an incident, and its very first hypothesis blames no change.
    pub none_first: bool,
}

/// Judges the changes of a fault's incidents. Ties are lost: among hypotheses of the first's score
/// one decoy is a decoy hit, and one change is a change.
#[must_use]
pub fn judge(incidents: &[&Arc<Incident>], fault: &Fault) -> ChangeVerdict {
    let rankings: Vec<Ranking<&str>> = incidents.iter().map(|i| blamed(i)).collect();
    let first: Vec<Option<&str>> = first_incidents(incidents)
        .flat_map(|incident| first_hypotheses(incident))
        .map(|hypothesis| hypothesis.change.as_ref().map(|change| change.id.as_str()))
        .collect();
    let some = !first.is_empty();
    ChangeVerdict {
        rank: strict_rank(&rankings, |change| fault.is_guilty(change)),
        guilty_first: some && first.iter().all(|id| id.is_some_and(|id| fault.is_guilty(id))),
        decoy_first: first.iter().flatten().any(|id| fault.is_decoy(id)),
        none_first: some && first.iter().all(Option::is_none),
    }
}

fn blamed(incident: &Incident) -> Ranking<&str> {
    let entries = incident.hypotheses.iter();
    Ranking {
        impact: incident.blast_radius.impact,
        entries: entries
            .filter_map(|h| Some((h.change.as_ref()?.id.as_str(), h.log_odds)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::{fault, told};

    fn labelled() -> Fault {
        let mut fault = fault(0, "cart");
        fault.change_id = Some("guilty".into());
        fault.change_aliases = Some(vec!["guilty-step-2".into()]);
        fault.decoy_change_ids = Some(vec!["decoy".into()]);
        fault
    }

    #[test]
    fn aliases_count_as_the_change_and_only_changes_are_ranked() {
        let incident = told(
            1,
            1.0,
            &[("a", 9.0, None), ("b", 8.0, Some("other")), ("cart", 7.0, Some("guilty-step-2"))],
        );
        let verdict = judge(&[&incident], &labelled());
        assert_eq!(verdict.rank, Some(2));
        assert!(verdict.none_first && !verdict.guilty_first && !verdict.decoy_first);
    }

    #[test]
    fn a_tie_with_a_decoy_is_a_decoy_hit() {
        let incident = told(1, 1.0, &[("cart", 9.0, Some("guilty")), ("b", 9.0, Some("decoy"))]);
        let verdict = judge(&[&incident], &labelled());
        assert_eq!(verdict.rank, Some(2));
        assert!(verdict.decoy_first && !verdict.guilty_first && !verdict.none_first);
    }

    #[test]
    fn none_needs_an_incident_that_says_so() {
        assert_eq!(judge(&[], &labelled()), ChangeVerdict::default());
        let none = told(1, 1.0, &[("", 9.0, None), ("cart", 8.0, Some("guilty"))]);
        assert!(judge(&[&none], &labelled()).none_first);
        let tie = told(1, 1.0, &[("", 9.0, None), ("cart", 9.0, Some("guilty"))]);
        assert!(!judge(&[&tie], &labelled()).none_first);
    }
}
