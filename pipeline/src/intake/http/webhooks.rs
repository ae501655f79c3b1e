//! Alerts, changes and topology: what monitors, forges and deployers post.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::answer::refusal;
use super::append::accept;
use super::state::IntakeState;
use crate::intake::decode::TopicKind;

/// Request headers that decoding may need: they travel with the record.
const KEPT: [&str; 3] = ["content-type", "x-github-event", "x-gitlab-event"];

pub(super) async fn alerts(state: State<IntakeState>, headers: HeaderMap, body: Bytes) -> Response {
    take(state.0, TopicKind::Alerts, &headers, body).await
}

pub(super) async fn changes(
    state: State<IntakeState>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    take(state.0, TopicKind::Changes, &headers, body).await
}

pub(super) async fn topology(
    state: State<IntakeState>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    take(state.0, TopicKind::Topology, &headers, body).await
}

/// With a secret configured, only bodies that GitHub signed with it.
pub(super) async fn github(state: State<IntakeState>, headers: HeaderMap, body: Bytes) -> Response {
    if !state.door.knows_github(&headers, &body) {
        return (StatusCode::UNAUTHORIZED, "the signature does not match").into_response();
    }
    if text(&headers, "x-github-event") == Some("ping") {
        return StatusCode::OK.into_response();
    }
    take(state.0, TopicKind::Changes, &headers, body).await
}

/// With a token configured, only requests that carry it.
pub(super) async fn gitlab(state: State<IntakeState>, headers: HeaderMap, body: Bytes) -> Response {
    if !state.door.knows_gitlab(&headers) {
        return (StatusCode::UNAUTHORIZED, "the token does not match").into_response();
    }
    take(state.0, TopicKind::Changes, &headers, body).await
}

/// What `amtool` and Prometheus look at before they trust an Alertmanager.
pub(super) async fn alertmanager_status(state: State<IntakeState>) -> Response {
    let body = json!({
        "cluster": {"status": "disabled"},
        "config": {"original": ""},
        "uptime": (state.now)().to_rfc3339(),
        "versionInfo": {"branch": "", "buildDate": "", "buildUser": "", "goVersion": "",
                        "revision": "", "version": env!("CARGO_PKG_VERSION")},
    });
    axum::Json(body).into_response()
}

async fn take(state: IntakeState, kind: TopicKind, headers: &HeaderMap, body: Bytes) -> Response {
    let compression = text(headers, header::CONTENT_ENCODING.as_str()).map(str::to_owned);
    let kept = headers
        .iter()
        .filter(|(name, _)| KEPT.contains(&name.as_str()) || name.as_str().starts_with("ce-"))
        .map(|(name, value)| {
            // Kafka's binding of CloudEvents writes `ce_`, HTTP's writes `ce-`.
            let name = name.as_str().replacen("ce-", "ce_", 1);
            (name, value.as_bytes().to_vec())
        })
        .collect();
    match accept(state, kind, compression, kept, body).await {
        Ok(_) => (StatusCode::OK, axum::Json(json!({}))).into_response(),
        Err(refused) => refusal(&refused),
    }
}

/// A request header as text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
