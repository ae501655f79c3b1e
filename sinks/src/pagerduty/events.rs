//! Which events a revision is worth, and what they hold: pure.

use model::alert::Severity;
use model::hypothesis::SuspectedChange;
use model::incident::{Incident, Priority};
use serde_json::{Value, json};

use crate::delivery::decide::is_over;
use crate::render::told::{NAME_CHARS_MAX, Told};
use crate::render::untrusted::Untrusted;
use crate::render::words::Words;
use crate::sink::Delivery;

/// Longest `summary` that PagerDuty takes is 1,024. Unit: characters.
const SUMMARY_CHARS_MAX: usize = 1_000;
/// Most links of one event.
const LINKS_MAX: usize = 5;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Opens the alert, or adds to its log.
    Trigger,
    /// Somebody works on it.
    Acknowledge,
    /// It is over.
    Resolve,
    /// The change that is blamed.
    Change,
}

/// The events that say what is new since `request.known`, in order.
pub(super) fn plan(request: &Delivery<'_>, told: &Told, change_events: bool) -> Vec<Action> {
    let before = request.known.map(|known| &known.told);
    let doubt = request.in_doubt_since.is_some();
    let was_over = before.is_some_and(|before| is_over(before.state));
    if is_over(request.incident.state) {
        let told_already = was_over && !doubt;
        return if told_already { Vec::new() } else { vec![Action::Resolve] };
    }
    let mut actions = Vec::new();
    let fresh = before.is_none() || was_over || doubt;
    let acknowledged = told.acknowledged.is_some();
    let known_ack = before.is_some_and(|before| before.acknowledged.is_some());
    if fresh || before.is_some_and(|before| has_news(told, before)) {
        actions.push(Action::Trigger);
    }
    if acknowledged && (fresh || !known_ack) {
        actions.push(Action::Acknowledge);
    }
    let same_change = before.is_some_and(|before| before.change == told.change);
    if change_events && told.change.is_some() && !same_change {
        actions.push(Action::Change);
    }
    actions
}

/// Whether there is more to say than that somebody acknowledged it.
fn has_news(told: &Told, before: &Told) -> bool {
    let quiet = Told { acknowledged: before.acknowledged.clone(), ..told.clone() };
    !quiet.news(before).is_empty()
}

/// A body for `/v2/enqueue`, without the routing key.
pub(super) fn alert(
    action: Action,
    incident: &Incident,
    told: &Told,
    words: &Words,
    notes: &mut Vec<String>,
) -> Value {
    let event_action = match action {
        Action::Trigger | Action::Change => "trigger",
        Action::Acknowledge => "acknowledge",
        Action::Resolve => "resolve",
    };
    let mut event = json!({ "event_action": event_action, "dedup_key": incident.id.to_string() });
    if action == Action::Trigger
        && let Some(fields) = event.as_object_mut()
    {
        fields.insert(String::from("client"), Value::from("faultline"));
        if let Some(link) = words.link(incident) {
            fields.insert(String::from("client_url"), Value::from(link));
        }
        fields.insert(String::from("links"), links(incident, words));
        fields.insert(String::from("payload"), payload(incident, told, words, notes));
    }
    event
}

fn payload(incident: &Incident, told: &Told, words: &Words, notes: &mut Vec<String>) -> Value {
    let name = |text: &str| Untrusted(text).line(NAME_CHARS_MAX);
    let cause = told.cause.as_ref().and_then(|_| incident.hypotheses.first());
    let service = cause.map(|first| &first.entity.service).or(incident.services.first());
    let cell = name(&incident.cell.0);
    let component = service.map(|service| name(service)).filter(|text| !text.is_empty());
    let class = cause.map(|first| serde_json::to_value(first.kind).unwrap_or(Value::Null));
    let summary = words.title(incident, told, notes);
    let refused: Vec<&str> = told.refused.iter().map(|refusal| refusal.text.as_str()).collect();
    json!({
        "summary": Untrusted(&summary).line(SUMMARY_CHARS_MAX),
        "source": component.clone().unwrap_or_else(|| String::from("faultline")),
        "severity": severity(incident),
        "timestamp": incident.onset_at.to_rfc3339(),
        "component": component,
        "group": cell,
        "class": class,
        "custom_details": {
            "incident": incident.id.to_string(),
            "revision": incident.revision,
            "priority": format!("{:?}", incident.priority),
            "owner": told.owner,
            "assignee": told.assignee,
            "cause": told.cause.as_ref().map(|cause| cause.text.clone()),
            "cause_percent": told.cause.as_ref().map(|cause| cause.percent),
            "affected": told.services,
            "affected_total": told.services_total,
            "alerts": told.alerts_line(),
            "text": words.body(incident, told, notes),
            "refused": (!told.refused.is_empty()).then_some(refused),
        },
    })
}

/// PagerDuty has four; what no monitor weighed goes by the priority.
fn severity(incident: &Incident) -> &'static str {
    match (incident.severity, incident.priority) {
        (Severity::Critical, _) | (Severity::Unknown, Priority::P1) => "critical",
        (Severity::Error, _) | (Severity::Unknown, Priority::P2) => "error",
        (Severity::Warning, _) | (Severity::Unknown, Priority::P3) => "warning",
        (Severity::Info, _) | (Severity::Unknown, Priority::P4) => "info",
    }
}

/// The console and the tickets: links of our own and of other sinks, none of an alert.
fn links(incident: &Incident, words: &Words) -> Value {
    let console = words.link(incident).map(|href| json!({"href": href, "text": "faultline"}));
    let tickets = incident.tickets.iter().filter_map(|ticket| {
        let href = ticket.url.as_deref().filter(|url| is_web(url))?;
        let number = ticket.number.as_deref().unwrap_or(&ticket.id);
        let text = format!("{} {}", ticket.sink, Untrusted(number).line(NAME_CHARS_MAX));
        Some(json!({"href": Untrusted(href).data(1_000), "text": text}))
    });
    console.into_iter().chain(tickets).take(LINKS_MAX).collect()
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// A body for `/v2/change/enqueue`, without the routing key.
pub(super) fn change(incident: &Incident, told: &Told, words: &Words) -> Value {
    let suspect = incident.hypotheses.first().and_then(|first| first.change.as_ref());
    let text = told.cause.as_ref().map_or("change", |cause| cause.text.as_str());
    json!({
        "payload": {
            "summary": Untrusted(text).line(SUMMARY_CHARS_MAX),
            "source": "faultline",
            "timestamp": suspect.map(|change| change.at.to_rfc3339()),
            "custom_details": suspect.map(|change| details(change, incident)),
        },
        "links": links(incident, words),
    })
}

fn details(change: &SuspectedChange, incident: &Incident) -> Value {
    json!({
        "change": Untrusted(&change.id).line(NAME_CHARS_MAX),
        "kind": change.kind.label(),
        "author": change.author.as_deref().map(|author| Untrusted(author).line(NAME_CHARS_MAX)),
        "incident": incident.id.to_string(),
    })
}
