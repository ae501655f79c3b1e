//! Sets of time: disjoint stretches, for healthy time and open time.

use model::time::{Nanos, Timestamp};

/// A set of instants. Invariant: stretches `[from, to)` that are not empty, sorted, and apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretches(Vec<(Timestamp, Timestamp)>);

impl Stretches {
    /// The union of stretches in any order; empty and turned ones count for nothing.
    #[must_use]
    pub fn union(stretches: impl IntoIterator<Item = (Timestamp, Timestamp)>) -> Self {
        let mut all: Vec<_> = stretches.into_iter().filter(|(from, to)| from < to).collect();
        all.sort_unstable();
        let mut apart: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (from, to) in all {
            match apart.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => apart.push((from, to)),
            }
        }
        Self(apart)
    }

    /// What is in both.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let both =
            |a: &(Timestamp, Timestamp), b: &(Timestamp, Timestamp)| (a.0.max(b.0), a.1.min(b.1));
        Self::union(self.0.iter().flat_map(|a| other.0.iter().map(move |b| both(a, b))))
    }

    /// What is in this one alone.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for &(from, to) in &self.0 {
            let mut rest = from;
            for &(gone, until) in other.0.iter().filter(|cut| cut.0 < to && from < cut.1) {
                left.push((rest, gone));
                rest = rest.max(until);
            }
            left.push((rest, to));
        }
        Self::union(left)
    }

    /// The stretches, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        self.0.iter().copied()
    }

    /// Whether an instant is in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.0.iter().any(|(from, to)| *from <= at && at < *to)
    }

    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Nanos {
        self.0.iter().fold(Nanos::ZERO, |sum, (from, to)| Nanos(sum.0 + (*to - *from).0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::at;

    fn set(stretches: &[(i64, i64)]) -> Stretches {
        Stretches::union(stretches.iter().map(|(from, to)| (at(*from), at(*to))))
    }

    #[test]
    fn unions_join_what_touches_and_drop_what_is_empty() {
        assert_eq!(
            set(&[(5, 9), (0, 3), (3, 4), (7, 12), (20, 20), (30, 25)]),
            set(&[(0, 4), (5, 12)])
        );
        assert_eq!(set(&[(0, 4), (5, 12)]).length(), Nanos::from_secs(11));
    }

    #[test]
    fn what_is_in_both_and_what_is_left() {
        let base = set(&[(0, 10), (20, 30)]);
        let other = set(&[(-5, 2), (4, 5), (9, 22), (30, 40)]);
        assert_eq!(base.within(&other), set(&[(0, 2), (4, 5), (9, 10), (20, 22)]));
        assert_eq!(base.without(&other), set(&[(2, 4), (5, 9), (22, 30)]));
        assert_eq!(base.without(&set(&[])), base);
        assert_eq!(base.without(&set(&[(-1, 99)])), set(&[]));
    }

    #[test]
    fn ends_are_open() {
        assert!(set(&[(0, 10)]).contains(at(0)));
        assert!(!set(&[(0, 10)]).contains(at(10)));
    }
}
