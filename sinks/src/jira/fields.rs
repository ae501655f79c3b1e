//! What an incident is in the fields of an issue: pure.

use model::id::IncidentId;
use model::incident::{Incident, IncidentState, Priority};
use serde_json::{Map, Value, json};

use super::adf::document;
use super::api::{Issue, Transition};
use crate::config::JiraConfig;
use crate::delivery::decide::is_over;
use crate::heard::incident_id;
use crate::render::news::service_of;
use crate::render::words::Title;
use crate::sink::Delivery;

/// The label of all our issues.
pub(super) const LABEL: &str = "faultline";

/// The label of one incident's issue: no blanks, so Jira takes it.
pub(super) fn label(incident: &Incident) -> String {
    format!("{LABEL}-{}", incident.id)
}

/// The incident's id in a label of ours; people have labels that begin like it.
fn incident_of(issue: &Issue) -> Option<IncidentId> {
    let id = |label: &String| label.strip_prefix("faultline-").and_then(incident_id);
    issue.fields.labels.iter().find_map(id)
}

/// What the issue itself says of what we said last.
pub(super) fn mark(incident: &Incident, state: IncidentState) -> Value {
    json!({"incident": incident.id.to_string(), "revision": incident.revision, "state": state})
}

/// Whether an issue has this revision.
pub(super) fn has_it(issue: &Issue, incident: &Incident) -> bool {
    issue.mark() == Some(&mark(incident, incident.state))
}

fn priority(config: &JiraConfig, priority: Priority) -> Option<&String> {
    let place = match priority {
        Priority::P1 => 0,
        Priority::P2 => 1,
        Priority::P3 => 2,
        Priority::P4 => 3,
    };
    config.priorities.get(place)
}

/// A new issue of this summary and text. Its mark says "open" until it is resolved: a crash in between is noticed.
pub(super) fn creation(
    config: &JiraConfig,
    incident: &Incident,
    (summary, text): (&str, &str),
) -> Value {
    let state = if is_over(incident.state) { IncidentState::Open } else { incident.state };
    let mut fields = json!({
        "project": {"key": config.project},
        "issuetype": {"name": config.issue_type},
        "summary": summary,
        "description": document(text),
        "labels": [LABEL, label(incident)],
    });
    if let Some(fields) = fields.as_object_mut() {
        if let Some(name) = priority(config, incident.priority) {
            fields.insert(String::from("priority"), json!({ "name": name }));
        }
        let service = service_of(&config.services, incident);
        if let Some(component) = service.and_then(|service| service.component.as_ref()) {
            fields.insert(String::from("components"), json!([{ "name": component }]));
        }
        if let Some(assignee) = service.and_then(|service| service.assignee.as_ref()) {
            fields.insert(String::from("assignee"), json!({ "accountId": assignee }));
        }
    }
    json!({"fields": fields, "properties": [{"key": "faultline", "value": mark(incident, state)}]})
}

/// Summary and priority, if our own words changed and nobody changed the issue's; and our label,
/// if somebody took it off.
pub(super) fn edits(
    config: &JiraConfig,
    request: &Delivery<'_>,
    issue: &Issue,
    title: &Title,
) -> Option<Value> {
    let mut fields = Map::new();
    let incident = request.incident;
    if incident_of(issue).is_none() {
        let mut labels = issue.fields.labels.clone();
        labels.push(label(incident));
        fields.insert(String::from("labels"), json!(labels));
    }
    if let Some(summary) = title.change(&issue.fields.summary) {
        fields.insert(String::from("summary"), summary.into());
    }
    let before = request.known.map(|known| &known.told);
    if let Some(before) = before.filter(|_| !is_over(incident.state)) {
        let (new, old) = (priority(config, incident.priority), priority(config, before.priority));
        let theirs = issue.fields.priority.as_ref().map(|priority| &priority.name);
        if let Some(name) = new.filter(|_| new != old && theirs == old) {
            fields.insert(String::from("priority"), json!({ "name": name }));
        }
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}

/// What is to become of an issue's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It stays.
    Stay,
    /// Over.
    Resolve,
    /// Active again.
    Reopen,
}

/// Only the step from active to over, or back, is ours: what people resolved or reopened stays.
pub(super) fn step(request: &Delivery<'_>, issue: &Issue) -> Step {
    let done = is_done(issue);
    let over = is_over(request.incident.state);
    let told_over = request.known.is_some_and(|known| is_over(known.told.state));
    match (done, over, told_over) {
        (false, true, false) => Step::Resolve,
        (true, false, true) => Step::Reopen,
        _ => Step::Stay,
    }
}

fn is_done(issue: &Issue) -> bool {
    issue.fields.status.as_ref().is_some_and(|status| status.category.key == "done")
}

/// The transition of a step, among those that the workflow offers now.
pub(super) fn transition<'a>(
    config: &JiraConfig,
    step: Step,
    offered: &'a [Transition],
) -> Option<&'a Transition> {
    let (named, to_done) = match step {
        Step::Resolve => (config.resolve_transition.as_ref(), true),
        Step::Reopen => (config.reopen_transition.as_ref(), false),
        Step::Stay => return None,
    };
    let fits = |transition: &&Transition| (transition.to.category.key == "done") == to_done;
    match named {
        Some(name) => offered.iter().find(|transition| transition.name == *name),
        None => offered.iter().find(fits),
    }
}
