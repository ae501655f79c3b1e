//! A destination that takes JSON by `POST`: one exchange, and why a delivery ends early.
//!
//! What is deliberately absent: any idea of what is said.

use std::time::Duration;

use model::time::Timestamp;
use serde_json::Value;
use ureq::http::Method;

use crate::config::secret::Secret;
use crate::http::{Answer, Client, Header, Verdict, verdict};
use crate::render::untrusted::{Untrusted, json_bytes};
use crate::sink::{Outcome, Trouble, Wait};

/// Longest words of a destination that are passed on. Unit: characters.
const DETAIL_CHARS_MAX: usize = 200;

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

/// A client of one destination that knows what may not be repeated of its answers.
pub(crate) struct Post {
    client: Client,
    secrets: Vec<Secret>,
}

impl Post {
    /// `secrets` are taken out of whatever the destination says: it may repeat what it was sent.
    pub(crate) fn new(timeout: Duration, secrets: Vec<Secret>) -> Self {
        Self { client: Client::new(timeout), secrets }
    }

    /// Sends JSON and judges the status. The bytes hold no `<`, `>` or `&`.
    pub(crate) fn json(
        &self,
        url: &str,
        headers: &[Header<'_>],
        body: &Value,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        self.judged(Method::POST, url, headers, json_bytes(body), now)
    }

    /// The same with bytes that were made before.
    pub(crate) fn bytes(
        &self,
        url: &str,
        headers: &[Header<'_>],
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        self.judged(Method::POST, url, headers, body, now)
    }

    /// Asks, and judges the status.
    pub(crate) fn get(
        &self,
        url: &str,
        headers: &[Header<'_>],
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        self.judged(Method::GET, url, headers, Vec::new(), now)
    }

    fn judged(
        &self,
        method: Method,
        url: &str,
        headers: &[Header<'_>],
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        let answer = self.exchange(method, url, headers, body, now)?;
        match verdict(&answer, || self.detail(&answer)) {
            Verdict::Success => Ok(answer),
            Verdict::Retry(wait, trouble) => Err(Stop::Retry(wait, trouble)),
            Verdict::Refuse(trouble) => Err(Stop::Refuse(trouble)),
        }
    }

    /// One exchange, whatever the status.
    pub(crate) fn exchange(
        &self,
        method: Method,
        url: &str,
        headers: &[Header<'_>],
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        match self.client.send(method, url, headers, body, now) {
            Ok(answer) => Ok(answer),
            Err(trouble @ Trouble::Request(_)) => Err(Stop::Refuse(trouble)),
            Err(trouble) => Err(Stop::Retry(Wait::Backoff, trouble)),
        }
    }

    /// What the destination says, as one line for logs.
    pub(crate) fn detail(&self, answer: &Answer) -> String {
        self.words(&String::from_utf8_lossy(&answer.body))
    }

    /// Words of the destination, as one line for logs.
    pub(crate) fn words(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.expose(), "(secret)");
        }
        Untrusted(&text).line(DETAIL_CHARS_MAX)
    }
}
