//! Which task sees which signal: everything of one trace meets in one task.

use model::id::{TraceId, stable_hash};
use model::signal::{LogRecord, MetricPoint, Resource, SignalBatch};

/// Splits a batch over `tasks` observers: spans and logs of a trace by trace id, other logs by
/// service, metric points by series. All parts carry all resources and names, so that indices stay valid;
/// the count of rejected items stays with the first part.
#[must_use]
pub fn split(batch: SignalBatch, tasks: u32) -> Vec<SignalBatch> {
    if tasks <= 1 {
        return vec![batch];
    }
    let empty = SignalBatch {
        resources: batch.resources.clone(),
        names: batch.names.clone(),
        ..SignalBatch::default()
    };
    let mut parts = vec![empty; tasks as usize];
    if let Some(first) = parts.first_mut() {
        first.rejected = batch.rejected;
    }
    for span in batch.spans {
        if let Some(part) = part(&mut parts, trace_hash(span.trace_id)) {
            part.spans.push(span);
        }
    }
    for log in batch.logs {
        let hash = log_hash(&batch.resources, &log);
        if let Some(part) = part(&mut parts, hash) {
            part.logs.push(log);
        }
    }
    for point in batch.metrics {
        let hash = series_hash(&batch.resources, &point);
        if let Some(part) = part(&mut parts, hash) {
            part.metrics.push(point);
        }
    }
    parts
}

/// The detect task that owns a service (or virtual node).
#[must_use]
pub fn share_of_service(service: &str, shares: u32) -> u32 {
    let shares = u64::from(shares.max(1));
    // The remainder is below `shares`, which came from a u32.
    (stable_hash(&[service.as_bytes()]) % shares) as u32
}

fn part(parts: &mut [SignalBatch], hash: u64) -> Option<&mut SignalBatch> {
    let count = parts.len().max(1) as u64;
    parts.get_mut((hash % count) as usize)
}

pub(crate) fn trace_hash(trace: TraceId) -> u64 {
    stable_hash(&[&trace.0.to_le_bytes()])
}

fn log_hash(resources: &[Resource], log: &LogRecord) -> u64 {
    match log.trace_id {
        Some(trace) => trace_hash(trace),
        None => {
            let resource = resources.get(log.resource as usize);
            stable_hash(&[resource.map_or("", |r| r.service.as_str()).as_bytes()])
        }
    }
}

fn series_hash(resources: &[Resource], point: &MetricPoint) -> u64 {
    let (mut service, mut instance, mut host) = ("", "", "");
    if let Some(resource) = resources.get(point.resource as usize) {
        service = resource.service.as_str();
        instance = resource.instance.as_deref().unwrap_or("");
        host = resource.host.as_deref().unwrap_or("");
    }
    stable_hash(&[
        service.as_bytes(),
        instance.as_bytes(),
        host.as_bytes(),
        point.metric.as_bytes(),
        point.attributes.as_bytes(),
    ])
}
