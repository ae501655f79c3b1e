//! What bounds took, and from whom most of it: whoever floods the system is named, not only counted.
//!
//! Who loses most is found by the counters of Misra and Gries (1982), "Finding repeated elements": with `k` of them,
//! everyone who lost more than a share of `1/(k+1)` has one, however many others there are. Their figures are
//! lower bounds. Deliberately absent: what was lost.

use std::collections::BTreeMap;

use model::name::Name;
use serde::{Deserialize, Serialize};

/// Counters: who lost more than one item in 33 has one.
const NAMED_MAX: usize = 32;

/// Counts of what was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    count: u64,
    named: BTreeMap<Name, u64>,
}

impl Losses {
    /// Items of one source were lost.
    pub(crate) fn add(&mut self, of: &Name, items: u64) {
        self.count = self.count.saturating_add(items);
        if let Some(known) = self.named.get_mut(of.as_str()) {
            *known = known.saturating_add(items);
        } else if self.named.len() < NAMED_MAX {
            self.named.insert(of.clone(), items);
        } else {
            // Pairs the new one off against each of the others.
            let least = self.named.values().copied().min().unwrap_or(0).min(items);
            self.named.retain(|_, count| {
                *count -= least;
                *count > 0
            });
            if items > least {
                self.named.insert(of.clone(), items - least);
            }
        }
    }

    /// Adds what another machine lost.
    pub fn absorb(&mut self, other: &Self) {
        let named: u64 = other.named.values().sum();
        for (name, items) in &other.named {
            self.add(name, *items);
        }
        self.count = self.count.saturating_add(other.count.saturating_sub(named));
    }

    /// How many items were lost in all.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Who lost most, and at least how many; of equals the first by name.
    #[must_use]
    pub fn loudest(&self) -> Option<(&Name, u64)> {
        let most = self.named.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
        most.map(|(name, items)| (name, *items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_floods_is_named_among_many_that_lose_little() {
        let mut losses = Losses::default();
        assert_eq!((losses.count(), losses.loudest()), (0, None));
        for turn in 0..10_000 {
            losses.add(&format!("service-{turn}").as_str().into(), 1);
            if turn % 4 == 0 {
                losses.add(&"loud".into(), 1);
            }
        }
        assert_eq!(losses.count(), 12_500);
        let (name, items) = losses.loudest().unwrap();
        assert_eq!(name.as_str(), "loud");
        assert!((1..=2_500).contains(&items), "a lower bound: {items}");
        assert!(losses.named.len() <= NAMED_MAX);
    }

    #[test]
    fn sums_of_several_machines_name_who_lost_most_in_all() {
        let (mut one, mut two) = (Losses::default(), Losses::default());
        one.add(&"a".into(), 3);
        one.add(&"b".into(), 2);
        two.add(&"b".into(), 2);
        one.absorb(&two);
        assert_eq!((one.count(), one.loudest()), (7, Some((&"b".into(), 4))));
    }
}
