//! What a template sees of an incident: bounded, plain values, and two samples to check templates with.

use std::collections::BTreeSet;

use model::incident::Incident;
use serde::Serialize;

use super::told::Told;
use super::untrusted::Untrusted;

/// Longest value. Unit: characters.
pub(super) const VALUE_CHARS_MAX: usize = 2_000;
/// Most tickets and services that a template sees.
const LISTED_MAX: usize = 40;

/// What a later revision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Something changed.
    Updated,
    /// It is active again after its end was told.
    Reopened,
    /// It is over.
    Ended,
}

impl Event {
    const fn label(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Reopened => "reopened",
            Self::Ended => "ended",
        }
    }
}

/// What a text of a later revision has besides the incident.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Later<'a> {
    /// What changed since it was told last: one line each, in our words.
    pub(crate) news: &'a [String],
    /// What the revision is about.
    pub(crate) event: Event,
    /// Why it is over, in our words.
    pub(crate) closing: Option<&'a str>,
}

/// What a template sees of an incident. Absent things are `none`, which is false and prints
/// nothing.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    id: String,
    revision: u32,
    cell: String,
    state: &'static str,
    severity: String,
    priority: String,
    title: String,
    narrative: String,
    owner: Option<String>,
    assignee: Option<String>,
    acknowledged_by: Option<String>,
    services: Vec<String>,
    services_total: usize,
    alerts_firing: usize,
    alerts_total: usize,
    cause: Option<String>,
    cause_service: Option<String>,
    cause_percent: Option<u8>,
    began: String,
    opened: String,
    resolved: Option<String>,
    tickets: Vec<TicketFacts>,
    url: Option<String>,
    news: Vec<String>,
    event: Option<&'static str>,
    closing: Option<String>,
    merged_into: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct TicketFacts {
    sink: String,
    number: String,
    url: Option<String>,
}

/// The facts of an incident; `later` for the texts of later revisions.
pub(super) fn facts(
    incident: &Incident,
    told: &Told,
    url: Option<String>,
    later: Option<Later<'_>>,
) -> Facts {
    let text = |text: &str| Untrusted(text).data(VALUE_CHARS_MAX);
    let blamed = told.cause.as_ref().and_then(|_| incident.hypotheses.first());
    Facts {
        id: incident.id.to_string(),
        revision: incident.revision,
        cell: text(&incident.cell.0),
        state: incident.state.label(),
        severity: incident.severity.label().to_owned(),
        priority: format!("{:?}", incident.priority),
        title: text(&incident.title),
        narrative: text(&incident.narrative),
        owner: incident.owner.as_deref().map(text),
        assignee: incident.people.assignee.as_deref().map(text),
        acknowledged_by: incident.people.acknowledged.as_ref().map(|said| text(&said.author)),
        services: incident.services.iter().take(LISTED_MAX).map(|name| text(name)).collect(),
        services_total: incident.services.len(),
        alerts_firing: told.alerts_firing,
        alerts_total: told.alerts_total,
        cause: told.cause.as_ref().map(|cause| cause.text.clone()),
        cause_service: blamed.map(|first| text(&first.entity.service)),
        cause_percent: told.cause.as_ref().map(|cause| cause.percent),
        began: incident.onset_at.to_rfc3339(),
        opened: incident.opened_at.to_rfc3339(),
        resolved: incident.resolved_at.map(model::time::Timestamp::to_rfc3339),
        tickets: incident.tickets.iter().take(LISTED_MAX).map(ticket).collect(),
        url,
        news: later.map(|later| later.news.to_vec()).unwrap_or_default(),
        event: later.map(|later| later.event.label()),
        closing: later.and_then(|later| later.closing).map(ToOwned::to_owned),
        merged_into: incident.lineage.merged_into.map(|into| into.to_string()),
    }
}

fn ticket(ticket: &model::incident::Ticket) -> TicketFacts {
    let text = |text: &str| Untrusted(text).data(VALUE_CHARS_MAX);
    TicketFacts {
        sink: ticket.sink.to_string(),
        number: text(ticket.number.as_deref().unwrap_or(&ticket.id)),
        url: ticket.url.as_deref().map(text),
    }
}

/// The names that a template may use.
pub(super) fn names() -> BTreeSet<&'static str> {
    [
        "id",
        "revision",
        "cell",
        "state",
        "severity",
        "priority",
        "title",
        "narrative",
        "owner",
        "assignee",
        "acknowledged_by",
        "services",
        "services_total",
        "alerts_firing",
        "alerts_total",
        "cause",
        "cause_service",
        "cause_percent",
        "began",
        "opened",
        "resolved",
        "tickets",
        "url",
        "news",
        "event",
        "closing",
        "merged_into",
    ]
    .into()
}

/// A sample with everything.
pub(super) fn rich() -> Facts {
    Facts {
        id: String::from("00000000000000ab"),
        revision: 2,
        cell: String::from("production"),
        state: "open",
        severity: String::from("critical"),
        priority: String::from("P1"),
        title: String::from("Checkout is slow"),
        narrative: String::from("Checkout has been slow since 02:07."),
        owner: Some(String::from("team-payments")),
        assignee: Some(String::from("ann")),
        acknowledged_by: Some(String::from("ann")),
        services: vec![String::from("checkout"), String::from("payment")],
        services_total: 2,
        alerts_firing: 1,
        alerts_total: 2,
        cause: Some(String::from("config change on payment at 01:55:00 UTC: pool size 10")),
        cause_service: Some(String::from("payment")),
        cause_percent: Some(81),
        began: String::from("2026-03-17T02:07:00.000Z"),
        opened: String::from("2026-03-17T02:07:10.000Z"),
        resolved: Some(String::from("2026-03-17T02:37:00.000Z")),
        tickets: vec![TicketFacts {
            sink: String::from("itsm"),
            number: String::from("INC0000001"),
            url: Some(String::from("https://itsm.example/1")),
        }],
        url: Some(String::from("https://faultline.example/incidents/00000000000000ab")),
        news: vec![String::from("Priority is now P1."), String::from("Owner: team-payments.")],
        event: Some(Event::Ended.label()),
        closing: Some(String::from("Merged into incident 00000000000000cd; it goes on there.")),
        merged_into: Some(String::from("00000000000000cd")),
    }
}

/// A sample in which all that can be absent is.
pub(super) fn poor() -> Facts {
    Facts {
        owner: None,
        assignee: None,
        acknowledged_by: None,
        services: Vec::new(),
        services_total: 0,
        cause: None,
        cause_service: None,
        cause_percent: None,
        resolved: None,
        tickets: Vec::new(),
        url: None,
        news: Vec::new(),
        event: None,
        closing: None,
        merged_into: None,
        ..rich()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_facts() {
        let facts = serde_json::to_value(rich()).unwrap();
        let keys: BTreeSet<&str> = facts.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, names());
    }
}
