//! One bounded HTTP exchange: no redirects, no proxy from the environment, capped answers.
//!
//! What is deliberately absent: retries (the outbox has them) and any idea of what is sent.

use std::time::Duration;

use model::time::{Nanos, Timestamp};
use ureq::http::{HeaderMap, Method, Request};
use ureq::{Agent, Error};

use crate::permit;
use crate::sink::{Trouble, Wait};

/// Largest answer that is read. Unit: bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// What is said of an answer that is larger.
pub(crate) const TOO_LARGE: &str = "too large";
/// The step at which an exchange fails that may not be made.
const NOT_PERMITTED: &str = "not at work";
/// Steps at which an exchange fails before anything was sent.
pub(crate) const UNSENT: [&str; 4] = ["name of the host", "connect", "tls", NOT_PERMITTED];

/// A client of one destination.
pub(crate) struct Client {
    agent: Agent,
    timeout: Duration,
}

/// An answer, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// What the destination said about when to come again.
    pub(crate) wait: Wait,
    /// Its entity tag, quotes included.
    pub(crate) etag: Option<String>,
}

/// A header: name and value.
pub(crate) type Header<'a> = (&'a str, &'a str);

impl Client {
    /// A client with one time for the whole exchange, body of the answer included.
    pub(crate) fn new(timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(concat!("faultline/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), timeout }
    }

    /// Sends and reads the whole answer.
    pub(crate) fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[Header<'_>],
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Answer, Trouble> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let timeout = permit::left().ok_or(Trouble::Transport(NOT_PERMITTED))?.min(self.timeout);
        let sent = if body.is_empty() {
            let request = request.body(()).map_err(|_| Trouble::Request("header or url"))?;
            let request = self.agent.configure_request(request).timeout_global(Some(timeout));
            self.agent.run(request.build())
        } else {
            let request = request.body(body).map_err(|_| Trouble::Request("header or url"))?;
            let request = self.agent.configure_request(request).timeout_global(Some(timeout));
            self.agent.run(request.build())
        };
        let mut response = sent.map_err(|error| trouble(&error))?;
        let body = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .map_err(|error| trouble(&error))?;
        let wait = told_wait(response.headers(), now);
        let etag = response.headers().get("etag").and_then(|value| value.to_str().ok());
        let etag = etag.map(ToOwned::to_owned);
        Ok(Answer { status: response.status().as_u16(), body, wait, etag })
    }
}

fn trouble(error: &Error) -> Trouble {
    match error {
        Error::Timeout(_) => Trouble::Timeout,
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Trouble::Timeout,
        Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Trouble::Transport("connect")
        }
        Error::Io(_) => Trouble::Transport("connection"),
        Error::HostNotFound => Trouble::Transport("name of the host"),
        Error::ConnectionFailed => Trouble::Transport("connect"),
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => {
            Trouble::Transport("tls")
        }
        Error::Protocol(_) => Trouble::Malformed("not http"),
        Error::BodyExceedsLimit(_) | Error::LargeResponseHeader(..) => {
            Trouble::Malformed(TOO_LARGE)
        }
        Error::BadUri(_) | Error::Http(_) => Trouble::Request("header or url"),
        _ => Trouble::Transport("exchange"),
    }
}

/// `Retry-After` in seconds or as a date, else `X-RateLimit-Reset` (Unix seconds).
fn told_wait(headers: &HeaderMap, now: Timestamp) -> Wait {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(value) = text("retry-after") {
        if let Ok(secs) = value.parse::<u32>() {
            return Wait::Told(Nanos::from_secs(i64::from(secs)));
        }
        if let Some(at) = http_date(value) {
            return Wait::Told(Nanos((at - now).0.max(0)));
        }
    }
    match text("x-ratelimit-reset").and_then(|value| value.parse::<i64>().ok()) {
        Some(secs) => {
            let at = Timestamp::from_millis(secs.saturating_mul(1_000));
            Wait::Told(Nanos((at - now).0.max(0)))
        }
        None => Wait::Backoff,
    }
}

/// An HTTP date in its one current form: `Wed, 21 Oct 2015 07:28:00 GMT` (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, zone) = (parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    if zone != "GMT" || day.len() != 2 {
        return None;
    }
    Timestamp::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Option<Duration>);

    impl permit::Permit for Fixed {
        fn left(&self) -> Option<Duration> {
            self.0
        }
    }

    #[test]
    fn nothing_is_sent_without_a_permit() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let client = Client::new(Duration::from_secs(30));
        let send = || client.send(Method::POST, &url, &[], b"{}".to_vec(), Timestamp::EPOCH);
        let sent = permit::under(Fixed(None), send);
        assert_eq!(sent.err(), Some(Trouble::Transport(NOT_PERMITTED)));
        assert!(listener.accept().is_err(), "nobody came");
        let short = Fixed(Some(Duration::from_millis(200)));
        let sent = permit::under(short, send);
        assert_eq!(sent.err(), Some(Trouble::Timeout), "nobody answers while it may wait");
        assert!(listener.accept().is_ok(), "somebody came");
    }

    #[test]
    fn dates_of_http_are_read_and_others_are_not() {
        assert_eq!(
            http_date("Wed, 21 Oct 2015 07:28:00 GMT").map(Timestamp::to_rfc3339).as_deref(),
            Some("2015-10-21T07:28:00.000Z")
        );
        for text in ["tomorrow", "Wed, 21 Oct 2015 07:28:00 CET", "Wed, 1 Oct 2015", ""] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn the_destination_says_when_to_come_again_in_three_ways() {
        let now = Timestamp::parse_rfc3339("2026-03-17T02:07:00Z").unwrap();
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            told_wait(&headers, now)
        };
        let told = |secs| Wait::Told(Nanos::from_secs(secs));
        assert_eq!(wait("retry-after", "120"), told(120));
        assert_eq!(wait("retry-after", "Tue, 17 Mar 2026 02:08:00 GMT"), told(60));
        assert_eq!(wait("retry-after", "Tue, 17 Mar 2026 02:00:00 GMT"), told(0));
        assert_eq!(wait("x-ratelimit-reset", "1773713250"), told(30));
        assert_eq!(wait("retry-after", "soon"), Wait::Backoff);
        assert_eq!(wait("retry-after", "-5"), Wait::Backoff);
    }
}
