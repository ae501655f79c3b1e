//! The reading half of the API: handlers that turn the view into JSON.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use model::incident::IncidentState;
use model::time::Timestamp;
use serde_json::{Value, json};

use super::HttpState;
use super::control::find_incident;
use super::error::ApiError;
use super::health::Condition;
use super::metrics::{Metric, Stage, UNKNOWN, UNMEASURED, render_gauge};
use super::summary::STATES;
use super::view::Filter;
use crate::auth::{Caller, Means};
use crate::clock;

/// Whether a role that one process at a time does is done by this one.
pub const ROLE_OWNED: &str = "faultline_role_owned";

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

type Params = Query<BTreeMap<String, String>>;

/// Who asks; and whether there is a session that could be ended.
pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<Value> {
    let has_session = matches!(caller.means, Means::Session { .. });
    Json(json!({ "name": caller.name, "role": caller.role, "has_session": has_session }))
}

pub(super) async fn livez(State(state): State<HttpState>) -> Response {
    let live = state.health.is_live();
    (ok_if(live), Json(json!({ "live": live }))).into_response()
}

pub(super) async fn readyz(State(state): State<HttpState>, Query(params): Params) -> Response {
    let ready = state.health.is_ready();
    let mut body = json!({ "ready": ready });
    let standing_by = state.health.standing_by();
    if let (false, Value::Object(body)) = (standing_by.is_empty(), &mut body) {
        body.insert("standing_by".to_owned(), json!(standing_by));
    }
    if let (true, Value::Object(body)) = (params.contains_key("verbose"), &mut body) {
        body.insert("checks".to_owned(), json!(state.health.checks()));
        body.insert("lag".to_owned(), lag(&state));
    }
    (ok_if(ready), Json(body)).into_response()
}

const fn ok_if(holds: bool) -> StatusCode {
    if holds { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

fn lag(state: &HttpState) -> Value {
    let known = |value: &u64| ![UNKNOWN, UNMEASURED].contains(value);
    let value = |metric, stage| Some(state.metrics.get(metric, stage)).filter(known);
    let of = |stage: Stage| json!({ "records": value(Metric::Lag, stage), "time_ms": value(Metric::LagTime, stage) });
    Stage::ALL.into_iter().map(|stage| (stage.label().to_owned(), of(stage))).collect()
}

pub(super) async fn metrics(State(state): State<HttpState>) -> Response {
    let mut text = state.metrics.render();
    state.metrics.outboxes.render(&mut text, clock::now());
    let counts = state.incidents.counts().map(|(is, count)| (is.label(), count));
    let name = "faultline_incidents";
    render_gauge(&mut text, name, "Incidents held by the view.", "state", &counts);
    let mut ready = vec![("ready", u64::from(state.health.is_ready()))];
    let conditions = Condition::ALL.into_iter();
    ready.extend(conditions.map(|one| (one.label(), u64::from(state.health.holds(one)))));
    render_gauge(&mut text, "faultline_health", "1 if it holds.", "condition", &ready);
    let owned = state.health.owned().into_iter();
    let owned: Vec<_> = owned.map(|(role, is_ours)| (role.label(), u64::from(is_ours))).collect();
    let help = "1 if this process does the role, 0 if it stands by.";
    render_gauge(&mut text, ROLE_OWNED, help, "role", &owned);
    let version = [(env!("CARGO_PKG_VERSION"), 1)];
    render_gauge(&mut text, "faultline_build_info", "The version that runs.", "version", &version);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn counts(state: &HttpState) -> Value {
    let counts = state.incidents.counts();
    counts.map(|(is, count)| (is.label().to_owned(), json!(count))).into_iter().collect()
}

pub(super) async fn status(State(state): State<HttpState>) -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": state.incidents.now(),
        "incidents": counts(&state),
        "incidents_evicted": state.incidents.evicted(),
        "live": state.health.is_live(),
        "ready": state.health.is_ready(),
        "checks": state.health.checks(),
        "lag": lag(&state),
    }))
}

pub(super) async fn incidents(
    State(state): State<HttpState>,
    Query(params): Params,
) -> Result<Json<Value>, ApiError> {
    let (filter, limit) = read_filter(&params)?;
    let (found, revisions) = state.incidents.list(&filter, limit);
    let rows: Vec<_> = revisions.iter().map(|revision| &revision.summary).collect();
    Ok(Json(json!({
        "now": state.incidents.now(),
        "counts": counts(&state),
        "matching": found,
        "incidents": rows,
    })))
}

fn read_filter(params: &BTreeMap<String, String>) -> Result<(Filter, usize), ApiError> {
    let mut filter = Filter::default();
    let mut limit = LIMIT_DEFAULT;
    for (name, value) in params {
        match name.as_str() {
            "state" => filter.states = read_states(value)?,
            "service" => filter.service = Some(value.clone()),
            "since" => filter.since = Some(read_since(value)?),
            "limit" => limit = read_limit(value)?,
            _ => {
                return Err(ApiError::bad_request(
                    "a query parameter is unknown",
                    "use state, service, since, limit",
                ));
            }
        }
    }
    Ok((filter, limit))
}

fn read_states(text: &str) -> Result<Vec<IncidentState>, ApiError> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| STATES.into_iter().find(|state| state.label() == word))
        .collect::<Option<_>>()
        .ok_or_else(|| {
            let known = STATES.map(IncidentState::label).join(", ");
            ApiError::bad_request("`state` holds a word that is no state", format!("use {known}"))
        })
}

fn read_since(text: &str) -> Result<Timestamp, ApiError> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| {
        ApiError::bad_request(
            "`since` is no time",
            "use RFC 3339, e.g. 2026-03-17T02:07:00Z (write + as %2B)",
        )
    })
}

fn read_limit(text: &str) -> Result<usize, ApiError> {
    usize::from_str(text).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
        ApiError::bad_request("`limit` is out of range", format!("use 1 to {LIMIT_MAX}"))
    })
}

pub(super) async fn incident(
    State(state): State<HttpState>,
    Path(id): Path<String>,
    Query(params): Params,
) -> Result<Response, ApiError> {
    let newest = find_incident(&state, &id)?;
    let revision = match params.get("revision") {
        None => newest,
        Some(text) => {
            let wanted = u32::from_str(text)
                .map_err(|_| ApiError::bad_request("`revision` is no number", "use 1, 2, 3 ..."))?;
            let held = state.incidents.revisions(newest.summary.id);
            held.into_iter().find(|r| r.summary.revision == wanted).ok_or_else(|| {
                ApiError::not_found(
                    "this revision is not here",
                    "GET /api/v1/incidents/{id}/revisions lists those that are still held",
                )
            })?
        }
    };
    let body = revision.json.as_bytes().to_vec();
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

pub(super) async fn revisions(
    State(state): State<HttpState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let held = state.incidents.revisions(find_incident(&state, &id)?.summary.id);
    let rows: Vec<_> = held.iter().map(|revision| &revision.summary).collect();
    Ok(Json(json!({ "revisions": rows })))
}

pub(super) async fn drift(State(state): State<HttpState>) -> Result<Response, ApiError> {
    match state.drift.get() {
        Some(report) => Ok(Json(&*report).into_response()),
        None => Err(ApiError::not_found(
            "there is no drift report yet",
            "it appears after a topology was imported and traces have been seen",
        )),
    }
}

pub(super) async fn incident_schema() -> Response {
    let schema = Json(model::incident::json_schema());
    ([(header::CONTENT_TYPE, "application/schema+json")], schema).into_response()
}
