//! Event time of one cell: how far the telemetry itself has come.
//!
//! Event time moves by maximum, so one wrong clock could drag everybody's watermark along: ten years, or two minutes
//! that make everybody else late. An event time is therefore trusted only if something else speaks for it.
//!
//! * **The arrival of its record** is the best witness: nothing can be told before it has happened. While the times
//!   of some sources agree with their arrivals ([`Vouchers`](super::vouch::Vouchers)), a time that is ahead of its own
//!   arrival is a wrong clock, unless more than twice as many say the same as agree with theirs: then it is the arrivals'
//!   clock that is wrong.
//! * **The present event time, or a second source** speak where arrivals say nothing: a recording that was produced
//!   into Kafka years later, a host whose clock was stepped.
//!
//! The first time of all has no present to be held against. If it is ahead of its arrival, the clock waits for
//! others, and begins with the earliest of what was said: forward it can always go.
//!
//! Absent: the system clock.

use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use super::vouch::Vouchers;

/// How far apart two times may be that speak for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockConfig {
    /// Largest distance between event time and what confirms it.
    pub tolerance: Nanos,
    /// An event time further behind event time than this is counted as late.
    pub lateness: Nanos,
    /// How far ahead of its arrival a time may be: what clocks that are kept right differ by. Below the lateness, so
    /// that it makes nobody late.
    #[serde(default = "skew")]
    pub skew: Nanos,
}

/// Also what snapshots from before it was known are read with.
const fn skew() -> Nanos {
    Nanos::from_secs(10)
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self { tolerance: Nanos::from_secs(600), lateness: Nanos::from_secs(60), skew: skew() }
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

/// A claim that event time is far ahead, waiting for others to say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    newest: Timestamp,
    source: u64,
}

/// Claims kept at the same time; the oldest goes first. As many as vouchers, so that a majority can be seen.
const CLAIMS_MAX: usize = 2 * Vouchers::MAX + 1;
/// So many times ahead of their arrivals are heard before the clock begins without a better witness.
const BEGIN_AFTER: u64 = 64;

/// Decides the event time of one cell from what arrives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventClock {
    config: ClockConfig,
    now: Option<Timestamp>,
    claims: Vec<Claim>,
    #[serde(default)]
    vouchers: Vouchers,
    stats: ClockStats,
}

impl EventClock {
    /// A clock that nothing has set yet.
    #[must_use]
    pub fn new(config: ClockConfig) -> Self {
        Self {
            config,
            now: None,
            claims: Vec::new(),
            vouchers: Vouchers::default(),
            stats: ClockStats::default(),
        }
    }

    /// One record: when it arrived, the newest event time inside of it (`None` if it holds none),
    /// and a stable hash of who sent it.
    pub fn observe(&mut self, arrival: Timestamp, newest: Option<Timestamp>, source: u64) {
        let Some(newest) = newest else { return };
        let is_ahead = newest > arrival + self.config.skew;
        let vouched = !is_ahead && self.near(arrival, newest);
        if vouched {
            self.vouchers.add(source, arrival);
        }
        let Some(now) = self.now else {
            if is_ahead {
                self.wait(newest, source);
            } else {
                self.set(newest);
            }
            return;
        };
        if newest <= now {
            self.stats.late += u64::from((now - newest).0 > self.config.lateness.0);
            return;
        }
        let against =
            if is_ahead { self.vouchers.around(arrival, self.config.tolerance, source) } else { 0 };
        if vouched || (against == 0 && self.near(newest, now)) {
            self.set(newest);
        } else {
            self.claim(newest, source, against);
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

    /// Nothing to hold it against: hears some more, and begins with the earliest.
    fn wait(&mut self, newest: Timestamp, source: u64) {
        self.keep(newest, source);
        if self.stats.ahead >= BEGIN_AFTER
            && let Some(earliest) = self.claims.iter().map(|claim| claim.newest).min()
        {
            self.set(earliest);
        }
    }

    /// Believes a claim that another source has made, too, and more than twice as many as speak against it (a host may
    /// have several services, and be heard before others are); else keeps it.
    fn claim(&mut self, newest: Timestamp, source: u64, against: usize) {
        let agrees = |claim: &&Claim| claim.source != source && self.near(claim.newest, newest);
        let with_it = self.claims.iter().filter(agrees).count();
        if with_it > 0 && with_it + 1 > 2 * against {
            self.set(newest);
            return;
        }
        self.keep(newest, source);
    }

    fn keep(&mut self, newest: Timestamp, source: u64) {
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

    #[test]
    fn one_source_that_is_ahead_of_its_arrivals_by_any_time_moves_nobody() {
        for ahead in [120, 540, 3_600, 23 * 3_600] {
            let mut clock = EventClock::new(ClockConfig::default());
            // It speaks first, and most of all.
            clock.observe(at(999), Some(at(999 + ahead)), 9);
            for t in 0..1000 {
                clock.observe(at(1000 + t), Some(at(998 + t)), 1 + t.unsigned_abs() % 3);
                for _ in 0..5 {
                    clock.observe(at(1000 + t), Some(at(1000 + t + ahead)), 9);
                }
            }
            assert_eq!(clock.now(), Some(at(1997)), "ahead by {ahead} s");
        }
    }

    #[test]
    fn a_few_services_of_a_host_with_a_wrong_clock_are_no_majority() {
        let mut clock = EventClock::new(ClockConfig::default());
        for t in 0..1000 {
            clock.observe(at(1000 + t), Some(at(1000 + t)), 1 + t.unsigned_abs() % 3);
            clock.observe(at(1000 + t), Some(at(1000 + t + 3_600)), 8);
            clock.observe(at(1000 + t), Some(at(1000 + t + 3_600)), 9);
        }
        assert_eq!(clock.now(), Some(at(1999)));
    }

    #[test]
    fn where_the_arrivals_are_behind_the_many_are_believed_not_the_one_that_is_late() {
        let mut clock = EventClock::new(ClockConfig::default());
        for t in 0..1000 {
            clock.observe(at(1000 + t), Some(at(1120 + t)), 1 + t.unsigned_abs() % 4);
            if t % 10 == 0 {
                clock.observe(at(1000 + t), Some(at(990 + t)), 9);
            }
        }
        assert!(clock.now() >= Some(at(2119 - 10)), "{:?}", clock.now());
    }

    #[test]
    fn a_source_that_is_late_for_minutes_holds_nobody_up() {
        let mut clock = EventClock::new(ClockConfig::default());
        for t in 0..1000 {
            clock.observe(at(1000 + t), Some(at(1000 + t)), 1);
            clock.observe(at(1000 + t), Some(at(700 + t)), 2);
        }
        assert_eq!(clock.now(), Some(at(1999)));
    }

    #[test]
    fn a_single_source_that_is_ahead_of_all_arrivals_tells_its_own_time() {
        let mut clock = EventClock::new(ClockConfig::default());
        for t in 0..1000 {
            clock.observe(at(1000 + t), Some(at(1000 + t + YEAR)), 1);
        }
        assert_eq!(clock.now(), Some(at(1999 + YEAR)));
    }
}
