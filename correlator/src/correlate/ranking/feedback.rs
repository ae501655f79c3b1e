//! Feedback: what people said of such causes in earlier incidents.
//!
//! A Beta prior: of the times that a cause like this was judged, `c` said yes and `r` no, each fading by
//! half in 30 days; `ln((c + 1) / (r + 1))` is the log-odds of the mean of `Beta(1 + c, 1 + r)`. Only what
//! was said before the onset counts, so an incident does not learn from itself. Deliberately absent: what
//! was said of this incident (`verdicts`).

use std::collections::BTreeSet;

use model::entity::EntityKind;
use model::hypothesis::{Evidence, EvidenceTerm};
use model::name::Name;
use model::time::Timestamp;

use crate::correlate::people::{Opinion, REMEMBERED};

use super::candidates::Draft;
use super::{View, evidence};

/// Pseudo-counts of either side: one opinion for and one against, so that the first word weighs `ln 2`.
const PRIOR: f64 = 1.0;
/// Days in which an opinion fades by half.
const HALF_LIFE_DAYS: f64 = 30.0;
/// Bound of the term. Unit: nats. Half of the 6 nats from which telemetry supports anything
/// (`support_level`), the surprise from which an alert says anything: habit tips a balance, it never
/// outweighs what is measured now.
const CAP: f64 = 3.0;

/// Gives every draft what people said of causes like it.
pub(super) fn learn(view: &View<'_>, drafts: &mut [Draft]) {
    let opinions = &view.standing.opinions;
    if opinions.is_empty() {
        return;
    }
    let onset = view.config.width.start(view.case.onset());
    let said = opinions.by(onset);
    if said.is_empty() {
        return;
    }
    let states = view.case.alerts.keys().filter_map(|fp| view.world.alerts.get(*fp));
    let rules: BTreeSet<&Name> = states.map(|state| &state.alert.name).collect();
    for draft in drafts {
        draft.evidence.extend(term(&said, &rules, onset, draft));
    }
}

fn term(
    said: &[&Opinion],
    rules: &BTreeSet<&Name>,
    onset: Timestamp,
    draft: &Draft,
) -> Option<Evidence> {
    let (mut confirmed, mut rejected) = (0.0, 0.0);
    let (mut yes, mut no) = (0_u32, 0_u32);
    for opinion in said {
        let likeness = likeness(opinion, rules, draft);
        if likeness == 0 {
            continue;
        }
        let days = (onset - opinion.at).as_secs_f64() / 86_400.0;
        let weight = f64::from(likeness) * libm::exp2(-days / HALF_LIFE_DAYS);
        if opinion.is_cause {
            confirmed += weight;
            yes += 1;
        } else {
            rejected += weight;
            no += 1;
        }
    }
    if yes + no == 0 {
        return None;
    }
    let nats = libm::log((confirmed + PRIOR) / (rejected + PRIOR)).clamp(-CAP, CAP);
    Some(evidence::row(EvidenceTerm::Feedback, nats, text(draft, yes, no)))
}

/// In how many ways an opinion is of such a cause: the same service with the same kind of cause, with the
/// same alert rule, with the same change.
fn likeness(opinion: &Opinion, rules: &BTreeSet<&Name>, draft: &Draft) -> u32 {
    let is_nothing = draft.entity.kind == EntityKind::Nothing;
    let same_service = match &opinion.cause.service {
        Some(service) => !is_nothing && *service == draft.entity.service,
        None => is_nothing,
    };
    if !same_service {
        return 0;
    }
    let kind = opinion.kind.is_none_or(|kind| kind == draft.kind);
    let rule = opinion.rules.iter().any(|rule| rules.contains(rule));
    let blamed = draft.change.as_ref().map(|change| &change.event.id);
    let change = opinion.cause.change.is_some() && opinion.cause.change.as_ref() == blamed;
    u32::from(kind) + u32::from(rule) + u32::from(change)
}

fn text(draft: &Draft, yes: u32, no: u32) -> String {
    let times =
        |count: u32| if count == 1 { String::from("once") } else { format!("{count} times") };
    let what = if draft.entity.kind == EntityKind::Nothing {
        "that nothing inside the system was the cause"
    } else {
        draft.entity.service.as_str()
    };
    let as_cause = if draft.entity.kind == EntityKind::Nothing { "" } else { " as the cause" };
    let days = REMEMBERED.secs() / 86_400;
    match (yes, no) {
        (yes, 0) => {
            format!("people confirmed {what}{as_cause} {} in the last {days} days", times(yes))
        }
        (0, no) => {
            format!("people rejected {what}{as_cause} {} in the last {days} days", times(no))
        }
        (yes, no) => format!(
            "people confirmed {what}{as_cause} {} and rejected it {} in the last {days} days",
            times(yes),
            times(no)
        ),
    }
}
