//! Telemetry as it goes over the wire: OTLP export requests, built once, written in protobuf or
//! JSON.
//!
//! Absent on purpose: reading. The product's decoder must not share code with what it is tested
//! by.

mod otlp_json;
mod otlp_proto;
mod proto;

use std::borrow::Cow;

use crate::scenario::Encoding;

/// An attribute's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Int(i64),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

/// Attributes in order.
pub(crate) type Attributes<'a> = Vec<(&'static str, Value<'a>)>;

/// What one resource says in one request.
#[derive(Debug)]
pub(crate) struct Said<'a, T> {
    pub(crate) resource: Attributes<'a>,
    /// Name of the instrumentation scope.
    pub(crate) scope: &'static str,
    pub(crate) items: Vec<T>,
}

/// `SpanKind`, by its number in OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

#[derive(Debug)]
pub(crate) struct Span<'a> {
    pub(crate) trace: u128,
    pub(crate) id: u64,
    /// 0: a root.
    pub(crate) parent: u64,
    pub(crate) name: Cow<'a, str>,
    pub(crate) kind: Kind,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) attributes: Attributes<'a>,
    /// The status message of a failed span; status is unset otherwise.
    pub(crate) error: Option<&'static str>,
}

#[derive(Debug)]
pub(crate) struct Log<'a> {
    pub(crate) time_ns: u64,
    pub(crate) severity: u8,
    pub(crate) severity_text: &'static str,
    pub(crate) body: &'a str,
    pub(crate) trace: u128,
    pub(crate) span: u64,
}

/// How a metric is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Gauge,
    /// A monotonic total since that time.
    Total {
        since_ns: u64,
    },
}

#[derive(Debug)]
pub(crate) struct Metric<'a> {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) reading: Reading,
    pub(crate) time_ns: u64,
    pub(crate) points: Vec<(Attributes<'a>, f64)>,
}

/// An `ExportTraceServiceRequest`.
pub(crate) fn spans(encoding: Encoding, said: &[Said<'_, Span<'_>>]) -> Vec<u8> {
    match encoding {
        Encoding::OtlpProto => otlp_proto::spans(said),
        Encoding::OtlpJson => otlp_json::spans(said),
    }
}

/// An `ExportLogsServiceRequest`.
pub(crate) fn logs(encoding: Encoding, said: &[Said<'_, Log<'_>>]) -> Vec<u8> {
    match encoding {
        Encoding::OtlpProto => otlp_proto::logs(said),
        Encoding::OtlpJson => otlp_json::logs(said),
    }
}

/// An `ExportMetricsServiceRequest`.
pub(crate) fn metrics(encoding: Encoding, said: &[Said<'_, Metric<'_>>]) -> Vec<u8> {
    match encoding {
        Encoding::OtlpProto => otlp_proto::metrics(said),
        Encoding::OtlpJson => otlp_json::metrics(said),
    }
}
