//! OTLP in JSON: slim borrowed structures, tolerant where real senders differ.
//!
//! Ids are hexadecimal, 64-bit numbers text or numbers, enumerations numbers or names, `null`
//! counts as absent, unknown fields are ignored, `kvlistValue` may be a bare list.

mod scalars;
mod attributes;
mod requests;

pub(crate) use requests::{decode_logs, decode_metrics, decode_spans};
