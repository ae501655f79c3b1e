//! An incident in CDEvents' words (0.5): `incident.detected`, `.reported`, `.resolved`, each in a
//! CloudEvent in structured mode.
//!
//! CDEvents knows no update: what changes nothing of these three is not sent. `reported` says that
//! there is a ticket, and where.

use model::incident::Incident;
use serde_json::{Value, json};

use crate::delivery::decide::is_over;
use crate::event::{TEXT_CHARS_MAX, summary};
use crate::render::ticket::close_notes;
use crate::render::told::Told;
use crate::render::untrusted::{Untrusted, clean_json};
use crate::sink::Delivery;

const SPEC_VERSION: &str = "0.5.0";

/// What happened, in CDEvents' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Predicate {
    Detected,
    Reported,
    Resolved,
}

impl Predicate {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Reported => "reported",
            Self::Resolved => "resolved",
        }
    }
}

/// The events that say what is new since `request.known`, in order.
pub(crate) fn plan(request: &Delivery<'_>, told: &Told) -> Vec<Predicate> {
    let before = request.known.map(|known| &known.told);
    let was_over = before.is_some_and(|before| is_over(before.state));
    // What was perhaps told since then, and came to nothing: it went through another state.
    let again = before.is_some_and(|before| before.reopened != told.reopened);
    if is_over(request.incident.state) {
        return if was_over && !again { Vec::new() } else { vec![Predicate::Resolved] };
    }
    let mut events = Vec::new();
    if before.is_none() || was_over || again {
        events.push(Predicate::Detected);
    }
    if told.ticket.is_some() && (again || before.is_none_or(|before| before.ticket.is_none())) {
        events.push(Predicate::Reported);
    }
    events
}

/// The key of one event: the same for the same (incident, revision, sink, predicate).
pub(crate) fn event_id(request: &Delivery<'_>, predicate: Predicate) -> String {
    format!("{}-{}", request.idempotency_key, predicate.word())
}

/// The CloudEvent whose data is the CDEvent.
pub(crate) fn event(
    request: &Delivery<'_>,
    predicate: Predicate,
    told: &Told,
    source: &str,
) -> Value {
    let incident = request.incident;
    let id = event_id(request, predicate);
    let event_type = format!("dev.cdevents.incident.{}.0.3.0", predicate.word());
    let time = incident.updated_at.to_rfc3339();
    let subject = incident.id.to_string();
    let data = json!({
        "context": {
            "specversion": SPEC_VERSION,
            "id": id,
            "source": source,
            "type": event_type,
            "timestamp": time,
        },
        "subject": {
            "id": subject,
            "source": source,
            "content": content(incident, predicate, told),
        },
        "customData": summary(incident),
        "customDataContentType": "application/json",
    });
    json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": event_type,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "data": clean_json(data, TEXT_CHARS_MAX),
    })
}

fn content(incident: &Incident, predicate: Predicate, told: &Told) -> Value {
    let description = match predicate {
        Predicate::Resolved => close_notes(incident, told),
        Predicate::Detected | Predicate::Reported => incident.title.clone(),
    };
    let environment = Untrusted(&incident.cell.0).data(200);
    let mut content = json!({
        "description": description,
        "environment": { "id": environment },
    });
    let cause = told.cause.as_ref().and_then(|_| incident.hypotheses.first());
    let service = cause.map(|first| &first.entity.service).or(incident.services.first());
    if let Some(fields) = content.as_object_mut() {
        if let Some(service) = service.filter(|service| !service.is_empty()) {
            fields.insert(String::from("service"), json!({ "id": service }));
        }
        if let (Predicate::Reported, Some(ticket)) = (predicate, &told.ticket) {
            fields.insert(String::from("ticketURI"), Value::from(ticket.as_str()));
        }
    }
    content
}
