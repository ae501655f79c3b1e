//! Whose incident: which incidents a fault may claim (`casebook/FORMAT.md`).
//!
//! An incident is a fault's when its own onset lies in `[min(w0, t - u - 120 s), w1]`, as it stood
//! 90 s after the end of the window. One that was open when that time began is not this fault's,
//! whatever onset it claims by now. Merged and withdrawn ones are left out. Suspected ones woke
//! nobody: they count only where that is asked for.

use std::sync::Arc;

use model::incident::{Incident, IncidentState};
use model::time::Timestamp;

use super::history::{Course, History, cut};
use super::labels::Fault;
use super::suite::Window;

/// Which incidents count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Those that were ever open: somebody was told.
    Open,
    /// Those that are suspected as well.
    Suspected,
}

/// An incident that a fault claims.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// The incident at the end of the fault's window.
    pub incident: &'a Arc<Incident>,
    /// All that it went through.
    pub course: &'a Course,
    /// From when on it may have been about the fault.
    pub since: Timestamp,
}

/// The incidents of a fault, in the product's order: by falling impact, then onset and id.
#[must_use]
pub fn claims<'a>(
    history: &'a History,
    place: usize,
    window: &Window,
    fault: &Fault,
    counting: Counting,
) -> Vec<Claim<'a>> {
    let until = cut(window.end);
    let since = since(window, fault);
    let mut claims: Vec<Claim<'a>> = history
        .courses
        .values()
        .filter_map(|course| Some(Claim { incident: course.at_end_of(place)?, course, since }))
        .filter(|claim| !claim.course.is_open_before(since))
        .filter(|claim| is_in_time(claim.incident.onset_at, window, fault))
        .filter(|claim| counts(claim, counting, until))
        .collect();
    claims.sort_by(|a, b| {
        let impact = |claim: &Claim<'_>| claim.incident.blast_radius.impact;
        let key = |claim: &Claim<'_>| (claim.incident.onset_at, claim.incident.id);
        impact(b).total_cmp(&impact(a)).then_with(|| key(a).cmp(&key(b)))
    });
    claims
}

/// Whether an incident that began then may be the fault's.
#[must_use]
pub fn is_in_time(onset: Timestamp, window: &Window, fault: &Fault) -> bool {
    since(window, fault) <= onset && onset <= window.end
}

/// The earliest onset of an incident that may be the fault's.
#[must_use]
pub fn since(window: &Window, fault: &Fault) -> Timestamp {
    window.start.min(fault.earliest())
}

fn counts(claim: &Claim<'_>, counting: Counting, until: Timestamp) -> bool {
    match claim.incident.state {
        IncidentState::Open | IncidentState::Resolved => {
            counting == Counting::Suspected || claim.course.opened(until).is_some()
        }
        IncidentState::Suspected => counting == Counting::Suspected,
        IncidentState::Merged | IncidentState::Withdrawn => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::fixture::{at, fault, incident, window};

    /// The number of an incident, its onset, and its revisions.
    type Told<'a> = (u64, i64, &'a [(i64, IncidentState)]);

    fn history(incidents: &[Told<'_>]) -> History {
        let mut history = History::new([at(400)].into_iter());
        for (number, onset, revisions) in incidents {
            for (time, state) in *revisions {
                let mut revision = incident(*number, *onset);
                revision.updated_at = at(*time);
                revision.state = *state;
                history.take(revision);
            }
        }
        history
    }

    fn found(history: &History, counting: Counting) -> Vec<u64> {
        claims(history, 0, &window(300, 400), &fault(320, "cart"), counting)
            .iter()
            .map(|claim| claim.incident.id.0)
            .collect()
    }

    #[test]
    fn onsets_outside_of_the_window_are_another_matter() {
        // Window [300, 400], onset 320: from min(300, 200) = 200 to 400, both ends in.
        let open = &[(350, IncidentState::Open)][..];
        let history = history(&[(1, 199, open), (2, 200, open), (3, 400, open), (4, 401, open)]);
        assert_eq!(found(&history, Counting::Open), vec![2, 3]);
    }

    #[test]
    fn an_incident_that_was_open_long_before_is_not_its_own() {
        let history = history(&[
            (1, 320, &[(199, IncidentState::Open), (330, IncidentState::Open)]),
            (2, 320, &[(200, IncidentState::Open), (330, IncidentState::Open)]),
            (3, 320, &[(199, IncidentState::Suspected), (330, IncidentState::Open)]),
            (
                4,
                320,
                &[
                    (100, IncidentState::Open),
                    (199, IncidentState::Resolved),
                    (330, IncidentState::Open),
                ],
            ),
        ]);
        assert_eq!(found(&history, Counting::Open), vec![2, 3, 4]);
    }

    #[test]
    fn merged_withdrawn_and_late_ones_are_left_out() {
        let history = history(&[
            (1, 320, &[(330, IncidentState::Open), (350, IncidentState::Merged)]),
            (2, 320, &[(330, IncidentState::Open), (350, IncidentState::Withdrawn)]),
            (3, 320, &[(491, IncidentState::Open)]),
            (4, 320, &[(490, IncidentState::Open), (600, IncidentState::Merged)]),
        ]);
        assert_eq!(found(&history, Counting::Open), vec![4], "as it stood at 400 + 90");
    }

    #[test]
    fn suspected_ones_count_only_when_asked_for() {
        let history = history(&[
            (1, 320, &[(330, IncidentState::Suspected)]),
            (2, 320, &[(330, IncidentState::Suspected), (340, IncidentState::Resolved)]),
            (3, 320, &[(330, IncidentState::Open), (340, IncidentState::Resolved)]),
        ]);
        assert_eq!(found(&history, Counting::Open), vec![3]);
        assert_eq!(found(&history, Counting::Suspected), vec![1, 2, 3]);
    }

    #[test]
    fn the_weightiest_comes_first() {
        let mut history = history(&[]);
        for (number, impact) in [(1, 10.0), (2, 70.0), (3, 10.0)] {
            let mut revision = incident(number, 320);
            revision.updated_at = at(330);
            revision.state = IncidentState::Open;
            revision.blast_radius.impact = impact;
            history.take(revision);
        }
        assert_eq!(found(&history, Counting::Open), vec![2, 1, 3]);
    }
}
