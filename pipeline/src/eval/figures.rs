//! What a suite comes to. Never over several suites: a pooled figure hides who fails where.

use model::time::Nanos;
use serde_json::Value;

use super::calibration::{CalibrationFigures, Promise};
use super::chance;
use super::comparators::{ALL, Compared};
use super::detection::Health;
use super::judge::{FaultResult, StreamResult};
use super::measure::StreamMeasure;
use super::ranks::RankFigures;
use super::verdict::Verdict;

/// The figures of one suite.
#[derive(Clone, Debug)]
pub struct SuiteFigures {
    /// Streams.
    pub streams: usize,
    /// Faults.
    pub faults: usize,
    /// By the incidents that were ever open: what the product claims.
    pub open: Counted,
    /// What the figures would be if suspected incidents counted.
    pub suspected: Counted,
    /// Healthy time.
    pub health: Health,
    /// The greatest uncertainty of an onset: how far off the times to an incident may be.
    pub onset_margin: Nanos,
    /// Mean AC@1, AC@3 and AC@5 of a guess among the services heard of; of the faults with a root
    /// cause.
    pub chance: [f64; 3],
    /// How the comparators did; those that had nothing to say in the whole suite are left out.
    pub comparators: Vec<ComparatorFigures>,
    /// Figures of further measures, with their names.
    pub measured: Vec<(&'static str, Value)>,
}

/// How one comparator did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComparatorFigures {
    /// Its name.
    pub name: &'static str,
    /// Of the root cause's service; `None` if it never named a service.
    pub ranks: Option<RankFigures>,
    /// Of the guilty change; `None` if it never named a change.
    pub change: Option<RankFigures>,
    /// Faults at which it puts a planted decoy first.
    pub decoy_hits: usize,
}

/// The figures of one way of counting incidents.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// Of the root cause's service, over the faults that have one.
    pub ranks: RankFigures,
    /// Faults without a cause inside the system, and how often that was said first.
    pub nothing: Share,
    /// Of the guilty change, over the faults that have one.
    pub change: RankFigures,
    /// Of the guilty changes, how many the very first hypothesis blames.
    pub guilty_first: Share,
    /// Faults at which a planted decoy is blamed first.
    pub decoy_hits: usize,
    /// Faults without guilty change, and how often no change was blamed first.
    pub none: Share,
    /// Mean Jaccard of the observed reach, over the faults whose reach is labelled.
    pub jaccard: Option<f64>,
    /// How many those are.
    pub jaccard_cases: usize,
    /// Faults with an incident.
    pub detected: Share,
    /// From the onset to the first revision, over the detected faults.
    pub until_told: Option<Times>,
    /// From the onset to the first open revision, over the detected faults that have one.
    pub until_open: Option<Times>,
    /// Mean number of incidents a fault claims. Unit: incidents.
    pub incidents_per_fault: f64,
    /// Calibration of the first hypothesis, over the detected faults.
    pub calibration: Option<CalibrationFigures>,
}

/// Some of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many have it.
    pub hits: usize,
    /// Of how many.
    pub cases: usize,
}

impl Share {
    fn of<T>(items: impl Iterator<Item = T>, hit: impl Fn(&T) -> bool) -> Self {
        items.fold(Self::default(), |sum, item| Self {
            hits: sum.hits + usize::from(hit(&item)),
            cases: sum.cases + 1,
        })
    }

    /// The share. Zero of nothing. Unit: 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        self.hits as f64 / self.cases.max(1) as f64
    }
}

/// Quantiles of lengths of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The median.
    pub p50: Nanos,
    /// 95 of 100 are not longer.
    pub p95: Nanos,
}

impl Times {
    /// Quantiles by nearest rank: the smallest that a share of the values does not exceed. `None`
    /// without values.
    #[must_use]
    pub fn of(mut values: Vec<Nanos>) -> Option<Self> {
        values.sort_unstable();
        let quantile = |percent: usize| {
            values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied()
        };
        Some(Self { p50: quantile(50)?, p95: quantile(95)? })
    }
}

impl SuiteFigures {
    /// Sums up a suite's streams.
    #[must_use]
    pub fn of(streams: &[StreamResult], measures: &[&dyn StreamMeasure]) -> Self {
        let faults: Vec<&FaultResult> = streams.iter().flat_map(|stream| &stream.faults).collect();
        let blamed: Vec<&&FaultResult> =
            faults.iter().filter(|result| result.fault.service().is_some()).collect();
        let guess = |k: usize| {
            let sum: f64 = blamed.iter().map(|result| chance::guess(k, result.services)).sum();
            sum / blamed.len().max(1) as f64
        };
        let measured = measures.iter().enumerate().filter_map(|(place, measure)| {
            let said: Vec<&Value> =
                streams.iter().filter_map(|s| s.measured.get(place)?.as_ref()).collect();
            (!said.is_empty()).then(|| (measure.name(), measure.sum(&said)))
        });
        Self {
            streams: streams.len(),
            faults: faults.len(),
            open: Counted::of(&faults, |result| &result.open),
            suspected: Counted::of(&faults, |result| &result.suspected),
            health: streams.iter().fold(Health::default(), |sum, s| sum.plus(s.health)),
            onset_margin: faults.iter().map(|r| r.fault.uncertainty()).max().unwrap_or_default(),
            chance: [guess(1), guess(3), guess(5)],
            comparators: compared(&faults),
            measured: measured.collect(),
        }
    }
}

fn compared(faults: &[&FaultResult]) -> Vec<ComparatorFigures> {
    let figures = ALL.iter().enumerate().map(|(place, comparator)| {
        let all: Vec<(&FaultResult, Compared)> =
            faults.iter().filter_map(|r| Some((*r, *r.compared.get(place)?))).collect();
        let ranks = |wanted: fn(&FaultResult) -> bool, rank: fn(&Compared) -> Option<usize>| {
            let wanted = all.iter().filter(|(result, _)| wanted(result));
            RankFigures::of(&wanted.map(|(_, compared)| rank(compared)).collect::<Vec<_>>())
        };
        let services = all.iter().any(|(_, compared)| compared.named_services);
        let changes = all.iter().any(|(_, compared)| compared.named_changes);
        ComparatorFigures {
            name: comparator.name,
            ranks: services.then(|| ranks(|r| r.fault.service().is_some(), |c| c.rank)),
            change: changes.then(|| ranks(|r| r.fault.change_id.is_some(), |c| c.change_rank)),
            decoy_hits: all.iter().filter(|(_, compared)| compared.decoy_first).count(),
        }
    });
    figures.filter(|figures| figures.ranks.is_some() || figures.change.is_some()).collect()
}

impl Counted {
    fn of(faults: &[&FaultResult], verdict: fn(&FaultResult) -> &Verdict) -> Self {
        let all = || faults.iter().map(|result| (*result, verdict(result)));
        let blamed = || all().filter(|(result, _)| result.fault.service().is_some());
        let nothing = || all().filter(|(result, _)| result.fault.service().is_none());
        let guilty = || all().filter(|(result, _)| result.fault.change_id.is_some());
        let innocent = || all().filter(|(result, _)| result.fault.change_id.is_none());
        let jaccards: Vec<f64> = all().filter_map(|(_, v)| v.jaccard).collect();
        let promises: Vec<Promise> = all().filter_map(|(_, v)| v.promise).collect();
        let incidents: usize = all().map(|(_, v)| v.incidents).sum();
        Self {
            ranks: RankFigures::of(&blamed().map(|(_, v)| v.rank).collect::<Vec<_>>()),
            nothing: Share::of(nothing(), |(_, v)| v.nothing_right),
            change: RankFigures::of(&guilty().map(|(_, v)| v.change.rank).collect::<Vec<_>>()),
            guilty_first: Share::of(guilty(), |(_, v)| v.change.guilty_first),
            decoy_hits: all().filter(|(_, v)| v.change.decoy_first).count(),
            none: Share::of(innocent(), |(_, v)| v.change.none_first),
            jaccard: (!jaccards.is_empty())
                .then(|| jaccards.iter().sum::<f64>() / jaccards.len() as f64),
            jaccard_cases: jaccards.len(),
            detected: Share::of(all(), |(_, v)| v.incidents > 0),
            until_told: Times::of(all().filter_map(|(_, v)| v.until_told).collect()),
            until_open: Times::of(all().filter_map(|(_, v)| v.until_open).collect()),
            incidents_per_fault: incidents as f64 / faults.len().max(1) as f64,
            calibration: CalibrationFigures::of(&promises),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::changes::ChangeVerdict;
    use crate::eval::fixture::fault;

    fn result(rank: Option<usize>, change: Option<(&str, ChangeVerdict)>) -> FaultResult {
        let mut fault = fault(0, "cart");
        fault.change_id = change.map(|(id, _)| id.to_owned());
        let open = Verdict {
            incidents: usize::from(rank.is_some()) * 2,
            rank,
            change: change.map(|(_, verdict)| verdict).unwrap_or_default(),
            until_told: rank.map(|_| Nanos::from_secs(10)),
            jaccard: rank.map(|_| 0.5),
            ..Verdict::default()
        };
        // Only the first comparator speaks, and is right where the product is.
        let mut compared = vec![Compared::default(); ALL.len()];
        compared[0] = Compared { named_services: true, rank, ..Compared::default() };
        FaultResult {
            fault,
            suspected: open.clone(),
            open,
            incidents: Vec::new(),
            services: 4,
            compared,
            explanation: None,
        }
    }

    fn stream(faults: Vec<FaultResult>) -> StreamResult {
        StreamResult {
            stream: "s".into(),
            faults,
            health: Health { false_incidents: 1, ..Health::default() },
            measured: vec![Some(Value::from(3))],
        }
    }

    struct Total;

    impl StreamMeasure for Total {
        fn name(&self) -> &'static str {
            "total"
        }
        fn judge(&self, _: &crate::eval::measure::StreamEnd<'_>) -> Option<Value> {
            None
        }
        fn sum(&self, judged: &[&Value]) -> Value {
            judged.iter().filter_map(|value| value.as_i64()).sum::<i64>().into()
        }
    }

    #[test]
    fn a_suite_by_hand() {
        let hit = ChangeVerdict { rank: Some(1), guilty_first: true, ..ChangeVerdict::default() };
        let none = ChangeVerdict { none_first: true, ..ChangeVerdict::default() };
        let mut innocent = result(Some(1), None);
        innocent.open.change = none;
        let streams = [
            stream(vec![result(Some(1), Some(("c", hit))), result(None, None)]),
            stream(vec![innocent]),
        ];
        let figures = SuiteFigures::of(&streams, &[&Total]);
        let open = &figures.open;
        assert_eq!((figures.streams, figures.faults), (2, 3));
        assert!((open.ranks.ac1 - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((open.change.cases, open.change.hits1), (1, 1));
        assert_eq!(open.guilty_first, Share { hits: 1, cases: 1 });
        assert_eq!(open.none, Share { hits: 1, cases: 2 });
        assert_eq!(open.detected, Share { hits: 2, cases: 3 });
        assert!((open.incidents_per_fault - 4.0 / 3.0).abs() < 1e-12);
        assert_eq!((open.jaccard, open.jaccard_cases), (Some(0.5), 2));
        assert_eq!(figures.chance, [0.25, 0.75, 1.0]);
        assert_eq!(figures.health.false_incidents, 2);
        assert_eq!(figures.comparators.len(), 1, "who says nothing is left out");
        assert_eq!(figures.comparators[0].ranks, Some(open.ranks));
        assert_eq!(figures.measured, vec![("total", Value::from(6))]);
    }

    #[test]
    fn quantiles_are_values_that_occur() {
        let seconds = |n: i64| Nanos::from_secs(n);
        let times = Times::of((1..=20).rev().map(seconds).collect()).unwrap();
        assert_eq!((times.p50, times.p95), (seconds(10), seconds(19)));
        let times = Times::of(vec![seconds(7)]).unwrap();
        assert_eq!((times.p50, times.p95), (seconds(7), seconds(7)));
        assert_eq!(Times::of(Vec::new()), None);
    }
}
