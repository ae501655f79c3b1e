//! What one revision tells the people at one destination: the news, without what they decided
//! there themselves, in the words of the sink's templates or in ours.

use std::collections::BTreeMap;

use model::incident::{Incident, IncidentState};
use model::name::Name;

use super::facts::{Event, Later};
use super::ticket::{close_notes, work_note};
use super::told::Told;
use super::words::Words;
use crate::delivery::decide::is_over;
use crate::heard::name;
use crate::sink::Delivery;

/// Whether the incident's state is what a person decided at this very destination: saying it
/// there would only repeat them.
#[must_use]
pub fn decided_there(request: &Delivery<'_>, sink: &Name) -> bool {
    let held = request.incident.people.state_held.as_ref();
    let by = |held: &model::people::Said| held.via == *sink;
    held.is_some_and(by)
        && matches!(request.incident.state, IncidentState::Resolved | IncidentState::Open)
}

/// The news since `before`, one line each; none when a person would learn nothing. `owner` is to
/// whom the record is given there, empty for nobody; `None` where there is no such thing.
#[must_use]
pub fn lines(
    request: &Delivery<'_>,
    sink: &Name,
    told: &Told,
    before: &Told,
    owner: Option<&str>,
) -> Vec<String> {
    let mut before = before.clone();
    if decided_there(request, sink) {
        before.state = told.state;
    }
    if is_over(told.state) {
        // That it matters less now goes without saying.
        before.priority = told.priority;
    }
    let acknowledged = request.incident.people.acknowledged.as_ref();
    if acknowledged.is_some_and(|said| said.via == *sink) {
        before.acknowledged.clone_from(&told.acknowledged);
    }
    let assignee = told.assignee.as_deref().unwrap_or_default();
    if owner.is_some_and(|owner| name_or_none(owner) == assignee) {
        before.assignee.clone_from(&told.assignee);
    }
    told.without_refusals_elsewhere(sink).news(&before)
}

/// A name as acts have it; nothing for nobody.
fn name_or_none(owner: &str) -> String {
    if owner.is_empty() { String::new() } else { name(owner).to_string() }
}

/// The news of one revision at one destination, on their way to words.
pub(crate) struct Fresh<'a> {
    incident: &'a Incident,
    told: &'a Told,
    lines: Vec<String>,
    event: Event,
}

impl<'a> Fresh<'a> {
    /// What `lines` say of a revision. `was` is the state that was told last.
    pub(crate) fn new(
        incident: &'a Incident,
        told: &'a Told,
        was: Option<IncidentState>,
        lines: Vec<String>,
    ) -> Self {
        let was_over = was.is_some_and(is_over);
        let event = match (was_over, is_over(told.state)) {
            (false, true) => Event::Ended,
            (true, false) => Event::Reopened,
            _ => Event::Updated,
        };
        Self { incident, told, lines, event }
    }

    /// What this revision adds to what was said; `None` when there is no news.
    pub(crate) fn note(&self, words: &Words, notes: &mut Vec<String>) -> Option<String> {
        let ours = || work_note(&self.lines, self.incident.revision);
        (!self.lines.is_empty()).then(|| self.shaped_note(words, notes).unwrap_or_else(ours))
    }

    /// The same in a template's words, if there is one.
    pub(crate) fn shaped_note(&self, words: &Words, notes: &mut Vec<String>) -> Option<String> {
        words.update(self.incident, self.told, self.later(None), notes)
    }

    /// Why it is over.
    pub(crate) fn closing(&self, words: &Words, notes: &mut Vec<String>) -> String {
        let ours = close_notes(self.incident, self.told);
        self.shaped_closing(words, notes).unwrap_or(ours)
    }

    /// The same in a template's words, if there is one.
    pub(crate) fn shaped_closing(&self, words: &Words, notes: &mut Vec<String>) -> Option<String> {
        let ours = close_notes(self.incident, self.told);
        words.resolved(self.incident, self.told, self.later(Some(&ours)), notes)
    }

    /// Both in one text, where the destination has one place for them. A template for the end has the
    /// news, too, and is all that is said.
    pub(crate) fn ending(&self, words: &Words, notes: &mut Vec<String>) -> String {
        if let Some(shaped) = self.shaped_closing(words, notes) {
            return shaped;
        }
        let closing = close_notes(self.incident, self.told);
        match self.note(words, notes) {
            Some(news) => format!("{closing}\n\n{news}"),
            None => closing,
        }
    }

    /// The template's words that fit the moment, where the destination has one place for all.
    pub(crate) fn shaped(&self, words: &Words, notes: &mut Vec<String>) -> Option<String> {
        let closing = match self.event {
            Event::Ended => self.shaped_closing(words, notes),
            Event::Updated | Event::Reopened => None,
        };
        closing.or_else(|| self.shaped_note(words, notes))
    }

    fn later<'b>(&'b self, closing: Option<&'b str>) -> Later<'b> {
        Later { news: &self.lines, event: self.event, closing }
    }
}

/// What a person learns from this revision, the end of the incident included; `None` when nothing.
pub(crate) fn comment(
    request: &Delivery<'_>,
    sink: &Name,
    (told, owner): (&Told, &str),
    words: &Words,
    notes: &mut Vec<String>,
) -> Option<String> {
    let before = request.known.map(|known| &known.told);
    let news = before.map(|before| lines(request, sink, told, before, Some(owner)));
    let was = before.map(|before| before.state);
    let fresh = Fresh::new(request.incident, told, was, news.unwrap_or_default());
    let ended = is_over(told.state) && before.is_none_or(|before| !is_over(before.state));
    if ended && !decided_there(request, sink) {
        return Some(fresh.ending(words, notes));
    }
    fresh.note(words, notes)
}

/// The settings of the service that the first hypothesis blames, else of the first affected one
/// that has some.
pub(crate) fn service_of<'a, T>(
    settings: &'a BTreeMap<String, T>,
    incident: &Incident,
) -> Option<&'a T> {
    let cause = incident.hypotheses.first().map(|first| &first.entity.service);
    cause
        .into_iter()
        .chain(incident.services.iter())
        .find_map(|service| settings.get(service.as_str()))
}
