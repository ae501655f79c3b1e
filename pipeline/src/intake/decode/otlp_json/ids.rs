//! Ids in hexadecimal; what is none counts as OTLP demands.

use model::id::{SpanId, TraceId};

use crate::intake::decode::digits::hex;
use crate::intake::decode::rows::span::{ParentId, parent_id, span_id, trace_id};

/// A trace id; `None` if not of 16 bytes, or all zero.
pub(super) fn trace(text: &[u8]) -> Option<TraceId> {
    trace_id(&hex::<16>(text)?)
}

/// A span id; `None` if not of 8 bytes, or all zero.
pub(super) fn span(text: &[u8]) -> Option<SpanId> {
    span_id(&hex::<8>(text)?)
}

/// A parent; nothing and zeros are roots.
pub(super) fn parent(text: &[u8]) -> ParentId {
    match hex::<8>(text) {
        Some(bytes) => parent_id(&bytes),
        None if text.is_empty() => ParentId::None,
        None => ParentId::Wrong,
    }
}
