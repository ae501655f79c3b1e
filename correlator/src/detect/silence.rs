//! Silence: far fewer answered calls than the callers' own work leads to expect.
//!
//! Expected calls follow what the callers do in this very pane, so a quiet night or a gap in all
//! telemetry is no silence. A service that still answers is judged by its callers' successes
//! only: a caller that fails early calls less. And spans are conserved: a call that nobody answers still has
//! its span at the caller, one that is not made has none. Where the spans are missing at the caller as
//! well, it is the caller that has changed its mind. And where its spans are there, but it calls others more often, by at least
//! half of what it calls one less, its requests are of another kind now: nobody is silent.

use std::collections::BTreeMap;

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
/// Share of the missing calls that must be made elsewhere instead, to blame nobody.
const DIVERTED: f64 = 0.5;

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
    let surplus = surplus(pane, baselines);
    for (name, baseline) in baselines {
        let balance = balance(pane, name, baseline, &surplus);
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

/// Of each caller whose spans show its calls, the calls beyond the expected ones, of all services together.
fn surplus<'a>(pane: &PaneCounts, baselines: &'a Baselines) -> BTreeMap<&'a Name, f64> {
    let mut surplus: BTreeMap<&Name, f64> = BTreeMap::new();
    for (name, baseline) in baselines {
        for caller in baseline.known_callers() {
            let (Some(activity), Some(rate)) =
                (pane.activity.get(caller.as_str()), baseline.call_rate(caller))
            else {
                continue;
            };
            let made = edge(pane, name, caller).map_or(0, |edge| edge.calls) as f64;
            let more = made - rate.per_call * activity.calls as f64;
            if rate.has_spans && more > 0.0 {
                *surplus.entry(caller).or_default() += more;
            }
        }
    }
    surplus
}

fn edge<'p>(pane: &'p PaneCounts, name: &Name, caller: &Name) -> Option<&'p EdgeCounts> {
    pane.services.get(name.as_str())?.callers.get(caller.as_str())
}

fn balance<'a>(
    pane: &PaneCounts,
    name: &Name,
    baseline: &'a ServiceBaseline,
    surplus: &BTreeMap<&Name, f64>,
) -> Balance<'a> {
    let edge = |caller: &Name| edge(pane, name, caller);
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
        } else {
            let missing = calls - made as f64;
            let elsewhere = surplus.get(caller).copied().unwrap_or_default();
            if missing > 0.0 && elsewhere >= DIVERTED * missing {
                calls = made as f64;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::DetectConfig;
    use crate::observe::ServiceCounts;

    /// A pane in which `seat` took 20 calls, wrote so many spans below, and called two services.
    fn pane(below: u64, calls: [(&str, u64); 2]) -> PaneCounts {
        let mut pane = PaneCounts::default();
        pane.activity.insert("seat".into(), Activity { calls: 20, failed: 0, below });
        for (callee, calls) in calls {
            let mut edge = EdgeCounts { calls, ..EdgeCounts::default() };
            edge.gap.add_bucket(1, calls);
            let mut counts = ServiceCounts::default();
            counts.callers.insert("seat".into(), edge);
            pane.services.insert(callee.into(), counts);
        }
        pane
    }

    /// Who is silent, or calls less, in a pane after two minutes of ten calls each.
    fn found(now: &PaneCounts) -> Vec<(String, String)> {
        let (mut baselines, config) = (Baselines::new(), DetectConfig::default());
        let usual = pane(20, [("orders", 10), ("old-orders", 10)]);
        for _ in 0..12 {
            for (name, counts) in &usual.services {
                let baseline = baselines.entry(name.clone()).or_default();
                baseline.learn(counts, &usual.activity, 1, &config);
            }
        }
        let mut found = Vec::new();
        judge(now, &baselines, &mut found);
        let key = |evidence: &Evidence| {
            (evidence.key.entity.service.to_string(), evidence.key.detail.to_string())
        };
        found.iter().map(key).collect()
    }

    #[test]
    fn calls_that_go_elsewhere_are_missed_by_nobody() {
        assert_eq!(found(&pane(20, [("orders", 1), ("old-orders", 19)])), []);
        assert_eq!(found(&pane(20, [("orders", 10), ("old-orders", 10)])), []);
    }

    #[test]
    fn calls_that_nobody_answers_and_calls_that_are_not_made_are_told_apart() {
        let silent = found(&pane(20, [("orders", 0), ("old-orders", 10)]));
        assert_eq!(silent, [("orders".into(), String::new())]);
        let omitted = found(&pane(10, [("orders", 0), ("old-orders", 10)]));
        assert_eq!(omitted, [("seat".into(), "orders".into())]);
    }
}
