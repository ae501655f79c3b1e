//! Clustering: whether incidents group alerts as the faults do, from sets alone.
//!
//! Every alert has a true cluster, its fault, and a found one, its incident. An alert of no fault
//! (noise), or of no incident, is a cluster of its own: noise that is left alone counts as right,
//! noise that is pulled into an incident as wrong. An alert that belongs to several faults has no
//! single true cluster and is left out.

use std::collections::{BTreeMap, BTreeSet};

/// One alert: the number of its fault and that of its incident, `None` for neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouped {
    /// Its fault.
    pub truth: Option<usize>,
    /// Its incident.
    pub found: Option<usize>,
}

/// How often each pair of clusters, true and found, shares alerts.
struct Table {
    cells: BTreeMap<(Cluster, Cluster), f64>,
    rows: BTreeMap<Cluster, f64>,
    columns: BTreeMap<Cluster, f64>,
    all: f64,
}

/// A cluster: one that has a number, or the alert itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cluster {
    Numbered(usize),
    Alone(usize),
}

impl Table {
    fn of(alerts: &[Grouped]) -> Self {
        let mut table = Self {
            cells: BTreeMap::new(),
            rows: BTreeMap::new(),
            columns: BTreeMap::new(),
            all: alerts.len() as f64,
        };
        for (at, alert) in alerts.iter().enumerate() {
            let row = alert.truth.map_or(Cluster::Alone(at), Cluster::Numbered);
            let column = alert.found.map_or(Cluster::Alone(at), Cluster::Numbered);
            *table.cells.entry((row, column)).or_default() += 1.0;
            *table.rows.entry(row).or_default() += 1.0;
            *table.columns.entry(column).or_default() += 1.0;
        }
        table
    }
}

/// The adjusted Rand index (Hubert and Arabie 1985): 1 for equal groupings, 0 in the mean for random
/// ones of the same sizes. `None` for fewer than two alerts; 1 where both groupings are trivial in the
/// same way, for then there was nothing to get wrong.
#[must_use]
pub fn adjusted_rand_index(alerts: &[Grouped]) -> Option<f64> {
    if alerts.len() < 2 {
        return None;
    }
    let table = Table::of(alerts);
    let pairs = |count: &f64| count * (count - 1.0) / 2.0;
    let together: f64 = table.cells.values().map(pairs).sum();
    let rows: f64 = table.rows.values().map(pairs).sum();
    let columns: f64 = table.columns.values().map(pairs).sum();
    let expected = rows * columns / pairs(&table.all);
    let most = (rows + columns) / 2.0;
    Some(if most <= expected { 1.0 } else { (together - expected) / (most - expected) })
}

/// The V-measure (Rosenberg and Hirschberg 2007): the harmonic mean of homogeneity (an incident holds
/// one fault) and completeness (a fault is in one incident). `None` for no alert.
#[must_use]
pub fn v_measure(alerts: &[Grouped]) -> Option<f64> {
    if alerts.is_empty() {
        return None;
    }
    let table = Table::of(alerts);
    let entropy = |sums: &BTreeMap<Cluster, f64>| -> f64 {
        sums.values().map(|count| -count / table.all * libm::log(count / table.all)).sum()
    };
    let given = |columns: bool| -> f64 {
        let term = |((row, column), count): (&(Cluster, Cluster), &f64)| {
            let side = if columns { table.columns.get(column) } else { table.rows.get(row) };
            -count / table.all * libm::log(count / side.copied().unwrap_or(*count))
        };
        table.cells.iter().map(term).sum()
    };
    let share = |rest: f64, whole: f64| if whole <= 0.0 { 1.0 } else { 1.0 - rest / whole };
    let homogeneity = share(given(true), entropy(&table.rows));
    let completeness = share(given(false), entropy(&table.columns));
    let sum = homogeneity + completeness;
    Some(if sum <= 0.0 { 0.0 } else { 2.0 * homogeneity * completeness / sum })
}

/// What a person is spared: 1 - incidents that page / firing alerts that arrived, repeats among them.
/// `None` without alerts.
#[must_use]
pub fn noise_reduction(paging: u64, alerts: u64) -> Option<f64> {
    (alerts > 0).then(|| 1.0 - paging as f64 / alerts as f64)
}

/// The fault that an incident is about: the one that most of its alerts belong to, the first of
/// equals. `None` if it holds no alert of a fault.
#[must_use]
pub fn fault_of(incident: usize, alerts: &[Grouped]) -> Option<usize> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for fault in alerts.iter().filter(|it| it.found == Some(incident)).filter_map(|it| it.truth) {
        *counts.entry(fault).or_default() += 1;
    }
    let best = counts.iter().max_by_key(|(fault, count)| (**count, std::cmp::Reverse(**fault)));
    best.map(|(fault, _)| *fault)
}

/// Of the faults that have alerts of their own, how many there are and how many have an incident, among
/// those that page, that is about them. A fault that is swallowed by another one's incident has none.
#[must_use]
pub fn recalled(alerts: &[Grouped], paging: &BTreeSet<usize>) -> (usize, usize) {
    let faults: BTreeSet<usize> = alerts.iter().filter_map(|it| it.truth).collect();
    let told: BTreeSet<usize> =
        paging.iter().filter_map(|incident| fault_of(*incident, alerts)).collect();
    (faults.len(), faults.intersection(&told).count())
}

/// How many incidents hold alerts of two faults or more.
#[must_use]
pub fn wrong_merges(alerts: &[Grouped]) -> usize {
    let mut faults: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for alert in alerts {
        if let (Some(fault), Some(incident)) = (alert.truth, alert.found) {
            faults.entry(incident).or_default().insert(fault);
        }
    }
    faults.values().filter(|faults| faults.len() > 1).count()
}

/// Precision and recall of named changes over faults: what was named first, and what is guilty.
/// Precision is `None` if none was named, recall if none is guilty.
#[must_use]
pub fn precision_and_recall(faults: &[(Option<&str>, Option<&str>)]) -> (Option<f64>, Option<f64>) {
    let named = faults.iter().filter(|(named, _)| named.is_some()).count();
    let guilty = faults.iter().filter(|(_, guilty)| guilty.is_some()).count();
    let right = faults.iter().filter(|(named, guilty)| named.is_some() && named == guilty).count();
    let share = |whole: usize| (whole > 0).then(|| right as f64 / whole as f64);
    (share(named), share(guilty))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alerts(pairs: &[(Option<usize>, Option<usize>)]) -> Vec<Grouped> {
        pairs.iter().map(|(truth, found)| Grouped { truth: *truth, found: *found }).collect()
    }

    fn close(value: Option<f64>, wanted: f64) {
        let value = value.unwrap();
        assert!((value - wanted).abs() < 1e-9, "{value} instead of {wanted}");
    }

    #[test]
    fn equal_groupings_are_perfect_whatever_their_numbers() {
        let same = alerts(&[
            (Some(0), Some(7)),
            (Some(0), Some(7)),
            (Some(1), Some(3)),
            (Some(1), Some(3)),
            (None, None),
        ]);
        close(adjusted_rand_index(&same), 1.0);
        close(v_measure(&same), 1.0);
        assert_eq!(wrong_merges(&same), 0);
    }

    /// Faults {a, b, c} and {d, e, f}; incidents {a, b}, {c, d}, {e, f}: pairs together in both
    /// 2; in faults 6; in incidents 3; of 15. Expected 6*3/15 = 1.2; (2 - 1.2) / (4.5 - 1.2).
    #[test]
    fn the_index_is_the_one_computed_by_hand() {
        let mixed = alerts(&[
            (Some(0), Some(0)),
            (Some(0), Some(0)),
            (Some(0), Some(1)),
            (Some(1), Some(1)),
            (Some(1), Some(2)),
            (Some(1), Some(2)),
        ]);
        close(adjusted_rand_index(&mixed), 0.8 / 3.3);
        // H(fault) = ln 2; H(fault | incident) = 2/6 ln 2, so homogeneity 2/3.
        // H(incident) = ln 3; H(incident | fault) = ln 3 - 2/3 ln 2 by the chain rule: the joint
        // entropy is ln 3 + 1/3 ln 2, less ln 2.
        let completeness = (2.0 / 3.0) * libm::log(2.0) / libm::log(3.0);
        let homogeneity = 2.0 / 3.0;
        close(v_measure(&mixed), 2.0 * homogeneity * completeness / (homogeneity + completeness));
        assert_eq!(wrong_merges(&mixed), 1);
    }

    /// Noise n in the incident of {a, b}: pairs in faults 1, in incidents 3, in both 1, of 3.
    /// Expected 1; (1 - 1) / (2 - 1) = 0.
    #[test]
    fn noise_that_is_pulled_in_costs_and_noise_left_alone_does_not() {
        let pulled = alerts(&[(Some(0), Some(0)), (Some(0), Some(0)), (None, Some(0))]);
        close(adjusted_rand_index(&pulled), 0.0);
        let alone = alerts(&[(Some(0), Some(0)), (Some(0), Some(0)), (None, Some(1))]);
        close(adjusted_rand_index(&alone), 1.0);
        let missed = alerts(&[(Some(0), Some(0)), (Some(0), None), (None, None)]);
        close(adjusted_rand_index(&missed), 0.0);
    }

    #[test]
    fn too_little_to_group_is_no_figure() {
        assert_eq!(adjusted_rand_index(&alerts(&[(Some(0), None)])), None);
        assert_eq!(v_measure(&[]), None);
        assert_eq!(noise_reduction(0, 0), None);
        close(noise_reduction(2, 100), 0.98);
    }

    #[test]
    fn a_fault_is_recalled_by_an_incident_that_is_about_it() {
        let grouped = alerts(&[
            (Some(0), Some(0)),
            (Some(0), Some(0)),
            (Some(1), Some(0)),
            (Some(2), Some(1)),
            (Some(3), None),
        ]);
        let paging = |ids: &[usize]| ids.iter().copied().collect::<BTreeSet<usize>>();
        assert_eq!(recalled(&grouped, &paging(&[0, 1])), (4, 2));
        assert_eq!(recalled(&grouped, &paging(&[0])), (4, 1), "a suspicion wakes nobody");
        assert_eq!(fault_of(0, &grouped), Some(0));
        assert_eq!(fault_of(9, &grouped), None);
    }

    #[test]
    fn naming_a_decoy_costs_precision_and_naming_none_costs_recall() {
        let faults = [
            (Some("a"), Some("a")),
            (Some("x"), Some("b")),
            (None, Some("c")),
            (Some("y"), None),
            (None, None),
        ];
        let (precision, recall) = precision_and_recall(&faults);
        close(precision, 1.0 / 3.0);
        close(recall, 1.0 / 3.0);
        assert_eq!(precision_and_recall(&[(None, None)]), (None, None));
    }
}
