//! One exchange with a destination, and why a delivery ends early.
//!
//! What a destination answers is repeated in logs and errors only without the secrets that it was sent:
//! it may echo them. What is deliberately absent: any idea of what is said.

use std::time::Duration;

use model::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Method;

use crate::config::secret::Secret;
use crate::http::{Answer, Client, Header, TOO_LARGE, UNSENT};
use crate::render::untrusted::{Untrusted, json_bytes};
use crate::sink::{Outcome, Trouble, Wait};

/// Longest words of a destination that are passed on. Unit: characters.
const DETAIL_CHARS_MAX: usize = 200;
/// All but what RFC 3986 (2.3) calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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

    /// Whether the destination may have done it all the same: it was asked, and did not say no.
    pub(crate) fn may_be_done(&self) -> bool {
        match self {
            Self::Retry(_, Trouble::Transport(step)) => !UNSENT.contains(step),
            Self::Retry(_, trouble) => matches!(
                trouble,
                Trouble::Timeout | Trouble::Unavailable(_) | Trouble::Malformed(_)
            ),
            Self::Refuse(_) => false,
        }
    }

    /// Whether the answer is larger than we read.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Retry(_, Trouble::Malformed(TOO_LARGE)))
    }

    /// Whether there is an answer that cannot be read, or a no: asking again may not help.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Retry(_, Trouble::Malformed(_)) | Self::Refuse(_))
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

/// A client of one destination that knows what may not be repeated of its answers.
pub(crate) struct Exchange {
    client: Client,
    secrets: Vec<Secret>,
}

impl Exchange {
    /// `secrets` are taken out of whatever the destination says.
    pub(crate) fn new(timeout: Duration, secrets: Vec<Secret>) -> Self {
        Self { client: Client::new(timeout), secrets }
    }

    /// Posts JSON and judges the status. The bytes hold no `<`, `>` or `&`.
    pub(crate) fn json(
        &self,
        url: &str,
        headers: &[Header<'_>],
        body: &Value,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        self.bytes(url, headers, json_bytes(body), now)
    }

    /// The same with bytes that were made before.
    pub(crate) fn bytes(
        &self,
        url: &str,
        headers: &[Header<'_>],
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        self.judged(self.send(Method::POST, url, headers, body, now)?, everything)
    }

    /// Asks, and judges the status.
    pub(crate) fn get(
        &self,
        url: &str,
        headers: &[Header<'_>],
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        self.judged(self.send(Method::GET, url, headers, Vec::new(), now)?, everything)
    }

    /// One exchange, whatever the status.
    pub(crate) fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[Header<'_>],
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        self.client.send(method, url, headers, body, now).map_err(|trouble| match trouble {
            Trouble::Request(_) => Stop::Refuse(trouble),
            other => Stop::Retry(Wait::Backoff, other),
        })
    }

    /// Judges a status: the same for all our destinations. `detail` reads the destination's own words.
    ///
    /// 401, 403 and 407 are tried again, because an operator heals them without touching the
    /// incident; a page must not be lost to a password that has run out.
    pub(crate) fn judged(
        &self,
        answer: Answer,
        detail: fn(&Answer) -> String,
    ) -> Result<Answer, Stop> {
        let stop = match answer.status {
            200..=299 => return Ok(answer),
            300..=399 => Stop::Refuse(Trouble::Redirect(answer.status)),
            429 => Stop::Retry(answer.wait, Trouble::Throttled),
            503 if answer.wait != Wait::Backoff => Stop::Retry(answer.wait, Trouble::Throttled),
            status @ (401 | 403 | 407) => Stop::Retry(Wait::Backoff, Trouble::Credentials(status)),
            status @ (408 | 425 | 500..) => {
                Stop::Retry(Wait::Backoff, Trouble::Unavailable(status))
            }
            status => {
                Stop::Refuse(Trouble::Rejected { status, detail: self.words(&detail(&answer)) })
            }
        };
        Err(stop)
    }

    /// All that the destination says, as one line for logs.
    pub(crate) fn detail(&self, answer: &Answer) -> String {
        self.words(&everything(answer))
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

/// All that a destination says: text from outside.
pub(crate) fn everything(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// A success whose body is not what it should be may have done its work: look again.
pub(crate) fn parse<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, Stop> {
    serde_json::from_slice(&answer.body).map_err(|_| Stop::again("not the promised json"))
}

/// Text as the value of a parameter of a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use model::time::Nanos;

    use super::*;

    #[test]
    fn whatever_stands_in_a_query_is_encoded() {
        assert_eq!(encoded("CF.{Id} = 'a&b' ü"), "CF.%7BId%7D%20%3D%20%27a%26b%27%20%C3%BC");
    }

    #[test]
    fn what_was_never_sent_or_was_refused_is_not_done() {
        let stop = |trouble| Stop::Retry(Wait::Backoff, trouble);
        for trouble in [Trouble::Timeout, Trouble::Unavailable(500), Trouble::Malformed("json")] {
            assert!(stop(trouble.clone()).may_be_done(), "{trouble}");
        }
        assert!(stop(Trouble::Transport("connection")).may_be_done());
        for trouble in
            [Trouble::Credentials(401), Trouble::Throttled, Trouble::Transport("connect")]
        {
            assert!(!stop(trouble.clone()).may_be_done(), "{trouble}");
        }
    }

    #[test]
    fn who_listens_gives_nothing_up() {
        let refused = Stop::Refuse(Trouble::Rejected { status: 400, detail: String::new() });
        assert!(refused.is_rejected(400) && !refused.is_rejected(404));
        assert_eq!(refused.unheard().0, Wait::Backoff);
    }

    #[test]
    fn a_secret_that_is_sent_back_is_not_repeated() {
        let exchange = Exchange::new(Duration::from_secs(1), vec![Secret::new("hunter22")]);
        assert_eq!(exchange.words("bad key hunter22\n!"), "bad key (secret) !");
    }

    #[test]
    fn every_status_has_one_meaning() {
        let exchange = Exchange::new(Duration::from_secs(1), Vec::new());
        let judge = |status, wait| {
            exchange.judged(Answer { status, body: Vec::new(), wait, etag: None }, everything)
        };
        assert!(judge(202, Wait::Backoff).is_ok());
        let moved = judge(302, Wait::Backoff);
        assert!(matches!(moved, Err(Stop::Refuse(Trouble::Redirect(302)))));
        for status in [400, 404, 409, 410, 413, 422] {
            assert!(matches!(judge(status, Wait::Backoff), Err(Stop::Refuse(_))), "{status}");
        }
        for status in [401, 403, 408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(judge(status, Wait::Backoff), Err(Stop::Retry(..))), "{status}");
        }
        let told = Wait::Told(Nanos::from_secs(9));
        let judged = judge(503, told);
        assert!(matches!(judged, Err(Stop::Retry(wait, Trouble::Throttled)) if wait == told));
    }
}
