//! The frame of a double: any path, faults by schedule, every request kept; the service says what
//! the vendor's documentation says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::Value;

use super::{Asked, Fault, Schedule, Server, after, answer, before};

/// A vendor's rules.
pub(crate) trait Service: Send + 'static {
    /// Status and body.
    fn serve(&mut self, request: &Request) -> (u16, Value);

    /// The entity tag of what is asked for, before it is served, if the vendor has such.
    fn etag(&self, _request: &Request) -> Option<String> {
        None
    }

    /// The whole answer.
    fn reply(&mut self, request: &Request) -> Reply {
        let etag = self.etag(request);
        let (status, body) = self.serve(request);
        Reply { status, body, etag }
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) etag: Option<String>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// As it came, percent signs and all.
    pub(crate) raw_query: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn asked(&self) -> Asked {
        if self.method == "GET" { Asked::Read } else { Asked::Write }
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// A running double.
pub(crate) struct Served<S> {
    inner: Arc<Mutex<Inner<S>>>,
    pub(crate) server: Server,
}

pub(crate) struct Inner<S> {
    pub(crate) service: S,
    pub(crate) faults: Schedule,
    pub(crate) requests: Vec<Request>,
}

impl<S: Service> Served<S> {
    pub(crate) fn start(service: S) -> Self {
        let faults = Schedule::default();
        let inner = Arc::new(Mutex::new(Inner { service, faults, requests: Vec::new() }));
        let router = Router::new().fallback(take::<S>).with_state(Arc::clone(&inner));
        Self { inner, server: Server::start(router) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take<S: Service>(
    State(inner): State<Arc<Mutex<Inner<S>>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let lock = || inner.lock().unwrap_or_else(PoisonError::into_inner);
    let request = Request {
        method: method.to_string(),
        path: uri.path().to_owned(),
        raw_query: uri.query().unwrap_or_default().to_owned(),
        query: Query::try_from_uri(&uri).map(|Query(pairs)| pairs).unwrap_or_default(),
        headers: headers
            .iter()
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body: body.to_vec(),
    };
    let fault = {
        let mut inner = lock();
        inner.requests.push(request.clone());
        inner.faults.next(request.asked())
    };
    if fault == Fault::Echo {
        let all = format!("{uri} {headers:?} {}", String::from_utf8_lossy(&request.body));
        return answer(
            400,
            &serde_json::json!({"ok": false, "error": all, "message": all}).to_string(),
        );
    }
    if let Some(early) = before(fault).await {
        return early;
    }
    let good = {
        let mut inner = lock();
        let reply = inner.service.reply(&request);
        let mut good = answer(reply.status, &reply.body.to_string());
        if let Some(etag) = reply.etag {
            good.headers_mut().insert("etag", etag.parse().expect("a header value"));
        }
        good
    };
    after(fault, good).await
}
