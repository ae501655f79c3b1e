//! The recent past of one metric series: a bounded window of values, their median and spread.

use std::collections::VecDeque;

use model::signal::MetricKind;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::limits::{WINDOW_ACCEPT, WINDOW_MAX};
use crate::observe::SeriesCounts;

/// Fewest values that a range can be drawn from.
const VALUES_MIN: usize = 6;
/// The spread is computed again after so many new values (always while the window is short).
const REFRESH: u8 = 8;
/// Half of a normal law lies within 0.6745 deviations of its centre.
const MAD_TO_DEVIATION: f64 = 1.4826;
/// From this standardised deviation on a value is not learned.
pub(crate) const HOLD_Z: f64 = 4.0;
/// Least spread of a series, as a share of its median.
const SPREAD_MIN: f64 = 0.05;
/// Least spread of a share that stands at its upper bound: what service levels are written in.
const SPREAD_MIN_FULL: f64 = 0.01;
/// Least relative spread of waiting times: minute by minute, factors of 1.35 are noise on small
/// traffic.
const RATIO_SPREAD_MIN: f64 = 0.3;
/// From this share of its bound on, a share counts as standing there.
const FULL_FROM: f64 = 0.97;

/// Recent values of a series. Floats are kept as bits: equality and order are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeriesBaseline {
    window: VecDeque<u64>,
    held: VecDeque<u64>,
    last: Option<(Timestamp, u64)>,
    median: u64,
    deviation: u64,
    age: u8,
    #[serde(default)]
    is_full: bool,
}

/// Where a series usually stands, and how far it strays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usual {
    /// The median.
    pub(crate) median: f64,
    /// The spread, wider while little is known; above zero.
    pub(crate) deviation: f64,
    /// Whether it is a share (of 1 or of 100) that stands at its upper bound.
    pub(crate) is_full: bool,
}

impl SeriesBaseline {
    /// The last point folded in.
    pub(crate) fn last(&self) -> Option<(Timestamp, u64)> {
        self.last
    }

    /// How far a value lies outside of the usual range, in deviations; `None` while too little is
    /// known. The spread is at least 5 % of the median (1 % at the bound of a share), and wider
    /// while the window is short.
    pub(crate) fn standardised(&self, value: f64) -> Option<f64> {
        self.usual().map(|usual| usual.standardised(value))
    }

    /// The usual range; `None` while too little is known.
    pub(crate) fn usual(&self) -> Option<Usual> {
        if self.window.len() < VALUES_MIN {
            return None;
        }
        let thin = 1.0 + 6.0 / self.window.len() as f64;
        Some(Usual {
            median: f64::from_bits(self.median),
            deviation: f64::from_bits(self.deviation) * thin,
            is_full: self.is_full,
        })
    }

    /// Values seen, held ones among them, up to the bound of the window.
    pub(crate) fn seen(&self) -> usize {
        self.window.len() + self.held.len()
    }

    /// Folds in the points of a settled pane.
    pub(crate) fn learn(&mut self, counts: &SeriesCounts) {
        let value = value_of(counts, self.last);
        self.last = self.last.max(Some(counts.last));
        let Some(value) = value else { return };
        if self.standardised(value).is_some_and(|z| z.abs() >= HOLD_Z) {
            push(&mut self.held, value);
            if self.held.len() >= WINDOW_ACCEPT {
                // It stays where it is: this is the new normal.
                self.window = std::mem::take(&mut self.held);
                self.refresh();
            }
            return;
        }
        // Held values of a spell that is over were no new normal.
        self.held.clear();
        push(&mut self.window, value);
        self.age = self.age.saturating_add(1);
        if self.window.len() < 2 * VALUES_MIN || self.age >= REFRESH {
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        self.age = 0;
        let mut values: Vec<f64> = self.window.iter().map(|&bits| f64::from_bits(bits)).collect();
        let median = middle(&mut values);
        let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        let mad = middle(&mut distances) * MAD_TO_DEVIATION;
        // Series that mostly stand still: the mean distance sees what the median does not.
        let mean = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.is_full = [1.0, 100.0]
            .iter()
            .any(|bound| median >= FULL_FROM * bound && most <= bound * 1.000_001);
        let least = if self.is_full { SPREAD_MIN_FULL } else { SPREAD_MIN };
        let floor = (least * median.abs()).max(1e-9);
        self.median = median.to_bits();
        self.deviation = mad.max(mean).max(floor).to_bits();
    }
}

impl Usual {
    /// How far a value lies outside, in deviations.
    pub(crate) fn standardised(&self, value: f64) -> f64 {
        (value - self.median) / self.deviation
    }

    /// The same for what varies by factors, as times of waiting do (they are near log-normal): the
    /// logarithm of the ratio to the median, in relative spreads.
    pub(crate) fn standardised_ratio(&self, value: f64) -> f64 {
        if value <= 0.0 || self.median <= 0.0 {
            return self.standardised(value);
        }
        let spread = (self.deviation / self.median).max(RATIO_SPREAD_MIN);
        libm::log(value / self.median) / spread
    }
}

/// The value of a series in a pane: the last of a gauge, the sum of differences, or the rate of a
/// total since its last point (`None` at the first point and after a reset).
pub(crate) fn value_of(counts: &SeriesCounts, before: Option<(Timestamp, u64)>) -> Option<f64> {
    let value = match counts.kind {
        MetricKind::Gauge => counts.last_value(),
        MetricKind::DeltaSum => counts.sum_value(),
        MetricKind::CumulativeSum => {
            let (then, bits) = before?;
            let elapsed: Nanos = counts.last.0 - then;
            let grown = counts.last_value() - f64::from_bits(bits);
            if elapsed.0 <= 0 || grown < 0.0 {
                return None;
            }
            grown / elapsed.as_secs_f64()
        }
    };
    value.is_finite().then_some(value)
}

fn push(values: &mut VecDeque<u64>, value: f64) {
    if values.len() >= WINDOW_MAX {
        values.pop_front();
    }
    values.push_back(value.to_bits());
}

fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
