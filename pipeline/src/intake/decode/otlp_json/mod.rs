//! OTLP in JSON: in one walk over the bytes where it is written as encoders write it, else into slim
//! borrowed structures, tolerant where real senders differ.
//!
//! Ids are hexadecimal, 64-bit numbers text or numbers, enumerations numbers or names, `null`
//! counts as absent, unknown fields are ignored, `kvlistValue` may be a bare list.

mod ids;
mod scalars;
mod attributes;
mod requests;
mod usual;
mod decode;
#[cfg(test)]
mod twins;

pub(crate) use decode::{decode_logs, decode_spans};
pub(crate) use requests::decode_metrics;
#[cfg(test)]
pub(crate) use requests::{any_logs, any_spans};
