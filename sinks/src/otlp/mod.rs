//! OTLP: each revision as a log event, and the whole incident as a span when it is over, to a
//! Collector by OTLP/HTTP in JSON.
//!
//! The specification says which statuses may be sent again: 429, 502, 503, 504. OTLP has no key;
//! `faultline.incident.id` and `faultline.incident.revision` tell repeats apart, and the span of an
//! incident has the same ids each time.

mod signals;

use model::name::Name;
use model::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Method;

use crate::config::secret::Secret;
use crate::config::{OtlpConfig, sink_name, timeout};
use crate::delivery::decide::is_over;
use crate::exchange::{Exchange, Stop, everything};
use crate::http::Answer;
use crate::render::told::Told;
use crate::render::untrusted::json_bytes;
use crate::sink::{Delivery, Outcome, Sink, Trouble, Wait};

/// Log events and spans to a Collector.
pub struct Otlp {
    name: Name,
    base: String,
    headers: Vec<(String, Secret)>,
    spans: bool,
    client: Exchange,
}

impl Otlp {
    pub(crate) fn new(config: &OtlpConfig, headers: Vec<(String, Secret)>) -> Self {
        Self {
            name: sink_name(&config.name),
            base: config.url.trim_end_matches('/').to_owned(),
            spans: config.spans,
            client: Exchange::new(
                timeout(config.timeout_ms),
                headers.iter().map(|(_, value)| value.clone()).collect(),
            ),
            headers,
        }
    }

    fn say(&self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident);
        let mut note = self.send("/v1/logs", &signals::log(request, &told), request.now)?;
        if self.spans && is_over(request.incident.state) {
            let span = signals::span(request.incident, &told);
            note = self.send("/v1/traces", &span, request.now)?.or(note);
        }
        Ok(Outcome::Delivered { ticket: None, title: None, note })
    }

    /// Sends; a warning of the Collector is a note.
    fn send(&self, path: &str, body: &Value, now: Timestamp) -> Result<Option<String>, Stop> {
        let url = format!("{}{path}", self.base);
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.expose())));
        let answer = self.client.send(Method::POST, &url, &headers, json_bytes(body), now)?;
        self.judge(answer)
    }

    /// As everywhere, but that only 429 and 502 to 504 are tried again (OTLP specification, "OTLP/HTTP
    /// Response"), and what an operator heals.
    fn judge(&self, answer: Answer) -> Result<Option<String>, Stop> {
        let status = answer.status;
        if matches!(status, 408 | 425 | 500 | 501 | 505..) {
            let detail = self.client.detail(&answer);
            return Err(Stop::Refuse(Trouble::Rejected { status, detail }));
        }
        self.partial(&self.client.judged(answer, everything)?)
    }

    /// A success may hold a refusal, which must not be sent again, or a warning. An empty body is a
    /// success, too; one that is no JSON at all is not a Collector's.
    fn partial(&self, answer: &Answer) -> Result<Option<String>, Stop> {
        if answer.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let reply: Reply = serde_json::from_slice(&answer.body)
            .map_err(|_| Stop::Retry(Wait::Backoff, Trouble::Malformed("not the promised json")))?;
        let partial = reply.partial_success;
        let message = self.client.words(&partial.error_message);
        if [&partial.rejected_log_records, &partial.rejected_spans].into_iter().any(is_positive) {
            return Err(Stop::Refuse(Trouble::Rejected { status: answer.status, detail: message }));
        }
        Ok((!message.is_empty()).then_some(message))
    }
}

impl Sink for Otlp {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        self.say(request).unwrap_or_else(Outcome::from)
    }
}

/// The part of an answer that we read: of logs and of traces.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reply {
    partial_success: Partial,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    rejected_log_records: Value,
    rejected_spans: Value,
    error_message: String,
}

/// 64-bit integers are text or numbers in OTLP's JSON.
fn is_positive(count: &Value) -> bool {
    match count {
        Value::String(text) => text.parse::<i64>().is_ok_and(|count| count > 0),
        Value::Number(number) => number.as_i64().is_some_and(|count| count > 0),
        _ => false,
    }
}
