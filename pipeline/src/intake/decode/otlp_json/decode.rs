//! Payloads by the usual way, and by the slow one where that does not lead through.

use super::requests::{any_log, any_logs, any_span, any_spans};
use super::usual::{Cursor, LOGS, SPANS, read_log, read_span, walk};
use crate::intake::decode::error::DecodeError;
use crate::intake::decode::json;
use crate::intake::decode::limits::DecodeLimits;
use crate::intake::decode::rows::batch::BatchBuilder;
use crate::intake::decode::rows::log::LogFields;
use crate::intake::decode::rows::span::SpanFields;

/// Decodes an `ExportTraceServiceRequest`.
///
/// # Errors
/// When it is none, or exceeds a limit.
pub(crate) fn decode_spans(
    body: &[u8],
    limits: &DecodeLimits,
    out: &mut BatchBuilder<'_>,
) -> Result<(), DecodeError> {
    if walk(json::text(body)?, limits, &SPANS, out, span).is_some() {
        return Ok(());
    }
    out.start_again();
    any_spans(body, limits, out)
}

fn span(cursor: &mut Cursor<'_>, out: &mut BatchBuilder<'_>) -> Option<()> {
    let from = *cursor;
    let mut span = SpanFields::default();
    let is_text = if read_span(cursor, &mut span).is_some() {
        out.span(&span)
    } else {
        *cursor = from;
        out.span(&any_span(cursor.extent()?)?)
    };
    is_text.ok()?.then_some(())
}

/// Decodes an `ExportLogsServiceRequest`.
///
/// # Errors
/// When it is none, or exceeds a limit.
pub(crate) fn decode_logs(
    body: &[u8],
    limits: &DecodeLimits,
    out: &mut BatchBuilder<'_>,
) -> Result<(), DecodeError> {
    if walk(json::text(body)?, limits, &LOGS, out, log).is_some() {
        return Ok(());
    }
    out.start_again();
    any_logs(body, limits, out)
}

fn log(cursor: &mut Cursor<'_>, out: &mut BatchBuilder<'_>) -> Option<()> {
    let from = *cursor;
    let mut log = LogFields::default();
    if read_log(cursor, &mut log).is_none() {
        *cursor = from;
        log = any_log(cursor.extent()?)?;
    }
    out.log(log).ok()
}
