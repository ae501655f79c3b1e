//! Which times of a source can be believed.
//!
//! A recording may be produced into Kafka years after it was made, so a time far *behind* the
//! record's own is legal. A time before 2000 is a clock that was never set, and one a day ahead
//! of a credible arrival has not happened.

use model::time::{Nanos, Timestamp};

/// 2000-01-01T00:00:00Z.
const CREDIBLE_MIN: Timestamp = Timestamp(946_684_800_000_000_000);
/// 2200-01-01T00:00:00Z.
const CREDIBLE_MAX: Timestamp = Timestamp(7_258_118_400_000_000_000);
/// How far ahead of its arrival a signal may be.
const AHEAD_MAX: Nanos = Nanos::from_secs(24 * 3600);

/// The arrival time of a record, as far as it can be believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival(Timestamp);

impl Arrival {
    /// From a Kafka timestamp. Unit: Unix milliseconds.
    pub(crate) const fn from_millis(millis: i64) -> Self {
        Self(Timestamp::from_millis(millis))
    }

    /// The arrival itself, as a last resort for signals without a time.
    pub(crate) const fn timestamp(self) -> Timestamp {
        self.0
    }

    /// The time of a source if it can be believed. Go's zero time (11651379494838206464) and
    /// everything else beyond 2200 is none. Unit: Unix nanoseconds.
    pub(crate) fn credible(self, unix_nanos: u64) -> Option<Timestamp> {
        let at = Timestamp(i64::try_from(unix_nanos).ok()?);
        let known = CREDIBLE_MIN <= self.0 && self.0 <= CREDIBLE_MAX;
        let latest = if known { self.0 + AHEAD_MAX } else { CREDIBLE_MAX };
        (CREDIBLE_MIN <= at && at <= latest).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_absurd_times_are_not_believed_and_old_ones_are() {
        let arrival = Arrival::from_millis(1_773_712_800_000);
        let at = |secs: u64| arrival.credible(secs * 1_000_000_000);
        assert_eq!(arrival.credible(0), None);
        assert_eq!(arrival.credible(11_651_379_494_838_206_464), None, "Go's zero time");
        assert_eq!(arrival.credible(u64::MAX), None);
        assert_eq!(at(1_773_712_800 + 2 * 86_400), None, "two days ahead");
        assert_eq!(at(3_600), None, "a clock that was never set");
        assert!(at(1_340_000_000).is_some(), "a recording of 2012");
        assert!(at(1_773_712_800 + 3_600).is_some(), "a clock one hour ahead");
    }

    #[test]
    fn an_arrival_without_a_time_does_not_judge() {
        assert!(Arrival::from_millis(-1).credible(1_773_712_800_000_000_000).is_some());
        assert!(Arrival::from_millis(i64::MAX).credible(1_773_712_800_000_000_000).is_some());
    }
}
