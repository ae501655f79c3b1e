//! The version split: the new version against the old one, side by side.
//!
//! What both suffer alike is no doing of the new one (difference in differences); what only the new
//! one suffers is. A version of which nothing is heard at all is its own evidence.

use std::collections::BTreeSet;

use model::hypothesis::{Evidence, EvidenceTerm};
use model::name::Name;

use crate::correlate::change::Change;
use crate::correlate::sums::VersionSum;

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
const UNHEARD: f64 = 8.0;

/// Trials and hits of one side.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    trials: u64,
    bad: u64,
}

/// The row, if the version of the change can be told from the others.
pub(super) fn term(view: &View<'_>, name: &Name, change: &Change) -> Option<Evidence> {
    let version = change.version.as_ref()?;
    let targets = targets(view, change);
    // Blamed for what it calls, a release must still differ from what it replaced.
    let calls = |target: &&Name| view.world.map.callees(target).contains(name);
    let name = if targets.contains(name) { name } else { targets.iter().find(calls)? };
    if view.world.releases.is_unheard(name, version) {
        let text = format!("no instance of version {version} has written anything yet");
        return Some(evidence::row(EvidenceTerm::ChangeSplit, UNHEARD, text));
    }
    let sums: Vec<(bool, &VersionSum)> = view
        .case
        .versions
        .iter()
        .filter(|((service, _), _)| service == name)
        .map(|((_, running), sum)| (running == version, sum))
        .collect();
    let calls = sides(&sums, |sum| Side { trials: sum.calls, bad: sum.bad });
    if calls.0.trials.min(calls.1.trials) >= CALLS_MIN {
        return Some(row(version, "calls bad", calls, nats(calls.0, calls.1)));
    }
    by_metrics(version, &sums)
}

/// The metric in which the two differ most, less the logarithm of how many were looked at: what a
/// release breaks shows in some of them and not in others.
fn by_metrics(version: &Name, sums: &[(bool, &VersionSum)]) -> Option<Evidence> {
    let names: BTreeSet<&Name> = sums.iter().flat_map(|(_, sum)| sum.metrics.keys()).collect();
    let both = |metric: &Name| {
        let (new, old) = sides(sums, |sum| {
            let (trials, bad) = sum.metrics.get(metric).copied().unwrap_or_default();
            Side { trials, bad }
        });
        (new.trials.min(old.trials) >= POINTS_MIN).then_some((new, old))
    };
    let compared: Vec<(&Name, (Side, Side))> =
        names.into_iter().filter_map(|name| Some((name, both(name)?))).collect();
    let looked_at = libm::log(compared.len().max(1) as f64);
    let gain = |(new, old): (Side, Side)| gain(new, old) - looked_at;
    let (metric, sides) = compared
        .into_iter()
        .max_by(|a, b| gain(a.1).total_cmp(&gain(b.1)).then_with(|| b.0.cmp(a.0)))?;
    let what = format!("points of {metric} off");
    Some(row(version, &what, sides, judged(gain(sides))))
}

fn sides(sums: &[(bool, &VersionSum)], read: impl Fn(&VersionSum) -> Side) -> (Side, Side) {
    sums.iter().fold((Side::default(), Side::default()), |(new, old), (is_new, sum)| {
        let side = read(sum);
        if *is_new { (new.plus(side), old) } else { (new, old.plus(side)) }
    })
}

fn targets(view: &View<'_>, change: &Change) -> Vec<Name> {
    let bound = |name: &Name| view.world.map.node(name);
    change.targets.iter().map(bound).collect()
}

fn row(version: &Name, what: &str, (new, old): (Side, Side), nats: f64) -> Evidence {
    let text = format!(
        "version {version}: {} of {} {what}; other versions beside it: {} of {}",
        new.bad, new.trials, old.bad, old.trials
    );
    evidence::row(EvidenceTerm::ChangeSplit, nats, text)
}

fn nats(new: Side, old: Side) -> f64 {
    judged(gain(new, old))
}

/// Alike is against the new version, and so is an old one that suffers more: but not more than
/// that, for what a release does to the instances that it replaces is its doing as well.
fn judged(gain: f64) -> f64 {
    if gain < ALIKE { ALIKE_NATS } else { gain.min(SPLIT) }
}

/// Half of the two-sample G statistic (Sokal & Rohlf), positive where the new version is worse.
fn gain(new: Side, old: Side) -> f64 {
    let pooled = new.plus(old).share();
    let gain = new.fit(new.share()) + old.fit(old.share()) - new.fit(pooled) - old.fit(pooled);
    if new.share() >= old.share() { gain } else { -gain }
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
        assert!(nats(side(14, 0), side(70, 60)) < -1.0, "the old ones suffer");
    }
}
