//! `POST /api/v1/incidents/{id}/VERB`: what is decided about one incident.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use model::command::{CauseRef, Decision};
use model::id::IncidentId;
use model::time::Timestamp;

use super::super::HttpState;
use super::super::error::ApiError;
use super::form::{By, Form, unprocessable};
use super::verb::Verb;
use super::{accepted, find_incident, fits, idempotency_key, take};
use crate::auth::Caller;
use crate::control::desk::{Counted, Draft};

/// Takes one decision about an incident.
pub(in super::super) async fn decide(
    verb: Verb,
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let incident = find_incident(&state, &id)?;
    let now = state.desk.now(state.incidents.now());
    let mut form = Form::read(&headers, &body)?;
    let (decision, counted) = read(verb, incident.summary.id, &mut form, &state, now)?;
    let By { author, via, reason } = form.by(&caller)?;
    let draft = Draft { id: idempotency_key(&headers)?, author, via, reason, decision, counted };
    form.done()?;
    if !state.desk.knows(draft.id.as_deref()) {
        // What was taken before is answered as it was then, whatever became of the incident.
        let into = match &draft.decision {
            Decision::Merge { into, .. } => state.incidents.newest(*into),
            _ => None,
        };
        let into = into.as_ref().map(|revision| &revision.summary);
        fits::against(&draft.decision, &incident.summary, into).map_err(|why| {
            ApiError::new(StatusCode::CONFLICT, "conflict", why.message, why.action)
        })?;
    }
    let cells = vec![incident.summary.cell.clone()];
    let taken = take(&state, cells, draft, now).await?;
    Ok(accepted(&taken, Some(&incident.summary)))
}

fn read(
    verb: Verb,
    incident: IncidentId,
    form: &mut Form,
    state: &HttpState,
    now: Timestamp,
) -> Result<(Decision, Counted), ApiError> {
    let mut counted = Counted::Nothing;
    let decision = match verb {
        Verb::Acknowledge => Decision::Acknowledge { incident },
        Verb::Unacknowledge => Decision::Unacknowledge { incident },
        Verb::Snooze => {
            let until;
            (until, counted) = form.end("until", now)?;
            Decision::Snooze { incident, until }
        }
        Verb::Unsnooze => Decision::Unsnooze { incident },
        Verb::Assign => {
            if !form.has("to") {
                return Err(unprocessable(
                    "`to` is missing",
                    "name a person or a team, or send null to take it back",
                ));
            }
            Decision::Assign { incident, to: form.text("to")?.map(Into::into) }
        }
        Verb::Comment => Decision::Comment { incident },
        Verb::Resolve => Decision::Resolve { incident },
        Verb::Reopen => Decision::Reopen { incident },
        Verb::Merge => {
            let into = form.needed("into", "name the other incident by its id")?;
            Decision::Merge { incident, into: find_incident(state, &into)?.summary.id }
        }
        Verb::Split => Decision::Split { incident, services: sorted(form.names("services")?) },
        Verb::ConfirmCause => Decision::ConfirmCause { incident, cause: cause(form)? },
        Verb::RejectCause => Decision::RejectCause { incident, cause: cause(form)? },
    };
    Ok((decision, counted))
}

fn sorted(mut names: Vec<model::name::Name>) -> Vec<model::name::Name> {
    names.sort();
    names.dedup();
    names
}

fn cause(form: &mut Form) -> Result<CauseRef, ApiError> {
    let value = form.value("cause").ok_or_else(|| unprocessable("`cause` is missing", CAUSE))?;
    serde_json::from_value(value).map_err(|_| unprocessable("`cause` has a wrong form", CAUSE))
}

const CAUSE: &str = "send {\"service\": NAME or null, \"change\": ID or null}, as in a hypothesis; \
                     both null says: none of ours";
