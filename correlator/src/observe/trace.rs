//! The spans and logs of one trace, as they are kept and as they are looked at.

use model::entity::EntityKind;
use model::id::SpanId;
use model::id::TemplateId;
use model::name::Name;
use model::signal::{LogRecord, LogSeverity, PeerKind, Resource, SpanKind};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::rows::Row;
use super::words::{Word, Words};

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

/// A span as it is looked at. The order of two of one id is that of their parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpanRow<'a> {
    pub(crate) span_id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) kind: SpanKind,
    pub(crate) outcome: Outcome,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) service: Word<'a>,
    pub(crate) version: Option<Word<'a>>,
    pub(crate) operation: Word<'a>,
    pub(crate) callee: Option<(EntityKind, Word<'a>)>,
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

impl<'a> SpanRow<'a> {
    /// A row of a trace whose first span began at `base`; `None` if it refers to what is not there.
    pub(crate) fn new(row: &Row, base: i64, words: &'a Words) -> Option<Self> {
        let shape = words.get(row.shape)?;
        let whole = |high: u32, low: u32| (u64::from(high) << 32 | u64::from(low)) as i64;
        let start = base.wrapping_add(whole(shape.start_high, row.start));
        let end = start.wrapping_add(whole(shape.duration_high, row.duration));
        Some(Self {
            span_id: row.span_id(),
            parent: Some(SpanId(row.parent())).filter(|parent| parent.0 != 0),
            kind: shape.kind,
            outcome: shape.outcome,
            start: Timestamp(start),
            end: Timestamp(end),
            service: words.names.word(shape.service)?,
            version: words.names.word(shape.version),
            operation: words.names.word(shape.operation)?,
            callee: words.names.word(shape.callee).map(|name| (shape.callee_kind, name)),
        })
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

/// How a span ended, by what its source says of it.
pub(crate) fn outcome(failed: bool, error: Option<&Name>) -> Outcome {
    let says = |words: &[&str]| {
        error.is_some_and(|error| {
            let error = error.to_ascii_lowercase();
            words.iter().any(|word| error.contains(word))
        })
    };
    if !failed {
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
pub(crate) fn callee(peer: PeerKind, name: &Name) -> Option<Name> {
    if name.is_empty() {
        return None;
    }
    if peer != PeerKind::Address {
        return Some(name.clone());
    }
    let host = match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            host
        }
        _ => name.as_str(),
    };
    let local = host.ends_with(".svc") || host.contains(".svc.");
    let short = if local { host.split('.').next().unwrap_or(host) } else { host };
    Some(if short.len() == name.len() { name.clone() } else { short.into() })
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

/// Adds a log record to those of a trace; beyond `max` the earliest stay. One that a queue delivers twice
/// is the same to the nanosecond, and taken for the same: twice in the path of its span it would be a way
/// that nobody has ever gone.
pub(crate) fn join_log(logs: &mut Vec<LogRow>, row: LogRow, max: usize) -> Joined {
    let at = logs.partition_point(|log| *log < row);
    if logs.get(at) == Some(&row) {
        return Joined::Duplicate;
    }
    if at >= max {
        return Joined::Dropped;
    }
    logs.insert(at, row);
    if logs.len() <= max {
        return Joined::Added;
    }
    logs.truncate(max);
    Joined::Dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_record_that_is_delivered_twice_is_one_and_its_next_is_another() {
        let row = |millis: i64, template: u64| LogRow {
            time: Timestamp::from_millis(millis),
            template: TemplateId(template),
            severity: LogSeverity::Info,
            span_id: Some(SpanId(1)),
            owner: (EntityKind::Service, "cart".into()),
            skeleton: "done".into(),
            of_platform: false,
        };
        let mut logs = Vec::new();
        let rows = [row(2, 7), row(1, 7), row(2, 7), row(2, 8), row(1, 7)];
        let joined: Vec<Joined> = rows.into_iter().map(|row| join_log(&mut logs, row, 3)).collect();
        use Joined::{Added, Duplicate};
        assert_eq!(joined, [Added, Added, Duplicate, Added, Duplicate]);
        assert_eq!(logs, [row(1, 7), row(2, 7), row(2, 8)]);
        // A double of what is there takes no room, so nothing is dropped for it.
        assert_eq!(join_log(&mut logs, row(2, 8), 3), Duplicate);
        assert_eq!(join_log(&mut logs, row(3, 1), 3), Joined::Dropped);
    }
}
