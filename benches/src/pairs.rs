//! A and B in turn: one pair after the other, and who goes first changes with each pair.

use std::time::Duration;

use anyhow::Result;
use pipeline::clock::StopWatch;

use crate::figures::Spread;
use crate::machine::cpu_time;

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
    /// Processor time of this process for all of them; in steps of 10 ms.
    pub(crate) cpu: Duration,
}

impl Turn {
    /// Of a side that is not there.
    pub(crate) const NOTHING: Self =
        Self { work: 0.0, time: Duration::from_secs(1), cpu: Duration::ZERO };

    /// Measures some work that says how much it was.
    pub(crate) fn measure(work: impl FnOnce() -> Result<f64>) -> Result<Self> {
        let (watch, cpu) = (StopWatch::start(), cpu_time());
        let work = work()?;
        Ok(Self { work, time: watch.elapsed(), cpu: cpu_time().saturating_sub(cpu) })
    }

    /// Work per second.
    pub(crate) fn rate(self) -> f64 {
        self.work / self.time.as_secs_f64().max(1e-9)
    }

    /// Nanoseconds per unit of work.
    pub(crate) fn nanos_each(self) -> f64 {
        self.time.as_secs_f64() * 1e9 / self.work.max(1e-9)
    }

    /// Nanoseconds of processor time per unit of work.
    pub(crate) fn cpu_nanos_each(self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / self.work.max(1e-9)
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
    /// B's processor time per unit of work over A's, pair by pair.
    pub(crate) cpu_ratio: Spread,
    /// A's processor time. Unit: nanoseconds per unit of work.
    pub(crate) a_cpu_ns: Spread,
    /// B's processor time. Unit: nanoseconds per unit of work.
    pub(crate) b_cpu_ns: Spread,
}

impl Pairs {
    /// Two figures that were measured once.
    pub(crate) fn once(a: f64, b: f64) -> Self {
        let one = |figure: f64| Spread::of([figure]);
        Self { ratio: one(a / b), a: one(a), b: one(b), ..Self::default() }
    }

    /// A figure that is its own ratio: nothing is to be held against it.
    pub(crate) fn alone(a: f64) -> Self {
        Self::once(a, 1.0)
    }
}

/// Runs A and B in turn.
pub(crate) fn in_turn(
    plan: Plan,
    figure: impl Fn(Turn) -> f64,
    mut a: impl FnMut() -> Result<Turn>,
    mut b: impl FnMut() -> Result<Turn>,
) -> Result<Pairs> {
    let mut turns: Vec<(Turn, Turn)> = Vec::new();
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
            turns.push((a, b));
        }
    }
    let all = |read: &dyn Fn(&(Turn, Turn)) -> f64| Spread::of(turns.iter().map(read));
    let cpu = Turn::cpu_nanos_each;
    Ok(Pairs {
        ratio: all(&|(a, b)| figure(*a) / figure(*b)),
        a: all(&|(a, _)| figure(*a)),
        b: all(&|(_, b)| figure(*b)),
        cpu_ratio: all(&|(a, b)| cpu(*b) / cpu(*a).max(1e-9)),
        a_cpu_ns: all(&|(a, _)| cpu(*a)),
        b_cpu_ns: all(&|(_, b)| cpu(*b)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_take_turns_and_the_first_pair_is_forgotten() {
        let order = std::cell::RefCell::new(String::new());
        let turn = |name: char, ms, cpu| {
            order.borrow_mut().push(name);
            let (time, cpu) = (Duration::from_millis(ms), Duration::from_millis(cpu));
            Ok(Turn { work: 1.0, time, cpu })
        };
        let plan = Plan { pairs: 3, seed: 0 };
        let pairs = in_turn(plan, Turn::rate, || turn('a', 5, 8), || turn('b', 10, 2)).unwrap();
        assert_eq!(order.into_inner(), "abbaabba");
        assert!((pairs.ratio.median - 2.0).abs() < 1e-9);
        assert!((pairs.a.median - 200.0).abs() < 1e-9);
        assert!((pairs.cpu_ratio.median - 0.25).abs() < 1e-9);
    }
}
