//! The life of an incident as one table.
//!
//! ```text
//!             enough evidence                         quiet
//!   forming ------------------> open ---------------------> resolved
//!      | \  an alert alone       ^  ^   comes back            |
//!      |  `-----> suspected -----'  `-------------------------'
//!      |              `----- quiet ------> resolved
//!      `--- quiet ---> (gone, never told)
//! ```
//!
//! Merged and withdrawn are no states of a case: a merged case lives on inside another, a withdrawn
//! one was only ever seen provisionally. [`super::publish`] tells of both.

use model::incident::IncidentState;
use serde::{Deserialize, Serialize};

/// Where a case is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum CaseState {
    /// Symptoms that belong together, below everything that is worth a word.
    Forming,
    /// Told, for it rests on an alert; not worth waking anybody.
    Suspected,
    /// Worth a person's attention.
    Open,
    /// Its causes are quiet.
    Resolved,
}

/// What a pane says about a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaseEvent {
    /// Evidence enough to open.
    Strong,
    /// An alert, but nothing that supports it.
    AlertAlone,
    /// Something is still abnormal.
    Active,
    /// Its causes have been quiet for long enough.
    Quiet,
    /// What went has come back.
    Returned,
    /// An alert of it fires again, which says too little to call anybody.
    AlertAnew,
}

/// The next state; `None` when the case is gone without a trace.
pub(super) const fn next(state: CaseState, event: CaseEvent) -> Option<CaseState> {
    use CaseEvent::{Active, AlertAlone, AlertAnew, Quiet, Returned, Strong};
    use CaseState::{Forming, Open, Resolved, Suspected};
    match (state, event) {
        (Forming, Strong) => Some(Open),
        (Forming, AlertAlone | AlertAnew) => Some(Suspected),
        (Forming, Active | Returned) => Some(Forming),
        (Forming, Quiet) => None,
        (Suspected, Strong | Returned) => Some(Open),
        (Suspected, AlertAlone | AlertAnew | Active) => Some(Suspected),
        (Suspected, Quiet) => Some(Resolved),
        (Open, Strong | AlertAlone | AlertAnew | Active | Returned) => Some(Open),
        (Open, Quiet) => Some(Resolved),
        (Resolved, Returned) => Some(Open),
        (Resolved, AlertAnew) => Some(Suspected),
        (Resolved, Strong | AlertAlone | Active | Quiet) => Some(Resolved),
    }
}

/// How the record calls a state; a forming case has no record.
pub(super) const fn published(state: CaseState) -> Option<IncidentState> {
    match state {
        CaseState::Forming => None,
        CaseState::Suspected => Some(IncidentState::Suspected),
        CaseState::Open => Some(IncidentState::Open),
        CaseState::Resolved => Some(IncidentState::Resolved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_alone_is_suspected_and_evidence_opens_it() {
        let suspected = next(CaseState::Forming, CaseEvent::AlertAlone);
        assert_eq!(suspected, Some(CaseState::Suspected));
        assert_eq!(next(CaseState::Suspected, CaseEvent::Strong), Some(CaseState::Open));
    }

    #[test]
    fn only_what_comes_back_reopens() {
        for event in [CaseEvent::Strong, CaseEvent::Active, CaseEvent::AlertAlone, CaseEvent::Quiet]
        {
            assert_eq!(next(CaseState::Resolved, event), Some(CaseState::Resolved));
        }
        assert_eq!(next(CaseState::Resolved, CaseEvent::Returned), Some(CaseState::Open));
    }

    #[test]
    fn an_alert_that_fires_again_is_suspected_again() {
        assert_eq!(next(CaseState::Resolved, CaseEvent::AlertAnew), Some(CaseState::Suspected));
    }

    #[test]
    fn noise_below_every_word_goes_without_a_trace() {
        assert_eq!(next(CaseState::Forming, CaseEvent::Quiet), None);
        assert_eq!(published(CaseState::Forming), None);
    }
}
