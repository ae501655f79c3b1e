//! A and B in turn: one pair after the other, and who goes first changes with each pair.

use std::time::Duration;

use anyhow::Result;
use pipeline::clock::StopWatch;

use crate::figures::Spread;

/// How a bench is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Pairs that count. One more is run before them and forgotten.
    pub(crate) pairs: usize,
    /// Seed of the input.
    pub(crate) seed: u64,
}

/// What a side did in one turn: so many units of work, in some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Turn {
    /// Units of work: spans, bytes, queries.
    pub(crate) work: f64,
    /// Time for all of them.
    pub(crate) time: Duration,
}

impl Turn {
    /// Measures some work that says how much it was.
    pub(crate) fn measure(work: impl FnOnce() -> Result<f64>) -> Result<Self> {
        let watch = StopWatch::start();
        let work = work()?;
        Ok(Self { work, time: watch.elapsed() })
    }

    /// Work per second.
    pub(crate) fn rate(self) -> f64 {
        self.work / self.time.as_secs_f64().max(1e-9)
    }

    /// Nanoseconds per unit of work.
    pub(crate) fn nanos_each(self) -> f64 {
        self.time.as_secs_f64() * 1e9 / self.work.max(1e-9)
    }
}

/// What a run of pairs found, in the figure that the bench reads from a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pairs {
    /// A over B, pair by pair.
    pub(crate) ratio: Spread,
    /// A.
    pub(crate) a: Spread,
    /// B.
    pub(crate) b: Spread,
}

/// Runs A and B in turn.
pub(crate) fn in_turn(
    plan: Plan,
    figure: impl Fn(Turn) -> f64,
    mut a: impl FnMut() -> Result<Turn>,
    mut b: impl FnMut() -> Result<Turn>,
) -> Result<Pairs> {
    let (mut all_a, mut all_b, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=plan.pairs {
        let (a, b) = if pair % 2 == 0 {
            let a = a()?;
            (a, b()?)
        } else {
            let b = b()?;
            (a()?, b)
        };
        // The first pair warms caches and the allocator.
        if pair > 0 {
            let (a, b) = (figure(a), figure(b));
            all_a.push(a);
            all_b.push(b);
            ratios.push(a / b);
        }
    }
    Ok(Pairs { ratio: Spread::of(ratios), a: Spread::of(all_a), b: Spread::of(all_b) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_take_turns_and_the_first_pair_is_forgotten() {
        let order = std::cell::RefCell::new(String::new());
        let turn = |name: char, ms| {
            order.borrow_mut().push(name);
            Ok(Turn { work: 1.0, time: Duration::from_millis(ms) })
        };
        let plan = Plan { pairs: 3, seed: 0 };
        let pairs = in_turn(plan, Turn::rate, || turn('a', 5), || turn('b', 10)).unwrap();
        assert_eq!(order.into_inner(), "abbaabba");
        assert!((pairs.ratio.median - 2.0).abs() < 1e-9);
        assert!((pairs.a.median - 200.0).abs() < 1e-9);
    }
}
