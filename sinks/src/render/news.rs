//! What one revision tells the people at one destination: the news, without what they decided
//! there themselves.

use std::collections::BTreeMap;

use model::incident::{Incident, IncidentState};
use model::name::Name;

use super::ticket::{close_notes, work_note};
use super::told::Told;
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

/// The news since `before`, one line each; `None` when a person would learn nothing. `owner` is to
/// whom the record is given there, empty for nobody; `None` where there is no such thing.
#[must_use]
pub fn note(
    request: &Delivery<'_>,
    sink: &Name,
    told: &Told,
    before: &Told,
    owner: Option<&str>,
) -> Option<String> {
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
    work_note(told, &before, request.incident.revision)
}

/// A name as acts have it; nothing for nobody.
fn name_or_none(owner: &str) -> String {
    if owner.is_empty() { String::new() } else { name(owner).to_string() }
}

/// What a person learns from this revision, the end of the incident included; `None` when nothing.
#[must_use]
pub fn comment(request: &Delivery<'_>, sink: &Name, told: &Told, owner: &str) -> Option<String> {
    let before = request.known.map(|known| &known.told);
    let news = before.and_then(|before| note(request, sink, told, before, Some(owner)));
    let ended = is_over(told.state) && before.is_none_or(|before| !is_over(before.state));
    let ours = !decided_there(request, sink);
    match (news, ended && ours) {
        (Some(news), true) => Some(format!("{}\n\n{news}", close_notes(request.incident, told))),
        (None, true) => Some(close_notes(request.incident, told)),
        (news, false) => news,
    }
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
