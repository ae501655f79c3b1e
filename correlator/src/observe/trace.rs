//! One open trace: its spans and logs in an order that does not depend on arrival.

use model::entity::EntityKind;
use model::id::SpanId;
use model::id::TemplateId;
use model::name::Name;
use model::signal::{LogRecord, LogSeverity, Peer, PeerKind, Resource, Span, SpanKind};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Without error.
    Ok,
    /// With an error of its own or of something below.
    Failed,
    /// The caller's patience ended.
    TimedOut,
    /// The caller took the call back: nobody's error.
    Cancelled,
}

/// A span as the observer keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SpanRow {
    pub(crate) span_id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) kind: SpanKind,
    pub(crate) outcome: Outcome,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) service: Name,
    pub(crate) version: Option<Name>,
    pub(crate) operation: Name,
    pub(crate) callee: Option<(EntityKind, Name)>,
}

/// A log record of a trace as the observer keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LogRow {
    pub(crate) time: Timestamp,
    pub(crate) template: TemplateId,
    pub(crate) severity: LogSeverity,
    pub(crate) span_id: Option<SpanId>,
    pub(crate) owner: (EntityKind, Name),
    pub(crate) skeleton: Name,
    pub(crate) of_platform: bool,
}

impl SpanRow {
    pub(crate) fn new(span: &Span, resource: &Resource) -> Self {
        Self {
            span_id: span.span_id,
            parent: span.parent.filter(|&parent| parent != span.span_id),
            kind: span.kind,
            outcome: outcome(span),
            start: span.start,
            end: span.end.max(span.start),
            service: resource.service.clone(),
            version: resource.version.clone(),
            operation: span.name.clone(),
            callee: span.peer.as_ref().and_then(callee),
        }
    }

    pub(crate) fn duration_ns(&self) -> u64 {
        u64::try_from((self.end - self.start).0).unwrap_or(0)
    }
}

impl LogRow {
    pub(crate) fn new(log: &LogRecord, owner: (EntityKind, Name)) -> Self {
        Self {
            time: log.time,
            template: log.template,
            severity: log.severity,
            span_id: log.span_id,
            owner,
            skeleton: log.skeleton.clone(),
            of_platform: log.of_platform,
        }
    }
}

/// Who speaks: the service, else the host, else the instance of a resource.
pub(crate) fn owner_of(resource: &Resource) -> Option<(EntityKind, &Name)> {
    if !resource.service.is_empty() {
        return Some((EntityKind::Service, &resource.service));
    }
    let named = |name: &'_ &Name| !name.is_empty();
    let host = resource.host.as_ref().filter(named).map(|host| (EntityKind::Host, host));
    let instance = resource.instance.as_ref().filter(named);
    host.or(instance.map(|instance| (EntityKind::Instance, instance)))
}

fn outcome(span: &Span) -> Outcome {
    let says = |words: &[&str]| {
        span.error_type.as_ref().is_some_and(|error| {
            let error = error.to_ascii_lowercase();
            words.iter().any(|word| error.contains(word))
        })
    };
    if !span.failed {
        Outcome::Ok
    } else if says(&["cancelled", "canceled", "cancellation"]) {
        Outcome::Cancelled
    } else if says(&["timeout", "timed out", "timed_out", "timedout", "deadline"]) {
        Outcome::TimedOut
    } else {
        Outcome::Failed
    }
}

/// The other party of a call. An address loses its port, a cluster-local one its domain, so that
/// `payment.shop.svc.cluster.local:8080` means the service `payment`.
fn callee(peer: &Peer) -> Option<(EntityKind, Name)> {
    let kind = match peer.kind {
        PeerKind::Service => EntityKind::Service,
        PeerKind::Database => EntityKind::Database,
        PeerKind::Messaging => EntityKind::Messaging,
        PeerKind::Address => EntityKind::External,
    };
    if peer.name.is_empty() {
        return None;
    }
    if peer.kind != PeerKind::Address {
        return Some((kind, peer.name.clone()));
    }
    let host = match peer.name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            host
        }
        _ => peer.name.as_str(),
    };
    let local = host.ends_with(".svc") || host.contains(".svc.");
    let short = if local { host.split('.').next().unwrap_or(host) } else { host };
    let name = if short.len() == peer.name.len() { peer.name.clone() } else { short.into() };
    Some((kind, name))
}

/// A trace that may still grow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenTrace {
    /// Sorted by span id, each once.
    pub(crate) spans: Vec<SpanRow>,
    /// Sorted.
    pub(crate) logs: Vec<LogRow>,
    span_end: Option<Timestamp>,
    log_end: Option<Timestamp>,
}

/// What became of an item that was offered to a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// It is part of the trace now.
    Added,
    /// The trace had it already.
    Duplicate,
    /// It, or an item in its place, was dropped for the bound.
    Dropped,
}

impl OpenTrace {
    /// When the trace ended as far as seen: by its spans, else by its logs.
    pub(crate) fn end(&self) -> Timestamp {
        self.span_end.or(self.log_end).unwrap_or_default()
    }

    /// Adds a span. Of two spans of one id the smaller row stays, beyond `max` the smallest ids.
    pub(crate) fn join_span(&mut self, row: SpanRow, max: usize) -> Joined {
        self.span_end = self.span_end.max(Some(row.end));
        match self.spans.binary_search_by(|span| span.span_id.cmp(&row.span_id)) {
            Ok(at) => {
                if let Some(mine) = self.spans.get_mut(at)
                    && row < *mine
                {
                    *mine = row;
                }
                Joined::Duplicate
            }
            Err(at) if at >= max => Joined::Dropped,
            Err(at) => {
                self.spans.insert(at, row);
                keep(&mut self.spans, max)
            }
        }
    }

    /// Adds a log record; beyond `max` the earliest stay.
    pub(crate) fn join_log(&mut self, row: LogRow, max: usize) -> Joined {
        self.log_end = self.log_end.max(Some(row.time));
        let at = self.logs.partition_point(|log| *log <= row);
        if at >= max {
            return Joined::Dropped;
        }
        self.logs.insert(at, row);
        keep(&mut self.logs, max)
    }
}

fn keep<T>(rows: &mut Vec<T>, max: usize) -> Joined {
    if rows.len() <= max {
        return Joined::Added;
    }
    rows.truncate(max);
    Joined::Dropped
}
