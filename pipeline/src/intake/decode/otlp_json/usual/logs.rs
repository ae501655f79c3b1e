//! `LogRecord`, with its members in any order.

use std::borrow::Cow;

use super::Cursor;
use super::pairs::{Plain, Taker, attributes, plain};
use super::spans::{Seen, number};
use crate::intake::decode::otlp_json::ids;
use crate::intake::decode::otlp_json::requests::severity_number;
use crate::intake::decode::rows::log::{LogAttributes, LogFields};
use crate::intake::decode::rows::value::{Scalar, Sink};

/// Reads a log record into an empty one. `None`: it is written in an unusual way, and what was read so
/// far means nothing.
pub(in crate::intake::decode::otlp_json) fn read<'a>(
    cursor: &mut Cursor<'a>,
    log: &mut LogFields<'a>,
) -> Option<()> {
    let mut seen = Seen::default();
    cursor.object(|cursor, key| {
        let Some(member) = Member::of(key) else { return cursor.skip() };
        seen.first(member as u32)?;
        if cursor.null() {
            return Some(());
        }
        match member {
            Member::Time => log.time_unix_nanos = cursor.number()?,
            Member::Observed => log.observed_unix_nanos = cursor.number()?,
            Member::Severity => log.severity_number = severity_number(&number(cursor)?),
            Member::SeverityText => log.severity_text = words(cursor.text()?)?,
            Member::EventName => log.event_name = words(cursor.text()?)?,
            Member::Body => log.body = scalar(plain(cursor)?)?,
            Member::TraceId => log.trace_id = ids::trace(cursor.text()?),
            Member::SpanId => log.span_id = ids::span(cursor.text()?),
            Member::Attributes => attributes(cursor, &mut log.attributes)?,
        }
        Some(())
    })
}

/// What is read of a log record.
#[derive(Clone, Copy)]
enum Member {
    Time,
    Observed,
    Severity,
    SeverityText,
    EventName,
    Body,
    TraceId,
    SpanId,
    Attributes,
}

impl Member {
    fn of(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"timeUnixNano" => Self::Time,
            b"observedTimeUnixNano" => Self::Observed,
            b"severityNumber" => Self::Severity,
            b"severityText" => Self::SeverityText,
            b"eventName" => Self::EventName,
            b"body" => Self::Body,
            b"traceId" => Self::TraceId,
            b"spanId" => Self::SpanId,
            b"attributes" => Self::Attributes,
            _ => return None,
        })
    }
}

impl<'a> Taker<'a> for LogAttributes<'a> {
    type Key = &'a [u8];

    fn wanted(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        self.wants(key).then_some(key)
    }

    fn take(&mut self, key: &'a [u8], value: Plain<'a>) -> Option<()> {
        self.put(words(key)?, scalar(value)?);
        Some(())
    }
}

fn scalar(value: Plain<'_>) -> Option<Scalar<'_>> {
    Some(match value {
        Plain::Text(text) => Scalar::Text(words(text)?),
        Plain::Int(number) => Scalar::Int(number),
    })
}

fn words(text: &[u8]) -> Option<Cow<'_, str>> {
    std::str::from_utf8(text).ok().map(Cow::Borrowed)
}
