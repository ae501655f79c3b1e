//! An incident as a CloudEvent 1.0, for whoever reads machines' words: webhooks and Kafka.

use model::incident::{Incident, IncidentState};
use serde_json::{Value, json};

use crate::delivery::decide::is_over;
use crate::delivery::record::Delivered;
use crate::render::told::Told;
use crate::render::untrusted::clean_json;
use crate::sink::Delivery;

/// Longest text in an event. Unit: characters.
pub(crate) const TEXT_CHARS_MAX: usize = 4_096;

/// The type of the event: what happened since `request.known`.
pub(crate) fn event_type(request: &Delivery<'_>) -> String {
    format!("io.faultline.incident.{}.v1", happening(request.incident, request.known))
}

/// The event in structured mode. Its text is encoded for machines: names still compare, nothing
/// invisible is left.
pub(crate) fn structured(request: &Delivery<'_>, source: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": request.idempotency_key,
        "source": source,
        "type": event_type(request),
        "subject": request.incident.id.to_string(),
        "time": request.incident.updated_at.to_rfc3339(),
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// The whole incident as data, as `docs/incident.schema.json` has it.
pub(crate) fn whole(incident: &Incident) -> Value {
    clean_json(serde_json::to_value(incident).unwrap_or(Value::Null), TEXT_CHARS_MAX)
}

/// What most readers need of it: small and flat.
pub(crate) fn summary(incident: &Incident) -> Value {
    let told = Told::of(incident);
    let cause = told.cause.as_ref().and_then(|_| incident.hypotheses.first());
    let value = json!({
        "id": incident.id.to_string(),
        "revision": incident.revision,
        "cell": incident.cell,
        "state": incident.state,
        "severity": incident.severity,
        "priority": incident.priority,
        "title": incident.title,
        "narrative": incident.narrative,
        "onset_at": incident.onset_at.to_rfc3339(),
        "opened_at": incident.opened_at.to_rfc3339(),
        "updated_at": incident.updated_at.to_rfc3339(),
        "resolved_at": incident.resolved_at.map(model::time::Timestamp::to_rfc3339),
        "services": incident.services,
        "owner": incident.owner,
        "assignee": incident.people.assignee,
        "acknowledged_by": incident.people.acknowledged.as_ref().map(|said| &said.author),
        "alerts_firing": told.alerts_firing,
        "alerts_total": told.alerts_total,
        "cause": cause.map(|first| json!({
            "service": first.entity.service,
            "kind": first.kind,
            "change": first.change.as_ref().map(|change| &change.id),
            "probability": first.probability,
        })),
        "merged_into": incident.lineage.merged_into.map(|id| id.to_string()),
    });
    clean_json(value, TEXT_CHARS_MAX)
}

/// What happened, seen from the receiver: a change of state since what it was told last, else
/// `updated`. An incident that is active again is `opened` again; `lineage.reopened` counts.
pub(crate) fn happening(incident: &Incident, known: Option<&Delivered>) -> &'static str {
    let before = known.map(|known| known.told.state);
    let active_before = before.is_some_and(|state| !is_over(state));
    match incident.state {
        state if before == Some(state) => "updated",
        IncidentState::Resolved => "resolved",
        IncidentState::Withdrawn => "withdrawn",
        IncidentState::Merged => "merged",
        IncidentState::Open | IncidentState::Suspected if active_before => "updated",
        IncidentState::Open | IncidentState::Suspected => "opened",
    }
}
