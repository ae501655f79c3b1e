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
    /// The act that said it.
    #[serde(default)]
    act: Name,
}

/// The newest opinions, oldest first, whatever the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::correlate) struct Opinions {
    all: VecDeque<Opinion>,
}

impl Opinions {
    /// Notes what an act said of a cause of an incident. What was said before of the same cause stays:
    /// rankings of incidents that began before this word go by it.
    pub(in crate::correlate) fn note(
        &mut self,
        incident: &Incident,
        cause: &CauseRef,
        is_cause: bool,
        (act, at): (Name, Timestamp),
    ) {
        self.all.retain(|one| at - one.at <= REMEMBERED);
        let rules: BTreeSet<Name> = incident.alerts.iter().map(|a| a.name.clone()).collect();
        let place = self.all.partition_point(|one| (one.at, &one.act) < (at, &act));
        let opinion = Opinion {
            at,
            cause: cause.clone(),
            kind: kind(incident, cause),
            rules: rules.into_iter().take(OPINION_RULES_MAX).collect(),
            is_cause,
            incident: incident.id,
            act,
        };
        self.all.insert(place, opinion);
        while self.all.len() > OPINIONS_MAX {
            self.all.pop_front();
        }
    }

    /// What had been said by an instant and is still remembered then: the last word on each cause of each
    /// incident, oldest first.
    pub(in crate::correlate) fn by(&self, at: Timestamp) -> Vec<&Opinion> {
        let before = self.all.iter().filter(|one| one.at < at && at - one.at <= REMEMBERED);
        let mut seen = BTreeSet::new();
        let mut last: Vec<&Opinion> =
            before.rev().filter(|one| seen.insert((one.incident, &one.cause))).collect();
        last.reverse();
        last
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

#[cfg(test)]
mod tests {
    use model::alert::Severity::Critical;

    use super::*;
    use crate::correlate::tests::dsl::{Story, at};

    #[test]
    fn the_last_word_counts_in_whatever_order_words_come() {
        let story = Story::new("front>ads", 700).fires(600, "Down service=ads", Critical);
        let incident = story.run().revisions[0].0.clone();
        let cause = CauseRef { service: Some("ads".into()), change: None };
        let words = [("a", 700, true), ("b", 800, false), ("c", 900, true)];
        let told = |order: [usize; 3]| {
            let mut opinions = Opinions::default();
            for (act, secs, is_cause) in order.map(|place| words[place]) {
                opinions.note(&incident, &cause, is_cause, (act.into(), at(secs)));
            }
            opinions
        };
        assert_eq!(told([0, 1, 2]), told([2, 0, 1]));
        let opinions = told([1, 2, 0]);
        let by = |secs| opinions.by(at(secs)).iter().map(|one| one.is_cause).collect::<Vec<_>>();
        assert_eq!(by(750), [true], "a later word does not unsay an earlier one");
        assert_eq!(by(850), [false]);
        assert_eq!(by(950), [true], "of one cause of one incident only the last word counts");
    }
}
