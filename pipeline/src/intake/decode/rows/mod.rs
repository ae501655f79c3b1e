//! What telemetry means, whatever its encoding: from fields as the wire had them to rows.
//!
//! Both OTLP encodings fill the `*Fields` here, so a span has one meaning and one place for it.

pub(crate) mod value;
pub(crate) mod times;
pub(crate) mod resource;
pub(crate) mod span_key;
pub(crate) mod span;
pub(crate) mod log;
pub(crate) mod metric;
pub(crate) mod entity;
pub(crate) mod batch;
