//! The stall watchdog: what to do when Kafka cannot give what stands at an offset.
//!
//! librdkafka asks for a batch that it cannot read (a bad checksum, a decompression that fails)
//! again and again, for good (librdkafka issues 5260, 5595). How many offsets such a batch has is
//! not told. So after some failures at one offset the reader leaps forward, in steps that double
//! until something is readable, and then narrows down by halves to where that begins: only what
//! cannot be read is passed over.
//!
//! ```text
//! reading --failed 3 times--> leaping --readable--> narrowing --nothing between--> reading
//! ```

/// Failures at one offset before it is stepped over.
const PATIENCE: u32 = 3;

/// Where one partition stands. Offsets are those at which reading was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stall {
    /// As it should be, or failing for the first few times.
    Reading { failures: u32 },
    /// `bad` cannot be read; what is `step` further on is tried next.
    Leaping { bad: u64, step: u64 },
    /// `bad` cannot be read, `good` can; what is between them is not known.
    Narrowing { bad: u64, good: u64 },
}

impl Default for Stall {
    fn default() -> Self {
        Self::Reading { failures: 0 }
    }
}

impl Stall {
    /// What is at `at` could not be read. Returns where to try next, if not there again; never
    /// beyond `end`, the partition's end.
    pub(super) fn failed_at(&mut self, at: u64, end: u64) -> Option<u64> {
        let step = match *self {
            Self::Reading { failures } if failures + 1 < PATIENCE => {
                *self = Self::Reading { failures: failures + 1 };
                return None;
            }
            Self::Reading { .. } => 1,
            Self::Leaping { step, .. } => step.saturating_mul(2),
            Self::Narrowing { good, .. } => return Some(self.narrow(at, good).unwrap_or(good)),
        };
        *self = Self::Leaping { bad: at, step };
        Some(at.saturating_add(step).min(end.max(at + 1)))
    }

    /// What is at `at` can be read, or `at` is the end. Returns where to try before that is taken.
    pub(super) fn readable_at(&mut self, at: u64) -> Option<u64> {
        match *self {
            Self::Reading { .. } => {
                *self = Self::default();
                None
            }
            Self::Leaping { bad, .. } | Self::Narrowing { bad, .. } => self.narrow(bad, at),
        }
    }

    fn narrow(&mut self, bad: u64, good: u64) -> Option<u64> {
        let between = good.saturating_sub(bad) / 2;
        if between == 0 {
            *self = Self::default();
            return None;
        }
        *self = Self::Narrowing { bad, good };
        Some(bad + between)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a partition of which a stretch is damaged; returns where reading goes on for good,
    /// and how many tries that took.
    fn go_on(damaged: std::ops::Range<u64>, end: u64) -> (u64, u32) {
        let mut stall = Stall::default();
        let mut at = damaged.start;
        for tries in 1..1000 {
            let next = if damaged.contains(&at) {
                stall.failed_at(at, end).or(Some(at))
            } else {
                stall.readable_at(at)
            };
            match next {
                Some(next) => at = next,
                None => return (at, tries),
            }
        }
        (at, u32::MAX)
    }

    #[test]
    fn it_is_patient_before_it_steps_over() {
        let mut stall = Stall::default();
        assert_eq!(stall.failed_at(10, 99), None);
        assert_eq!(stall.failed_at(10, 99), None);
        assert_eq!(stall.failed_at(10, 99), Some(11));
    }

    #[test]
    fn a_record_restores_its_patience() {
        let mut stall = Stall::default();
        assert_eq!((stall.failed_at(9, 99), stall.failed_at(9, 99)), (None, None));
        assert_eq!(stall.readable_at(9), None);
        assert_eq!(stall.failed_at(10, 99), None);
    }

    proptest! {
        // Of any damaged stretch exactly that is passed over, in a number of tries that grows with
        // the logarithm of its length.
        #[test]
        fn only_what_is_damaged_is_passed_over(
            start in 0_u64..1000, length in 1_u64..100_000, rest in 0_u64..1000
        ) {
            let damaged = start..start + length;
            let (at, tries) = go_on(damaged.clone(), damaged.end + rest);
            prop_assert_eq!(at, damaged.end);
            prop_assert!(tries <= PATIENCE + 2 * (length.ilog2() + 3), "{} tries", tries);
        }
    }
}
