//! Calibration: whether a probability of 0.8 is right eight times in ten.

/// Bins of the calibration error: the usual number (Guo et al., ICML 2017).
const BINS: usize = 15;

/// What a fault's first incident promised and what was true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// Probability of whom its first hypothesis blames. Unit: 0 to 1.
    pub probability: f64,
    /// The first hypothesis names the root cause.
    pub right: bool,
    /// Hypotheses in its 90 % set.
    pub set_size: u32,
    /// The root cause is in the set.
    pub covered: bool,
}

/// What promises come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationFigures {
    /// How many promises: faults with an incident.
    pub cases: usize,
    /// Expected calibration error over at most 15 bins of equal mass. A suite of fewer than some
    /// 150 cases has so few in a bin that chance alone makes it large. Unit: 0 to 1.
    pub ece: f64,
    /// Share of the faults whose root cause is in the 90 % set.
    pub coverage: f64,
    /// Mean number of hypotheses in it.
    pub set_size: f64,
}

impl CalibrationFigures {
    /// Sums promises up; `None` without any.
    #[must_use]
    pub fn of(promises: &[Promise]) -> Option<Self> {
        let cases = promises.len();
        if cases == 0 {
            return None;
        }
        let share = |sum: f64| sum / cases as f64;
        Some(Self {
            cases,
            ece: ece(promises),
            coverage: share(promises.iter().filter(|p| p.covered).count() as f64),
            set_size: share(promises.iter().map(|p| f64::from(p.set_size)).sum()),
        })
    }
}

/// Sum over the bins of (share of cases in it) x |mean probability - share right|. Equal
/// probabilities are never parted, so that the result does not depend on the order of cases.
fn ece(promises: &[Promise]) -> f64 {
    let mut sorted: Vec<&Promise> = promises.iter().collect();
    sorted.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let cases = sorted.len();
    let bins = BINS.min(cases);
    let mut error = 0.0;
    let mut from = 0;
    for bin in 1..=bins {
        let mut to = (cases * bin / bins).max(from);
        while to > from && to < cases && same(&sorted, to - 1, to) {
            to += 1;
        }
        let inside = sorted.get(from..to).unwrap_or_default();
        let probability: f64 = inside.iter().map(|p| p.probability).sum();
        let right = inside.iter().filter(|p| p.right).count() as f64;
        error += (probability - right).abs() / cases as f64;
        from = to;
    }
    error
}

fn same(sorted: &[&Promise], a: usize, b: usize) -> bool {
    matches!((sorted.get(a), sorted.get(b)), (Some(a), Some(b)) if a.probability == b.probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(probability: f64, right: bool) -> Promise {
        Promise { probability, right, set_size: 2, covered: right }
    }

    #[test]
    fn equal_promises_are_one_bin() {
        // 0.8 promised ten times and kept eight times.
        let kept: Vec<Promise> = (0..10).map(|n| promise(0.8, n < 8)).collect();
        assert!(CalibrationFigures::of(&kept).unwrap().ece.abs() < 1e-12);
        let broken: Vec<Promise> = (0..10).map(|n| promise(0.8, n < 5)).collect();
        let figures = CalibrationFigures::of(&broken).unwrap();
        assert!((figures.ece - 0.3).abs() < 1e-12);
        assert_eq!((figures.coverage, figures.set_size, figures.cases), (0.5, 2.0, 10));
    }

    #[test]
    fn bins_are_of_equal_mass_and_order_is_nothing() {
        // Thirty promises, two a bin: each pair (p, p + tiny) one right, one wrong.
        let mut all = Vec::new();
        for bin in 0..15 {
            let p = f64::from(bin) / 15.0;
            all.push(promise(p, true));
            all.push(promise(p + 0.01, false));
        }
        // Per bin |2p + 0.01 - 1| / 30.
        let by_hand: f64 =
            (0..15).map(|bin| (2.0 * f64::from(bin) / 15.0 + 0.01 - 1.0).abs() / 30.0).sum();
        assert!((ece(&all) - by_hand).abs() < 1e-12);
        all.reverse();
        assert!((ece(&all) - by_hand).abs() < 1e-12);
    }

    #[test]
    fn few_cases_have_a_bin_each_and_none_have_no_figure() {
        assert!((ece(&[promise(0.9, true), promise(0.2, false)]) - 0.15).abs() < 1e-12);
        assert_eq!(CalibrationFigures::of(&[]), None);
    }
}
