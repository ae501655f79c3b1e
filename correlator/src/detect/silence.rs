//! Silence: far fewer answered calls than the callers' own work leads to expect.
//!
//! Expected calls follow what the callers do in this very pane, so a quiet night or a gap in all
//! telemetry is no silence. A service that still answers is judged by its callers' successes
//! only: a caller that fails early calls less.

use model::name::Name;
use model::symptom::SymptomKind;

use super::baseline::ServiceBaseline;
use super::evidence::Evidence;
use super::judge::{Baselines, Tally, note, owner_entity};
use super::statistics::too_few;
use crate::observe::{EdgeCounts, Exemplars, PaneCounts};

/// Answered calls of a caller that must be known before it counts.
const ANSWERED_MIN: u64 = 20;
/// Only a fall below this share of the expectation is silence.
const FALL: f64 = 0.5;

/// Tests every service that has a baseline, also those that a pane says nothing of.
pub(crate) fn judge(pane: &PaneCounts, baselines: &Baselines, found: &mut Vec<Evidence>) {
    for (name, baseline) in baselines {
        let (expected, seen) = expectation(pane, name, baseline);
        if expected <= 0.0 || seen as f64 >= FALL * expected {
            continue;
        }
        let nats = too_few(seen as f64, expected) / baseline.dispersion();
        let key = (owner_entity(name, baseline.kind()), SymptomKind::Silence, Name::default());
        // Saturating float-to-integer conversion.
        let trials = expected.round() as u64;
        let tally = Tally { hits: trials.saturating_sub(seen), trials, expected: 0.0 };
        note(found, key, nats, tally, &Exemplars::default());
    }
}

/// Calls to be expected and calls answered.
fn expectation(pane: &PaneCounts, name: &Name, baseline: &ServiceBaseline) -> (f64, u64) {
    let now = pane.services.get(name.as_str());
    let edge = |caller: &Name| now.and_then(|counts| counts.callers.get(caller.as_str()));
    let answered = |edge: &EdgeCounts| edge.calls.saturating_sub(edge.orphans);
    let callers = baseline.known_callers();
    let seen: u64 = callers.iter().filter_map(|caller| edge(caller)).map(answered).sum();
    let mut expected = 0.0;
    for caller in callers {
        let Some(activity) = pane.activity.get(caller.as_str()) else { continue };
        let Some(rate) = baseline.call_rate(caller) else { continue };
        if rate.answered < ANSWERED_MIN {
            continue;
        }
        let failed = if seen > 0 { activity.failed } else { 0 };
        let mut calls = rate.per_call * activity.calls.saturating_sub(failed) as f64;
        if rate.shows_attempts {
            calls = calls.min(edge(caller).map_or(0, |edge| edge.calls) as f64);
        }
        expected += calls;
    }
    (expected, seen)
}
