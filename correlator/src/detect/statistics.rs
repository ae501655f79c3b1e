//! Evidence of counts against a null, in nats. All functions are one-sided: 0 where the counts
//! are no worse than the null. Absent: any state.

/// Largest share of hits to expect that is treated as possible; keeps logarithms finite.
const P_MAX: f64 = 0.999;

/// Log-likelihood ratio of `k` hits in `n` trials against the null share `p0` (notes 6.3):
/// `k ln(k / (n p0)) + (n-k) ln((n-k) / (n (1-p0)))`, 0 when `k/n <= p0`.
pub(crate) fn binomial(k: u64, n: u64, p0: f64) -> f64 {
    let (k, n, p0) = (k.min(n) as f64, n as f64, p0.clamp(1e-9, P_MAX));
    if n == 0.0 || k <= n * p0 {
        return 0.0;
    }
    let hits = k * libm::log(k / (n * p0));
    let misses = n - k;
    let rest = if misses > 0.0 { misses * libm::log(misses / (n * (1.0 - p0))) } else { 0.0 };
    (hits + rest).max(0.0)
}

/// Evidence that hits of now come from a larger share than those known: the log-likelihood ratio of
/// two shares against one that both samples have in common (the G statistic of two binomial
/// samples, one-sided), `0` when the share of now is not the larger. Both samples count, so a thin
/// baseline bounds what any number of hits can say (notes 6.2): six known samples never give more
/// than about twenty nats. Half a hit in one trial is added to what is known (Jeffreys' prior).
pub(crate) fn two_samples(hits: f64, trials: f64, known_hits: f64, known_trials: f64) -> f64 {
    let (k, n) = (hits.min(trials).max(0.0), trials);
    let (known, of) = (known_hits.min(known_trials).max(0.0) + 0.5, known_trials.max(0.0) + 1.0);
    if n <= 0.0 || k * of <= known * n {
        return 0.0;
    }
    let share = (k + known) / (n + of);
    let part = |seen: f64, expected: f64| {
        if seen > 0.0 { seen * libm::log(seen / expected) } else { 0.0 }
    };
    let now = part(k, n * share) + part(n - k, n * (1.0 - share));
    let then = part(known, of * share) + part(of - known, of * (1.0 - share));
    (now + then).max(0.0)
}

/// Evidence that `k` events are too few for a Poisson law of mean `expected`.
pub(crate) fn too_few(k: f64, expected: f64) -> f64 {
    if expected <= 0.0 || k >= expected {
        return 0.0;
    }
    let log = if k > 0.0 { k * libm::log(k / expected) } else { 0.0 };
    (expected - k + log).max(0.0)
}

/// Evidence that `k` events are too many for a Poisson law of mean `expected`.
pub(crate) fn too_many(k: f64, expected: f64) -> f64 {
    if k <= expected || expected <= 0.0 {
        return 0.0;
    }
    (k * libm::log(k / expected) - (k - expected)).max(0.0)
}

/// Null share under the thin-data rule (notes 6.2): the Beta posterior mean, which never falls
/// below `1 / (n + 2)`, so that five samples can never give strong evidence.
pub(crate) fn posterior_share(hits: u64, trials: u64) -> f64 {
    (hits.min(trials) as f64 + 1.0) / (trials as f64 + 2.0)
}

/// Evidence of a standardised deviation under a Student law of 3 degrees of freedom, less 2 nats
/// for the many series that are looked at: heavy tails are what metrics have.
pub(crate) fn deviation(z: f64) -> f64 {
    (2.0 * libm::log1p(z * z / 3.0) - 2.0).max(0.0)
}

/// A share in parts per million.
pub(crate) fn ppm(share: f64) -> u32 {
    // Saturating float-to-integer conversion of a value within 0..=1e6.
    (share.clamp(0.0, 1.0) * 1e6).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_one_sided_and_grows_with_the_hits() {
        assert_eq!(binomial(2, 100, 0.02), 0.0);
        assert_eq!(binomial(0, 0, 0.02), 0.0);
        assert!(binomial(10, 100, 0.02) > 3.0);
        assert!(binomial(100, 100, 0.02) > binomial(50, 100, 0.02));
        assert!((binomial(100, 100, 0.02) - 100.0 * libm::log(50.0)).abs() < 1e-9);
        assert!((too_few(0.0, 7.0) - 7.0).abs() < 1e-9);
        assert_eq!(too_few(8.0, 7.0), 0.0);
    }

    #[test]
    fn two_samples_never_say_more_than_the_thinner_of_them() {
        assert_eq!(two_samples(1.0, 10.0, 20.0, 100.0), 0.0);
        assert_eq!(two_samples(0.0, 0.0, 0.0, 100.0), 0.0);
        let against_six = |hits: f64| two_samples(hits, hits, 0.0, 6.0);
        assert!(against_six(6.0) > 6.0 && against_six(1e6) < 130.0);
        assert!(against_six(60.0) < two_samples(60.0, 60.0, 0.0, 600.0) / 5.0);
        assert!(two_samples(30.0, 60.0, 6.0, 600.0) > 30.0);
    }

    #[test]
    fn a_thin_baseline_gives_no_strong_evidence() {
        let after = |samples| binomial(5, 5, posterior_share(0, samples));
        assert!(after(0) < 4.0 && after(1000) > 30.0);
    }
}
