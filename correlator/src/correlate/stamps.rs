//! Stamps: what has been seen already, so that a repeat changes nothing.
//!
//! Records of the input carry a position: of each (topic, partition) the highest seen is kept, and
//! what is not above it is a repeat. Symptom batches are stamped (task, pane, revision) and are
//! handled where they wait, in [`super::facts`].

use std::collections::BTreeMap;

use model::id::Position;
use model::name::Name;
use model::time::Pane;
use serde::{Deserialize, Serialize};

/// The highest position seen per (topic, partition), and how far each detect task has judged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stamps {
    positions: BTreeMap<(Name, u32), (u64, u32)>,
    judged: BTreeMap<u32, Pane>,
}

impl Stamps {
    /// Notes a position. False if it, or a later one of its partition, was seen before.
    pub(super) fn admit(&mut self, position: Option<&Position>) -> bool {
        let Some(position) = position else { return true };
        let key = (position.topic.clone(), position.partition);
        let place = (position.offset, position.item);
        match self.positions.get(&key) {
            Some(highest) if *highest >= place => false,
            _ => {
                self.positions.insert(key, place);
                true
            }
        }
    }

    /// Notes how far a task has judged.
    pub(super) fn judged(&mut self, task: u32, through: Pane) {
        let entry = self.judged.entry(task).or_insert(through);
        *entry = (*entry).max(through);
    }

    /// The last pane that all of `tasks` tasks have judged.
    pub(super) fn judged_by_all(&self, tasks: u32) -> Option<Pane> {
        if self.judged.len() < tasks as usize {
            return None;
        }
        self.judged.values().min().copied()
    }

    /// Whether any telemetry has ever been judged.
    pub(super) fn any_judged(&self) -> bool {
        !self.judged.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64, item: u32) -> Position {
        Position { topic: "alerts".into(), partition: 0, offset, item }
    }

    #[test]
    fn a_repeated_position_is_refused_and_items_of_one_record_are_not() {
        let mut stamps = Stamps::default();
        assert!(stamps.admit(Some(&at(5, 0))));
        assert!(stamps.admit(Some(&at(5, 1))));
        assert!(!stamps.admit(Some(&at(5, 1))));
        assert!(!stamps.admit(Some(&at(4, 9))));
        assert!(stamps.admit(None));
    }

    #[test]
    fn a_pane_is_judged_when_the_slowest_task_has_judged_it() {
        let mut stamps = Stamps::default();
        stamps.judged(0, Pane(9));
        assert_eq!(stamps.judged_by_all(2), None);
        stamps.judged(1, Pane(7));
        stamps.judged(1, Pane(6));
        assert_eq!(stamps.judged_by_all(2), Some(Pane(7)));
    }
}
