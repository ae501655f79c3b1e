//! Durations in sparse logarithmic buckets (DDSketch, Masson et al. 2019): any quantile within
//! 2 %, and adding two histograms adds integers, so the order of additions cannot matter.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// Relative error of a bucket's value.
const ALPHA: f64 = 0.02;
/// Ratio of neighbouring bucket bounds, (1 + alpha) / (1 - alpha).
const GAMMA: f64 = (1.0 + ALPHA) / (1.0 - ALPHA);
/// Natural logarithm of [`GAMMA`], which every span would else ask for again.
const LN_GAMMA: f64 = 0.040_005_334_613_699_206;
/// Lower bound of the first bucket; shorter durations fall into it. Unit: nanoseconds.
const SHORTEST_NS: f64 = 1000.0;
/// Last bucket; its lower bound is about 1,000 s, longer durations fall into it.
const BUCKET_LAST: u16 = 518;

/// The shortest duration of each bucket, and for each power of two the bucket of it: every span asks
/// several times, and a logarithm costs more than all else about it. Unit: nanoseconds.
static BUCKETS: LazyLock<Buckets> = LazyLock::new(Buckets::new);

struct Buckets {
    /// By bucket.
    first_ns: Vec<u64>,
    /// By the number of leading zeros of a duration: the bucket of the shortest of them.
    by_zeros: [u16; 65],
}

impl Buckets {
    fn new() -> Self {
        let first = |bucket: u16| {
            let (mut below, mut at) = (0_u64, u64::MAX);
            while at - below > 1 {
                let middle = below + (at - below) / 2;
                if by_logarithm(middle) < bucket { below = middle } else { at = middle }
            }
            at
        };
        let first_ns = (0..=BUCKET_LAST).map(|bucket| if bucket == 0 { 0 } else { first(bucket) });
        let shortest = |zeros: usize| 1_u64.checked_shl(63 - zeros as u32).unwrap_or(0);
        let by_zeros =
            std::array::from_fn(
                |zeros| if zeros == 64 { 0 } else { by_logarithm(shortest(zeros)) },
            );
        Self { first_ns: first_ns.collect(), by_zeros }
    }

    fn of(&self, duration_ns: u64) -> u16 {
        let mut bucket =
            self.by_zeros.get(duration_ns.leading_zeros() as usize).copied().unwrap_or(0);
        // A power of two holds 18 buckets at most.
        let is_above =
            |at: u16| self.first_ns.get(usize::from(at)).is_some_and(|ns| *ns <= duration_ns);
        for step in [16, 8, 4, 2, 1] {
            if is_above(bucket + step) {
                bucket += step;
            }
        }
        bucket
    }
}

/// What a bucket is by definition.
fn by_logarithm(duration_ns: u64) -> u16 {
    let ratio = duration_ns as f64 / SHORTEST_NS;
    if ratio <= 1.0 {
        return 0;
    }
    let index = libm::floor(libm::log(ratio) / LN_GAMMA);
    // Saturating float-to-integer conversion.
    (index as u16).min(BUCKET_LAST)
}

/// A sparse histogram of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// (bucket, count), sorted by bucket, no zero counts.
    buckets: Vec<(u16, u64)>,
}

impl Histogram {
    /// The bucket of a duration.
    #[must_use]
    pub fn bucket_of(duration_ns: u64) -> u16 {
        BUCKETS.of(duration_ns)
    }

    /// Lower bound of a bucket. Unit: nanoseconds.
    #[must_use]
    pub fn lower_bound_ns(bucket: u16) -> f64 {
        SHORTEST_NS * libm::pow(GAMMA, f64::from(bucket))
    }

    /// The value that stands for a bucket, within 2 % of everything in it. Unit: nanoseconds.
    #[must_use]
    pub fn value_ns(bucket: u16) -> f64 {
        Self::lower_bound_ns(bucket) * 2.0 * GAMMA / (GAMMA + 1.0)
    }

    /// Counts one duration.
    pub fn add(&mut self, duration_ns: u64) {
        self.add_bucket(Self::bucket_of(duration_ns), 1);
    }

    /// Counts durations of one bucket.
    pub fn add_bucket(&mut self, bucket: u16, count: u64) {
        if count == 0 {
            return;
        }
        match self.buckets.binary_search_by_key(&bucket, |&(b, _)| b) {
            Ok(at) => {
                if let Some(entry) = self.buckets.get_mut(at) {
                    entry.1 = entry.1.saturating_add(count);
                }
            }
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }

    /// Adds another histogram's counts.
    pub fn absorb(&mut self, other: &Self) {
        for &(bucket, count) in &other.buckets {
            self.add_bucket(bucket, count);
        }
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|&(_, count)| count).sum()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The bucket that holds the quantile `q` of 0..=1 (lower of two neighbours); `None` if empty.
    #[must_use]
    pub fn quantile_bucket(&self, q: f64) -> Option<u16> {
        let rank = (q.clamp(0.0, 1.0) * self.count() as f64) as u64;
        let mut seen = 0;
        for &(bucket, count) in &self.buckets {
            seen += count;
            if seen > rank {
                return Some(bucket);
            }
        }
        self.buckets.last().map(|&(bucket, _)| bucket)
    }

    /// How many durations lie in buckets above `bucket`.
    #[must_use]
    pub fn count_above(&self, bucket: u16) -> u64 {
        self.iter().filter(|&(b, _)| b > bucket).map(|(_, count)| count).sum()
    }

    /// (bucket, count) in rising order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.buckets.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_for_its_durations_within_two_percent() {
        let mut ns = 1000.0;
        while ns < 9e11 {
            let value = Histogram::value_ns(Histogram::bucket_of(ns as u64));
            assert!((value / ns - 1.0).abs() < 0.021, "{ns} {value}");
            ns *= 1.013;
        }
        assert_eq!(Histogram::bucket_of(u64::MAX), BUCKET_LAST);
    }

    #[test]
    fn a_bucket_is_found_as_the_logarithm_says() {
        let near = |ns: &u64| [ns.saturating_sub(1), *ns, ns.saturating_add(1)];
        let mut durations: Vec<u64> = BUCKETS.first_ns.iter().flat_map(near).collect();
        durations.extend((0..64).map(|bit| 1_u64 << bit).flat_map(|ns| near(&ns)));
        let mut ns = 1_u64;
        while ns < u64::MAX / 2 {
            durations.push(ns);
            ns += ns / 977 + 1;
        }
        for ns in durations {
            assert_eq!(Histogram::bucket_of(ns), by_logarithm(ns), "{ns}");
        }
    }

    #[test]
    fn the_constant_is_the_logarithm_bit_by_bit() {
        assert_eq!(LN_GAMMA.to_bits(), libm::log(GAMMA).to_bits());
    }

    #[test]
    fn quantiles_follow_the_counts() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_bucket(0.5), None);
        for ms in 1..=100 {
            histogram.add(ms * 1_000_000);
        }
        let median = Histogram::value_ns(histogram.quantile_bucket(0.5).unwrap());
        assert!((median / 51e6 - 1.0).abs() < 0.03, "{median}");
        let above = histogram.count_above(Histogram::bucket_of(90_000_000));
        assert!((6..=10).contains(&above), "{above}");
    }
}
