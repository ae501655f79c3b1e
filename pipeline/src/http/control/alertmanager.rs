//! Alertmanager's own API for silences (v2), so that `amtool` and dashboards that know it work:
//! `amtool --alertmanager.url=http://127.0.0.1:7070 silence add ...`.
//!
//! Errors are JSON strings, as there. What is deliberately absent: the rest of that API; alerts
//! come in at the intake.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use model::command::Decision;
use model::matcher::{self, MatchOp, Matcher};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::HttpState;
use super::super::error::ApiError;
use super::form::{By, Form};
use super::{standing, take};
use crate::auth::Caller;
use crate::control::desk::{Counted, Draft};
use crate::control::standing::{Entry, Kind, Phase};

/// Who ended a silence, where nobody is asked and the API has no place to say it.
const NOBODY: &str = "unnamed";

/// A matcher in Alertmanager's form.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMatcher {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

const fn yes() -> bool {
    true
}

impl From<WireMatcher> for Matcher {
    fn from(wire: WireMatcher) -> Self {
        let op = match (wire.is_regex, wire.is_equal) {
            (false, true) => MatchOp::Equal,
            (false, false) => MatchOp::NotEqual,
            (true, true) => MatchOp::Regex,
            (true, false) => MatchOp::NotRegex,
        };
        Self { label: wire.name.into(), op, value: wire.value }
    }
}

impl From<&Matcher> for WireMatcher {
    fn from(matcher: &Matcher) -> Self {
        Self {
            name: matcher.label.to_string(),
            value: matcher.value.clone(),
            is_regex: matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex),
            is_equal: matches!(matcher.op, MatchOp::Equal | MatchOp::Regex),
        }
    }
}

/// `postableSilence`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Postable {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<WireMatcher>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    comment: String,
}

/// An error as Alertmanager has it.
pub struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        let status = match error.status {
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            other => other,
        };
        Self(status, format!("{}; {}", error.message, error.action))
    }
}

pub(in super::super) async fn post(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    // The same rules of form as everywhere: one JSON object of the right type.
    Form::read(&headers, &body)?;
    let posted: Postable = serde_json::from_slice(&body)
        .map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))?;
    let now = state.desk.now(state.incidents.now());
    let time = |text: &str| {
        let wrong = || Refused(StatusCode::BAD_REQUEST, format!("{text:?} is no RFC 3339 time"));
        Timestamp::parse_rfc3339(text).ok_or_else(wrong)
    };
    let starts_at = time(&posted.starts_at)?.max(now);
    let ends_at = time(&posted.ends_at)?;
    let replaced = match posted.id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(standing::find(&state, Kind::Silence, id)?),
        None => None,
    };
    let matchers = posted.matchers.into_iter().map(Matcher::from).collect();
    let By { author, via, reason } = By::new(&caller, posted.created_by, posted.comment, "api");
    let draft = Draft {
        id: None,
        author: author.clone(),
        via,
        reason,
        decision: Decision::Silence { matchers, starts_at, ends_at },
        counted: Counted::Nothing,
    };
    // First the new one: between the two both hold, never none.
    let cells = replaced.as_ref().map(|old| old.cells.iter().cloned().collect());
    let taken = take(&state, cells.unwrap_or_default(), draft, now).await?;
    if let Some(old) = replaced.filter(|old| old.phase(now) != Phase::Expired) {
        let reason = format!("replaced by {}", taken.act.id);
        expire(&state, old, author, reason, now).await?;
    }
    Ok(Json(json!({ "silenceID": taken.act.id })))
}

async fn expire(
    state: &HttpState,
    entry: Entry,
    author: String,
    reason: String,
    now: Timestamp,
) -> Result<(), ApiError> {
    let decision = Decision::Expire { target: entry.act.id.clone() };
    let counted = Counted::Nothing;
    let draft = Draft { id: None, author, via: "api", reason, decision, counted };
    take(state, entry.cells_left(), draft, now).await.map(|_| ())
}

pub(in super::super) async fn list(
    State(state): State<HttpState>,
    Query(params): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refused> {
    let filters = params.iter().filter(|(name, _)| name == "filter");
    let filters: Vec<Matcher> = filters
        .map(|(_, text)| matcher::parse(text).and_then(only_plain))
        .collect::<Result<_, _>>()
        .map_err(|why| Refused(StatusCode::BAD_REQUEST, why))?;
    let now = state.desk.now(state.incidents.now());
    let rows: Vec<Value> = state.desk.read(|standing| {
        let entries = standing.list(Kind::Silence, now).into_iter();
        entries.filter(|entry| accepts(&filters, entry)).map(|entry| row(entry, now)).collect()
    });
    Ok(Json(json!(rows)))
}

fn only_plain(filter: Matcher) -> Result<Matcher, String> {
    match filter.op {
        MatchOp::Equal | MatchOp::NotEqual => Ok(filter),
        _ => Err("filters of silences take = and !=; leave regular expressions out".to_owned()),
    }
}

/// A silence is shown if for each filter it has a matcher of that label whose value is so.
fn accepts(filters: &[Matcher], entry: &Entry) -> bool {
    let Decision::Silence { matchers, .. } = &entry.act.decision else { return false };
    filters.iter().all(|filter| {
        let mut same_label = matchers.iter().filter(|matcher| matcher.label == filter.label);
        match filter.op {
            MatchOp::NotEqual => same_label.all(|matcher| matcher.value != filter.value),
            _ => same_label.any(|matcher| matcher.value == filter.value),
        }
    })
}

pub(in super::super) async fn get(
    State(state): State<HttpState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let entry = standing::find(&state, Kind::Silence, &id)?;
    Ok(Json(row(&entry, state.desk.now(state.incidents.now()))))
}

pub(in super::super) async fn delete(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let entry = standing::find(&state, Kind::Silence, &id)?;
    let now = state.desk.now(state.incidents.now());
    if entry.phase(now) != Phase::Expired {
        let author = caller.name.map_or(NOBODY.to_owned(), |name| name.to_string());
        expire(&state, entry, author, String::new(), now).await?;
    }
    Ok(StatusCode::OK)
}

/// `gettableSilence`.
fn row(entry: &Entry, now: Timestamp) -> Value {
    let (starts_at, ends_at) = entry.interval();
    let Decision::Silence { matchers, .. } = &entry.act.decision else { return Value::Null };
    let matchers: Vec<WireMatcher> = matchers.iter().map(WireMatcher::from).collect();
    json!({
        "id": entry.act.id,
        "status": { "state": entry.phase(now).word() },
        "updatedAt": entry.ended().map_or(entry.act.at, |said| said.at),
        "startsAt": starts_at,
        "endsAt": ends_at,
        "createdBy": entry.act.author,
        "comment": entry.act.reason,
        "matchers": matchers,
        "annotations": {},
    })
}
