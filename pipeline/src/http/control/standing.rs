//! `/api/v1/silences`, `/api/v1/maintenance`, `/api/v1/inhibitions`: what is decided for a time.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use model::command::Decision;
use model::id::CellId;
use model::matcher;
use model::time::Timestamp;
use serde_json::{Value, json};

use super::super::HttpState;
use super::super::error::ApiError;
use super::form::{By, Form};
use super::{accepted, idempotency_key, several, take};
use crate::auth::Caller;
use crate::control::desk::{Counted, Draft};
use crate::control::standing::{Entry, Found, Kind, Phase};

const PHASES: [Phase; 3] = [Phase::Pending, Phase::Active, Phase::Expired];

/// The list of a kind, under its name.
pub(in super::super) async fn list(
    kind: Kind,
    State(state): State<HttpState>,
    Query(params): Query<BTreeMap<String, String>>,
) -> Result<Json<Value>, ApiError> {
    let wanted = read_phases(&params)?;
    let now = state.desk.now(state.incidents.now());
    let rows: Vec<Value> = state.desk.read(|standing| {
        let entries = standing.list(kind, now).into_iter();
        entries.filter(|e| wanted.contains(&e.phase(now))).map(|e| row(e, now)).collect()
    });
    Ok(Json(json!({ "now": now, plural(kind): rows })))
}

fn read_phases(params: &BTreeMap<String, String>) -> Result<Vec<Phase>, ApiError> {
    let wrong = || {
        ApiError::bad_request(
            "a query parameter is unknown, or `state` holds a word that is none",
            "use state=pending,active,expired or a part of it",
        )
    };
    let Some(text) = params.get("state") else {
        return if params.is_empty() { Ok(PHASES.to_vec()) } else { Err(wrong()) };
    };
    let phase = |word: &str| PHASES.into_iter().find(|phase| phase.word() == word.trim());
    let words = text.split(',').filter(|word| !word.trim().is_empty());
    let read: Option<Vec<Phase>> = words.map(phase).collect();
    read.filter(|_| params.len() == 1).ok_or_else(wrong)
}

const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Silence => "silences",
        Kind::Maintenance => "maintenance",
        Kind::Inhibition => "inhibitions",
    }
}

fn row(entry: &Entry, now: Timestamp) -> Value {
    let act = &entry.act;
    let (starts_at, ends_at) = entry.interval();
    let mut row = json!({
        "id": act.id,
        "state": entry.phase(now).word(),
        "author": act.author,
        "via": act.via,
        "at": act.at,
        "reason": act.reason,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "ended": entry.ended(),
        "cells": entry.cells,
    });
    let own = match &act.decision {
        Decision::Silence { matchers, .. } => {
            json!({ "matchers": matchers, "text": matcher::show_all(matchers) })
        }
        Decision::Maintenance { services, .. } => json!({ "services": services }),
        Decision::Inhibit { source, target, equal } => json!({
            "source": source,
            "target": target,
            "equal": equal,
            "text": format!("{} mutes {}", matcher::show_all(source), matcher::show_all(target)),
        }),
        _ => json!({}),
    };
    if let (Some(row), Value::Object(own)) = (row.as_object_mut(), own) {
        row.extend(own);
    }
    row
}

/// Adds one.
pub(in super::super) async fn add(
    kind: Kind,
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let now = state.desk.now(state.incidents.now());
    let mut form = Form::read(&headers, &body)?;
    let mut counted = Counted::Nothing;
    let decision = match kind {
        Kind::Silence => {
            let (starts_at, ends_at);
            (starts_at, ends_at, counted) = interval(&mut form, now)?;
            Decision::Silence { matchers: form.matchers("matchers")?, starts_at, ends_at }
        }
        Kind::Maintenance => {
            let (starts_at, ends_at);
            (starts_at, ends_at, counted) = interval(&mut form, now)?;
            Decision::Maintenance { services: form.names("services")?, starts_at, ends_at }
        }
        Kind::Inhibition => Decision::Inhibit {
            source: form.matchers("source")?,
            target: form.matchers("target")?,
            equal: form.labels("equal")?,
        },
    };
    let cells = form.text("cell")?.map(|cell| CellId(cell.into()));
    let By { author, via, reason } = form.by(&caller)?;
    let draft = Draft { id: idempotency_key(&headers)?, author, via, reason, decision, counted };
    form.done()?;
    let taken = take(&state, cells.into_iter().collect(), draft, now).await?;
    Ok(accepted(&taken, None))
}

fn interval(form: &mut Form, now: Timestamp) -> Result<(Timestamp, Timestamp, Counted), ApiError> {
    let named = form.time("starts_at")?;
    let starts_at = named.unwrap_or(now);
    let (ends_at, counted) = form.end("ends_at", starts_at)?;
    let counted = match (named, counted) {
        (Some(_), _) => Counted::Nothing,
        (None, Counted::Nothing) => Counted::Start,
        (None, counted) => counted,
    };
    Ok((starts_at, ends_at, counted))
}

/// The entry that an id or the beginning of one names.
pub(super) fn find(state: &HttpState, kind: Kind, id: &str) -> Result<Entry, ApiError> {
    state.desk.read(|standing| match standing.find(kind, id) {
        Found::One(entry) => Ok(entry.clone()),
        Found::Several(ids) => Err(several(&ids)),
        Found::None => Err(ApiError::not_found(
            "there is none with this id",
            format!("GET /api/v1/{} lists those that are", plural(kind)),
        )),
    })
}

/// Ends one. Author and reason stand in the query, or in a body.
pub(in super::super) async fn end(
    kind: Kind,
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(params): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let entry = find(&state, kind, &id)?;
    let now = state.desk.now(state.incidents.now());
    let mut form =
        if body.is_empty() { Form::of_query(params) } else { Form::read(&headers, &body)? };
    let By { author, via, reason } = form.by(&caller)?;
    let (id, decision) = (idempotency_key(&headers)?, end_of(kind, &entry));
    let draft = Draft { id, author, via, reason, decision, counted: Counted::Nothing };
    form.done()?;
    let is_known = state.desk.knows(draft.id.as_deref());
    if !is_known && entry.phase(now) == Phase::Expired {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "conflict",
            "it is over already",
            format!("GET /api/v1/{}?state=active,pending lists what is not", plural(kind)),
        ));
    }
    let cells = if is_known { entry.cells.into_iter().collect() } else { entry.cells_left() };
    let taken = take(&state, cells, draft, now).await?;
    Ok(accepted(&taken, None))
}

fn end_of(kind: Kind, entry: &Entry) -> Decision {
    let target = entry.act.id.clone();
    match kind {
        Kind::Silence | Kind::Maintenance => Decision::Expire { target },
        Kind::Inhibition => Decision::Uninhibit { target },
    }
}
