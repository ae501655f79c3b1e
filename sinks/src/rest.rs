//! A destination with a JSON API: authorized exchanges by path.
//!
//! What is deliberately absent: any idea of what is asked.

use std::time::Duration;

use model::time::Timestamp;
use serde_json::Value;
use ureq::http::Method;

use crate::config::secret::Secret;
use crate::exchange::{Exchange, Stop};
use crate::http::{Answer, Header};
use crate::render::untrusted::json_bytes;
use crate::sink::Trouble;

/// A client of one API.
pub(crate) struct Rest {
    base: String,
    authorization: Secret,
    exchange: Exchange,
    detail: fn(&Answer) -> String,
}

impl Rest {
    /// `detail` reads what the destination says of a refusal: text from outside, not yet for logs.
    pub(crate) fn new(
        base: &str,
        authorization: Secret,
        timeout: Duration,
        detail: fn(&Answer) -> String,
    ) -> Self {
        // A destination may repeat the header, or only what stands behind its scheme.
        let bare = authorization.expose().split_once(' ').map(|(_, bare)| Secret::new(bare));
        let secrets = [authorization.clone()].into_iter().chain(bare).collect();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            authorization,
            exchange: Exchange::new(timeout, secrets),
            detail,
        }
    }

    /// The address without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// One exchange; `more` are headers beside the usual ones.
    pub(crate) fn exchange(
        &self,
        method: Method,
        path: &str,
        more: &[Header<'_>],
        body: Option<&Value>,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        self.exchange.judged(self.send(method, path, more, body, now)?, self.detail)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        more: &[Header<'_>],
        body: Option<&Value>,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        let mut headers =
            vec![("accept", "application/json"), ("authorization", self.authorization.expose())];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        headers.extend_from_slice(more);
        let url = format!("{}{path}", self.base);
        let bytes = body.map(json_bytes).unwrap_or_default();
        self.exchange.send(method, &url, &headers, bytes, now)
    }

    /// One exchange with a destination that answers 403 also by a rule of its own: `is_rule` tells,
    /// and then it is no matter of our credentials.
    pub(crate) fn exchange_under_rules(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        now: Timestamp,
        is_rule: &dyn Fn(&Answer) -> bool,
    ) -> Result<Answer, Stop> {
        let answer = self.send(method, path, &[], body, now)?;
        if answer.status == 403 && is_rule(&answer) {
            let detail = self.exchange.words(&(self.detail)(&answer));
            return Err(Stop::Refuse(Trouble::Rejected { status: answer.status, detail }));
        }
        self.exchange.judged(answer, self.detail)
    }

    pub(crate) fn get(&self, path: &str, now: Timestamp) -> Result<Answer, Stop> {
        self.exchange(Method::GET, path, &[], None, now)
    }

    /// Reads one record; `None` when there is none.
    pub(crate) fn get_if_there(&self, path: &str, now: Timestamp) -> Result<Option<Answer>, Stop> {
        match self.get(path, now) {
            Ok(answer) => Ok(Some(answer)),
            Err(stop) if stop.is_rejected(404) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    pub(crate) fn post(&self, path: &str, body: &Value, now: Timestamp) -> Result<Answer, Stop> {
        self.exchange(Method::POST, path, &[], Some(body), now)
    }

    pub(crate) fn put(&self, path: &str, body: &Value, now: Timestamp) -> Result<Answer, Stop> {
        self.exchange(Method::PUT, path, &[], Some(body), now)
    }
}
