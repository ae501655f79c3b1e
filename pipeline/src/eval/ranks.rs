//! Ranks, strictly: whoever has the same score is ordered against the product.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::entity::EntityKind;
use model::hypothesis::Hypothesis;
use model::incident::Incident;

/// Scores that differ by less are equal: they are sums of the same terms in another order.
const SAME: f64 = 1e-9;

/// Up to which rank AC@k is averaged in Avg@5.
pub const AVERAGED_RANKS: usize = 5;

/// Candidates of one incident, in the product's order, with their scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking<K> {
    /// What the incidents are ordered by.
    pub impact: f64,
    /// Candidate and score.
    pub entries: Vec<(K, f64)>,
}

/// Whether two scores are a tie.
#[must_use]
pub fn tied(a: f64, b: f64) -> bool {
    (a - b).abs() < SAME
}

/// The place of what is right among the distinct candidates of the incidents, read one incident
/// after the other; 1 is the best, `None` if it is not among them. All that is right is one
/// candidate. Ties among candidates, and among incidents, are lost.
#[must_use]
pub fn strict_rank<K: Ord>(rankings: &[Ranking<K>], right: impl Fn(&K) -> bool) -> Option<usize> {
    let mut order: Vec<(&Ranking<K>, Option<BTreeSet<&K>>)> =
        rankings.iter().map(|ranking| (ranking, ahead(ranking, &right))).collect();
    // Among incidents of equal impact those that miss come first, then the worst.
    let against = |ahead: &Option<BTreeSet<&K>>| ahead.as_ref().map_or(0, |a| usize::MAX - a.len());
    order.sort_by(|a, b| {
        b.0.impact.total_cmp(&a.0.impact).then_with(|| against(&a.1).cmp(&against(&b.1)))
    });
    let mut before = BTreeSet::new();
    for (ranking, ahead) in order {
        match ahead {
            Some(ahead) => return Some(before.union(&ahead).count() + 1),
            None => before.extend(ranking.entries.iter().map(|(candidate, _)| candidate)),
        }
    }
    None
}

/// Who stands before what is right in one incident; `None` if it is not there.
fn ahead<K: Ord>(ranking: &Ranking<K>, right: impl Fn(&K) -> bool) -> Option<BTreeSet<&K>> {
    let place = ranking.entries.iter().position(|(candidate, _)| right(candidate))?;
    let score = ranking.entries.get(place)?.1;
    let before = ranking.entries.iter().enumerate();
    let before = before.filter(|(at, (_, other))| *at < place || tied(*other, score));
    Some(before.map(|(_, (candidate, _))| candidate).filter(|c| !right(c)).collect())
}

/// The services that an incident's hypotheses blame. "None" is no service.
#[must_use]
pub fn services(incident: &Incident) -> Ranking<&str> {
    let named = |h: &&Hypothesis| h.entity.kind != EntityKind::Nothing;
    let entries = incident.hypotheses.iter().filter(named);
    Ranking {
        impact: incident.blast_radius.impact,
        entries: entries.map(|h| (h.entity.service.as_str(), h.log_odds)).collect(),
    }
}

/// The incidents that may be the first: those of the greatest impact.
pub fn first_incidents<'a>(
    incidents: &'a [&'a Arc<Incident>],
) -> impl Iterator<Item = &'a Arc<Incident>> + 'a {
    let impact = |incident: &Incident| incident.blast_radius.impact;
    let most = incidents.iter().map(|i| impact(i)).max_by(f64::total_cmp).unwrap_or_default();
    incidents.iter().filter(move |i| tied(impact(i), most)).copied()
}

/// The hypotheses of an incident that may be the first: those with the first's score.
pub fn first_hypotheses(incident: &Incident) -> impl Iterator<Item = &Hypothesis> + '_ {
    let best = incident.hypotheses.first().map(|first| first.log_odds);
    incident.hypotheses.iter().filter(move |h| best.is_some_and(|best| tied(h.log_odds, best)))
}

/// What ranks come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RankFigures {
    /// How many had something to be found.
    pub cases: usize,
    /// How many were found at rank 1.
    pub hits1: usize,
    /// Share found at rank 1. Unit: 0 to 1.
    pub ac1: f64,
    /// Share found among the first three.
    pub ac3: f64,
    /// Share found among the first five.
    pub ac5: f64,
    /// Mean of AC@1 to AC@5.
    pub avg5: f64,
    /// Mean of 1/rank; a miss counts zero.
    pub mrr: f64,
}

impl RankFigures {
    /// Sums up ranks; `None` is a miss. All is zero without cases.
    #[must_use]
    pub fn of(ranks: &[Option<usize>]) -> Self {
        let cases = ranks.len();
        let all = cases.max(1) as f64;
        let hits = |k: usize| ranks.iter().flatten().filter(|rank| **rank <= k).count();
        let ac = |k: usize| hits(k) as f64 / all;
        Self {
            cases,
            hits1: hits(1),
            ac1: ac(1),
            ac3: ac(3),
            ac5: ac(5),
            avg5: (1..=AVERAGED_RANKS).map(ac).sum::<f64>() / AVERAGED_RANKS as f64,
            mrr: ranks.iter().flatten().fold(0.0, |sum, rank| sum + 1.0 / *rank as f64) / all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::told;

    fn ranking(impact: f64, entries: &[(&'static str, f64)]) -> Ranking<&'static str> {
        Ranking { impact, entries: entries.to_vec() }
    }

    fn rank(rankings: &[Ranking<&'static str>]) -> Option<usize> {
        strict_rank(rankings, |name| *name == "truth")
    }

    #[test]
    fn a_tie_is_lost_on_either_side() {
        assert_eq!(rank(&[ranking(1.0, &[("truth", 9.0), ("a", 8.0)])]), Some(1));
        assert_eq!(rank(&[ranking(1.0, &[("truth", 9.0), ("a", 9.0), ("b", 9.0)])]), Some(3));
        assert_eq!(rank(&[ranking(1.0, &[("a", 9.0), ("truth", 8.0), ("b", 8.0)])]), Some(3));
    }

    #[test]
    fn several_hypotheses_of_one_service_are_one_candidate() {
        let entries = [("a", 9.0), ("a", 8.0), ("truth", 7.0), ("truth", 7.0)];
        assert_eq!(rank(&[ranking(1.0, &entries)]), Some(2));
    }

    #[test]
    fn incidents_are_read_by_impact_one_after_the_other() {
        let small = ranking(1.0, &[("truth", 9.0)]);
        let large = ranking(5.0, &[("a", 3.0), ("b", 2.0)]);
        assert_eq!(rank(&[small.clone(), large.clone()]), Some(3));
        let also_a = ranking(1.0, &[("a", 9.0), ("truth", 8.0)]);
        assert_eq!(rank(&[also_a, large]), Some(3), "a is counted once");
        assert_eq!(rank(&[ranking(5.0, &[("a", 1.0)])]), None);
        assert_eq!(rank(&[]), None);
    }

    #[test]
    fn equal_impact_is_ordered_against_the_product() {
        let has = ranking(5.0, &[("truth", 9.0)]);
        let has_not = ranking(5.0, &[("a", 9.0), ("b", 1.0)]);
        let worse = ranking(5.0, &[("a", 9.0), ("truth", 1.0)]);
        assert_eq!(rank(&[has.clone(), has_not.clone()]), Some(3));
        assert_eq!(rank(&[has_not, has.clone()]), Some(3));
        assert_eq!(rank(&[has, worse]), Some(2));
    }

    #[test]
    fn none_is_no_service() {
        let incident = told(1, 1.0, &[("", 9.0, None), ("cart", 8.0, None)]);
        assert_eq!(strict_rank(&[services(&incident)], |name| *name == "cart"), Some(1));
        assert_eq!(first_hypotheses(&incident).count(), 1);
        assert_eq!(
            first_hypotheses(&told(1, 1.0, &[("", 9.0, None), ("a", 9.0, None)])).count(),
            2
        );
        assert_eq!(first_hypotheses(&told(1, 1.0, &[])).count(), 0);
    }

    #[test]
    fn figures_by_hand() {
        let figures = RankFigures::of(&[Some(1), Some(2), Some(4), None]);
        assert_eq!((figures.cases, figures.hits1), (4, 1));
        assert_eq!((figures.ac1, figures.ac3, figures.ac5), (0.25, 0.5, 0.75));
        // (0.25 + 0.5 + 0.5 + 0.75 + 0.75) / 5
        assert!((figures.avg5 - 0.55).abs() < 1e-12);
        // (1 + 1/2 + 1/4) / 4
        assert!((figures.mrr - 0.4375).abs() < 1e-12);
        assert_eq!(RankFigures::of(&[]), RankFigures::default());
    }
}
