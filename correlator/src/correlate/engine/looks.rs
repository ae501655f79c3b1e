//! Looks in the middle of a pane: an alert of a service without an open incident does not wait for the pane's end.
//!
//! A look costs as much as there are incidents. So that a storm of services that begin to alert one after the
//! other costs no square, only the first looks of a pane are taken at once; further ones wait until as much time
//! has passed between arrivals as pays for a look, until a share of all incidents asks, or for the end of the pane.

use std::collections::BTreeSet;

use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

/// Looks of one pane that are taken as soon as they are asked for.
const AT_ONCE: u32 = 32;
/// Then one look is taken when a sixteenth as many services wait as there are incidents: each doubling of the
/// incidents costs about eleven looks.
const SHARE: usize = 16;
/// Or when the newest look is as long ago as there are incidents, times this: several times what a look costs for
/// each of them. Time is that of arrivals, so a replay takes the same looks.
const PAYS_FOR_ONE: Nanos = Nanos(50_000);

/// Who waits for a look, and what has been looked at in this pane.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Looks {
    waiting: BTreeSet<Name>,
    taken: u32,
    cases: usize,
    /// When the newest look was taken.
    #[serde(default)]
    newest: Option<Timestamp>,
}

impl Looks {
    /// A service asks with an alert that arrives now. Returns all that wait if a look is due.
    pub(super) fn ask(&mut self, service: &Name, now: Timestamp) -> Option<BTreeSet<Name>> {
        self.waiting.insert(service.clone());
        let many = self.taken < AT_ONCE || self.waiting.len() * SHARE >= self.cases;
        (many || self.is_paid_for(now)).then(|| {
            self.taken += 1;
            self.newest = Some(now);
            std::mem::take(&mut self.waiting)
        })
    }

    /// Whether enough time has passed since the newest look.
    fn is_paid_for(&self, now: Timestamp) -> bool {
        let cases = i64::try_from(self.cases).unwrap_or(i64::MAX);
        let price = Nanos(PAYS_FOR_ONE.0.saturating_mul(cases));
        self.newest.is_none_or(|newest| now - newest >= price)
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

    const NOW: Timestamp = Timestamp::EPOCH;

    fn service(number: usize) -> Name {
        format!("service-{number:05}").as_str().into()
    }

    #[test]
    fn the_first_looks_of_a_pane_are_taken_at_once() {
        let mut looks = Looks::default();
        looks.told(10_000);
        for number in 0..AT_ONCE as usize {
            let due = looks.ask(&service(number), NOW);
            assert_eq!(due, Some([service(number)].into()));
        }
        assert_eq!(looks.ask(&service(99), NOW), None, "it waits");
        looks.see_all(false);
        assert_eq!(looks.ask(&service(99), NOW), None, "it is the same pane");
        looks.see_all(true);
        assert_eq!(looks.ask(&service(99), NOW), Some([service(99)].into()));
    }

    #[test]
    fn time_that_passes_pays_for_looks() {
        let mut looks = Looks::default();
        looks.told(1_000);
        for number in 0..AT_ONCE as usize {
            looks.ask(&service(number), NOW);
        }
        assert_eq!(looks.ask(&service(97), NOW + Nanos(49_000_000)), None);
        let due = looks.ask(&service(98), NOW + Nanos(50_000_000));
        assert_eq!(due, Some([service(97), service(98)].into()));
        assert_eq!(looks.ask(&service(99), NOW + Nanos(60_000_000)), None, "it was spent");
    }

    #[test]
    fn a_storm_costs_looks_by_the_logarithm_of_its_services() {
        let (mut looks, mut taken, mut told) = (Looks::default(), 0, 0);
        for number in 0..20_000 {
            if let Some(due) = looks.ask(&service(number), NOW) {
                taken += 1;
                told += due.len();
                looks.told(told);
            }
        }
        assert!(taken < 200, "{taken} looks");
        assert!(told > 18_000, "the others wait for the end of the pane: {told}");
    }
}
