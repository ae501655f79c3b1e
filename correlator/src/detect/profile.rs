//! From when on a duration is slow, by the baseline's histogram.

use serde::{Deserialize, Serialize};

use crate::observe::Histogram;

/// Share of slow durations to expect at least.
const SLOW_SHARE: f64 = 0.02;
/// A median plus this is never slow. Unit: nanoseconds.
const SLACK_NS: f64 = 5e6;

/// The threshold of one operation, edge or entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlowProfile {
    /// Durations that it is drawn from.
    pub(crate) samples: u64,
    /// The bucket of the median.
    pub(crate) median: u16,
    /// Durations in buckets above this one are slow.
    pub(crate) threshold: u16,
}

impl SlowProfile {
    /// Threshold max(q99, 2 median, median + 5 ms) of notes 6.3; `None` without any duration.
    pub(crate) fn of(histogram: &Histogram) -> Option<Self> {
        let median = histogram.quantile_bucket(0.5)?;
        let q99 = histogram.quantile_bucket(0.99)?;
        let median_ns = Histogram::value_ns(median);
        let far_ns = (2.0 * median_ns).max(median_ns + SLACK_NS);
        let threshold = q99.max(Histogram::bucket_of(far_ns as u64));
        Some(Self { samples: histogram.count(), median, threshold })
    }

    /// Share of slow durations to expect. The share beyond the r-th largest of n samples has mean
    /// r/(n+1) and deviation of about sqrt(r)/n (order statistics of a uniform law); with few
    /// samples three deviations more may be normal.
    pub(crate) fn null_share(&self) -> f64 {
        let samples = self.samples as f64;
        let rank = 0.01 * samples + 1.0;
        ((rank + 3.0 * rank.sqrt()) / (samples + 2.0)).clamp(SLOW_SHARE, 0.9)
    }

    /// Time of slow durations beyond the median. Unit: nanoseconds.
    pub(crate) fn excess_ns(&self, histogram: &Histogram) -> f64 {
        let median_ns = Histogram::value_ns(self.median);
        let slow = histogram.iter().filter(|&(bucket, _)| bucket > self.threshold);
        slow.map(|(bucket, count)| (Histogram::value_ns(bucket) - median_ns) * count as f64).sum()
    }
}
