//! A double of somebody's webhook receiver, as Standard Webhooks asks them to be.
//!
//! Enforced: signature over `id.timestamp.body` by any of the accepted keys, timestamp within five
//! minutes, CloudEvents 1.0 in structured mode; repeats of an id are taken once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::{Asked, Fault, Schedule, Server, after, answer, before};

/// An event that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
    pub(crate) json: Value,
    /// All headers, `name: value`, sorted.
    pub(crate) headers: Vec<String>,
}

/// What the receiver holds.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Events in order, each id once.
    pub(crate) events: Vec<Event>,
    /// Repeats of an id that was taken before.
    pub(crate) repeats: usize,
    /// Requests, of whatever kind.
    pub(crate) requests: usize,
    pub(crate) faults: Schedule,
    /// Keys that are accepted.
    pub(crate) keys: Vec<Vec<u8>>,
    /// The receiver's clock, if it has one. Unit: Unix seconds.
    pub(crate) now_secs: Option<i64>,
}

/// A running receiver.
pub(crate) struct Receiver {
    inbox: Arc<Mutex<Inbox>>,
    pub(crate) server: Server,
}

impl Receiver {
    pub(crate) fn start(keys: &[&[u8]], now_secs: Option<i64>) -> Self {
        let keys = keys.iter().map(|key| key.to_vec()).collect();
        let inbox = Arc::new(Mutex::new(Inbox { keys, now_secs, ..Inbox::default() }));
        let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&inbox));
        Self { inbox, server: Server::start(router) }
    }

    pub(crate) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.inbox().faults.plan(faults);
    }

    /// The kinds of all events, in order.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.inbox().events.iter().map(|event| event.kind.clone()).collect()
    }
}

async fn take(
    State(inbox): State<Arc<Mutex<Inbox>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let lock = || inbox.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = {
        let mut inbox = lock();
        inbox.requests += 1;
        inbox.faults.next(Asked::Write)
    };
    if let Some(early) = before(fault).await {
        return early;
    }
    let done = match accept(&mut lock(), &headers, &body) {
        Ok(()) => answer(202, ""),
        Err((status, why)) => answer(status, why),
    };
    after(fault, done).await
}

fn accept(inbox: &mut Inbox, headers: &HeaderMap, body: &[u8]) -> Result<(), (u16, &'static str)> {
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    if !signed(&inbox.keys, id, timestamp, header("webhook-signature"), body) {
        return Err((401, "signature"));
    }
    let at: i64 = timestamp.parse().map_err(|_| (400, "timestamp"))?;
    if inbox.now_secs.is_some_and(|now| now.abs_diff(at) > 300) {
        return Err((400, "too old"));
    }
    if !header("content-type").starts_with("application/cloudevents+json") {
        return Err((415, "content type"));
    }
    let json: Value = serde_json::from_slice(body).map_err(|_| (400, "json"))?;
    let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    let complete = text("specversion") == "1.0" && !text("source").is_empty();
    if !complete || text("id") != id || header("idempotency-key") != id {
        return Err((400, "not a cloud event"));
    }
    if inbox.events.iter().any(|event| event.id == id) {
        inbox.repeats += 1;
        return Ok(());
    }
    let mut shown: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    shown.sort();
    let kind = text("type").to_owned();
    let event = Event { id: id.to_owned(), kind, body: body.to_vec(), json, headers: shown };
    inbox.events.push(event);
    Ok(())
}

fn signed(keys: &[Vec<u8>], id: &str, timestamp: &str, signatures: &str, body: &[u8]) -> bool {
    keys.iter().any(|key| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length fits");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        let own = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        signatures.split(' ').any(|given| given == own)
    })
}
