//! What a stream's incidents went through: every revision's moment, and whole revisions where
//! windows end.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::id::IncidentId;
use model::incident::{Incident, IncidentState};
use model::time::{Nanos, Timestamp};

/// How long after its window's end an incident may still be revised for the score:
/// `casebook/FORMAT.md`.
const LATE_REVISION: Nanos = Nanos::from_secs(90);

/// One revision, as far as its moment tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When it was decided, in event time.
    pub at: Timestamp,
    /// The state it said.
    pub state: IncidentState,
}

/// One incident over all its revisions.
#[derive(Clone, Debug)]
pub struct Course {
    /// All revisions, in order.
    pub moments: Vec<Moment>,
    /// Per window, the last revision not later than its end plus 90 s.
    cuts: Vec<Option<Arc<Incident>>>,
    /// The last revision.
    pub last: Arc<Incident>,
}

impl Course {
    /// The incident as it stood when a window was over.
    #[must_use]
    pub fn at_end_of(&self, window: usize) -> Option<&Arc<Incident>> {
        self.cuts.get(window)?.as_ref()
    }

    /// When it was first open, by an instant.
    #[must_use]
    pub fn opened(&self, until: Timestamp) -> Option<Timestamp> {
        let open = |moment: &&Moment| moment.state == IncidentState::Open && moment.at <= until;
        self.moments.iter().find(open).map(|moment| moment.at)
    }

    /// When it was first told of, or first told of in a state, from an instant on.
    #[must_use]
    pub fn told(&self, since: Timestamp, state: Option<IncidentState>) -> Option<Timestamp> {
        let wanted = |moment: &&Moment| {
            since <= moment.at && state.is_none_or(|state| state == moment.state)
        };
        self.moments.iter().find(wanted).map(|moment| moment.at)
    }

    /// Whether it was open just before an instant.
    #[must_use]
    pub fn is_open_before(&self, at: Timestamp) -> bool {
        let before = self.moments.iter().rfind(|moment| moment.at < at);
        before.is_some_and(|moment| moment.state == IncidentState::Open)
    }

    /// Whether it ever was open.
    #[must_use]
    pub fn was_open(&self) -> bool {
        self.moments.iter().any(|moment| moment.state == IncidentState::Open)
    }

    /// The stretches for which it was open; what is still open is so until `end`.
    #[must_use]
    pub fn open_stretches(&self, end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let mut stretches = Vec::new();
        let mut since = None;
        for moment in &self.moments {
            if moment.state == IncidentState::Open {
                since.get_or_insert(moment.at);
            } else if let Some(from) = since.take() {
                stretches.push((from, moment.at));
            }
        }
        stretches.extend(since.map(|from| (from, end)));
        stretches
    }
}

/// The last instant at which a revision counts for a window.
#[must_use]
pub fn cut(window_end: Timestamp) -> Timestamp {
    window_end + LATE_REVISION
}

/// The incidents of one stream, by id. Memory: one whole incident per incident and window.
#[derive(Debug, Default)]
pub struct History {
    cuts: Vec<Timestamp>,
    /// The incidents.
    pub courses: BTreeMap<IncidentId, Course>,
}

impl History {
    /// An empty history for windows that end at these instants.
    #[must_use]
    pub fn new(window_ends: impl Iterator<Item = Timestamp>) -> Self {
        Self { cuts: window_ends.map(cut).collect(), courses: BTreeMap::new() }
    }

    /// Takes the next revision.
    pub fn take(&mut self, incident: Incident) {
        let incident = Arc::new(incident);
        let moment = Moment { at: incident.updated_at, state: incident.state };
        let course = self.courses.entry(incident.id).or_insert_with(|| Course {
            moments: Vec::new(),
            cuts: vec![None; self.cuts.len()],
            last: incident.clone(),
        });
        course.moments.push(moment);
        for (cut, kept) in self.cuts.iter().zip(&mut course.cuts) {
            if moment.at <= *cut {
                *kept = Some(incident.clone());
            }
        }
        course.last = incident;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::{at, incident};

    fn history(revisions: &[(i64, IncidentState)]) -> History {
        let mut history = History::new([at(100), at(200)].into_iter());
        for (time, state) in revisions {
            let mut incident = incident(1, 0);
            incident.updated_at = at(*time);
            incident.state = *state;
            history.take(incident);
        }
        history
    }

    fn course(revisions: &[(i64, IncidentState)]) -> Course {
        history(revisions).courses.into_values().next().unwrap()
    }

    #[test]
    fn a_window_sees_the_last_revision_up_to_ninety_seconds_after_its_end() {
        let course = course(&[
            (50, IncidentState::Suspected),
            (190, IncidentState::Open),
            (191, IncidentState::Resolved),
        ]);
        let state = |window| course.at_end_of(window).map(|incident| incident.state);
        assert_eq!(state(0), Some(IncidentState::Open), "190 is in, 191 is not");
        assert_eq!(state(1), Some(IncidentState::Resolved));
        assert_eq!(state(2), None, "there is no third window");
    }

    #[test]
    fn open_time_counts_each_opening_and_the_one_that_never_ends() {
        let course = course(&[
            (10, IncidentState::Suspected),
            (20, IncidentState::Open),
            (30, IncidentState::Open),
            (40, IncidentState::Resolved),
            (60, IncidentState::Open),
        ]);
        assert_eq!(course.open_stretches(at(99)), vec![(at(20), at(40)), (at(60), at(99))]);
        assert_eq!(course.opened(at(99)), Some(at(20)));
        assert_eq!(course.opened(at(19)), None);
        assert_eq!(course.told(at(0), None), Some(at(10)));
        assert_eq!(course.told(at(11), None), Some(at(20)));
        assert_eq!(course.told(at(31), Some(IncidentState::Open)), Some(at(60)));
        assert_eq!(course.told(at(61), None), None);
        assert!(course.is_open_before(at(40)) && !course.is_open_before(at(20)));
        assert!(!course.is_open_before(at(41)) && !course.is_open_before(at(5)));
    }
}
