//! What one revision tells the people at one destination: the news, without what they decided
//! there themselves.

use model::incident::IncidentState;
use model::name::Name;

use super::ticket::work_note;
use super::told::Told;
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
/// whom the record is given there.
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
    let acknowledged = request.incident.people.acknowledged.as_ref();
    if acknowledged.is_some_and(|said| said.via == *sink) {
        before.acknowledged.clone_from(&told.acknowledged);
    }
    if owner.is_some() && told.assignee.as_deref() == owner {
        before.assignee.clone_from(&told.assignee);
    }
    work_note(told, &before, request.incident.revision)
}
