//! A record of an input topic as a value, and its line in a recording (`casebook/FORMAT.md`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::CellId;
use crate::journal::JournalEntry;

/// How a payload is encoded, as the header `encoding` says it.
pub const ENCODING_HEADER: &str = "encoding";

/// The input topics' default names.
pub mod topic {
    /// Spans, OTLP export requests.
    pub const SPANS: &str = "otlp_spans";
    /// Logs, OTLP export requests.
    pub const LOGS: &str = "otlp_logs";
    /// Metrics, OTLP export requests.
    pub const METRICS: &str = "otlp_metrics";
    /// Alerts of any accepted form.
    pub const ALERTS: &str = "alerts";
    /// Changes of any accepted form.
    pub const CHANGES: &str = "changes";
    /// Configuration items and relations of any accepted form.
    pub const TOPOLOGY: &str = "topology";
    /// What people decided, in recordings alone: each value is a [`super::Decided`] in JSON. In a log it stands
    /// in the journal, among what the stages derived.
    pub const ACTS: &str = "faultline_acts";
}

/// A person's act as a recording holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// The cell in whose journal it stood.
    pub cell: CellId,
    /// Its entry.
    pub entry: JournalEntry,
}

/// One record of an input topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// The topic.
    pub topic: String,
    /// Arrival: the record's Kafka timestamp. Unit: Unix milliseconds.
    pub timestamp_ms: i64,
    /// The record's key, if it has one.
    pub key: Option<String>,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub value: Vec<u8>,
}

/// Why a line is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The line is not the JSON object that a recording's line is.
    #[error("not a line of a recording: {0}")]
    Json(#[from] serde_json::Error),
    /// The line has neither or both of `value` and `value_base64`.
    #[error("a line of a recording needs either `value` or `value_base64`")]
    Value,
    /// `value_base64` is not base64.
    #[error("`value_base64` is not base64")]
    Base64,
}

#[derive(Deserialize, Serialize)]
struct Line<'a> {
    topic: std::borrow::Cow<'a, str>,
    timestamp: i64,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl TopicRecord {
    /// The header of that name, if there is one.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads one line of a recording.
    ///
    /// # Errors
    /// When the line is not as `casebook/FORMAT.md` says.
    pub fn from_line(line: &str) -> Result<Self, RecordingError> {
        let line: Line<'_> = serde_json::from_str(line)?;
        let value = match (line.value, line.value_base64) {
            (Some(json), None) => json.get().as_bytes().to_vec(),
            (None, Some(text)) => STANDARD.decode(&text).map_err(|_| RecordingError::Base64)?,
            _ => return Err(RecordingError::Value),
        };
        Ok(Self {
            topic: line.topic.into_owned(),
            timestamp_ms: line.timestamp,
            key: line.key,
            headers: line.headers.into_iter().collect(),
            value,
        })
    }

    /// Writes one line of a recording, without the line feed. A payload that is JSON stands as
    /// JSON, any other as base64.
    ///
    /// # Errors
    /// Never for records that came from a log; serde_json's error otherwise.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        let text = std::str::from_utf8(&self.value).ok();
        let raw = text
            .filter(|text| !text.contains('\n'))
            .and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        serde_json::to_string(&Line {
            topic: self.topic.as_str().into(),
            timestamp: self.timestamp_ms,
            key: self.key.clone(),
            headers: self.headers.iter().cloned().collect(),
            value: raw,
            value_base64: if raw.is_none() { Some(STANDARD.encode(&self.value)) } else { None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &[u8]) -> TopicRecord {
        TopicRecord {
            topic: "otlp_spans".into(),
            timestamp_ms: 7,
            key: None,
            headers: vec![("encoding".into(), "otlp_proto".into())],
            value: value.to_vec(),
        }
    }

    #[test]
    fn binary_and_json_payloads_survive_a_line() {
        for value in [&b"\x00\xff\x10"[..], b"", b"{\"a\":1}", b"a", b"ab", b"{\n}"] {
            let before = record(value);
            let line = before.to_line().unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(TopicRecord::from_line(&line).unwrap(), before, "{line}");
        }
    }

    #[test]
    fn a_line_without_value_is_refused() {
        let line = r#"{"topic":"alerts","timestamp":1,"key":null,"headers":{}}"#;
        assert!(matches!(TopicRecord::from_line(line), Err(RecordingError::Value)));
    }
}
