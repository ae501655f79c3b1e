//! Healthy time, and what was told in it.
//!
//! *Healthy time* of a stream without faults is all of it, from its first record to its last. Of a
//! stream with faults it is the time inside its windows, and between its first window and its last
//! wherever telemetry arrives, without `[onset - u - 120 s, end + u + 180 s]` of each fault. A fault
//! ends as labelled (`duration_s`), else with its window and not before 180 s; the 180 s after it are
//! the time that an incident needs to be sure of quiet. What happens outside of the windows' span is
//! not judged: recordings hold earlier faults there that nobody labelled. A figure without that
//! grace, over all time outside `[onset - u, end + u]`, stands beside it.

use model::incident::IncidentState;
use model::time::{Nanos, Timestamp};

use super::labels::{Fault, StreamLabels};
use super::play::Played;
use super::stretches::Stretches;
use super::suite::{Stream, Window};
use super::whose::is_in_time;

/// How long after a fault an incident may stay open: the engine's default time of quiet. A constant
/// of the scorer, so that no setting of the engine changes what is measured.
const QUIET_AFTER: Nanos = Nanos::from_secs(180);

/// What a stream's healthy time was like. Lengths add up over streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Healthy time.
    pub healthy: Nanos,
    /// Of it, the time with any incident open.
    pub open: Nanos,
    /// All time outside of the faults alone, without grace.
    pub bare: Nanos,
    /// Of it, the time with any incident open.
    pub open_bare: Nanos,
    /// Incidents that were open and are no fault's, opened or begun in healthy time. Merged ones
    /// are left out: the one that they became counts.
    pub false_incidents: usize,
}

impl Health {
    /// The sum of two streams'.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |a: Nanos, b: Nanos| Nanos(a.0 + b.0);
        Self {
            healthy: sum(self.healthy, other.healthy),
            open: sum(self.open, other.open),
            bare: sum(self.bare, other.bare),
            open_bare: sum(self.open_bare, other.open_bare),
            false_incidents: self.false_incidents + other.false_incidents,
        }
    }

    /// Share of healthy time with any incident open; `None` without healthy time.
    #[must_use]
    pub fn open_share(&self) -> Option<f64> {
        share(self.open, self.healthy)
    }

    /// The same over all time outside of the faults, without grace.
    #[must_use]
    pub fn open_share_bare(&self) -> Option<f64> {
        share(self.open_bare, self.bare)
    }

    /// False incidents per healthy hour; `None` without healthy time.
    #[must_use]
    pub fn false_per_hour(&self) -> Option<f64> {
        let hours = self.healthy.as_secs_f64() / 3600.0;
        (hours > 0.0).then(|| self.false_incidents as f64 / hours)
    }
}

fn share(part: Nanos, whole: Nanos) -> Option<f64> {
    (whole.0 > 0).then(|| part.0 as f64 / whole.0 as f64)
}

/// Judges a stream's healthy time.
#[must_use]
pub fn health(stream: &Stream, labels: &StreamLabels, played: &Played) -> Health {
    let Some((first, last)) = played.coverage.extent else { return Health::default() };
    let faults: Vec<(&Fault, &Window)> = labels
        .faults
        .iter()
        .filter_map(|fault| Some((fault, stream.windows.iter().find(|w| w.id == fault.window)?)))
        .collect();
    let looked_at = looked_at(stream, &faults, played, (first, last));
    let near =
        |(fault, window): &(&Fault, &Window)| (fault.earliest(), fault.end(window) + QUIET_AFTER);
    let during = |(fault, window): &(&Fault, &Window)| {
        (fault.onset - fault.uncertainty(), fault.end(window))
    };
    let healthy = looked_at.without(&Stretches::union(faults.iter().map(near)));
    let bare = looked_at.without(&Stretches::union(faults.iter().map(during)));
    let courses = || played.history.courses.values();
    let open = Stretches::union(courses().flat_map(|course| course.open_stretches(last)));
    let is_false = |course: &&super::history::Course| {
        let Some(opened) = course.opened(Timestamp(i64::MAX)) else { return false };
        let onset = course.last.onset_at;
        course.last.state != IncidentState::Merged
            && (healthy.contains(opened) || healthy.contains(onset))
            && !faults.iter().any(|(fault, window)| is_in_time(onset, window, fault))
    };
    Health {
        healthy: healthy.length(),
        open: open.within(&healthy).length(),
        bare: bare.length(),
        open_bare: open.within(&bare).length(),
        false_incidents: courses().filter(is_false).count(),
    }
}

/// The time that can be judged at all.
fn looked_at(
    stream: &Stream,
    faults: &[(&Fault, &Window)],
    played: &Played,
    extent: (Timestamp, Timestamp),
) -> Stretches {
    let extent = Stretches::union([extent]);
    if faults.is_empty() {
        return extent;
    }
    let windows = || stream.windows.iter();
    let from = windows().map(|window| window.start).min();
    let to = windows().map(|window| window.end).max();
    let between = Stretches::union(from.zip(to)).within(&played.coverage.telemetry());
    let inside = windows().map(|window| (window.start, window.end));
    Stretches::union(inside.chain(between.iter())).within(&extent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::{at, fault, incident, stream};
    use crate::eval::history::History;
    use crate::eval::play::Coverage;
    use crate::stages::observe::ObserveStats;
    use model::recording::{TopicRecord, topic};

    /// A stream with telemetry each 60 s of `[0, end]`, and incidents `(onset, opened, resolved)`.
    fn played(end: i64, incidents: &[(i64, i64, i64)]) -> Played {
        let mut coverage = Coverage::default();
        for second in (0..=end).step_by(60) {
            coverage.note(&TopicRecord {
                topic: topic::METRICS.into(),
                timestamp_ms: second * 1000,
                key: None,
                headers: Vec::new(),
                value: Vec::new(),
            });
        }
        let mut history = History::new(std::iter::empty());
        for (number, (onset, opened, resolved)) in (1..).zip(incidents) {
            let mut revision = incident(number, *onset);
            revision.updated_at = at(*opened);
            history.take(revision.clone());
            revision.updated_at = at(*resolved);
            revision.state = IncidentState::Resolved;
            history.take(revision);
        }
        Played { history, finals: Vec::new(), coverage, stats: ObserveStats::default() }
    }

    fn labels(faults: Vec<Fault>) -> StreamLabels {
        StreamLabels { faults, raw: serde_json::Value::Null }
    }

    #[test]
    fn a_stream_without_faults_is_healthy_throughout() {
        let played = played(3600, &[(0, 600, 960), (2000, 2000, 2360)]);
        let health = health(&stream("s", &[]), &labels(Vec::new()), &played);
        assert_eq!(health.healthy, Nanos::from_secs(3600));
        assert!((health.open_share().unwrap() - 0.2).abs() < 1e-12);
        assert_eq!(health.false_incidents, 2);
        assert!((health.false_per_hour().unwrap() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_fault_takes_its_neighbourhood_out() {
        // Windows [600, 1200] and [3000, 3600]; fault at 900 until its window's end at 1200.
        let stream = stream("s", &[(600, 1200), (3000, 3600)]);
        // Of the fault: opened 930, resolved 1800, so open in healthy time from 1380 to 1800.
        // False: opened 2000 to 2100. Before the first window: not judged.
        let played = played(7200, &[(900, 930, 1800), (2000, 2000, 2100), (10, 20, 30)]);
        let health = health(&stream, &labels(vec![fault(900, "cart")]), &played);
        // [600, 3600] without [780, 1380].
        assert_eq!(health.healthy, Nanos::from_secs(3000 - 600));
        assert_eq!(health.open, Nanos::from_secs(420 + 100));
        assert_eq!(health.false_incidents, 1);
        // [600, 3600] without [900, 1200].
        assert_eq!(health.bare, Nanos::from_secs(2700));
        assert_eq!(health.open_bare, Nanos::from_secs(600 + 100));
    }

    #[test]
    fn without_healthy_time_there_is_no_share() {
        let played = played(300, &[]);
        let health = health(&stream("s", &[(0, 300)]), &labels(vec![fault(60, "cart")]), &played);
        assert_eq!((health.open_share(), health.false_per_hour()), (None, None));
    }
}
