//! Folds one trace into the counts of its pane: who erred, who spent the time, who called whom.
//!
//! An error belongs to the deepest failing span without a failing child; if that is a call that no
//! span answers, to the callee. A call that only ran out of patience gives no error at all: the
//! time is the callee's. Time belongs to the span that no child covers.

use model::entity::EntityKind;
use model::id::TraceId;
use model::signal::SpanKind;

use super::counts::{EdgeCounts, OperationCounts, coarse};
use super::critical_path::{PathMemory, dominant};
use super::histogram::Histogram;
use super::limits::{OPERATIONS_MAX, ORIGINS_MAX};
use super::log_path;
use super::retry::superseded;
use super::split::trace_hash;
use super::tally::{Numbered, PaneTally};
use super::trace::{LogRow, Outcome, SpanRow};
use super::tree::{Role, TraceTree, TreeMemory};
use super::words::{OTHER_NUMBER, Word};

/// Adds all that a trace tells to the counts of its pane. Returns how many spans were left out
/// because their parents form a cycle.
pub(crate) fn fold_trace(
    pane: &mut PaneTally,
    id: TraceId,
    spans: &[SpanRow<'_>],
    logs: &[LogRow],
) -> u64 {
    pane.signals += (spans.len() + logs.len()) as u64;
    for log in logs {
        pane.log(log, id);
    }
    if spans.is_empty() {
        return 0;
    }
    let mut memory = std::mem::take(&mut pane.memory);
    let tree = TraceTree::new(spans, std::mem::take(&mut memory.tree));
    let mut fold = Attribution::new(&tree, id, memory);
    fold.calls(pane);
    fold.operations(pane, &log_path::sequences(&tree, logs));
    fold.entry(pane);
    pane.memory = fold.memory;
    let cyclic = tree.spans.len() - tree.order().len();
    pane.memory.tree = tree.into_memory();
    cyclic as u64
}

/// What is known of one trace while it is folded; its memory is used again for the next one.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoldMemory {
    tree: TreeMemory,
    path: PathMemory,
    /// Attempts that were tried again.
    superseded: Vec<bool>,
    /// Failing spans that count as failing.
    failed: Vec<bool>,
    /// Owners of error origins by number, with the span where the error is seen.
    origins: Vec<(u32, usize)>,
    /// Time inside of the service per entry span. Unit: nanoseconds.
    local_ns: Vec<u64>,
    /// The span where a span's service took the call.
    visit: Vec<usize>,
    /// Origins, and the services that each of them reached.
    reached: Vec<(u32, u32)>,
}

/// One trace while it is folded.
struct Attribution<'t, 'a> {
    tree: &'t TraceTree<'a>,
    id: TraceId,
    /// The rank of the trace among exemplars.
    hash: u64,
    memory: FoldMemory,
}

impl<'t, 'a> Attribution<'t, 'a> {
    fn new(tree: &'t TraceTree<'a>, id: TraceId, mut memory: FoldMemory) -> Self {
        superseded(tree, &mut memory.superseded);
        let fails = |outcome| matches!(outcome, Outcome::Failed | Outcome::TimedOut);
        let marked = tree.spans.iter().zip(&memory.superseded);
        memory.failed.clear();
        memory.failed.extend(marked.map(|(span, marked)| fails(span.outcome) && !marked));
        memory.origins.clear();
        memory.local_ns.clear();
        memory.local_ns.resize(tree.spans.len(), 0);
        memory.visit.clear();
        memory.visit.extend(0..tree.spans.len());
        Self { tree, id, hash: trace_hash(id), memory }
    }

    fn has_failed(&self, index: usize) -> bool {
        self.memory.failed.get(index).copied().unwrap_or(false)
    }

    fn is_superseded(&self, index: usize) -> bool {
        self.memory.superseded.get(index).copied().unwrap_or(false)
    }

    /// Whether a span fails and no child of it does.
    fn is_deepest_failure(&self, index: usize) -> bool {
        self.has_failed(index) && !self.tree.children(index).iter().any(|&c| self.has_failed(c))
    }

    /// Counts every dependency that the trace shows.
    fn calls(&mut self, pane: &mut PaneTally) {
        let tree = self.tree;
        for &index in tree.order() {
            let Some(span) = tree.span(index) else { continue };
            match (tree.role(index), span.kind) {
                (Role::Call, SpanKind::Producer) => self.publish(pane, index, span),
                (Role::Call, _) => self.call(pane, index, span),
                (Role::Entry, SpanKind::Consumer) => self.consume(pane, index, span),
                (Role::Entry, _) => self.direct_call(pane, index, span),
                (Role::Local, _) => {}
            }
        }
    }

    /// A call with a span of its own, answered or not.
    fn call(&mut self, pane: &mut PaneTally, index: usize, span: &'a SpanRow<'a>) {
        let answer = self.tree.answer(index).and_then(|a| self.tree.span(a).map(|s| (a, s)));
        let callee = match (answer, span.callee) {
            (Some((_, answer)), _) => Some((EntityKind::Service, answer.service.number)),
            (None, Some((kind, name))) => {
                Some((kind, pane.callee(span.service.number, name.number)))
            }
            (None, None) => None,
        };
        let deepest = self.is_deepest_failure(index);
        let Some((kind, to)) = callee else {
            // Nobody to credit: the error is the caller's.
            if deepest {
                self.blame_worker(pane, index);
            }
            return;
        };
        let gap = match answer {
            Some((_, answer)) => span.duration_ns().saturating_sub(answer.duration_ns()),
            None => span.duration_ns(),
        };
        let at_answer = answer.is_some_and(|(a, _)| self.has_failed(a));
        // An answered call that ran out of patience, or ended before its answer: slow, not wrong.
        let impatient = answer
            .is_some_and(|(_, answer)| span.outcome == Outcome::TimedOut || answer.end > span.end);
        let guilty = deepest && !impatient;
        let failed = self.has_failed(index) || at_answer;
        let (id, hash, retried) = (self.id, self.hash, self.is_superseded(index));
        let edge = edge(pane, span.service, kind, to);
        count_call(edge, failed, retried);
        edge.declared += u64::from(span.kind == SpanKind::Client && !retried);
        let bucket = Histogram::bucket_of(gap);
        edge.gap.add_bucket(bucket, 1);
        edge.slow_exemplars.offer_large(bucket, id);
        if answer.is_none() && !retried {
            edge.orphans += 1;
            edge.orphan_exemplars.offer_ranked(hash, id);
        }
        if guilty {
            edge.errors += 1;
            edge.error_exemplars.offer_ranked(hash, id);
            self.memory.origins.push((to, index));
        }
    }

    /// A message sent: the sender depends on the queue, not on who reads it.
    fn publish(&mut self, pane: &mut PaneTally, index: usize, span: &'a SpanRow<'a>) {
        let deepest = self.is_deepest_failure(index);
        let Some((kind, queue)) = span.callee else {
            if deepest {
                self.blame_worker(pane, index);
            }
            return;
        };
        let queue = pane.callee(span.service.number, queue.number);
        let edge = edge(pane, span.service, kind, queue);
        count_call(edge, deepest, self.is_superseded(index));
        edge.gap.add(span.duration_ns());
        if deepest {
            edge.errors += 1;
            edge.error_exemplars.offer_ranked(self.hash, self.id);
            self.memory.origins.push((queue, index));
        }
    }

    /// A message read: the reader depends on the queue, or (no queue named) on the sender.
    fn consume(&self, pane: &mut PaneTally, index: usize, span: &SpanRow<'_>) {
        let sender = self.tree.parent(index).and_then(|parent| self.tree.span(parent));
        let from_sender = sender
            .filter(|sender| sender.callee.is_none() && sender.service != span.service)
            .map(|sender| (EntityKind::Service, sender.service));
        if let Some((kind, to)) = span.callee.or(from_sender) {
            let to = pane.callee(span.service.number, to.number);
            count_call(edge(pane, span.service, kind, to), false, false);
        }
    }

    /// A call that has no span of its own at the caller.
    fn direct_call(&self, pane: &mut PaneTally, index: usize, span: &SpanRow<'_>) {
        let Some(parent) = self.tree.parent(index) else { return };
        let Some(caller) = self.tree.span(parent) else { return };
        if self.tree.role(parent) != Role::Call && caller.service != span.service {
            let edge = edge(pane, caller.service, EntityKind::Service, span.service.number);
            count_call(edge, self.has_failed(index), self.is_superseded(index));
        }
    }

    /// Counts every span that works, under its operation.
    fn operations(&mut self, pane: &mut PaneTally, logs: &[Vec<model::id::TemplateId>]) {
        let tree = self.tree;
        for &index in tree.order() {
            let Some(span) = tree.span(index) else { continue };
            if let (Role::Call | Role::Local, Some(parent)) = (tree.role(index), tree.parent(index))
            {
                let above = self.memory.visit.get(parent).copied().unwrap_or(parent);
                if let Some(visit) = self.memory.visit.get_mut(index) {
                    *visit = above;
                }
            }
            if tree.role(index) == Role::Call {
                continue;
            }
            let self_ns = self_time_ns(tree, index);
            let entry = self.memory.visit.get(index).copied().unwrap_or(index);
            if let Some(local) = self.memory.local_ns.get_mut(entry) {
                *local = local.saturating_add(self_ns);
            }
            let (has_failed, guilty) = (self.has_failed(index), self.is_deepest_failure(index));
            let operation = operation(pane, span);
            operation.calls += 1;
            operation.retried += u64::from(self.is_superseded(index));
            operation.failed += u64::from(has_failed);
            let bucket = Histogram::bucket_of(self_ns);
            operation.self_time.add_bucket(bucket, 1);
            operation.slow_exemplars.offer_large(bucket, self.id);
            if guilty || !has_failed {
                let sequence = logs.get(index).map_or(&[][..], Vec::as_slice);
                log_path::count(operation, sequence, (self.hash, self.id));
            }
            if guilty {
                operation.errors += 1;
                operation.error_exemplars.offer_ranked(self.hash, self.id);
                self.memory.origins.push((span.service.number, index));
            }
        }
        self.visits(pane);
    }

    /// Counts every request that a service took: its activity and its version.
    fn visits(&self, pane: &mut PaneTally) {
        for &index in self.tree.order() {
            let Some(span) = self.tree.span(index) else { continue };
            if self.is_superseded(index) {
                continue;
            }
            if self.tree.role(index) != Role::Entry {
                pane.activity.slot(span.service.number).below += 1;
                continue;
            }
            let activity = pane.activity.slot(span.service.number);
            activity.calls += 1;
            activity.failed += u64::from(self.has_failed(index));
            if let Some(name) = span.version
                && let Some(version) = pane.version(span.service.number, name.number)
            {
                version.calls += 1;
                version.local_time.add(self.memory.local_ns.get(index).copied().unwrap_or(0));
            }
        }
        for &(_, index) in &self.memory.origins {
            let Some(span) = self.tree.span(index) else { continue };
            if let (Some(name), Role::Entry | Role::Local) = (span.version, self.tree.role(index))
                && let Some(version) = pane.version(span.service.number, name.number)
            {
                version.failed += 1;
            }
        }
    }

    /// Counts what the user saw, and where the failure or the time comes from.
    fn entry(&mut self, pane: &mut PaneTally) {
        let Some(index) = self.tree.entry() else { return };
        let Some(span) = self.tree.span(index) else { return };
        let failed = self.has_failed(index);
        if !failed {
            self.memory.origins.clear();
        }
        if self.memory.origins.is_empty() {
            let longest = dominant(self.tree, index, &mut self.memory.path);
            self.memory.origins.extend(longest.map(|(owner, at)| (owner.number, at)));
        }
        let bucket = Histogram::bucket_of(span.duration_ns());
        let service = pane.service(span.service.number, EntityKind::Service);
        let entry = bounded(&mut service.entries, span.operation);
        entry.calls += 1;
        entry.failed += u64::from(failed);
        if !failed {
            entry.durations.add_bucket(bucket, 1);
        }
        let FoldMemory { origins, reached: rows, .. } = &mut self.memory;
        rows.clear();
        for &(origin, at) in &*origins {
            rows.push((origin, origin));
            rows.extend(services_above(self.tree, at).map(|service| (origin, service)));
        }
        rows.sort_unstable();
        rows.dedup();
        let mut counted = None;
        for &(origin, reached) in &*rows {
            let fits = entry.origins.len() < ORIGINS_MAX || entry.origins.contains(origin);
            let counts = entry.origins.slot(if fits { origin } else { OTHER_NUMBER });
            if counted != Some(origin) {
                counted = Some(origin);
                count_request(&mut counts.failed, &mut counts.durations, failed, bucket);
            }
            let reached = counts.reached.slot(reached);
            count_request(&mut reached.failed, &mut reached.durations, failed, bucket);
        }
    }

    /// An error of a call to nobody known counts for the work around it.
    fn blame_worker(&mut self, pane: &mut PaneTally, index: usize) {
        let worker = self.tree.worker(index).unwrap_or(index);
        if let Some(span) = self.tree.span(worker) {
            let operation = operation(pane, span);
            operation.errors += 1;
            operation.error_exemplars.offer_ranked(self.hash, self.id);
            self.memory.origins.push((span.service.number, worker));
        }
    }
}

/// The services of a span and all of its ancestors.
fn services_above(tree: &TraceTree<'_>, index: usize) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(index), |&at| tree.parent(at))
        .filter_map(|at| tree.span(at).map(|span| span.service.number))
}

fn count_request(failed: &mut u64, durations: &mut Histogram, has_failed: bool, bucket: u16) {
    if has_failed {
        *failed += 1;
    } else {
        durations.add_bucket(coarse(bucket), 1);
    }
}

fn count_call(edge: &mut EdgeCounts, failed: bool, retried: bool) {
    if retried {
        edge.retried += 1;
    } else {
        edge.calls += 1;
        edge.failed += u64::from(failed);
    }
}

fn edge<'p>(
    pane: &'p mut PaneTally,
    from: Word<'_>,
    kind: EntityKind,
    to: u32,
) -> &'p mut EdgeCounts {
    pane.service(to, kind).callers.slot(from.number)
}

fn operation<'p>(pane: &'p mut PaneTally, span: &SpanRow<'_>) -> &'p mut OperationCounts {
    let service = pane.service(span.service.number, EntityKind::Service);
    bounded(&mut service.operations, span.operation)
}

/// The value of an operation, or the common one of all that come after the bound is reached.
fn bounded<'p, V: Default>(values: &'p mut Numbered<V>, name: Word<'_>) -> &'p mut V {
    let fits = values.len() < OPERATIONS_MAX || values.contains(name.number);
    values.slot(if fits { name.number } else { OTHER_NUMBER })
}

/// Duration minus the union of the children's intervals inside of it. Unit: nanoseconds.
fn self_time_ns(tree: &TraceTree<'_>, index: usize) -> u64 {
    let Some(span) = tree.span(index) else { return 0 };
    let mut covered_until = span.start.0;
    let mut own = 0_i64;
    for child in tree.children(index).iter().filter_map(|&child| tree.span(child)) {
        let (from, to) = (child.start.0.min(span.end.0), child.end.0.min(span.end.0));
        own += (from - covered_until).max(0);
        covered_until = covered_until.max(to);
    }
    own += (span.end.0 - covered_until).max(0);
    u64::try_from(own).unwrap_or(0)
}
