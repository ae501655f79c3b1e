//! `Span` and its `Status`, however they are written; events only of spans that failed without saying of
//! what.

use std::borrow::Cow;

use super::attributes::AttributeReader;
use super::cursor::{Cursor, Field};
use super::resource::walk;
use super::usual;
use crate::intake::decode::error::DecodeError;
use crate::intake::decode::rows::batch::BatchBuilder;
use crate::intake::decode::rows::span::{SpanAttributes, SpanFields, parent_id, span_id, trace_id};
use crate::intake::decode::rows::value::{Scalar, Sink};

/// Decodes an `ExportTraceServiceRequest`.
pub(crate) fn decode_spans(body: &[u8], out: &mut BatchBuilder<'_>) -> Result<(), DecodeError> {
    walk(body, out, |field, out| {
        let mut span = SpanFields::default();
        if usual::read(field.bytes()?, &mut span).is_some() && out.span(&span)? {
            return Ok(());
        }
        any_span(field, out)
    })
}

/// Decodes an `ExportTraceServiceRequest` by the slow reader alone: the twin of [`decode_spans`].
#[cfg(test)]
pub(crate) fn decode_any_spans(body: &[u8], out: &mut BatchBuilder<'_>) -> Result<(), DecodeError> {
    walk(body, out, any_span)
}

fn any_span(field: &Field<'_>, out: &mut BatchBuilder<'_>) -> Result<(), DecodeError> {
    // A span has many optional fields: it is filled where it stands, not moved about.
    let mut span = SpanFields::default();
    read_span(field, &mut span)?;
    out.span(&span).map(|_| ())
}

fn read_span<'a>(
    field: &Field<'a>,
    span: &mut SpanFields<Cow<'a, str>>,
) -> Result<(), DecodeError> {
    let bytes = field.bytes()?;
    let mut attributes = AttributeReader::default();
    let mut has_events = false;
    let mut cursor = Cursor::new(bytes, "Span");
    while let Some(field) = cursor.next()? {
        match field.number {
            1 => span.trace_id = trace_id(field.bytes()?),
            2 => span.span_id = span_id(field.bytes()?),
            4 => span.parent = parent_id(field.bytes()?),
            5 => span.name = field.text("a span name")?.into(),
            6 => span.kind = field.enumeration()?,
            7 => span.start_unix_nanos = field.fixed64()?,
            8 => span.end_unix_nanos = field.fixed64()?,
            9 => attributes.read(&field, &mut span.attributes)?,
            11 => has_events = true,
            15 => read_status(&field, &mut span.status)?,
            _ => {}
        }
    }
    if has_events && span.needs_exception() {
        read_exception(bytes, &mut span.attributes)?;
    }
    Ok(())
}

fn read_status(field: &Field<'_>, status: &mut i64) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(field.bytes()?, "Status");
    while let Some(field) = cursor.next()? {
        if field.number == 3 {
            *status = field.enumeration()?;
        }
    }
    Ok(())
}

/// Takes `exception.type` from the last event that has one.
fn read_exception<'a>(
    span: &'a [u8],
    attributes: &mut SpanAttributes<Cow<'a, str>>,
) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(span, "Span");
    while let Some(field) = cursor.next()? {
        if field.number != 11 {
            continue;
        }
        let mut event = Cursor::new(field.bytes()?, "Event");
        let mut reader = AttributeReader::default();
        while let Some(field) = event.next()? {
            if field.number == 3 {
                reader.read(&field, &mut ExceptionType(attributes))?;
            }
        }
    }
    Ok(())
}

/// Lets nothing but the exception's type through.
struct ExceptionType<'s, 'a>(&'s mut SpanAttributes<Cow<'a, str>>);

impl<'v: 'a, 'a> Sink<'v> for ExceptionType<'_, 'a> {
    fn wants(&self, key: &[u8]) -> bool {
        key == b"exception.type"
    }
    fn put(&mut self, key: Cow<'v, str>, value: Scalar<'v>) {
        self.0.put(key, value);
    }
}
