//! Event time of one cell: how far the telemetry itself has come.
//!
//! Event time moves by maximum, so one wrong clock could drag everybody's watermark along. An
//! event time is therefore trusted only if something else speaks for it: the arrival time of its
//! record, the present event time, or a second source. Absent: the system clock.

use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// How far apart two times may be that speak for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockConfig {
    /// Largest distance between event time and what confirms it.
    pub tolerance: Nanos,
    /// An event time further behind event time than this is counted as late.
    pub lateness: Nanos,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self { tolerance: Nanos::from_secs(600), lateness: Nanos::from_secs(60) }
    }
}

/// What the clock saw and did not follow. Unit: records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStats {
    /// Event times too far ahead that nothing confirmed.
    pub ahead: u64,
    /// Event times further behind than the lateness.
    pub late: u64,
}

/// A claim that event time is far ahead, waiting for a second source to say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    newest: Timestamp,
    source: u64,
}

/// Claims kept at the same time; the oldest goes first.
const CLAIMS_MAX: usize = 16;

/// Decides the event time of one cell from what arrives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventClock {
    config: ClockConfig,
    now: Option<Timestamp>,
    claims: Vec<Claim>,
    stats: ClockStats,
}

impl EventClock {
    /// A clock that nothing has set yet.
    #[must_use]
    pub fn new(config: ClockConfig) -> Self {
        Self { config, now: None, claims: Vec::new(), stats: ClockStats::default() }
    }

    /// One record: when it arrived, the newest event time inside of it (`None` if it holds none),
    /// and a stable hash of who sent it.
    pub fn observe(&mut self, arrival: Timestamp, newest: Option<Timestamp>, source: u64) {
        let Some(newest) = newest else { return };
        let Some(now) = self.now else {
            self.now = Some(newest);
            return;
        };
        if newest <= now {
            self.stats.late += u64::from((now - newest).0 > self.config.lateness.0);
        } else if self.near(newest, now) || self.near(arrival, newest) {
            self.set(newest);
        } else {
            self.claim(newest, source);
        }
    }

    /// All inputs are caught up and silent: event time goes on by `elapsed` without them.
    pub fn idle(&mut self, elapsed: Nanos) {
        if let Some(now) = self.now {
            self.set(now + Nanos(elapsed.0.max(0)));
        }
    }

    /// Event time; `None` before the first record.
    #[must_use]
    pub fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// What was not followed.
    #[must_use]
    pub fn stats(&self) -> ClockStats {
        self.stats
    }

    fn near(&self, a: Timestamp, b: Timestamp) -> bool {
        (a - b).0.unsigned_abs() <= self.config.tolerance.0.unsigned_abs()
    }

    fn set(&mut self, now: Timestamp) {
        self.now = Some(now);
        self.claims.retain(|claim| claim.newest > now);
    }

    /// Believes a claim that another source has made, too; else keeps it.
    fn claim(&mut self, newest: Timestamp, source: u64) {
        let agrees = |claim: &Claim| claim.source != source && self.near(claim.newest, newest);
        if self.claims.iter().any(agrees) {
            self.set(newest);
            return;
        }
        self.stats.ahead += 1;
        self.claims.retain(|claim| claim.source != source);
        if self.claims.len() >= CLAIMS_MAX {
            self.claims.remove(0);
        }
        self.claims.push(Claim { newest, source });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    const YEAR: i64 = 365 * 86_400;

    #[test]
    fn one_source_with_a_wrong_clock_moves_nobody() {
        let mut clock = EventClock::new(ClockConfig::default());
        for t in 0..100 {
            clock.observe(at(1000 + t), Some(at(1000 + t)), 1);
            clock.observe(at(1000 + t), Some(at(1000 + t + YEAR)), 2);
        }
        assert_eq!(clock.now(), Some(at(1099)));
        assert_eq!(clock.stats().ahead, 100);
    }

    #[test]
    fn a_recording_with_wrong_arrival_times_still_tells_its_time() {
        let mut clock = EventClock::new(ClockConfig::default());
        for t in 0..100 {
            clock.observe(at(3 * YEAR), Some(at(1000 + t)), u64::from(t % 2 == 0));
        }
        assert_eq!(clock.now(), Some(at(1099)));
    }

    #[test]
    fn a_gap_of_hours_is_jumped_when_the_arrival_or_a_second_source_confirms() {
        let mut credible = EventClock::new(ClockConfig::default());
        credible.observe(at(0), Some(at(0)), 1);
        credible.observe(at(20_000), Some(at(19_999)), 1);
        assert_eq!(credible.now(), Some(at(19_999)));

        let mut replayed = EventClock::new(ClockConfig::default());
        replayed.observe(at(YEAR), Some(at(0)), 1);
        replayed.observe(at(YEAR), Some(at(20_000)), 1);
        assert_eq!(replayed.now(), Some(at(0)), "one voice is not enough");
        replayed.observe(at(YEAR), Some(at(20_001)), 2);
        assert_eq!(replayed.now(), Some(at(20_001)));
    }

    #[test]
    fn event_time_never_goes_back_and_old_times_are_counted() {
        let mut clock = EventClock::new(ClockConfig::default());
        clock.observe(at(1000), Some(at(1000)), 1);
        clock.observe(at(1000), Some(at(990)), 1);
        clock.observe(at(1000), Some(at(900)), 1);
        clock.observe(at(1000), None, 1);
        clock.idle(Nanos::from_secs(5));
        assert_eq!(clock.now(), Some(at(1005)));
        assert_eq!(clock.stats(), ClockStats { ahead: 0, late: 1 });
    }
}
