//! Server-sent events: one for every new revision, and a heartbeat that carries event time.
//!
//! An event holds the summary, not the whole incident: a listener that shows one incident asks for
//! it again. A listener that fell behind gets `reload` instead of what it missed. A stream ends when what it
//! was opened with, a token or a session, is good no more; that is looked at with each heartbeat. What is
//! deliberately absent: replay from `Last-Event-ID`, since the list says the same in one request.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::HttpState;
use super::error::ApiError;
use super::view::Revision;
use crate::clock;

/// How many may listen at once in one process.
const LISTENERS_MAX: usize = 512;

/// How often event time is told, and with it that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(2);

static LISTENERS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(LISTENERS_MAX)));

struct Listener {
    state: HttpState,
    receiver: broadcast::Receiver<Arc<Revision>>,
    heartbeat: Interval,
    /// By which it was opened.
    headers: HeaderMap,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn events(
    State(state): State<HttpState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let permit = Arc::clone(&LISTENERS).try_acquire_owned();
    let (Ok(permit), Some(receiver)) = (permit, state.incidents.subscribe()) else {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_listeners",
            "no more event streams can be served now",
            "try again later, or ask GET /api/v1/incidents from time to time",
        ));
    };
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener { state, receiver, heartbeat, headers, _permit: permit };
    Ok(Sse::new(unfold(listener, next)).into_response())
}

async fn next(mut listener: Listener) -> Option<(Result<Event, Infallible>, Listener)> {
    let event = tokio::select! {
        received = listener.receiver.recv() => match received {
            Ok(revision) => revision_event(&listener.state, &revision),
            Err(RecvError::Lagged(missed)) => named("reload", &json!({ "missed": missed })),
            Err(RecvError::Closed) => return None,
        },
        _ = listener.heartbeat.tick() => {
            if !listener.state.security.still_reads(&listener.headers, clock::now()) {
                return None;
            }
            named("heartbeat", &json!({ "now": listener.state.incidents.now() }))
        }
    };
    Some((Ok(event), listener))
}

fn revision_event(state: &HttpState, revision: &Revision) -> Event {
    let summary = &revision.summary;
    let body = json!({ "now": state.incidents.now(), "incident": summary });
    named("revision", &body).id(format!("{}/{}", summary.id, summary.revision))
}

fn named(name: &str, body: &serde_json::Value) -> Event {
    // JSON text has no line breaks, so it is one `data` line.
    Event::default().event(name).data(body.to_string())
}
