//! How much is asked of the world, and when.

use model::time::{Nanos, Timestamp};

/// The requests that come in from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Where they come in.
    pub routes: Vec<Route>,
    /// How far the load swings around its mean, as a share of it: 0.08 is ±8 %.
    pub swing: f64,
    /// Periods in which one route is used more or less.
    pub ramps: Vec<Ramp>,
}

/// A way in.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The operation that is called first.
    pub operation: usize,
    /// Mean rate. Unit: requests per second.
    pub per_s: f64,
}

/// A route's rate is multiplied from a moment on.
#[derive(Clone, Debug, PartialEq)]
pub struct Ramp {
    /// Index of the route.
    pub route: usize,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// By how much.
    pub factor: f64,
}

/// The load swings once in that time.
const SWING_PERIOD: Nanos = Nanos::from_secs(25 * 60);

impl Traffic {
    /// The rate of a route at an instant, before any fault. Unit: requests per second.
    #[must_use]
    pub fn rate(&self, route: usize, at: Timestamp) -> f64 {
        let Some(entry) = self.routes.get(route) else { return 0.0 };
        let phase = at.0.rem_euclid(SWING_PERIOD.0) as f64 / SWING_PERIOD.0 as f64;
        let swing = 1.0 + self.swing * libm::sin(std::f64::consts::TAU * phase);
        let ramp: f64 = self
            .ramps
            .iter()
            .filter(|ramp| ramp.route == route && ramp.from <= at && at < ramp.until)
            .map(|ramp| ramp.factor)
            .product();
        entry.per_s * swing * ramp
    }
}
