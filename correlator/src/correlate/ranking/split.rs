//! The version split: the new version against the old one, side by side.
//!
//! What both suffer alike is no doing of the new one (difference in differences); what only the new
//! one suffers is. A version of which nothing is heard at all is its own evidence.

use model::hypothesis::{Evidence, EvidenceTerm};
use model::name::Name;

use crate::correlate::change::Change;

use super::{View, evidence};

/// Bound of the term. Unit: nats.
const SPLIT: f64 = 10.0;
/// Calls that either version must have served.
const CALLS_MIN: u64 = 20;
/// Points of metrics that either version must have written.
const POINTS_MIN: u64 = 3;
/// Below this the two versions count as alike. Unit: nats.
const ALIKE: f64 = 1.0;
/// What being alike says: a release that broke something differs from what it replaced in most
/// cases (24 to 1 of those that can be told apart is `ln 24 = 3.2`). Unit: nats.
const ALIKE_NATS: f64 = -3.0;
/// What is said by the silence of the released version. Unit: nats.
const UNHEARD: f64 = 5.0;

/// Trials and hits of one side.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    trials: u64,
    bad: u64,
}

/// The row, if the version of the change can be told from the others.
pub(super) fn term(view: &View<'_>, name: &Name, change: &Change) -> Option<Evidence> {
    let version = change.version.as_ref()?;
    if !targets(view, change).contains(name) {
        return None;
    }
    if view.world.releases.is_unheard(name, version) {
        let text = format!("no instance of version {version} has written anything yet");
        return Some(evidence::row(EvidenceTerm::ChangeSplit, UNHEARD, text));
    }
    let own = || view.case.versions.iter().filter(|((service, _), _)| service == name);
    let sides = |read: fn(&crate::correlate::case::VersionSum) -> Side| {
        own().fold((Side::default(), Side::default()), |(new, old), ((_, running), sum)| {
            let side = read(sum);
            if running == version { (new.plus(side), old) } else { (new, old.plus(side)) }
        })
    };
    let calls = sides(|sum| Side { trials: sum.calls, bad: sum.bad });
    let points = sides(|sum| Side { trials: sum.points, bad: sum.points_off });
    if calls.0.trials.min(calls.1.trials) >= CALLS_MIN {
        return Some(row(version, "calls bad", calls));
    }
    (points.0.trials.min(points.1.trials) >= POINTS_MIN).then(|| row(version, "points off", points))
}

fn targets(view: &View<'_>, change: &Change) -> Vec<Name> {
    let bound = |name: &Name| view.world.map.bind(name).unwrap_or_else(|| name.clone());
    change.targets.iter().map(bound).collect()
}

fn row(version: &Name, what: &str, (new, old): (Side, Side)) -> Evidence {
    let text = format!(
        "version {version}: {} of {} {what}; other versions beside it: {} of {}",
        new.bad, new.trials, old.bad, old.trials
    );
    evidence::row(EvidenceTerm::ChangeSplit, nats(new, old), text)
}

/// Half of the two-sample G statistic, signed; alike is against the new one.
fn nats(new: Side, old: Side) -> f64 {
    let pooled = new.plus(old).share();
    let gain = new.fit(new.share()) + old.fit(old.share()) - new.fit(pooled) - old.fit(pooled);
    let signed = if new.share() >= old.share() { gain } else { -gain };
    if signed < ALIKE { (ALIKE_NATS + signed).max(-SPLIT) } else { signed.min(SPLIT) }
}

impl Side {
    fn plus(self, other: Self) -> Self {
        Self {
            trials: self.trials.saturating_add(other.trials),
            bad: self.bad.saturating_add(other.bad),
        }
    }

    fn share(self) -> f64 {
        (self.bad as f64 / self.trials.max(1) as f64).min(1.0)
    }

    /// Log-likelihood of the side under a share of bad ones.
    fn fit(self, share: f64) -> f64 {
        let (n, k) = (self.trials as f64, self.bad.min(self.trials) as f64);
        let part = |count: f64, p: f64| {
            if count > 0.0 { count * libm::log(p.max(1e-12)) } else { 0.0 }
        };
        part(k, share) + part(n - k, 1.0 - share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(trials: u64, bad: u64) -> Side {
        Side { trials, bad }
    }

    #[test]
    fn only_what_the_new_version_alone_suffers_speaks_against_it() {
        assert!(nats(side(14, 14), side(70, 14)) > 5.0);
        assert!(nats(side(14, 0), side(70, 0)) < -2.0, "healthy as the others");
        assert!(nats(side(14, 12), side(70, 60)) < -1.0, "all suffer alike");
        assert!(nats(side(14, 0), side(70, 60)) < -5.0, "the old ones suffer");
    }
}
