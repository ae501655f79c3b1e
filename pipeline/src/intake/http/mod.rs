//! The HTTP intake: the same payloads as the input topics, through a door that answers 200 only
//! when the record is durable in the log.
//!
//! A body is checked by decoding it and then appended as it came, with headers that say what it
//! is: what a replay reads is what the sender sent. What is deliberately absent: any queue of our
//! own (the log is the queue; a log that does not answer is a 503). Who may send is [`door`]'s.

mod state;
pub mod door;
mod append;
mod answer;
mod otlp;
mod webhooks;
mod signature;
#[cfg(test)]
mod tests;

use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};

pub use door::Door;
pub use state::IntakeState;

/// Every route: its method, its path, and what answers. All want a sender that the door knows.
type Routes = [(Method, &'static str, MethodRouter<IntakeState>); 15];

fn routes() -> Routes {
    let takes = |path, handler| (Method::POST, path, handler);
    [
        takes("/v1/traces", post(otlp::traces)),
        takes("/v1/logs", post(otlp::logs)),
        takes("/v1/metrics", post(otlp::metrics)),
        takes("/api/v2/alerts", post(webhooks::alerts)),
        (Method::GET, "/api/v2/status", get(webhooks::alertmanager_status)),
        takes("/webhooks/alertmanager", post(webhooks::alerts)),
        takes("/webhooks/grafana", post(webhooks::alerts)),
        takes("/webhooks/alerts", post(webhooks::alerts)),
        takes("/webhooks/cloudevents", post(webhooks::changes)),
        takes("/webhooks/changes", post(webhooks::changes)),
        takes(door::GITHUB, post(webhooks::github)),
        takes(door::GITLAB, post(webhooks::gitlab)),
        takes("/webhooks/argocd", post(webhooks::changes)),
        takes("/webhooks/flux", post(webhooks::changes)),
        takes("/webhooks/topology", post(webhooks::topology)),
    ]
}

/// The routes of the intake, behind its door.
pub fn router(state: IntakeState) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (_, path, handler)| router.route(path, handler))
        .layer(DefaultBodyLimit::max(state.limits.payload_bytes_max))
        // Outside of all: what is no route tells a stranger nothing either.
        .layer(middleware::from_fn_with_state(state.clone(), door::guard))
        .with_state(state)
}
