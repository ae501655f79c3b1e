//! Slow self time and slow calls. What is slow is weighed by its share of all excess time of the
//! pane, so that who merely waits a little longer does not stand beside who makes all wait.

use model::entity::Entity;
use model::name::Name;
use model::symptom::SymptomKind;

use super::evidence::Evidence;
use super::judge::{Case, Tally, note};
use super::profile::SlowProfile;
use super::statistics::binomial;
use crate::observe::{Exemplars, Histogram};

/// One slow operation or edge before it is weighed.
pub(crate) struct Slow {
    key: (Entity, SymptomKind, Name),
    nats: f64,
    tally: Tally,
    excess_ns: f64,
    exemplars: Exemplars,
}

/// Collects what is slower than its baseline.
pub(crate) fn collect(case: &Case<'_>, slow: &mut Vec<Slow>) {
    for (name, operation) in &case.counts.operations {
        if let Some(profile) = case.baseline.operation_profile(name) {
            let test = Test { histogram: &operation.self_time, profile };
            let key = || (case.operation(name), SymptomKind::SlowSelf, name.clone());
            slow.extend(test.slow(key, &operation.slow_exemplars));
        }
    }
    for (caller, edge) in &case.counts.callers {
        if let Some(profile) = case.baseline.edge_profile(caller) {
            let test = Test { histogram: &edge.gap, profile };
            let key = || (case.edge(caller), SymptomKind::SlowEdge, Name::default());
            slow.extend(test.slow(key, &edge.slow_exemplars));
        }
    }
}

/// Multiplies each evidence by its share of the total excess.
pub(crate) fn weigh(slow: Vec<Slow>, found: &mut Vec<Evidence>) {
    let total: f64 = slow.iter().map(|slow| slow.excess_ns).sum();
    if total <= 0.0 {
        return;
    }
    for one in slow {
        let nats = one.nats * (one.excess_ns / total);
        note(found, one.key, nats, one.tally, &one.exemplars);
    }
}

struct Test<'a> {
    histogram: &'a Histogram,
    profile: &'a SlowProfile,
}

impl Test<'_> {
    fn slow(
        &self,
        key: impl FnOnce() -> (Entity, SymptomKind, Name),
        exemplars: &Exemplars,
    ) -> Option<Slow> {
        let hits = self.histogram.count_above(self.profile.threshold);
        if hits == 0 {
            return None;
        }
        let trials = self.histogram.count();
        let expected = self.profile.null_share();
        let nats = binomial(hits, trials, expected);
        if nats <= 0.0 {
            return None;
        }
        // Of the slow ones, those to be expected are nobody's excess.
        let beyond = (1.0 - trials as f64 * expected / hits as f64).max(0.0);
        let excess_ns = self.profile.excess_ns(self.histogram) * beyond;
        let tally = Tally { hits, trials, expected };
        Some(Slow { key: key(), nats, tally, excess_ns, exemplars: exemplars.clone() })
    }
}
