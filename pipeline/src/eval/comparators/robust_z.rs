//! *Largest robust z*: the service with the series that is furthest from its median, either way, in
//! units of its own deviation.

use super::scale::{median_mad, sorted};
use super::{Answer, Case};

/// Normal values a series must have to be judged.
const NORMAL_VALUES: usize = 3;

/// The largest `|x - median| / (1.4826 MAD)` of each service's series.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let scores = case.series.iter().filter_map(|series| {
        let normal = sorted(series.between(case.normal, case.abnormal));
        if normal.len() < NORMAL_VALUES {
            return None;
        }
        let (median, scale) = median_mad(&normal)?;
        let after = series.between(case.abnormal, case.end);
        let largest = after.map(|value| (value - median).abs() / scale).max_by(f64::total_cmp)?;
        Some((series.service.clone(), largest))
    });
    Answer::of_services(scores)
}
