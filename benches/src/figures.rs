//! Medians and spreads of a handful of figures.

/// The middle of some figures, and how far they spread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    /// The median; of an even number the mean of the middle two.
    pub(crate) median: f64,
    /// The least.
    pub(crate) least: f64,
    /// The greatest.
    pub(crate) most: f64,
}

impl Spread {
    /// Of no figures: zeros.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        Self {
            median: f64::midpoint(at(low), at(high)),
            least: at(0),
            most: sorted.last().copied().unwrap_or_default(),
        }
    }
}

/// A figure with three digits that matter and a prefix: `1.23 M`.
pub(crate) fn short(figure: f64) -> String {
    let (scaled, prefix) = match figure.abs() {
        size if size >= 1e9 => (figure / 1e9, " G"),
        size if size >= 1e6 => (figure / 1e6, " M"),
        size if size >= 1e4 => (figure / 1e3, " k"),
        _ => (figure, ""),
    };
    let digits = match scaled.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{scaled:.digits$}{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let spread = Spread::of([9.0, 1.0, 4.0]);
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 4.0, 9.0));
        assert_eq!(Spread::of([1.0, 2.0, 4.0, 8.0]).median, 3.0);
        assert_eq!(Spread::of([]), Spread::default());
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(short(1_234_567.0), "1.23 M");
        assert_eq!(short(54_321.0), "54.3 k");
        assert_eq!(short(987.6), "988");
        assert_eq!(short(0.12345), "0.123");
    }
}
