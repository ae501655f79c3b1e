//! The path of a span through its log statements: pairs of neighbouring templates, from its start
//! to its end. A span that logged nothing has the one pair (start, end).

use std::collections::BTreeMap;

use model::id::{TemplateId, TraceId};
use model::name::Name;
use model::signal::LogSeverity;

use super::counts::{OperationCounts, ServiceCounts, TemplateKey};
use super::limits::{BIGRAMS_MAX, LOG_PATH_MAX};
use super::trace::LogRow;
use super::tree::{Role, TraceTree};

/// Stands before the first log record of a span.
pub const LOG_START: TemplateId = TemplateId(0);
/// Stands after the last log record of a span.
pub const LOG_END: TemplateId = TemplateId(u64::MAX);

/// The templates of each working span, in the order of time; empty where nothing was logged, and nothing at
/// all where no span logged anything.
pub(crate) fn sequences(tree: &TraceTree<'_>, logs: &[LogRow]) -> Vec<Vec<TemplateId>> {
    if logs.is_empty() {
        return Vec::new();
    }
    let mut sequences = vec![Vec::new(); tree.spans.len()];
    let mut entries: Option<BTreeMap<&Name, usize>> = None;
    for log in logs {
        let named = log
            .span_id
            .and_then(|id| tree.spans.binary_search_by(|span| span.span_id.cmp(&id)).ok());
        let target = match named.and_then(|index| tree.worker(index)) {
            Some(index) => Some(index),
            None => {
                let entries = entries.get_or_insert_with(|| first_entries(tree));
                entries.get(&log.owner.1).copied()
            }
        };
        if let Some(sequence) = target.and_then(|index| sequences.get_mut(index))
            && sequence.len() < LOG_PATH_MAX
        {
            sequence.push(log.template);
        }
    }
    sequences
}

/// Counts each pair of a sequence of a trace (with its rank among exemplars) once. Most spans log nothing: they are the pair of both ends.
pub(crate) fn count(
    operation: &mut OperationCounts,
    sequence: &[TemplateId],
    trace: (u64, TraceId),
) {
    operation.paths += 1;
    if sequence.is_empty() {
        count_pair(operation, (LOG_START, LOG_END), trace);
        return;
    }
    let mut pairs: Vec<(TemplateId, TemplateId)> = Vec::with_capacity(sequence.len() + 1);
    let mut before = LOG_START;
    for &template in sequence {
        pairs.push((before, template));
        before = template;
    }
    pairs.push((before, LOG_END));
    pairs.sort_unstable();
    pairs.dedup();
    for pair in pairs {
        count_pair(operation, pair, trace);
    }
}

fn count_pair(
    operation: &mut OperationCounts,
    pair: (TemplateId, TemplateId),
    trace: (u64, TraceId),
) {
    if operation.bigrams.len() >= BIGRAMS_MAX && !operation.bigrams.contains_key(&pair) {
        return;
    }
    let counts = operation.bigrams.entry(pair).or_default();
    counts.spans += 1;
    counts.exemplars.offer_ranked(trace.0, trace.1);
}

/// Counts a log record under its owner's templates; false when the owner has `max` others.
pub(crate) fn count_template(
    owner: &mut ServiceCounts,
    log: &LogRow,
    trace: TraceId,
    max: usize,
) -> bool {
    let key = TemplateKey {
        severity: log.severity,
        template: log.template,
        of_platform: log.of_platform,
    };
    if owner.templates.len() >= max && !owner.templates.contains_key(&key) {
        return false;
    }
    let counts = owner.templates.entry(key).or_default();
    if counts.records == 0 || log.skeleton < counts.skeleton {
        counts.skeleton = log.skeleton.clone();
    }
    if log.severity >= LogSeverity::Warn && !log.of_platform {
        counts.count_text(&log.skeleton, 1);
    }
    counts.records += 1;
    counts.traced += u64::from(trace.0 != 0);
    counts.exemplars.offer(trace);
    true
}

fn first_entries<'a>(tree: &TraceTree<'a>) -> BTreeMap<&'a Name, usize> {
    let mut first: BTreeMap<&'a Name, usize> = BTreeMap::new();
    for (index, span) in tree.spans.iter().enumerate() {
        if tree.role(index) != Role::Entry {
            continue;
        }
        let key = |i: usize| tree.span(i).map(|span| (span.start, span.span_id));
        let known = first.entry(span.service.name).or_insert(index);
        if key(index) < key(*known) {
            *known = index;
        }
    }
    first
}
