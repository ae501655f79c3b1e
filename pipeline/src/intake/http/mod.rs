//! The HTTP intake: the same payloads as the input topics, through a door that answers 200 only
//! when the record is durable in the log.
//!
//! A body is checked by decoding it and then appended as it came, with headers that say what it
//! is: what a replay reads is what the sender sent. What is deliberately absent: any queue of our
//! own (the log is the queue; a log that does not answer is a 503) and authentication, which
//! belongs to whoever binds a public address.

mod state;
mod append;
mod answer;
mod otlp;
mod webhooks;
mod signature;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

pub use state::{InputTopics, IntakeState};

/// The routes of the intake.
pub fn router(state: IntakeState) -> Router {
    let body_limit = DefaultBodyLimit::max(state.limits.payload_bytes_max);
    Router::new()
        .route("/v1/traces", post(otlp::traces))
        .route("/v1/logs", post(otlp::logs))
        .route("/v1/metrics", post(otlp::metrics))
        .route("/api/v2/alerts", post(webhooks::alerts))
        .route("/api/v2/status", get(webhooks::alertmanager_status))
        .route("/webhooks/alertmanager", post(webhooks::alerts))
        .route("/webhooks/grafana", post(webhooks::alerts))
        .route("/webhooks/alerts", post(webhooks::alerts))
        .route("/webhooks/cloudevents", post(webhooks::changes))
        .route("/webhooks/changes", post(webhooks::changes))
        .route("/webhooks/github", post(webhooks::github))
        .route("/webhooks/gitlab", post(webhooks::gitlab))
        .route("/webhooks/argocd", post(webhooks::changes))
        .route("/webhooks/flux", post(webhooks::changes))
        .route("/webhooks/topology", post(webhooks::topology))
        .layer(body_limit)
        .with_state(state)
}
