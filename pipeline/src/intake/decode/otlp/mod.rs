//! OTLP in protobuf: a lazy scan over the bytes that reads only the columns we need.
//!
//! No generated code and no message trees: a full decode spends most of its time on fields that
//! nobody reads. What prost accepts, this accepts with the same columns; a test holds the two
//! against each other.

mod cursor;
mod attributes;
mod resource;
mod usual;
mod spans;
mod logs;
mod metrics;

pub(crate) use logs::decode_logs;
pub(crate) use metrics::decode_metrics;
#[cfg(test)]
pub(crate) use spans::decode_any_spans;
pub(crate) use spans::decode_spans;
