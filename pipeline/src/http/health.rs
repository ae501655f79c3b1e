//! Health: whether the program lives, and whether it is ready, with the reasons by name.
//!
//! Ready means: for every stage that runs here, its partitions are known, its state is restored, and what it writes
//! finds room; or it is not this process's to do, and this one stands by: it would begin at once, and nothing has to
//! wait for it.
//! What is deliberately absent: lag as a reason (a slow program must not be restarted for it).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use serde::Serialize;

use super::metrics::Stage;

/// What must hold for a stage before it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It knows which partitions are its own.
    PartitionsKnown,
    /// Its state is that of the offsets it reads from.
    StateRestored,
    /// The log has room for what it writes.
    LogHasRoom,
    /// Its newest snapshot could be written.
    SnapshotsWritten,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::PartitionsKnown, Self::StateRestored, Self::LogHasRoom, Self::SnapshotsWritten];

    /// Whether it holds until somebody says that it does not.
    const fn is_presumed(self) -> bool {
        matches!(self, Self::LogHasRoom | Self::SnapshotsWritten)
    }

    /// Its word, in the checks and in `faultline_health`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PartitionsKnown => "partitions_known",
            Self::StateRestored => "state_restored",
            Self::LogHasRoom => "log_has_room",
            Self::SnapshotsWritten => "snapshots_written",
        }
    }
}

/// One line of the verbose answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The stage.
    pub stage: Stage,
    /// What must hold.
    pub condition: Condition,
    /// Whether it holds.
    pub holds: bool,
}

/// The health of one process.
#[derive(Debug, Default)]
pub struct Health {
    dead: AtomicBool,
    checks: RwLock<BTreeMap<(Stage, Condition), bool>>,
    /// Of each role that one process at a time does: whether it is this one.
    owned: RwLock<BTreeMap<Stage, bool>>,
}

impl Health {
    /// A stage runs in this process: from now on readiness waits for its conditions.
    pub fn expect(&self, stage: Stage) {
        let mut checks = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        for condition in Condition::ALL {
            checks.entry((stage, condition)).or_insert(condition.is_presumed());
        }
    }

    /// A condition of a stage begins or ceases to hold.
    pub fn set(&self, stage: Stage, condition: Condition, holds: bool) {
        let mut checks = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        checks.insert((stage, condition), holds);
    }

    /// A role that one process at a time does is ours, or is not.
    pub fn set_owned(&self, stage: Stage, is_ours: bool) {
        self.owned.write().unwrap_or_else(PoisonError::into_inner).insert(stage, is_ours);
    }

    /// Of each role of this process that one process at a time does: whether it is ours.
    #[must_use]
    pub fn owned(&self) -> Vec<(Stage, bool)> {
        let owned = self.owned.read().unwrap_or_else(PoisonError::into_inner);
        owned.iter().map(|(stage, is_ours)| (*stage, *is_ours)).collect()
    }

    /// The roles that are done by another process, for which this one stands by.
    #[must_use]
    pub fn standing_by(&self) -> Vec<Stage> {
        self.owned().into_iter().filter(|(_, is_ours)| !is_ours).map(|(stage, _)| stage).collect()
    }

    /// A condition begins or ceases to hold for all stages that run here.
    pub fn set_for_all(&self, condition: Condition, holds: bool) {
        let mut checks = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        let of_it = checks.iter_mut().filter(|((_, known), _)| *known == condition);
        of_it.for_each(|(_, check)| *check = holds);
    }

    /// Whether a condition holds for every stage that runs here.
    #[must_use]
    pub fn holds(&self, condition: Condition) -> bool {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        checks.iter().filter(|((_, known), _)| *known == condition).all(|(_, &holds)| holds)
    }

    /// The program is broken beyond repair and should be restarted.
    pub fn set_dead(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// Whether the program lives.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.dead.load(Ordering::Relaxed)
    }

    /// All checks, sorted by stage.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        checks
            .iter()
            .map(|(&(stage, condition), &holds)| Check { stage, condition, holds })
            .collect()
    }

    /// Whether every expected condition holds, but those of roles that another process does; false while no
    /// stage is expected yet.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let standing_by = self.standing_by();
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        let is_met = |((stage, _), holds): (&(Stage, Condition), &bool)| {
            *holds || standing_by.contains(stage)
        };
        self.is_live() && !checks.is_empty() && checks.iter().all(is_met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_when_every_expected_condition_holds() {
        let health = Health::default();
        assert!(!health.is_ready(), "nothing has started");
        health.expect(Stage::Observe);
        health.set(Stage::Observe, Condition::PartitionsKnown, true);
        assert!(!health.is_ready(), "state is not restored");
        health.set(Stage::Observe, Condition::StateRestored, true);
        assert!(health.is_ready());
        health.expect(Stage::Detect);
        assert!(!health.is_ready(), "another stage joins");
        health.expect(Stage::Observe);
        assert!(health.checks().iter().filter(|c| c.stage == Stage::Observe).all(|c| c.holds));
    }

    #[test]
    fn who_stands_by_is_ready_and_who_takes_over_is_when_its_state_is_restored() {
        let health = Health::default();
        health.expect(Stage::Observe);
        health.set_owned(Stage::Observe, false);
        assert!(health.is_ready());
        assert_eq!(health.standing_by(), [Stage::Observe]);
        health.set_owned(Stage::Observe, true);
        assert!(!health.is_ready() && health.standing_by().is_empty());
        for condition in Condition::ALL {
            health.set(Stage::Observe, condition, true);
        }
        assert!(health.is_ready());
    }

    #[test]
    fn a_program_without_room_is_not_ready_until_there_is_some() {
        let health = Health::default();
        for stage in [Stage::Observe, Stage::Intake] {
            health.expect(stage);
            health.set(stage, Condition::PartitionsKnown, true);
            health.set(stage, Condition::StateRestored, true);
        }
        assert!(health.is_ready() && health.holds(Condition::LogHasRoom));
        health.set_for_all(Condition::LogHasRoom, false);
        health.set(Stage::Observe, Condition::SnapshotsWritten, false);
        assert!(!health.is_ready() && !health.holds(Condition::LogHasRoom));
        health.set_for_all(Condition::LogHasRoom, true);
        assert!(!health.is_ready() && !health.holds(Condition::SnapshotsWritten));
        health.set(Stage::Observe, Condition::SnapshotsWritten, true);
        assert!(health.is_ready());
    }

    #[test]
    fn a_dead_program_is_not_ready() {
        let health = Health::default();
        health.set(Stage::Observe, Condition::StateRestored, true);
        health.set_dead();
        assert!(!health.is_live() && !health.is_ready());
    }
}
