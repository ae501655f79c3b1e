//! Seeded chance. `ChaCha8` gives the same stream on every platform, and every float goes through
//! libm, so a scenario is the same bytes everywhere.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Above this mean a Poisson draw is taken from the normal distribution that it approaches.
const POISSON_EXACT_MAX: f64 = 60.0;

/// One stream of chance. Streams of one seed are independent of each other.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Never 0: OpenTelemetry calls an all-zero id invalid.
    pub(crate) fn id64(&mut self) -> u64 {
        self.0.next_u64().max(1)
    }

    pub(crate) fn id128(&mut self) -> u128 {
        (u128::from(self.id64()) << 64) | u128::from(self.id64())
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..count`; 0 for an empty range.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        if count < 2 {
            return 0;
        }
        // Multiply and shift: a bias of count / 2^32, which no test can see.
        let wide = u64::from(self.0.next_u32()) * count as u64;
        usize::try_from(wide >> 32).unwrap_or(0)
    }

    pub(crate) fn pick<'a, T>(&mut self, entries: &'a [T]) -> Option<&'a T> {
        entries.get(self.below(entries.len()))
    }

    /// Standard normal, Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > POISSON_EXACT_MAX {
            let drawn = mean + mean.sqrt() * self.normal();
            return drawn.round().clamp(0.0, 1e6) as u32;
        }
        let floor = libm::exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > floor {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |seed, stream| Dice::new(seed, stream).id128();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn draws_have_the_mean_that_was_asked_for() {
        let mut dice = Dice::new(7, 0);
        for mean in [0.3, 12.0, 200.0] {
            let total: u32 = (0..20_000).map(|_| dice.poisson(mean)).sum();
            let got = f64::from(total) / 20_000.0;
            assert!((got - mean).abs() < 0.05 * mean, "{got} for {mean}");
        }
        let mut sample: Vec<f64> = (0..20_001).map(|_| dice.log_normal(40.0, 0.5)).collect();
        sample.sort_by(f64::total_cmp);
        assert!((sample[10_000] - 40.0).abs() < 1.0);
    }
}
