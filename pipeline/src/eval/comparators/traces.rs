//! Spans as the trace-based methods take them: durations of operations, normal and abnormal.

use std::collections::BTreeMap;

use super::Case;
use crate::eval::raw::RawSpan;

/// Mean and sample standard deviation of an operation's duration. Unit: milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual {
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

/// What each operation usually takes, over the normal period.
pub(super) fn usual(case: &Case<'_>) -> BTreeMap<u32, Usual> {
    let mut durations: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for span in normal(case) {
        durations.entry(span.operation).or_default().push(span.duration_ms);
    }
    durations.into_iter().map(|(operation, all)| (operation, moments(&all))).collect()
}

fn moments(values: &[f64]) -> Usual {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let deviation = if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
    Usual { mean, deviation }
}

/// The spans of the normal period.
pub(super) fn normal<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a RawSpan> + 'a {
    case.raw.spans.iter().filter(|span| case.normal <= span.start && span.start < case.abnormal)
}

/// The spans of the abnormal period.
pub(super) fn abnormal<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a RawSpan> + 'a {
    case.raw.spans.iter().filter(|span| case.abnormal <= span.start && span.start <= case.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_by_hand() {
        let usual = moments(&[1.0, 2.0, 3.0]);
        assert!((usual.mean - 2.0).abs() < 1e-12 && (usual.deviation - 1.0).abs() < 1e-12);
        assert_eq!(moments(&[5.0]), Usual { mean: 5.0, deviation: 0.0 });
    }
}
