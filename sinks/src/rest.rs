//! A destination with a JSON API: one authorized exchange, and why a delivery ends early.
//!
//! What is deliberately absent: any idea of what is asked.

use model::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Method;

use crate::config::secret::Secret;
use crate::http::{Answer, Client, Header, Verdict, verdict};
use crate::render::untrusted::json_bytes;
use crate::sink::{Outcome, Trouble, Wait};

/// Why a delivery ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It may work later.
    Retry(Wait, Trouble),
    /// It will never work for this revision.
    Refuse(Trouble),
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Retry(wait, trouble) => Self::RetryAfter(wait, trouble),
            Stop::Refuse(trouble) => Self::Refused(trouble),
        }
    }
}

impl Stop {
    /// Something unexpected that another look may clear up.
    pub(crate) fn again(what: &'static str) -> Self {
        Self::Retry(Wait::Backoff, Trouble::Malformed(what))
    }

    /// Whether the destination answered with this status that it will not do it.
    pub(crate) fn is_rejected(&self, wanted: u16) -> bool {
        matches!(self, Self::Refuse(Trouble::Rejected { status, .. }) if *status == wanted)
    }

    /// The same for somebody who listens: there is no revision to give up.
    pub(crate) fn unheard(self) -> (Wait, Trouble) {
        match self {
            Self::Retry(wait, trouble) => (wait, trouble),
            Self::Refuse(trouble) => (Wait::Backoff, trouble),
        }
    }
}

/// A client of one API.
pub(crate) struct Rest {
    base: String,
    authorization: Secret,
    client: Client,
    detail: fn(&Answer) -> String,
}

impl Rest {
    /// `detail` reads what the destination says of a refusal, encoded for logs.
    pub(crate) fn new(
        base: &str,
        authorization: Secret,
        client: Client,
        detail: fn(&Answer) -> String,
    ) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), authorization, client, detail }
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
        let answer = self.send(method, path, more, body, now)?;
        self.judge(answer)
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
        self.client.send(method, &url, &headers, bytes, now).map_err(|trouble| match trouble {
            Trouble::Request(_) => Stop::Refuse(trouble),
            other => Stop::Retry(Wait::Backoff, other),
        })
    }

    fn judge(&self, answer: Answer) -> Result<Answer, Stop> {
        match verdict(&answer, || (self.detail)(&answer)) {
            Verdict::Success => Ok(answer),
            Verdict::Retry(wait, trouble) => Err(Stop::Retry(wait, trouble)),
            Verdict::Refuse(trouble) => Err(Stop::Refuse(trouble)),
        }
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
            let detail = (self.detail)(&answer);
            return Err(Stop::Refuse(Trouble::Rejected { status: answer.status, detail }));
        }
        self.judge(answer)
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

/// A success whose body is not what it should be may have done its work: look again.
pub(crate) fn parse<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Stop> {
    serde_json::from_slice(&answer.body).map_err(|_| Stop::again("not the promised json"))
}

/// Text as the value of a parameter of a query (RFC 3986: all but unreserved characters).
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_in_a_query_is_encoded() {
        assert_eq!(encoded("CF.{Id} = 'a&b' ü"), "CF.%7BId%7D%20%3D%20%27a%26b%27%20%C3%BC");
    }

    #[test]
    fn who_listens_gives_nothing_up() {
        let refused = Stop::Refuse(Trouble::Rejected { status: 400, detail: String::new() });
        assert!(refused.is_rejected(400) && !refused.is_rejected(404));
        assert_eq!(refused.unheard().0, Wait::Backoff);
    }
}
