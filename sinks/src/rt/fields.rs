//! What an incident is in the fields of a ticket: pure.
//!
//! Only what changed is sent, and only what nobody else changed: what people wrote stays.

use model::incident::{Incident, Priority};
use serde_json::{Value, json};

use super::api::{Body, Ticket};
use crate::config::RtConfig;
use crate::delivery::decide::is_over;
use crate::render::news::service_of;
use crate::render::words::Title;
use crate::sink::Delivery;

/// RT's priorities go from 0 to 100; its own words for them are 0 low, 50 medium, 100 high.
const fn weight(priority: Priority) -> &'static str {
    match priority {
        Priority::P1 => "100",
        Priority::P2 => "80",
        Priority::P3 => "50",
        Priority::P4 => "20",
    }
}

/// What a ticket's status is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Somebody works on it, or will.
    Active,
    /// Done.
    Resolved,
    /// A person said that it is none.
    LeftAlone,
}

/// Reads a status.
pub(super) fn standing(config: &RtConfig, status: &str) -> Standing {
    if status == config.resolved_status {
        Standing::Resolved
    } else if config.left_alone_statuses.iter().any(|alone| alone == status) {
        Standing::LeftAlone
    } else {
        Standing::Active
    }
}

/// The fields of a new ticket of this subject and text; `former` is the rejected ticket of the same incident.
pub(super) fn creation(
    config: &RtConfig,
    incident: &Incident,
    (subject, mut text): (String, String),
    former: Option<u64>,
) -> Body {
    if let Some(former) = former {
        text.push_str(&format!("\nReopened; it was ticket {former} before."));
    }
    let service = service_of(&config.services, incident);
    let mut body = Body::new();
    let mut set = |field: &str, value: Value| {
        body.insert(field.to_owned(), value);
    };
    set("Queue", queue_of(config, incident).into());
    set("Subject", subject.into());
    set("Content", text.into());
    set("ContentType", "text/plain".into());
    set("Priority", weight(incident.priority).into());
    set("CustomFields", json!({ &config.custom_field: incident.id.to_string() }));
    if let Some(owner) = service.and_then(|service| service.owner.as_deref()) {
        set("Owner", owner.into());
    }
    if let Some(former) = former {
        set("RefersTo", former.to_string().into());
    }
    body
}

/// The queue of an incident's ticket.
pub(super) fn queue_of<'a>(config: &'a RtConfig, incident: &Incident) -> &'a str {
    let service = service_of(&config.services, incident);
    service.and_then(|service| service.queue.as_deref()).unwrap_or(&config.queue)
}

/// The fields that change. A ticket that a person resolved or reopened is left as it is: only the
/// step from active to over, or back, is ours.
pub(super) fn patch(
    config: &RtConfig,
    request: &Delivery<'_>,
    ticket: &Ticket,
    title: &Title,
) -> Body {
    let incident = request.incident;
    let mut body = Body::new();
    let standing = standing(config, &ticket.status);
    if standing == Standing::LeftAlone {
        return body;
    }
    let before = request.known.map(|known| &known.told);
    let was_over = before.is_some_and(|before| is_over(before.state));
    match (standing, is_over(incident.state)) {
        (Standing::Active, true) if !was_over => {
            body.insert(String::from("Status"), config.resolved_status.as_str().into());
        }
        (Standing::Resolved, false) if was_over => {
            body.insert(String::from("Status"), config.open_status.as_str().into());
        }
        _ => {}
    }
    if let Some(subject) = title.change(&ticket.subject) {
        body.insert(String::from("Subject"), subject.into());
    }
    if let Some(before) = before.filter(|_| !is_over(incident.state)) {
        let (priority, old_priority) = (weight(incident.priority), weight(before.priority));
        if priority != old_priority && ticket.priority == old_priority {
            body.insert(String::from("Priority"), priority.into());
        }
    }
    body
}

/// The subject under which a revision's comment is written, and looked for.
pub(super) fn comment_subject(incident: &Incident) -> String {
    format!("faultline {} revision {}", incident.id, incident.revision)
}
