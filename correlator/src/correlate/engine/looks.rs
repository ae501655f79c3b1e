//! Looks in the middle of a pane: an alert of a service without an open incident does not wait for the pane's end.
//!
//! A look costs as much as there are incidents. So that a storm of services that begin to alert one after the
//! other costs no square, only the first looks of a pane are taken at once; further ones wait until a share of
//! all incidents asks, or for the end of the pane.

use std::collections::BTreeSet;

use model::name::Name;
use serde::{Deserialize, Serialize};

/// Looks of one pane that are taken as soon as they are asked for.
const AT_ONCE: u32 = 32;
/// Then one look is taken when a sixteenth as many services wait as there are incidents: each doubling of the
/// incidents costs about eleven looks.
const SHARE: usize = 16;

/// Who waits for a look, and what has been looked at in this pane.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Looks {
    waiting: BTreeSet<Name>,
    taken: u32,
    cases: usize,
}

impl Looks {
    /// A service asks. Returns all that wait if a look is due.
    pub(super) fn ask(&mut self, service: &Name) -> Option<BTreeSet<Name>> {
        self.waiting.insert(service.clone());
        let due = self.taken < AT_ONCE || self.waiting.len() * SHARE >= self.cases;
        due.then(|| {
            self.taken += 1;
            std::mem::take(&mut self.waiting)
        })
    }

    /// Everything is looked at; whether with the first look of another pane.
    pub(super) fn see_all(&mut self, another_pane: bool) {
        self.waiting.clear();
        if another_pane {
            self.taken = 0;
        }
    }

    /// How many cases are told.
    pub(super) fn told(&mut self, cases: usize) {
        self.cases = cases;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(number: usize) -> Name {
        format!("service-{number:05}").as_str().into()
    }

    #[test]
    fn the_first_looks_of_a_pane_are_taken_at_once() {
        let mut looks = Looks::default();
        looks.told(10_000);
        for number in 0..AT_ONCE as usize {
            let due = looks.ask(&service(number));
            assert_eq!(due, Some([service(number)].into()));
        }
        assert_eq!(looks.ask(&service(99)), None, "it waits");
        looks.see_all(false);
        assert_eq!(looks.ask(&service(99)), None, "it is the same pane");
        looks.see_all(true);
        assert_eq!(looks.ask(&service(99)), Some([service(99)].into()));
    }

    #[test]
    fn a_storm_costs_looks_by_the_logarithm_of_its_services() {
        let (mut looks, mut taken, mut told) = (Looks::default(), 0, 0);
        for number in 0..20_000 {
            if let Some(due) = looks.ask(&service(number)) {
                taken += 1;
                told += due.len();
                looks.told(told);
            }
        }
        assert!(taken < 200, "{taken} looks");
        assert!(told > 18_000, "the others wait for the end of the pane: {told}");
    }
}
