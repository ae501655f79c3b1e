//! `LogRecord`.

use super::attributes::{AttributeReader, merge_any};
use super::cursor::{Cursor, Field};
use super::resource::walk;
use crate::intake::decode::error::DecodeError;
use crate::intake::decode::rows::batch::BatchBuilder;
use crate::intake::decode::rows::log::LogFields;
use crate::intake::decode::rows::span::{span_id, trace_id};

/// Nesting of a structured body; deeper parts are left out.
const BODY_DEPTH_MAX: usize = 16;

/// Decodes an `ExportLogsServiceRequest`.
pub(crate) fn decode_logs(body: &[u8], out: &mut BatchBuilder<'_>) -> Result<(), DecodeError> {
    walk(body, out, |field, out| {
        let log = read_log(field)?;
        out.log(log)
    })
}

fn read_log<'a>(field: &Field<'a>) -> Result<LogFields<'a>, DecodeError> {
    let mut log = LogFields::default();
    let mut attributes = AttributeReader::default();
    let mut cursor = Cursor::new(field.bytes()?, "LogRecord");
    while let Some(field) = cursor.next()? {
        match field.number {
            1 => log.time_unix_nanos = field.fixed64()?,
            11 => log.observed_unix_nanos = field.fixed64()?,
            2 => log.severity_number = field.enumeration()?,
            3 => log.severity_text = field.text("a severity")?.into(),
            5 => merge_any(field.bytes()?, &mut log.body, BODY_DEPTH_MAX)?,
            6 => attributes.read(&field, &mut log.attributes)?,
            9 => log.trace_id = trace_id(field.bytes()?),
            10 => log.span_id = span_id(field.bytes()?),
            12 => log.event_name = field.text("an event name")?.into(),
            _ => {}
        }
    }
    Ok(log)
}
