//! What an incident is in the fields of a ticket: pure.
//!
//! Only what changed is sent, and only fields that are ours: what people wrote into a ticket
//! stays. States: 1 new, 2 in progress, 6 resolved.

use model::incident::{Incident, IncidentState, Priority};
use model::name::Name;
use serde_json::Value;

use super::api::{Body, Record, TicketState};
use crate::config::ServiceNowConfig;
use crate::delivery::decide::is_over;
use crate::render::news::{self, Fresh, service_of};
use crate::render::told::Told;
use crate::render::words::{Title, Words};
use crate::sink::Delivery;

const STATE_IN_PROGRESS: &str = "2";
const STATE_RESOLVED: &str = "6";

/// What the ticket itself says of what we said last: the text of `correlation_display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) revision: u32,
    pub(super) state: IncidentState,
}

impl Marker {
    /// `faultline revision 3 open`.
    pub(super) fn text(self) -> String {
        format!("faultline revision {} {}", self.revision, self.state.label())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (revision, state) = text.strip_prefix("faultline revision ")?.split_once(' ')?;
        let state = ALL_STATES.into_iter().find(|known| known.label() == state)?;
        Some(Self { revision: revision.parse().ok()?, state })
    }
}

const ALL_STATES: [IncidentState; 5] = [
    IncidentState::Suspected,
    IncidentState::Open,
    IncidentState::Resolved,
    IncidentState::Merged,
    IncidentState::Withdrawn,
];

/// Impact and urgency that ServiceNow's own table turns into the priority: 1/1 is 1, 2/1 is 2,
/// 2/2 is 3, 3/2 is 4.
const fn impact_urgency(priority: Priority) -> (&'static str, &'static str) {
    match priority {
        Priority::P1 => ("1", "1"),
        Priority::P2 => ("2", "1"),
        Priority::P3 => ("2", "2"),
        Priority::P4 => ("3", "2"),
    }
}

/// The fields of a new ticket of this title and text; `former` is the closed ticket of the same incident.
pub(super) fn creation(
    config: &ServiceNowConfig,
    incident: &Incident,
    (title, mut text): (&str, String),
    marker: Marker,
    former: Option<&Record>,
) -> Body {
    let (impact, urgency) = impact_urgency(incident.priority);
    let mut body = Body::new();
    let mut set = |field: &str, value: &str| {
        body.insert(field.to_owned(), Value::from(value));
    };
    set("correlation_id", &incident.id.to_string());
    set("correlation_display", &marker.text());
    set("short_description", title);
    if let Some(former) = former {
        text.push_str(&format!("\nReopened; it was ticket {} before.", former.sys_id));
    }
    set("description", &text);
    set("impact", impact);
    set("urgency", urgency);
    let optional = [
        ("category", config.category.as_deref()),
        ("subcategory", config.subcategory.as_deref()),
        ("contact_type", config.contact_type.as_deref()),
    ];
    for (field, value) in optional {
        if let Some(value) = value {
            set(field, value);
        }
    }
    let service = service_of(&config.services, incident);
    let owners = incident.owner.as_ref().and_then(|owner| config.groups.get(owner.as_str()));
    if let Some(ci) = service.and_then(|service| service.cmdb_ci.as_deref()) {
        set("cmdb_ci", ci);
    }
    let group = service.and_then(|service| service.assignment_group.as_deref());
    if let Some(group) = group.or(owners.map(String::as_str)) {
        set("assignment_group", group);
    }
    body
}

/// Whether a reference field holds nothing.
pub(super) fn is_empty_reference(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Whether the ticket says exactly what there is to say: an earlier attempt came through.
pub(super) fn has_it(incident: &Incident, record: &Record) -> bool {
    let mark = Marker { revision: incident.revision, state: incident.state };
    Marker::parse(&record.correlation_display) == Some(mark)
}

/// The fields that change; empty when a person would learn nothing. A closed or cancelled ticket
/// is not touched: it belongs to people, and most roles may not write to it.
pub(super) fn patch(
    config: &ServiceNowConfig,
    sink: &Name,
    request: &Delivery<'_>,
    record: &Record,
    told: &Told,
    (title, words): (&Title, &Words),
    notes: &mut Vec<String>,
) -> Body {
    let incident = request.incident;
    let mark = Marker::parse(&record.correlation_display);
    let fresh = fresh(request, sink, record, told);
    let new_mark = Marker { revision: incident.revision, state: incident.state };
    let mut body = Body::new();
    if matches!(record.state, TicketState::Closed | TicketState::Cancelled) {
        return body;
    }
    let mut set = |field: &str, value: &str| {
        body.insert(field.to_owned(), Value::from(value));
    };
    let was_over = mark.is_some_and(|mark| is_over(mark.state));
    match record.state {
        // Active although its end was told: a person reopened it, and their act is on its way.
        TicketState::Active if is_over(incident.state) && !was_over => {
            set("state", STATE_RESOLVED);
            set("close_code", &config.close_code);
            set("close_notes", &fresh.closing(words, notes));
        }
        TicketState::Resolved if was_over && !is_over(incident.state) => {
            set("state", STATE_IN_PROGRESS);
        }
        TicketState::Active
        | TicketState::Resolved
        | TicketState::Closed
        | TicketState::Cancelled => {}
    }
    set_changed(&mut set, request, record, told, title);
    if let Some(note) = fresh.note(words, notes) {
        set("work_notes", &note);
    }
    // A step that a person made there is said by nobody, but the ticket has to know it: a later step
    // back is ours only if the ticket says that its end was told.
    let stepped = mark.is_some_and(|mark| is_over(mark.state) != is_over(incident.state));
    if !body.is_empty() || stepped {
        body.insert(String::from("correlation_display"), Value::from(new_mark.text()));
        if record.correlation_id != incident.id.to_string() {
            body.insert(String::from("correlation_id"), Value::from(incident.id.to_string()));
        }
    }
    body
}

/// Title, impact and urgency, if our own words changed and nobody changed the ticket's.
fn set_changed(
    set: &mut impl FnMut(&str, &str),
    request: &Delivery<'_>,
    record: &Record,
    told: &Told,
    title: &Title,
) {
    if let Some(title) = title.change(&record.short_description) {
        set("short_description", title);
    }
    let before = request.known.map(|known| &known.told);
    // When it is over, title and weight stay: what it was is what people look for later.
    let Some(before) = before.filter(|_| !is_over(told.state)) else { return };
    let (weight, old_weight) = (impact_urgency(told.priority), impact_urgency(before.priority));
    if weight != old_weight && (record.impact.as_str(), record.urgency.as_str()) == old_weight {
        set("impact", weight.0);
        set("urgency", weight.1);
    }
}

/// The news since what we told last. When our memory of that is lost, the revision and state on
/// the ticket are all we can compare with.
fn fresh<'a>(request: &Delivery<'a>, sink: &Name, record: &Record, told: &'a Told) -> Fresh<'a> {
    let mark = Marker::parse(&record.correlation_display);
    let incident = request.incident;
    let was = request.known.map(|known| known.told.state).or(mark.map(|mark| mark.state));
    // The ticket has this revision's news; only its state may be behind.
    let has_it = mark.is_some_and(|mark| mark.revision >= incident.revision);
    let lines = match (request.known, mark) {
        _ if has_it => Vec::new(),
        (Some(known), _) => news::lines(request, sink, told, &known.told, Some(record.owner())),
        (None, Some(mark)) => told.news(&Told { state: mark.state, ..told.clone() }),
        (None, None) => Vec::new(),
    };
    Fresh::new(incident, told, was, lines)
}
