//! OTLP/HTTP: `/v1/traces`, `/v1/logs`, `/v1/metrics`, in protobuf and JSON.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::recording::ENCODING_HEADER;

use super::answer::{Encoding, otlp_refusal, otlp_success};
use super::append::{Accepted, accept};
use super::state::IntakeState;
use super::webhooks::text;
use crate::intake::decode::TopicKind;

pub(super) async fn traces(state: State<IntakeState>, headers: HeaderMap, body: Bytes) -> Response {
    export(state.0, TopicKind::Spans, "rejectedSpans", headers, body).await
}

pub(super) async fn logs(state: State<IntakeState>, headers: HeaderMap, body: Bytes) -> Response {
    export(state.0, TopicKind::Logs, "rejectedLogRecords", headers, body).await
}

pub(super) async fn metrics(
    state: State<IntakeState>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    export(state.0, TopicKind::Metrics, "rejectedDataPoints", headers, body).await
}

async fn export(
    state: IntakeState,
    kind: TopicKind,
    member: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let content_type = text(&headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let (encoding, name) = match media_type {
        "application/x-protobuf" | "application/protobuf" => (Encoding::Proto, "otlp_proto"),
        "application/json" => (Encoding::Json, "otlp_json"),
        _ => {
            let message = "content-type must be application/x-protobuf or application/json";
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into_response();
        }
    };
    let compression = text(&headers, header::CONTENT_ENCODING.as_str()).map(str::to_owned);
    let record_headers = vec![(ENCODING_HEADER.to_owned(), name.as_bytes().to_vec())];
    match accept(state, kind, compression, record_headers, body).await {
        Ok(Accepted { rejected }) => otlp_success(rejected, member, encoding),
        Err(refused) => otlp_refusal(&refused, encoding),
    }
}
