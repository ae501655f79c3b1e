//! When to try again: exponential backoff, a budget of retries, a circuit breaker.
//!
//! Pure: `now` and jitter are arguments. What is deliberately absent: waiting.

use model::time::{Nanos, Timestamp};

/// How retries behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Wait after the first failure.
    pub first: Nanos,
    /// Longest wait between two attempts of one incident.
    pub longest: Nanos,
    /// Failures in a row that open the breaker.
    pub failures_to_open: u32,
    /// How long the breaker stays open the first time; doubles up to `longest`.
    pub open_for: Nanos,
    /// Retries per first attempt. Unit: percent.
    pub budget_percent: u32,
    /// One retry in this time is always allowed, so that a quiet sink can heal.
    pub budget_trickle: Nanos,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first: Nanos::from_secs(1),
            longest: Nanos::from_secs(300),
            failures_to_open: 5,
            open_for: Nanos::from_secs(15),
            budget_percent: 10,
            budget_trickle: Nanos::from_secs(5),
        }
    }
}

/// A fraction for spreading waits. Unit: 2^-32; the shell draws it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter(pub u32);

/// The wait after the `failures`-th failure in a row (1 is the first): `first x 2^(failures-1)`,
/// at most `longest`, of which the upper half is spread by jitter ("equal jitter"). Result lies in
/// `[ceiling / 2, ceiling]`.
#[must_use]
pub fn backoff(policy: &RetryPolicy, failures: u32, jitter: Jitter) -> Nanos {
    let ceiling = doubled(policy.first, failures.saturating_sub(1), policy.longest);
    spread(ceiling, jitter)
}

fn doubled(first: Nanos, times: u32, longest: Nanos) -> Nanos {
    let factor = 1_i64.checked_shl(times.min(62)).unwrap_or(i64::MAX);
    Nanos(first.0.max(0).saturating_mul(factor).min(longest.0).max(0))
}

fn spread(ceiling: Nanos, jitter: Jitter) -> Nanos {
    let half = ceiling.0 / 2;
    let more = (i128::from(ceiling.0 - half) * i128::from(jitter.0)) >> 32;
    Nanos(half.saturating_add(i64::try_from(more).unwrap_or(0)))
}

/// What the breaker thinks of the destination.
///
/// ```text
/// Closed --N failures--> Open --its time is over--> HalfOpen --success--> Closed
///                          ^---------------failure------'
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// It works, or has failed less often in a row than the limit.
    Closed,
    /// It is left alone until this moment.
    Open(Timestamp),
    /// One probe is out.
    HalfOpen,
}

/// A circuit breaker over one destination.
#[derive(Clone, Debug)]
pub struct Breaker {
    policy: RetryPolicy,
    state: BreakerState,
    failures: u32,
    openings: u32,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, state: BreakerState::Closed, failures: 0, openings: 0 }
    }

    /// What it thinks.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// When an attempt is allowed at the earliest; `None` is: at once.
    #[must_use]
    pub fn opens_at(&self) -> Option<Timestamp> {
        match self.state {
            BreakerState::Open(until) => Some(until),
            BreakerState::Closed | BreakerState::HalfOpen => None,
        }
    }

    /// Takes leave for one attempt. While half open the caller has one attempt out at most.
    pub fn try_pass(&mut self, now: Timestamp) -> bool {
        match self.state {
            BreakerState::Closed | BreakerState::HalfOpen => true,
            BreakerState::Open(until) if now >= until => {
                self.state = BreakerState::HalfOpen;
                true
            }
            BreakerState::Open(_) => false,
        }
    }

    /// The destination answered.
    pub fn on_success(&mut self) {
        self.state = BreakerState::Closed;
        self.failures = 0;
        self.openings = 0;
    }

    /// The destination failed.
    pub fn on_failure(&mut self, now: Timestamp, jitter: Jitter) {
        self.failures = self.failures.saturating_add(1);
        let probe_failed = self.state == BreakerState::HalfOpen;
        if probe_failed || self.failures >= self.policy.failures_to_open {
            let length = doubled(self.policy.open_for, self.openings, self.policy.longest);
            self.openings = self.openings.saturating_add(1);
            self.state = BreakerState::Open(now + spread(length, jitter));
        }
    }
}

/// How many retries are affordable: a share of the first attempts, plus a trickle over time, so
/// that retries never become the larger part of the load on a destination that is ill.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    policy: RetryPolicy,
    /// Unit: hundredths of a retry.
    saved: u64,
    last_trickle: Timestamp,
}

/// Unit: hundredths of a retry.
const ONE_RETRY: u64 = 100;
/// More than this is not saved. Unit: hundredths of a retry.
const SAVED_MAX: u64 = 20 * ONE_RETRY;

impl RetryBudget {
    /// A budget with one retry in it.
    #[must_use]
    pub fn new(policy: RetryPolicy) -> Self {
        Self { policy, saved: ONE_RETRY, last_trickle: Timestamp::EPOCH }
    }

    /// A first attempt earns a share of a retry.
    pub fn on_first_attempt(&mut self) {
        self.saved = SAVED_MAX.min(self.saved + u64::from(self.policy.budget_percent));
    }

    /// Takes one retry. `Err`: the moment at which there will be one.
    ///
    /// # Errors
    /// When the budget is used up.
    pub fn try_take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        if self.saved >= ONE_RETRY {
            self.saved -= ONE_RETRY;
            return Ok(());
        }
        let next = self.last_trickle + self.policy.budget_trickle;
        if now >= next {
            self.last_trickle = now;
            return Ok(());
        }
        Err(next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::EPOCH + Nanos::from_secs(secs)
    }

    proptest! {
        #[test]
        fn a_backoff_lies_between_half_its_ceiling_and_its_ceiling(
            failures in 1_u32..200, jitter in any::<u32>(),
        ) {
            let policy = RetryPolicy::default();
            let ceiling = doubled(policy.first, failures - 1, policy.longest);
            let wait = backoff(&policy, failures, Jitter(jitter));
            prop_assert!(wait.0 >= ceiling.0 / 2 && wait <= ceiling);
            prop_assert!(ceiling <= policy.longest);
        }
    }

    #[test]
    fn waits_double_until_the_longest() {
        let policy = RetryPolicy::default();
        let waits: Vec<i64> =
            (1..=10).map(|n| backoff(&policy, n, Jitter(u32::MAX)).millis()).collect();
        assert_eq!(waits, [999, 1999, 3999, 7999, 15999, 31999, 63999, 127999, 255999, 299999]);
    }

    #[test]
    fn the_breaker_opens_after_the_limit_probes_once_and_closes_on_success() {
        let policy = RetryPolicy { failures_to_open: 3, ..RetryPolicy::default() };
        let mut breaker = Breaker::new(policy);
        for _ in 0..2 {
            breaker.on_failure(at(0), Jitter(0));
            assert_eq!(breaker.state(), BreakerState::Closed);
        }
        breaker.on_failure(at(0), Jitter(u32::MAX));
        assert!(!breaker.try_pass(at(14)), "open for 15 s");
        assert!(breaker.try_pass(at(15)));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.on_failure(at(15), Jitter(u32::MAX));
        assert!(!breaker.try_pass(at(44)), "twice as long after a failed probe");
        assert!(breaker.try_pass(at(45)));
        breaker.on_success();
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.on_failure(at(46), Jitter(0));
        assert_eq!(breaker.state(), BreakerState::Closed, "failures are counted from zero again");
    }

    #[test]
    fn retries_are_a_share_of_first_attempts_plus_a_trickle() {
        let mut budget = RetryBudget::new(RetryPolicy::default());
        assert_eq!(budget.try_take(at(100)), Ok(()), "the one it starts with");
        assert_eq!(budget.try_take(at(100)), Ok(()), "the trickle");
        assert_eq!(budget.try_take(at(100)), Err(at(105)));
        for _ in 0..10 {
            budget.on_first_attempt();
        }
        assert_eq!(budget.try_take(at(100)), Ok(()), "ten first attempts earn one");
        assert_eq!(budget.try_take(at(100)), Err(at(105)));
        assert_eq!(budget.try_take(at(105)), Ok(()));
    }
}
