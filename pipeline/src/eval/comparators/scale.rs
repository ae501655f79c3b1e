//! Location and spread of few values, robustly.

/// The value below which a share of the sorted values lies, interpolated as NumPy does. `None`
/// without values.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let low = *sorted.get(place.floor() as usize)?;
    let high = *sorted.get((place.ceil() as usize).min(last))?;
    Some(low + (high - low) * (place - place.floor()))
}

/// The values in order.
pub(super) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Median and interquartile range. A range of zero is one, as scikit-learn's `RobustScaler` has it.
pub(super) fn median_iqr(normal: &[f64]) -> Option<(f64, f64)> {
    let range = quantile(normal, 0.75)? - quantile(normal, 0.25)?;
    Some((quantile(normal, 0.5)?, if range > 0.0 { range } else { 1.0 }))
}

/// Median and scale of the modified z-score (Iglewicz and Hoaglin 1993): 1.4826 times the median
/// absolute deviation; if that is zero, 1.2533 times the mean absolute deviation; if that is zero
/// as well, one.
pub(super) fn median_mad(normal: &[f64]) -> Option<(f64, f64)> {
    let median = quantile(normal, 0.5)?;
    let away = sorted(normal.iter().map(|value| (value - median).abs()));
    let mad = 1.4826 * quantile(&away, 0.5)?;
    let mean = 1.2533 * away.iter().sum::<f64>() / away.len() as f64;
    let scale = [mad, mean].into_iter().find(|scale| *scale > 0.0).unwrap_or(1.0);
    Some((median, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let values = [1.0, 2.0, 3.0, 4.0, 10.0];
        assert_eq!(median_iqr(&values), Some((3.0, 2.0)));
        assert_eq!(median_mad(&values), Some((3.0, 1.4826)));
        assert_eq!(quantile(&[1.0, 2.0], 0.25), Some(1.25));
        assert_eq!(median_iqr(&[5.0, 5.0]), Some((5.0, 1.0)));
        // Deviations 0 0 0 5: the mean is 1.25.
        let (median, scale) = median_mad(&[5.0, 5.0, 5.0, 10.0]).unwrap();
        assert!((median - 5.0).abs() < 1e-12 && (scale - 1.2533 * 1.25).abs() < 1e-12);
        assert_eq!(median_mad(&[]), None);
    }
}
