//! Noise: alerts that fire for reasons of their own, never because of a fault. The patterns are
//! those that studies of alert rules in large systems name: outdated rules that always hold,
//! toggling ones, transient ones, unclear titles, severities that mislead.

use model::id::stable_hash;
use model::time::Timestamp;

use crate::rules::{Breach, Findings, Labels};
use crate::scenario::Scenario;

/// An alert rule that holds whatever the system does.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseRule {
    /// `alertname`.
    pub name: &'static str,
    /// `severity`.
    pub severity: &'static str,
    /// Further labels.
    pub labels: Vec<(&'static str, String)>,
    /// What it says.
    pub summary: &'static str,
    /// When it holds.
    pub pattern: Pattern,
}

/// When a rule holds. Times are seconds since the scenario's start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// From a moment to another.
    Steady {
        /// From when.
        from_s: i64,
        /// Until when.
        until_s: i64,
    },
    /// On and off in turn.
    Toggling {
        /// From when.
        from_s: i64,
        /// Until when.
        until_s: i64,
        /// How long it holds, at least one second.
        on_s: i64,
        /// How long it does not.
        off_s: i64,
    },
    /// Now and then for half a minute.
    Transient {
        /// The share of half minutes in which it holds, 0 to 1.
        share: f64,
    },
}

/// How long a transient rule holds. Unit: seconds.
const TRANSIENT_S: i64 = 30;

impl Pattern {
    /// Whether the rule holds at a second; `seed` decides for transient ones.
    fn holds(self, second: i64, seed: u64) -> bool {
        match self {
            Self::Steady { from_s, until_s } => (from_s..until_s).contains(&second),
            Self::Toggling { from_s, until_s, on_s, off_s } => {
                let period = (on_s + off_s).max(1);
                (from_s..until_s).contains(&second) && (second - from_s).rem_euclid(period) < on_s
            }
            Self::Transient { share } => {
                let slot = second.div_euclid(TRANSIENT_S);
                let hash = stable_hash(&[&seed.to_le_bytes(), &slot.to_le_bytes()]);
                (hash >> 11) as f64 / (1_u64 << 53) as f64 <= share
            }
        }
    }
}

/// The noise rules of a scenario that hold at an instant.
pub(crate) fn evaluate(
    scenario: &Scenario,
    rules: &[NoiseRule],
    now: Timestamp,
    findings: &mut Findings<'_>,
) {
    let second = (now - scenario.start).secs();
    for (index, rule) in rules.iter().enumerate() {
        let seed = stable_hash(&[&scenario.seed.to_le_bytes(), &index.to_le_bytes()]);
        if rule.pattern.holds(second, seed) {
            findings.out.push(breach(scenario, rule));
        }
    }
}

fn breach(scenario: &Scenario, rule: &NoiseRule) -> Breach {
    let mut labels = Labels::from([
        ("alertname", rule.name.to_owned()),
        ("severity", rule.severity.to_owned()),
        ("env", scenario.world.environment.clone()),
    ]);
    labels.extend(rule.labels.iter().cloned());
    Breach { labels, summary: rule.summary.to_owned(), hold: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toggling_rule_holds_in_turn_and_only_in_its_time() {
        let pattern = Pattern::Toggling { from_s: 60, until_s: 200, on_s: 30, off_s: 45 };
        let held: Vec<i64> =
            (0..20).map(|n| n * 15).filter(|second| pattern.holds(*second, 1)).collect();
        assert_eq!(held, [60, 75, 135, 150]);
    }

    #[test]
    fn a_transient_rule_holds_for_its_share_of_the_time() {
        let pattern = Pattern::Transient { share: 0.2 };
        let held = (0..3_000).filter(|slot| pattern.holds(slot * TRANSIENT_S, 9)).count();
        assert!((500..700).contains(&held), "{held} of 3000");
    }
}
