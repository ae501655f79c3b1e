//! Doubles of destinations: small servers on loopback with faults on schedule.
//!
//! Needs axum, tokio, serde_json, hmac, sha2 and base64 only, so that other test crates can
//! include this folder by path. What is deliberately absent: our own types, and the clock.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub(crate) mod served;
pub(crate) mod receiver;
pub(crate) mod servicenow;
pub(crate) mod pagerduty;
pub(crate) mod pagerduty_rest;
pub(crate) mod slack;
pub(crate) mod teams;
pub(crate) mod collector;
pub(crate) mod topic;
pub(crate) mod jira;
pub(crate) mod jsm_ops;
pub(crate) mod jsm_ops_rest;
pub(crate) mod rt;
pub(crate) mod ticket_sql;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    Pass,
    /// This status, nothing done.
    Status(u16),
    /// 429, `Retry-After` in seconds if given, `X-RateLimit-Reset` in Unix seconds if given.
    Throttled { retry_after: Option<u32>, reset: Option<i64> },
    /// No answer, nothing done.
    Hang,
    /// A success that is not JSON; the work is done.
    Malformed,
    /// The work is done, but the answer is 500.
    DoneThenError,
    /// The work is done, but no answer comes.
    DoneThenHang,
    /// The work is done, but the connection breaks in the middle of the answer.
    DoneThenCut,
    /// The work is done; the answer is larger than anybody should read.
    DoneThenHuge,
    /// A redirect to elsewhere, nothing done.
    Redirect,
    /// 400, and the words of the refusal repeat all that was sent.
    Echo,
}

/// What a request is to the one who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It changes nothing.
    Read,
    /// It changes something.
    Write,
}

/// Faults for the next requests, in order; after them all pass.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// For whatever comes.
    any: VecDeque<Fault>,
    /// For requests that write; those that read in between pass.
    writes: VecDeque<Fault>,
}

impl Schedule {
    pub(crate) fn plan(&mut self, faults: &[Fault]) {
        self.any.extend(faults);
    }

    pub(crate) fn plan_for_writes(&mut self, faults: &[Fault]) {
        self.writes.extend(faults);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether all that was planned has happened.
    pub(crate) fn is_spent(&self) -> bool {
        self.any.is_empty() && self.writes.is_empty()
    }

    pub(crate) fn next(&mut self, asked: Asked) -> Fault {
        let planned = self.any.pop_front();
        let planned =
            planned.or_else(|| (asked == Asked::Write).then(|| self.writes.pop_front())?);
        planned.unwrap_or(Fault::Pass)
    }
}

/// A running server; stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on a free port of loopback.
    pub(crate) fn start(router: Router) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
                .expect("a runtime of one thread");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                tell.send(listener.local_addr().expect("its address")).expect("the starter waits");
                tokio::select! {
                    served = axum::serve(listener, router) => served.expect("serving does not end"),
                    _ = stopped => {}
                }
            });
        });
        let address = told.recv().expect("the server starts");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended by itself.
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Answers that come before any work, if the fault has one.
pub(crate) async fn before(fault: Fault) -> Option<Response<Body>> {
    match fault {
        Fault::Status(status) => Some(answer(status, "{\"error\":{\"message\":\"scheduled\"}}")),
        Fault::Echo => Some(answer(400, "{\"error\":{\"message\":\"what you sent\"}}")),
        Fault::Throttled { retry_after, reset } => Some(throttled(retry_after, reset)),
        Fault::Hang => std::future::pending().await,
        Fault::Redirect => {
            let mut redirect = answer(307, "");
            let place = "http://127.0.0.1:1/elsewhere".parse().expect("a header value");
            redirect.headers_mut().insert("location", place);
            Some(redirect)
        }
        Fault::Pass
        | Fault::Malformed
        | Fault::DoneThenError
        | Fault::DoneThenHang
        | Fault::DoneThenCut
        | Fault::DoneThenHuge => None,
    }
}

/// What becomes of the answer after the work.
pub(crate) async fn after(fault: Fault, good: Response<Body>) -> Response<Body> {
    match fault {
        Fault::Malformed => answer(good.status().as_u16(), "<html>Hibernating instance</html>"),
        Fault::DoneThenError => answer(500, ""),
        Fault::DoneThenHang => std::future::pending().await,
        Fault::DoneThenCut => {
            let mut cut = answer(200, "{\"result\":");
            // More is promised than comes: the connection breaks.
            cut.headers_mut().insert("content-length", "5000".parse().expect("a header value"));
            cut
        }
        Fault::DoneThenHuge => {
            let mut huge = answer(200, "");
            *huge.body_mut() = Body::from(vec![b' '; 4 << 20]);
            huge
        }
        Fault::Pass
        | Fault::Status(_)
        | Fault::Throttled { .. }
        | Fault::Hang
        | Fault::Echo
        | Fault::Redirect => good,
    }
}

pub(crate) fn answer(status: u16, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
        .headers_mut()
        .insert("content-type", "application/json".parse().expect("a header value"));
    response
}

fn throttled(retry_after: Option<u32>, reset: Option<i64>) -> Response<Body> {
    let mut response = answer(
        429,
        "{\"error\":{\"message\":\"Rate limit exceeded\",\"detail\":\"Rejected by rate limit\"},\
         \"status\":\"failure\"}",
    );
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", "100".parse().expect("a header value"));
    headers.insert("x-ratelimit-rule", "faultline-test".parse().expect("a header value"));
    if let Some(secs) = retry_after {
        headers.insert("retry-after", secs.to_string().parse().expect("a header value"));
    }
    if let Some(at) = reset {
        headers.insert("x-ratelimit-reset", at.to_string().parse().expect("a header value"));
    }
    response
}
