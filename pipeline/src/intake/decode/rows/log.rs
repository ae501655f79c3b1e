//! What a log record means: when, how grave, which statement wrote it.

use std::borrow::Cow;

use model::id::{SpanId, TraceId};
use model::signal::{LogRecord, LogSeverity};
use model::template::{MESSAGE_BYTES_MAX, complaint, skeleton, template_id};
use serde_json::Value;

use super::entity::EntityFields;
use super::resource::ResourceFields;
use super::times::Arrival;
use super::value::{Scalar, Sink};
use crate::intake::decode::interner::Interner;
use crate::intake::decode::limits::cut_bytes;

/// A log record as the wire had it. Ids that are invalid count as absent, as OTLP demands.
#[derive(Clone, Debug)]
pub(crate) struct LogFields<'a> {
    pub(crate) time_unix_nanos: u64,
    pub(crate) observed_unix_nanos: u64,
    pub(crate) severity_number: i64,
    pub(crate) severity_text: Cow<'a, str>,
    pub(crate) event_name: Cow<'a, str>,
    pub(crate) body: Scalar<'a>,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
    pub(crate) attributes: LogAttributes<'a>,
}

impl Default for LogFields<'_> {
    fn default() -> Self {
        Self {
            time_unix_nanos: 0,
            observed_unix_nanos: 0,
            severity_number: 0,
            severity_text: Cow::default(),
            event_name: Cow::default(),
            body: Scalar::Empty,
            trace_id: None,
            span_id: None,
            attributes: LogAttributes::default(),
        }
    }
}

/// The attributes of a log record that the mind needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogAttributes<'a> {
    reason: Option<Cow<'a, str>>,
    exception_type: Option<Cow<'a, str>>,
    exception_message: Option<Cow<'a, str>>,
    /// Kubernetes names on the record itself, for resources that name no service.
    pub(crate) object: ResourceFields<'a>,
    /// The parts of an entity event.
    pub(crate) entity: EntityFields,
}

impl<'v: 'a, 'a> Sink<'v> for LogAttributes<'a> {
    fn wants(&self, key: &[u8]) -> bool {
        match key {
            b"k8s.event.reason" | b"exception.type" | b"exception.message" => true,
            _ if key.starts_with(b"k8s.") => self.object.wants(key),
            _ => EntityFields::wants(key),
        }
    }

    fn put(&mut self, key: Cow<'v, str>, value: Scalar<'v>) {
        match &*key {
            "k8s.event.reason" => self.reason = value.into_non_empty(),
            "exception.type" => self.exception_type = value.into_non_empty(),
            "exception.message" => self.exception_message = value.into_non_empty(),
            _ if key.starts_with("k8s.") => self.object.put(key, value),
            _ => self.entity.put(&key, value),
        }
    }
}

impl LogFields<'_> {
    /// The row of this record. A time that cannot be believed falls back to the observed time,
    /// then to the arrival.
    pub(crate) fn into_row(
        self,
        resource: u32,
        arrival: Arrival,
        interner: &mut Interner,
    ) -> LogRecord {
        let time = arrival
            .credible(self.time_unix_nanos)
            .or_else(|| arrival.credible(self.observed_unix_nanos))
            .unwrap_or_else(|| arrival.timestamp());
        let severity = severity(self.severity_number, &self.severity_text);
        let message = self.message();
        let skeleton = skeleton(&message);
        let template = template_id(&skeleton);
        let text = if severity >= LogSeverity::Warn { complaint(&message) } else { skeleton };
        LogRecord {
            resource,
            time,
            trace_id: self.trace_id,
            span_id: self.span_id,
            severity,
            template,
            skeleton: interner.name(&text),
            of_platform: self.attributes.reason.is_some(),
        }
    }

    /// The text that the statement wrote: the body, else the message field of a structured body,
    /// else the exception, else the event's name. A Kubernetes event begins with its reason.
    fn message(&self) -> Cow<'_, str> {
        let body = match &self.body {
            Scalar::Text(text) => Cow::Borrowed(text.as_ref()),
            Scalar::Tree(tree) => message_of(tree),
            Scalar::Empty => Cow::Borrowed(""),
            other => other.clone().into_text().unwrap_or_default(),
        };
        let body = if body.is_empty() { self.without_body() } else { body };
        match self.attributes.reason.as_deref() {
            Some(reason) => format!("{reason}: {body}").into(),
            None => body,
        }
    }

    fn without_body(&self) -> Cow<'_, str> {
        let attributes = &self.attributes;
        match (attributes.exception_type.as_deref(), attributes.exception_message.as_deref()) {
            (Some(kind), Some(message)) => format!("{kind}: {message}").into(),
            (Some(text), None) | (None, Some(text)) => text.into(),
            (None, None) => Cow::Borrowed(self.event_name.as_ref()),
        }
    }
}

/// The message field of a structured body, else its compact text.
fn message_of(tree: &Value) -> Cow<'_, str> {
    const KEYS: [&str; 6] = ["message", "msg", "log", "body", "event", "error"];
    for key in KEYS {
        match tree.get(key) {
            Some(Value::String(text)) if !text.is_empty() => return text.as_str().into(),
            _ => {}
        }
    }
    let text = tree.to_string();
    Cow::Owned(cut_bytes(&text, MESSAGE_BYTES_MAX).to_owned())
}

/// The severity by OpenTelemetry's ranges; without a number, by the source's own word.
fn severity(number: i64, text: &str) -> LogSeverity {
    match number {
        1..=8 => LogSeverity::Debug,
        9..=12 => LogSeverity::Info,
        13..=16 => LogSeverity::Warn,
        17..=20 => LogSeverity::Error,
        21..=24 => LogSeverity::Fatal,
        _ => severity_of_text(text),
    }
}

fn severity_of_text(text: &str) -> LogSeverity {
    let word = cut_bytes(text.trim(), 16).to_ascii_lowercase();
    match word.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "trace" | "debug" | "verbose" | "finest" | "finer" | "fine" | "d" => LogSeverity::Debug,
        "info" | "information" | "informational" | "notice" | "normal" | "i" => LogSeverity::Info,
        "warn" | "warning" | "w" => LogSeverity::Warn,
        "error" | "err" | "severe" | "e" => LogSeverity::Error,
        "fatal" | "critical" | "crit" | "alert" | "emerg" | "emergency" | "panic" | "f" => {
            LogSeverity::Fatal
        }
        _ => LogSeverity::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(fields: LogFields<'_>) -> LogRecord {
        fields.into_row(0, Arrival::from_millis(1_700_000_000_000), &mut Interner::new(16))
    }

    fn body(text: &str) -> LogFields<'_> {
        LogFields { body: Scalar::Text(text.into()), ..LogFields::default() }
    }

    #[test]
    fn times_fall_back_to_observed_and_then_to_arrival() {
        let observed = 1_699_999_999_000_000_000;
        let zero = LogFields { observed_unix_nanos: observed, ..body("x") };
        assert_eq!(row(zero).time.0, 1_699_999_999_000_000_000);
        let absurd = LogFields { time_unix_nanos: 11_651_379_494_838_206_464, ..body("x") };
        assert_eq!(row(absurd).time.millis(), 1_700_000_000_000);
    }

    #[test]
    fn severity_is_the_number_else_the_word() {
        assert_eq!(severity(17, "info"), LogSeverity::Error);
        assert_eq!(severity(0, "WARNING"), LogSeverity::Warn);
        assert_eq!(severity(0, "Normal"), LogSeverity::Info);
        assert_eq!(severity(99, ""), LogSeverity::Unspecified);
    }

    #[test]
    fn a_structured_body_speaks_by_its_message() {
        let tree = json!({"level": "error", "msg": "card 4711 declined", "trace": "abc"});
        let fields = LogFields { body: Scalar::Tree(tree), ..LogFields::default() };
        assert_eq!(row(fields).skeleton.as_str(), "card <*> declined");
    }

    #[test]
    fn a_kubernetes_event_begins_with_its_reason() {
        let mut fields = body("Back-off restarting failed container");
        fields.attributes.put("k8s.event.reason".into(), Scalar::Text("BackOff".into()));
        assert_eq!(row(fields).skeleton.as_str(), "BackOff: Back-off restarting failed container");
    }
}
