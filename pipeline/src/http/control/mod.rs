//! The routes by which people decide: each makes one act of the journal and answers 202 when it is
//! durable. The revision that shows it follows by the topic and the event stream.
//!
//! Who is known by a name decides under it (`form::By`). What is deliberately absent: roles, which are
//! `security`'s; whoever comes here may decide.

pub mod verb;
pub mod schema;
mod form;
mod fits;
mod incident;
mod standing;
pub mod alertmanager;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use correlator::correlate::people::is_act_id;
use model::id::CellId;
use model::time::Timestamp;
use serde_json::json;

use super::HttpState;
use super::error::ApiError;
use super::summary::IncidentSummary;
use super::view::Revision;
use crate::control::check::Refusal;
use crate::control::desk::{Draft, NotTaken, Taken};
use crate::control::standing::Found;

pub(super) use form::BODY_BYTES_MAX;
pub(super) use incident::decide;
pub(super) use standing::{add, end, list};

/// The id that the client chose for its act, so that it may ask twice.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    // Some clients send it as a quoted string, as the draft of the header says.
    let text = value.to_str().unwrap_or_default().trim_matches('"');
    if is_act_id(text) {
        return Ok(Some(text.to_owned()));
    }
    Err(ApiError::bad_request(
        "the header `Idempotency-Key` has a wrong form",
        "use 1 to 64 of A-Z a-z 0-9 - _ : . and a new one for each decision",
    ))
}

/// The incident that an id or the beginning of one names.
pub(super) fn find_incident(state: &HttpState, text: &str) -> Result<Arc<Revision>, ApiError> {
    let prefix = text.to_ascii_lowercase();
    if !(1..=16).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(ApiError::bad_request(
            "this is no incident id",
            "use the 16 hexadecimal digits of its `id`, or the first of them; `faultline incidents` \
             (GET /api/v1/incidents) lists them",
        ));
    }
    match state.incidents.find(&prefix) {
        Found::One(revision) => Ok(revision),
        Found::None => Err(ApiError::not_found(
            "this incident is not here",
            "`faultline incidents` (GET /api/v1/incidents) lists those that are; ended ones leave when \
             there are too many",
        )),
        Found::Several(ids) => Err(several(&ids)),
    }
}

fn several(ids: &[String]) -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "ambiguous",
        format!("several begin so: {}", ids.join(", ")),
        "give more digits",
    )
}

/// Makes the decision durable on a thread that may wait.
async fn take(
    state: &HttpState,
    cells: Vec<CellId>,
    draft: Draft,
    now: Timestamp,
) -> Result<Taken, ApiError> {
    let desk = Arc::clone(&state.desk);
    let taken = tokio::task::spawn_blocking(move || desk.take(&cells, draft, now)).await;
    let taken = taken.map_err(|_| ApiError::from(NotTaken::NoJournal))?;
    if let Ok(taken) = &taken {
        let act = &taken.act;
        tracing::info!(id = %act.id, author = %act.author, via = %act.via, repeat = taken.is_repeat, "decided");
    }
    taken.map_err(ApiError::from)
}

fn accepted(taken: &Taken, incident: Option<&IncidentSummary>) -> Response {
    let mut body = json!({ "act": taken.act, "repeated": taken.is_repeat });
    if let (Some(incident), Some(fields)) = (incident, body.as_object_mut()) {
        fields.insert("incident".to_owned(), json!(incident.id));
        fields.insert("revision".to_owned(), json!(incident.revision));
    }
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        form::unprocessable(refusal.message, refusal.action)
    }
}

impl From<NotTaken> for ApiError {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Refused(refusal) => refusal.into(),
            NotTaken::IdTaken => Self::new(
                StatusCode::CONFLICT,
                "id_taken",
                "another decision has this id",
                "send a new `Idempotency-Key` for each decision",
            ),
            NotTaken::Undone(why) => Self::new(
                StatusCode::CONFLICT,
                "not_carried_out",
                format!("this decision was written down, but not carried out: {why}"),
                "decide anew, under a new `Idempotency-Key`",
            ),
            NotTaken::UnknownCell => Self::not_found(
                "there is no such cell",
                "name one of `cells` of the configuration, or none for all",
            ),
            NotTaken::NoJournal => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "no_journal",
                "this process takes no decisions",
                "ask one that runs with the role `console`",
            ),
            NotTaken::Unavailable(reason) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "journal_unavailable",
                format!("the journal may not have it: {reason}"),
                "ask again with the same `Idempotency-Key`; asking twice is harmless",
            ),
        }
    }
}
