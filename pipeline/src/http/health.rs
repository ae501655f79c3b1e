//! Health: whether the program lives, and whether it is ready, with the reasons by name.
//!
//! Ready means: for every stage that runs here, its partitions are known, its state is restored, and what it writes
//! finds room.
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

    /// Whether every expected condition holds; false while no stage is expected yet.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        self.is_live() && !checks.is_empty() && checks.values().all(|&holds| holds)
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
