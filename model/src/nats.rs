//! Evidence in nats, as fixed-point integers: sums do not depend on the order of their terms.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use serde::{Deserialize, Serialize};

/// An amount of evidence. Unit: 2^-20 nat, signed. Addition saturates and commutes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Nats(pub i64);

const SCALE: f64 = (1_u64 << 20) as f64;

impl Nats {
    /// No evidence.
    pub const ZERO: Self = Self(0);

    /// The nearest fixed-point value; not-a-number becomes zero.
    #[must_use]
    pub fn from_f64(nats: f64) -> Self {
        // `as` saturates on overflow and maps NaN to 0.
        Self((nats * SCALE).round() as i64)
    }

    /// Whole nats.
    #[must_use]
    pub const fn from_int(nats: i64) -> Self {
        Self(nats.saturating_mul(1 << 20))
    }

    /// As a float, exact below 2^33 nats.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / SCALE
    }

    /// Rounded to three decimals, for people and JSON.
    #[must_use]
    pub fn rounded(self) -> f64 {
        (self.to_f64() * 1000.0).round() / 1000.0
    }
}

impl Add for Nats {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Nats {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Nats {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Nats {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Nats {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::ZERO, Add::add)
    }
}
