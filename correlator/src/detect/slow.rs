//! Slow self time and slow calls. Slow self time is weighed by its share of all excess time of the
//! pane, so that who merely takes a little longer does not stand beside who makes all wait. The way of a
//! call is not: a starved or distant service slows all ways from and to it, and how many of them are slow
//! tells it from its neighbours.

use model::entity::Entity;
use model::name::Name;
use model::symptom::SymptomKind;

use super::baseline::Share;
use super::evidence::{Against, Evidence};
use super::judge::{Case, against, note_share};
use super::profile::SlowProfile;
use super::statistics::ppm;
use crate::observe::{Exemplars, Histogram};

/// One slow operation or edge before it is weighed.
pub(crate) struct Slow {
    key: (Entity, SymptomKind, Name),
    seen: (u64, u64),
    against: Against,
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
        let is_way = one.key.1 == SymptomKind::SlowEdge;
        let weight_ppm = if is_way { 1_000_000 } else { ppm(one.excess_ns / total) };
        let against = Against { weight_ppm, ..one.against };
        note_share(found, one.key, one.seen, against, &one.exemplars);
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
        if hits as f64 <= trials as f64 * expected {
            return None;
        }
        // Of the slow ones, those to be expected are nobody's excess.
        let beyond = (1.0 - trials as f64 * expected / hits as f64).max(0.0);
        let excess_ns = self.profile.excess_ns(self.histogram) * beyond;
        let samples = self.profile.samples;
        // Saturating float-to-integer conversion.
        let hits_milli = (expected * samples as f64 * 1000.0) as u64;
        let against = Against { hits_milli, trials: samples, ..against(Share::default()) };
        let seen = (hits, trials);
        Some(Slow { key: key(), seen, against, excess_ns, exemplars: exemplars.clone() })
    }
}
