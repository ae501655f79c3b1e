//! Max-z in BARO's form (Pham, Ha, Zhang, FSE 2024), given the onset: rank by the maximum over the
//! abnormal period of `(x - median) / IQR`, fitted on the normal one. As in its multi-source form
//! over metrics, log counts, trace errors and trace latency. Upward only; one sample decides.

use super::scale::{median_iqr, sorted};
use super::{Answer, Case};

/// The largest upward deviation of each service's series. A series must have been there before and
/// after.
#[must_use]
pub fn answer(case: &Case<'_>) -> Answer {
    let scores = case.series.iter().filter_map(|series| {
        let (median, range) = median_iqr(&sorted(series.between(case.normal, case.abnormal)))?;
        let after = series.between(case.abnormal, case.end);
        let largest = after.map(|value| (value - median) / range).max_by(f64::total_cmp)?;
        Some((series.service.clone(), largest))
    });
    Answer::of_services(scores)
}
