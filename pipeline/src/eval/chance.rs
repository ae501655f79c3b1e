//! Chance: how often a blind guess is right.

/// AC@k of a guess among `services` candidates: k of them, or all. Zero if there is none.
#[must_use]
pub fn guess(k: usize, services: usize) -> f64 {
    if services == 0 { 0.0 } else { k.min(services) as f64 / services as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_right_once_in_as_many_as_there_are() {
        assert!((guess(1, 40) - 0.025).abs() < 1e-12);
        assert!((guess(3, 40) - 0.075).abs() < 1e-12);
        assert!((guess(5, 4) - 1.0).abs() < 1e-12);
        assert!(guess(1, 0).abs() < 1e-12);
    }
}
