//! A service's signals as series of numbers: its metrics, and its logs and spans counted in bins.
//! What methods that know no traces look at.

use std::collections::{BTreeMap, BTreeSet};

use model::name::Name;
use model::signal::MetricKind;
use model::time::{Nanos, Timestamp};

use super::raw::Raw;

/// Width of the bins: RCAEval's multi-source sets, for which these methods were published, sample
/// every 15 s.
const BIN: Nanos = Nanos::from_secs(15);

/// A series of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Whose.
    pub service: Name,
    /// Values, by time.
    pub points: Vec<(Timestamp, f64)>,
}

impl Series {
    /// The values in `[from, to)`.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = f64> + '_ {
        let begin = self.points.partition_point(|(at, _)| *at < from);
        let end = self.points.partition_point(|(at, _)| *at < to).max(begin);
        self.points.get(begin..end).unwrap_or_default().iter().map(|(_, value)| *value)
    }
}

/// Logs and spans of one service in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    logs: u32,
    error_logs: u32,
    spans: u32,
    failed: u32,
    duration_ms: f64,
}

/// Logs and spans, counted per service and bin.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    services: BTreeMap<Name, BTreeMap<i64, Tally>>,
    /// Bins in which anybody logged, and in which anybody had spans: elsewhere a count of zero is
    /// a gap of the recording.
    log_bins: BTreeSet<i64>,
    span_bins: BTreeSet<i64>,
}

fn bin(at: Timestamp) -> i64 {
    at.0.div_euclid(BIN.0)
}

impl Tallies {
    /// Counts a span.
    pub fn span(&mut self, service: &Name, start: Timestamp, duration_ms: f64, failed: bool) {
        self.span_bins.insert(bin(start));
        let tally = self.tally(service, start);
        tally.spans += 1;
        tally.failed += u32::from(failed);
        tally.duration_ms += duration_ms;
    }

    /// Counts a log record.
    pub fn log(&mut self, service: &Name, at: Timestamp, error: bool) {
        self.log_bins.insert(bin(at));
        let tally = self.tally(service, at);
        tally.logs += 1;
        tally.error_logs += u32::from(error);
    }

    fn tally(&mut self, service: &Name, at: Timestamp) -> &mut Tally {
        if !self.services.contains_key(service) {
            self.services.insert(service.clone(), BTreeMap::new());
        }
        // The entry is there; `or_default` only spares a branch that cannot be taken.
        self.services.entry(service.clone()).or_default().entry(bin(at)).or_default()
    }

    fn series(&self) -> Vec<Series> {
        let mut all = Vec::new();
        for (service, bins) in &self.services {
            let over =
                |active: &BTreeSet<i64>, value: fn(&Tally) -> f64| -> Vec<(Timestamp, f64)> {
                    let of = |bin: &i64| bins.get(bin).copied().unwrap_or_default();
                    active.iter().map(|bin| (Timestamp(*bin * BIN.0), value(&of(bin)))).collect()
                };
            let mut push = |points: Vec<(Timestamp, f64)>| {
                if points.iter().any(|(_, value)| *value != 0.0) {
                    all.push(Series { service: service.clone(), points });
                }
            };
            push(over(&self.log_bins, |tally| f64::from(tally.logs)));
            push(over(&self.log_bins, |tally| f64::from(tally.error_logs)));
            push(over(&self.span_bins, |tally| f64::from(tally.failed)));
            // A bin without spans has no latency.
            let timed = bins.iter().filter(|(_, tally)| tally.spans > 0);
            let latency = |tally: &Tally| tally.duration_ms / f64::from(tally.spans);
            push(timed.map(|(bin, tally)| (Timestamp(*bin * BIN.0), latency(tally))).collect());
        }
        all
    }
}

/// All series of a stream: metrics, log counts, error counts, latency. Cumulative sums as rates.
#[must_use]
pub fn all(raw: &Raw) -> Vec<Series> {
    let metrics = raw.metrics.iter().map(|((service, ..), (kind, points))| {
        let mut points = points.clone();
        points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        if *kind == MetricKind::CumulativeSum {
            points = rates(&points);
        }
        Series { service: service.clone(), points }
    });
    metrics.chain(raw.tallies.series()).collect()
}

/// Differences per second; a fall is a restart of the counter and says nothing.
fn rates(points: &[(Timestamp, f64)]) -> Vec<(Timestamp, f64)> {
    let pairs = points.iter().zip(points.iter().skip(1));
    pairs
        .filter(|(before, after)| after.0 > before.0 && after.1 >= before.1)
        .map(|(before, after)| (after.0, (after.1 - before.1) / (after.0 - before.0).as_secs_f64()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::at;

    #[test]
    fn rates_leave_restarts_out() {
        let points = [(at(0), 10.0), (at(10), 30.0), (at(20), 5.0), (at(30), 15.0)];
        assert_eq!(rates(&points), vec![(at(10), 2.0), (at(30), 1.0)]);
    }

    #[test]
    fn zeros_count_where_anybody_speaks_and_nowhere_else() {
        let mut tallies = Tallies::default();
        tallies.log(&"a".into(), at(0), false);
        tallies.log(&"b".into(), at(15), true);
        tallies.log(&"a".into(), at(600), false);
        let series = tallies.series();
        let logs_of_a = vec![(at(0), 1.0), (at(15), 0.0), (at(600), 1.0)];
        assert!(series.contains(&Series { service: "a".into(), points: logs_of_a }));
        let errors_of_b = vec![(at(0), 0.0), (at(15), 1.0), (at(600), 0.0)];
        assert_eq!(series.iter().filter(|s| s.points == errors_of_b).count(), 2, "logs and errors");
        let all: Vec<f64> =
            series.iter().find(|s| *s.service == *"a").unwrap().between(at(10), at(600)).collect();
        assert_eq!(all, vec![0.0]);
    }

    #[test]
    fn latency_is_the_mean_of_a_bins_spans() {
        let mut tallies = Tallies::default();
        tallies.span(&"a".into(), at(0), 10.0, false);
        tallies.span(&"a".into(), at(1), 20.0, true);
        let series = tallies.series();
        assert!(series.iter().any(|s| s.points == vec![(at(0), 15.0)]));
        assert!(series.iter().any(|s| s.points == vec![(at(0), 1.0)]), "one failed");
    }
}
