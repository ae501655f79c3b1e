//! The timeline: what happened, in event time.

use std::collections::BTreeMap;

use model::hypothesis::Hypothesis;
use model::incident::{IncidentAlert, OPENED, SUSPECTED, TimelineEntry, TimelineKind};
use model::name::Name;
use model::nats::Nats;
use model::time::{PaneWidth, Timestamp};

use super::case::Case;
use super::incident::CaseState;
use super::limits::TIMELINE_MAX;

/// Draws the timeline; sorted, at most [`TIMELINE_MAX`] lines: alerts of one rule are one line.
pub(super) fn draw(
    case: &Case,
    hypotheses: &[Hypothesis],
    alerts: &[IncidentAlert],
    width: PaneWidth,
) -> Vec<TimelineEntry> {
    let mut lines = Vec::new();
    for hypothesis in hypotheses.iter().take(3) {
        if let Some(change) = &hypothesis.change {
            let service = Some(hypothesis.entity.service.clone());
            let text = format!("{}: {}", change.kind.label(), change.title);
            lines.push(TimelineEntry { at: change.at, kind: TimelineKind::Change, service, text });
        }
    }
    lines.extend(symptoms(case, width));
    lines.extend(alert_lines(alerts));
    for (at, state) in &case.history {
        let text = match state {
            CaseState::Forming => continue,
            CaseState::Suspected => SUSPECTED,
            CaseState::Open => OPENED,
            CaseState::Resolved => "resolved: its causes are quiet",
        };
        lines.push(line(*at, TimelineKind::State, None, text.to_owned()));
    }
    bounded(lines)
}

/// A timeline with further lines in their places.
pub(super) fn with(mut drawn: Vec<TimelineEntry>, more: &[TimelineEntry]) -> Vec<TimelineEntry> {
    drawn.extend_from_slice(more);
    bounded(drawn)
}

/// Sorted, at most [`TIMELINE_MAX`] lines. Where there are too many, the latest alerts go: never a change,
/// a state or a decision.
fn bounded(mut lines: Vec<TimelineEntry>) -> Vec<TimelineEntry> {
    lines.sort_by_cached_key(|line| (weight(line.kind), line.clone()));
    lines.dedup();
    lines.truncate(TIMELINE_MAX);
    lines.sort();
    lines
}

/// What a storm of alerts may not push out comes first.
const fn weight(kind: TimelineKind) -> u8 {
    match kind {
        TimelineKind::Change | TimelineKind::State | TimelineKind::Decision => 0,
        TimelineKind::Symptom => 1,
        TimelineKind::Alert => 2,
        TimelineKind::Quiet => 3,
    }
}

fn line(at: Timestamp, kind: TimelineKind, service: Option<Name>, text: String) -> TimelineEntry {
    TimelineEntry { at, kind, service, text }
}

/// Evidence below which a symptom is no line: the odd error of a healthy day that came along.
const TOLD_FROM: Nats = Nats::from_int(6);

/// The first symptom of each service and test.
fn symptoms(case: &Case, width: PaneWidth) -> Vec<TimelineEntry> {
    let mut first = BTreeMap::new();
    for (key, sum) in case.symptoms.iter().filter(|(_, sum)| sum.nats >= TOLD_FROM) {
        let slot = first.entry((key.entity.service.clone(), key.kind)).or_insert((sum.onset, key));
        if sum.onset < slot.0 {
            *slot = (sum.onset, key);
        }
    }
    let say = |((service, kind), (onset, key)): ((Name, _), (_, &super::activity::SymptomKey))| {
        let text = format!("{}: {}", super::narrative::symptom_word(kind), key.detail);
        line(width.start(onset), TimelineKind::Symptom, Some(service), text)
    };
    first.into_iter().map(say).collect()
}

/// One line when a rule first fires for a service, one when all of its alerts are quiet.
fn alert_lines(alerts: &[IncidentAlert]) -> Vec<TimelineEntry> {
    let mut rules: BTreeMap<(Option<Name>, Name), Vec<&IncidentAlert>> = BTreeMap::new();
    for alert in alerts {
        rules.entry((alert.service.clone(), alert.name.clone())).or_default().push(alert);
    }
    let mut lines = Vec::new();
    for ((service, rule), all) in rules {
        let Some(first) = all.iter().map(|alert| alert.starts_at).min() else { continue };
        let text = match all.len() {
            1 => format!("{rule} fires"),
            n => format!("{rule} fires, {n} alerts in all"),
        };
        lines.push(line(first, TimelineKind::Alert, service.clone(), text));
        let ends: Vec<Timestamp> = all.iter().filter_map(|alert| alert.ends_at).collect();
        if let Some(last) = ends.iter().max().filter(|_| ends.len() == all.len()) {
            lines.push(line(*last, TimelineKind::Quiet, service, format!("{rule} is quiet")));
        }
    }
    lines
}
