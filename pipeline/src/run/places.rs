//! Which incidents there are, and which partition of the journal their acts belong to.

use std::collections::{BTreeMap, VecDeque};

use model::id::IncidentId;

/// Incidents that are remembered: more than anybody has tickets of that still change.
const REMEMBERED_MAX: usize = 100_000;

/// The partitions of the incidents that were published last.
#[derive(Default)]
pub(super) struct Places {
    partitions: BTreeMap<IncidentId, u32>,
    /// In the order in which they were first seen.
    order: VecDeque<IncidentId>,
    /// The bound was reached: what is not here may have been.
    has_forgotten: bool,
}

impl Places {
    pub(super) fn note(&mut self, incident: IncidentId, partition: u32) {
        if self.partitions.insert(incident, partition).is_none() {
            self.order.push_back(incident);
        }
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.partitions.remove(&oldest);
            self.has_forgotten = true;
        }
    }

    /// Whether there never was such an incident, for certain.
    pub(super) fn knows_not(&self, incident: IncidentId) -> bool {
        !self.has_forgotten && !self.partitions.contains_key(&incident)
    }

    pub(super) fn of(&self, incident: IncidentId) -> Option<u32> {
        self.partitions.get(&incident).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_and_the_oldest_forgotten_at_the_bound() {
        let mut places = Places::default();
        for id in 0..=REMEMBERED_MAX as u64 {
            assert!(places.knows_not(IncidentId(u64::MAX)), "{id}");
            places.note(IncidentId(id), 3);
        }
        assert!(!places.knows_not(IncidentId(u64::MAX)) && !places.knows_not(IncidentId(0)));
        places.note(IncidentId(5), 4);
        assert_eq!(places.of(IncidentId(0)), None);
        assert_eq!(places.of(IncidentId(5)), Some(4));
        assert_eq!(places.of(IncidentId(REMEMBERED_MAX as u64)), Some(3));
        assert_eq!(places.order.len(), places.partitions.len());
    }
}
