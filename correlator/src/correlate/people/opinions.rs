//! Opinions: what people said of causes, kept for later rankings.
//!
//! Bounded in number and in time. Deliberately absent: how much an opinion weighs
//! (`ranking/feedback.rs`).

use std::collections::{BTreeSet, VecDeque};

use model::command::CauseRef;
use model::hypothesis::CauseKind;
use model::id::IncidentId;
use model::incident::Incident;
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use crate::correlate::limits::{OPINION_RULES_MAX, OPINIONS_MAX};

/// How long an opinion is remembered: what people said of a system that long ago is of another one.
pub(in crate::correlate) const REMEMBERED: Nanos = Nanos::from_secs(90 * 24 * 3600);

/// One thing that was said of a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::correlate) struct Opinion {
    /// When it counts from.
    pub(in crate::correlate) at: Timestamp,
    /// Of which cause.
    pub(in crate::correlate) cause: CauseRef,
    /// What kind of cause the ranking took it for; `None` if it had not thought of it.
    pub(in crate::correlate) kind: Option<CauseKind>,
    /// The rules whose alerts the incident had.
    pub(in crate::correlate) rules: BTreeSet<Name>,
    /// Whether it was the cause.
    pub(in crate::correlate) is_cause: bool,
    incident: IncidentId,
}

/// The newest opinions, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::correlate) struct Opinions {
    all: VecDeque<Opinion>,
}

impl Opinions {
    /// Notes what was said of a cause of an incident. It replaces what was said before of the same cause
    /// of the same incident.
    pub(in crate::correlate) fn note(
        &mut self,
        incident: &Incident,
        cause: &CauseRef,
        is_cause: bool,
        at: Timestamp,
    ) {
        self.all.retain(|one| {
            let same = one.incident == incident.id && one.cause == *cause;
            !same && at - one.at <= REMEMBERED
        });
        let rules: BTreeSet<Name> = incident.alerts.iter().map(|a| a.name.clone()).collect();
        self.all.push_back(Opinion {
            at,
            cause: cause.clone(),
            kind: kind(incident, cause),
            rules: rules.into_iter().take(OPINION_RULES_MAX).collect(),
            is_cause,
            incident: incident.id,
        });
        while self.all.len() > OPINIONS_MAX {
            self.all.pop_front();
        }
    }

    /// What had been said by an instant and is still remembered then.
    pub(in crate::correlate) fn by(&self, at: Timestamp) -> impl Iterator<Item = &Opinion> {
        self.all.iter().filter(move |one| one.at < at && at - one.at <= REMEMBERED)
    }

    /// Whether nothing was said.
    pub(in crate::correlate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// The kind of the hypothesis that is meant, else of the first that blames the same service.
fn kind(incident: &Incident, cause: &CauseRef) -> Option<CauseKind> {
    let service = cause.service.as_deref().unwrap_or_default();
    let mut of_service = incident.hypotheses.iter().filter(|h| *h.entity.service == *service);
    let change = |h: &model::hypothesis::Hypothesis| h.change.as_ref().map(|c| c.id.clone());
    let meant = of_service.clone().find(|h| change(h) == cause.change);
    meant.or_else(|| of_service.next()).map(|h| h.kind)
}
