//! Telemetry after decoding: plain rows that refer to the resource that sent them.

use serde::{Deserialize, Serialize};

use crate::entity::Criticality;
use crate::id::{SpanId, TemplateId, TraceId};
use crate::name::Name;
use crate::time::Timestamp;

/// Who sent telemetry: the resource attributes that we use, by OpenTelemetry's conventions.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// `service.name`; empty when the resource is no service (a node, a Kubernetes object).
    pub service: Name,
    /// `service.version`.
    pub version: Option<Name>,
    /// `service.instance.id`, else `k8s.pod.name`.
    pub instance: Option<Name>,
    /// `k8s.node.name`, else `host.name`.
    pub host: Option<Name>,
    /// `deployment.environment.name`, else `deployment.environment`.
    pub environment: Option<Name>,
    /// `service.criticality`.
    pub criticality: Option<Criticality>,
}

/// `SpanKind` of OpenTelemetry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SpanKind {
    /// Not said by the source.
    #[default]
    Unspecified,
    /// Work inside a service.
    Internal,
    /// The receiving side of a synchronous call.
    Server,
    /// The calling side of a synchronous call.
    Client,
    /// The sending side of a message.
    Producer,
    /// The receiving side of a message.
    Consumer,
}

impl SpanKind {
    /// Whether a span of this kind is a call of another party.
    #[must_use]
    pub const fn calls_others(self) -> bool {
        matches!(self, Self::Client | Self::Producer)
    }
}

/// The other party of a client or producer span, from its peer, db and messaging attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it is, as far as the attributes tell.
    pub kind: PeerKind,
    /// Its name: service, database, queue or address. Index into the batch's names.
    pub name: u32,
}

/// What the attributes of a span say that its other party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PeerKind {
    /// A service (`service.peer.name`, `peer.service`).
    Service,
    /// A database (any of the `db.*` attributes).
    Database,
    /// A queue or topic (`messaging.destination.name`).
    Messaging,
    /// Known by its address alone (`server.address`, `network.peer.address`).
    Address,
}

/// One span: the columns that the mind needs. Its names stand in the batch, each once: a span itself
/// owns nothing and is copied like a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Index into the batch's resources.
    pub resource: u32,
    /// The trace.
    pub trace_id: TraceId,
    /// The span inside the trace.
    pub span_id: SpanId,
    /// The parent span; `None` at a root.
    pub parent: Option<SpanId>,
    /// Kind.
    pub kind: SpanKind,
    /// Operation name. Index into the batch's names.
    pub name: u32,
    /// Start.
    pub start: Timestamp,
    /// End; never before the start.
    pub end: Timestamp,
    /// Status is `Error`, or (without a status) an HTTP 5xx at a server or a gRPC failure.
    pub failed: bool,
    /// `error.type`, else the exception's type, else the response's status code. Index into the batch's
    /// names.
    pub error_type: Option<u32>,
    /// The other party of a client or producer span.
    pub peer: Option<Peer>,
}

/// Severity of a log record by OpenTelemetry's ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogSeverity {
    /// Not said by the source.
    #[default]
    Unspecified,
    /// 1-8: trace, debug.
    Debug,
    /// 9-12.
    Info,
    /// 13-16.
    Warn,
    /// 17-20.
    Error,
    /// 21-24.
    Fatal,
}

/// One log record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Index into the batch's resources.
    pub resource: u32,
    /// When it happened; if the source gave no usable time, when it was observed or arrived.
    pub time: Timestamp,
    /// The trace it was written in.
    pub trace_id: Option<TraceId>,
    /// The span it was written in.
    pub span_id: Option<SpanId>,
    /// Severity.
    pub severity: LogSeverity,
    /// Hash of the message's skeleton.
    pub template: TemplateId,
    /// The skeleton itself, cut at 200 characters: for people.
    pub skeleton: Name,
    /// Whether the platform says it of an object (a Kubernetes event), not the service of itself.
    pub of_platform: bool,
}

/// How a metric's values are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MetricKind {
    /// A level: the last value counts.
    Gauge,
    /// A monotonic total since a start: its differences count.
    CumulativeSum,
    /// A difference since the last point: its sum counts.
    DeltaSum,
}

/// One point of a metric series. Histograms arrive as two series, `NAME.count` and `NAME.sum`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPoint {
    /// Index into the batch's resources.
    pub resource: u32,
    /// Metric name.
    pub metric: Name,
    /// Point attributes as `key=value`, sorted by key, joined by commas; at most 256 characters.
    pub attributes: Name,
    /// How to read the value.
    pub kind: MetricKind,
    /// When.
    pub time: Timestamp,
    /// The value; always finite.
    pub value: f64,
}

/// The telemetry of one record, decoded.
#[derive(Clone, Debug, Default)]
pub struct SignalBatch {
    /// The resources that rows refer to.
    pub resources: Vec<Resource>,
    /// The names that spans refer to.
    pub names: Vec<Name>,
    /// Spans.
    pub spans: Vec<Span>,
    /// Log records.
    pub logs: Vec<LogRecord>,
    /// Metric points.
    pub metrics: Vec<MetricPoint>,
    /// How many items could not be read although the record around them could.
    pub rejected: u32,
}

impl SignalBatch {
    /// The resource of a row; `None` if the index points nowhere.
    #[must_use]
    pub fn resource(&self, index: u32) -> Option<&Resource> {
        self.resources.get(index as usize)
    }

    /// A name that a span refers to; `None` if the index points nowhere.
    #[must_use]
    pub fn name(&self, index: u32) -> Option<&Name> {
        self.names.get(index as usize)
    }

    /// Forgets all rows and keeps their memory for the next record.
    pub fn clear(&mut self) {
        self.resources.clear();
        self.names.clear();
        self.spans.clear();
        self.logs.clear();
        self.metrics.clear();
        self.rejected = 0;
    }
}
