//! Intervals of shares: small suites say little.

/// The 97.5 % point of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// The 95 % interval of a share of `hits` in `cases` (Wilson 1927): it stays inside 0 to 1 and
/// keeps its coverage for few cases. The whole of 0 to 1 without cases.
#[must_use]
pub fn wilson(hits: usize, cases: usize) -> (f64, f64) {
    if cases == 0 {
        return (0.0, 1.0);
    }
    let n = cases as f64;
    let share = hits as f64 / n;
    let z2 = Z_95 * Z_95;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(interval: (f64, f64), low: f64, high: f64) {
        assert!(
            (interval.0 - low).abs() < 5e-4 && (interval.1 - high).abs() < 5e-4,
            "{interval:?}"
        );
    }

    #[test]
    fn known_intervals() {
        // Newcombe 1998, table I: 81 of 263 and 15 of 148.
        close(wilson(81, 263), 0.2553, 0.3662);
        close(wilson(15, 148), 0.0624, 0.1605);
        close(wilson(0, 10), 0.0, 0.2775);
        close(wilson(10, 10), 0.7225, 1.0);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}
