//! TraceRCA (Li et al., IWQoS 2021), given the onset: a span is abnormal when it takes `mean + 3
//! deviations` or more of its operation; an operation's support `s` is its share of the abnormal
//! spans, its confidence `c` the abnormal share of its spans; score `2 s c / (s + c)`. Operations
//! that were never seen before cannot be judged.

use std::collections::BTreeMap;

use super::traces::{abnormal, usual};
use super::{Answer, Case};

/// The best score of each service's operations.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let usual = usual(case);
    let mut counts: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for span in abnormal(case) {
        let Some(usual) = usual.get(&span.operation) else { continue };
        let slow = span.duration_ms >= usual.mean + 3.0 * usual.deviation;
        let (of_it, all) = counts.entry(span.operation).or_default();
        *of_it += u32::from(slow);
        *all += 1;
    }
    let slow: u32 = counts.values().map(|(slow, _)| slow).sum();
    let scores = counts.into_iter().filter_map(|(operation, (of_it, all))| {
        let service = case.raw.service_of(operation)?;
        let support = f64::from(of_it) / f64::from(slow);
        let confidence = f64::from(of_it) / f64::from(all);
        Some((service.clone(), 2.0 * support * confidence / (support + confidence)))
    });
    Answer::of_services(scores)
}
