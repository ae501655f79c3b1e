//! Silence: far fewer answered calls than the callers' own work leads to expect.
//!
//! Expected calls follow what the callers do in this very pane, so a quiet night or a gap in all
//! telemetry is no silence. A service that still answers is judged by its callers' successes
//! only: a caller that fails early calls less. And spans are conserved: a call that nobody answers still has
//! its span at the caller, one that is not made has none. Where the spans are missing at the caller as
//! well, it is the caller that has changed its mind.

use model::entity::Entity;
use model::name::Name;
use model::symptom::SymptomKind;

use super::baseline::{CallRate, ServiceBaseline};
use super::evidence::Evidence;
use super::judge::{Baselines, Tally, note, owner_entity};
use super::statistics::too_few;
use crate::observe::{Activity, EdgeCounts, Exemplars, PaneCounts};

/// Answered calls of a caller that must be known before it counts.
const ANSWERED_MIN: u64 = 20;
/// Only a fall below this share of the expectation is silence.
const FALL: f64 = 0.5;
/// Share of the missing calls whose spans must be missing at the callers too, to blame them.
const OMITTED: f64 = 0.5;

/// Calls of one callee against their expectation.
#[derive(Default)]
struct Balance<'a> {
    expected: f64,
    seen: u64,
    /// Missing calls that their callers did not even make.
    omitted: f64,
    /// The caller that omits most: its name, calls made and to be expected.
    omitter: Option<(&'a Name, u64, f64)>,
}

/// Tests every service that has a baseline, also those that a pane says nothing of.
pub(crate) fn judge(pane: &PaneCounts, baselines: &Baselines, found: &mut Vec<Evidence>) {
    for (name, baseline) in baselines {
        let balance = balance(pane, name, baseline);
        let missing = balance.expected - balance.seen as f64;
        if balance.expected <= 0.0 || missing <= (1.0 - FALL) * balance.expected {
            continue;
        }
        let (subject, seen, expected) = match balance.omitter {
            Some((caller, seen, expected)) if balance.omitted >= OMITTED * missing => {
                ((Entity::service(caller.clone()), name.clone()), seen, expected)
            }
            _ => {
                let entity = owner_entity(name, baseline.kind());
                ((entity, Name::default()), balance.seen, balance.expected)
            }
        };
        let nats = too_few(seen as f64, expected) / baseline.dispersion();
        // Saturating float-to-integer conversion.
        let trials = expected.round() as u64;
        let tally = Tally { hits: trials.saturating_sub(seen), trials, expected: 0.0 };
        let key = (subject.0, SymptomKind::Silence, subject.1);
        note(found, key, nats, tally, &Exemplars::default());
    }
}

fn balance<'a>(pane: &PaneCounts, name: &Name, baseline: &'a ServiceBaseline) -> Balance<'a> {
    let now = pane.services.get(name.as_str());
    let edge = |caller: &Name| now.and_then(|counts| counts.callers.get(caller.as_str()));
    let answered = |edge: &EdgeCounts| edge.calls.saturating_sub(edge.orphans);
    let callers = baseline.known_callers();
    let seen = callers.iter().filter_map(|caller| edge(caller)).map(answered).sum();
    let mut balance = Balance { seen, ..Balance::default() };
    for caller in callers {
        let Some(activity) = pane.activity.get(caller.as_str()) else { continue };
        let Some(rate) = baseline.call_rate(caller) else { continue };
        if rate.answered < ANSWERED_MIN {
            continue;
        }
        let failed = if seen > 0 { activity.failed } else { 0 };
        let taken = activity.calls.saturating_sub(failed) as f64;
        let mut calls = rate.per_call * taken;
        let made = edge(caller).map_or(0, |edge| edge.calls);
        let missing = omitted(&rate, activity, taken, calls - made as f64);
        if rate.shows_attempts {
            // The source names its calls: who makes none is not waiting for an answer.
            calls = calls.min(made as f64);
        } else if missing > 0.0 {
            balance.omitted += missing;
            let most = balance.omitter.map_or(0.0, |(_, made, calls)| calls - made as f64);
            if missing > most {
                balance.omitter = Some((caller, made, calls));
            }
        }
        balance.expected += calls;
    }
    balance
}

/// The missing calls of a caller, if its own spans are missing as well; else none.
fn omitted(rate: &CallRate, activity: &Activity, taken: f64, missing: f64) -> f64 {
    let spans = rate.below_per_call * taken - activity.below as f64;
    let is_omitted = rate.has_spans && missing > 0.0 && spans >= OMITTED * missing;
    if is_omitted { missing } else { 0.0 }
}
