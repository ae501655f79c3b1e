//! Folds one trace into the counts of its pane: who erred, who spent the time, who called whom.
//!
//! An error belongs to the deepest failing span without a failing child; if that is a call that no
//! span answers, to the callee. A call that only ran out of patience gives no error at all: the
//! time is the callee's. Time belongs to the span that no child covers.

use model::entity::EntityKind;
use model::id::TraceId;
use model::name::Name;
use model::signal::SpanKind;

use super::counts::{EdgeCounts, OperationCounts, coarse, slot};
use super::critical_path::dominant;
use super::histogram::Histogram;
use super::limits::{OPERATIONS_MAX, OTHER};
use super::log_path;
use super::retry::superseded;
use super::tally::PaneTally;
use super::trace::{OpenTrace, Outcome, SpanRow};
use super::tree::{Role, TraceTree};

/// Adds all that a trace tells to the counts of its pane. Returns how many spans were left out
/// because their parents form a cycle.
pub(crate) fn fold_trace(pane: &mut PaneTally, id: TraceId, trace: &OpenTrace) -> u64 {
    pane.signals += (trace.spans.len() + trace.logs.len()) as u64;
    for log in &trace.logs {
        log_path::count_template(pane.service(&log.owner.1, log.owner.0), log, id);
    }
    if trace.spans.is_empty() {
        return 0;
    }
    let tree = TraceTree::new(&trace.spans);
    let mut fold = Attribution::new(&tree, id);
    fold.calls(pane);
    fold.operations(pane, &log_path::sequences(&tree, trace));
    fold.entry(pane);
    (tree.spans.len() - tree.order.len()) as u64
}

/// What is known of one trace while it is folded.
struct Attribution<'t, 'a> {
    tree: &'t TraceTree<'a>,
    id: TraceId,
    /// Attempts that were tried again.
    superseded: Vec<bool>,
    /// Failing spans that count as failing.
    failed: Vec<bool>,
    /// Owners of error origins, with the span where the error is seen.
    origins: Vec<(&'a Name, usize)>,
    /// Time inside of the service per entry span. Unit: nanoseconds.
    local_ns: Vec<u64>,
}

impl<'t, 'a> Attribution<'t, 'a> {
    fn new(tree: &'t TraceTree<'a>, id: TraceId) -> Self {
        let superseded = superseded(tree);
        let fails = |outcome| matches!(outcome, Outcome::Failed | Outcome::TimedOut);
        let failed = tree
            .spans
            .iter()
            .zip(&superseded)
            .map(|(span, superseded)| fails(span.outcome) && !superseded)
            .collect();
        let local_ns = vec![0; tree.spans.len()];
        Self { tree, id, superseded, failed, origins: Vec::new(), local_ns }
    }

    fn has_failed(&self, index: usize) -> bool {
        self.failed.get(index).copied().unwrap_or(false)
    }

    fn is_superseded(&self, index: usize) -> bool {
        self.superseded.get(index).copied().unwrap_or(false)
    }

    /// Whether a span fails and no child of it does.
    fn is_deepest_failure(&self, index: usize) -> bool {
        self.has_failed(index) && !self.tree.children(index).iter().any(|&c| self.has_failed(c))
    }

    /// Counts every dependency that the trace shows.
    fn calls(&mut self, pane: &mut PaneTally) {
        let tree = self.tree;
        for &index in &tree.order {
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
    fn call(&mut self, pane: &mut PaneTally, index: usize, span: &'a SpanRow) {
        let answer = self.tree.answer(index).and_then(|a| self.tree.span(a).map(|s| (a, s)));
        let callee = match (answer, &span.callee) {
            (Some((_, answer)), _) => Some((EntityKind::Service, &answer.service)),
            (None, Some((kind, name))) => Some((*kind, name)),
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
        let (id, retried) = (self.id, self.is_superseded(index));
        let edge = edge(pane, &span.service, kind, to);
        count_call(edge, failed, retried);
        edge.declared += u64::from(span.kind == SpanKind::Client && !retried);
        let bucket = Histogram::bucket_of(gap);
        edge.gap.add_bucket(bucket, 1);
        edge.slow_exemplars.offer_large(bucket, id);
        if answer.is_none() && !retried {
            edge.orphans += 1;
            edge.orphan_exemplars.offer(id);
        }
        if guilty {
            edge.errors += 1;
            edge.error_exemplars.offer(id);
            self.origins.push((to, index));
        }
    }

    /// A message sent: the sender depends on the queue, not on who reads it.
    fn publish(&mut self, pane: &mut PaneTally, index: usize, span: &'a SpanRow) {
        let deepest = self.is_deepest_failure(index);
        let Some((kind, queue)) = &span.callee else {
            if deepest {
                self.blame_worker(pane, index);
            }
            return;
        };
        let edge = edge(pane, &span.service, *kind, queue);
        count_call(edge, deepest, self.is_superseded(index));
        edge.gap.add(span.duration_ns());
        if deepest {
            edge.errors += 1;
            edge.error_exemplars.offer(self.id);
            self.origins.push((queue, index));
        }
    }

    /// A message read: the reader depends on the queue, or (no queue named) on the sender.
    fn consume(&self, pane: &mut PaneTally, index: usize, span: &SpanRow) {
        let sender = self.tree.parent(index).and_then(|parent| self.tree.span(parent));
        let from_queue = span.callee.as_ref().map(|(kind, name)| (*kind, name));
        let from_sender = sender
            .filter(|sender| sender.callee.is_none() && sender.service != span.service)
            .map(|sender| (EntityKind::Service, &sender.service));
        if let Some((kind, to)) = from_queue.or(from_sender) {
            count_call(edge(pane, &span.service, kind, to), false, false);
        }
    }

    /// A call that has no span of its own at the caller.
    fn direct_call(&self, pane: &mut PaneTally, index: usize, span: &SpanRow) {
        let Some(parent) = self.tree.parent(index) else { return };
        let Some(caller) = self.tree.span(parent) else { return };
        if self.tree.role(parent) != Role::Call && caller.service != span.service {
            let edge = edge(pane, &caller.service, EntityKind::Service, &span.service);
            count_call(edge, self.has_failed(index), self.is_superseded(index));
        }
    }

    /// Counts every span that works, under its operation.
    fn operations(&mut self, pane: &mut PaneTally, logs: &[Vec<model::id::TemplateId>]) {
        let tree = self.tree;
        let mut visit: Vec<usize> = (0..tree.spans.len()).collect();
        for &index in &tree.order {
            let Some(span) = tree.span(index) else { continue };
            if let (Role::Call | Role::Local, Some(parent)) = (tree.role(index), tree.parent(index))
            {
                let above = visit.get(parent).copied().unwrap_or(parent);
                if let Some(visit) = visit.get_mut(index) {
                    *visit = above;
                }
            }
            if tree.role(index) == Role::Call {
                continue;
            }
            let self_ns = self_time_ns(tree, index);
            let entry = visit.get(index).copied().unwrap_or(index);
            if let Some(local) = self.local_ns.get_mut(entry) {
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
                log_path::count(operation, sequence, self.id);
            }
            if guilty {
                operation.errors += 1;
                operation.error_exemplars.offer(self.id);
                self.origins.push((&span.service, index));
            }
        }
        self.visits(pane);
    }

    /// Counts every request that a service took: its activity and its version.
    fn visits(&self, pane: &mut PaneTally) {
        for &index in &self.tree.order {
            let Some(span) = self.tree.span(index) else { continue };
            if self.is_superseded(index) {
                continue;
            }
            if self.tree.role(index) != Role::Entry {
                pane.activity.slot(&span.service).below += 1;
                continue;
            }
            let activity = pane.activity.slot(&span.service);
            activity.calls += 1;
            activity.failed += u64::from(self.has_failed(index));
            if let Some(name) = &span.version {
                let service = pane.service(&span.service, EntityKind::Service);
                let version = slot(&mut service.versions, name);
                version.calls += 1;
                version.local_time.add(self.local_ns.get(index).copied().unwrap_or(0));
            }
        }
        for &(_, index) in &self.origins {
            let Some(span) = self.tree.span(index) else { continue };
            if let (Some(name), Role::Entry | Role::Local) = (&span.version, self.tree.role(index))
            {
                let service = pane.service(&span.service, EntityKind::Service);
                slot(&mut service.versions, name).failed += 1;
            }
        }
    }

    /// Counts what the user saw, and where the failure or the time comes from.
    fn entry(&self, pane: &mut PaneTally) {
        let Some(index) = self.tree.entry() else { return };
        let Some(span) = self.tree.span(index) else { return };
        let failed = self.has_failed(index);
        let mut sources: Vec<(&Name, usize)> =
            if failed { self.origins.clone() } else { Vec::new() };
        if sources.is_empty() {
            sources.extend(dominant(self.tree, index));
        }
        let bucket = Histogram::bucket_of(span.duration_ns());
        let service = pane.service(&span.service, EntityKind::Service);
        let name =
            bounded(service.entries.len(), &span.operation, |n| service.entries.contains_key(n));
        let entry = slot(&mut service.entries, &name);
        entry.calls += 1;
        entry.failed += u64::from(failed);
        if !failed {
            entry.durations.add_bucket(bucket, 1);
        }
        let mut rows: Vec<(&Name, &Name)> = Vec::new();
        for &(origin, at) in &sources {
            rows.push((origin, origin));
            rows.extend(self.services_above(at).map(|service| (origin, service)));
        }
        rows.sort_unstable();
        rows.dedup();
        let mut counted = None;
        for (origin, reached) in rows {
            let counts = slot(&mut entry.origins, origin);
            if counted != Some(origin) {
                counted = Some(origin);
                count_request(&mut counts.failed, &mut counts.durations, failed, bucket);
            }
            let reached = slot(&mut counts.reached, reached);
            count_request(&mut reached.failed, &mut reached.durations, failed, bucket);
        }
    }

    /// The services of a span and all of its ancestors.
    fn services_above(&self, index: usize) -> impl Iterator<Item = &'a Name> + '_ {
        std::iter::successors(Some(index), |&at| self.tree.parent(at))
            .filter_map(|at| self.tree.span(at).map(|span| &span.service))
    }

    /// An error of a call to nobody known counts for the work around it.
    fn blame_worker(&mut self, pane: &mut PaneTally, index: usize) {
        let worker = self.tree.worker(index).unwrap_or(index);
        if let Some(span) = self.tree.span(worker) {
            let operation = operation(pane, span);
            operation.errors += 1;
            operation.error_exemplars.offer(self.id);
            self.origins.push((&span.service, worker));
        }
    }
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
    from: &Name,
    kind: EntityKind,
    to: &Name,
) -> &'p mut EdgeCounts {
    slot(&mut pane.service(to, kind).callers, from)
}

fn operation<'p>(pane: &'p mut PaneTally, span: &SpanRow) -> &'p mut OperationCounts {
    let service = pane.service(&span.service, EntityKind::Service);
    let name = bounded(service.operations.len(), &span.operation, |name| {
        service.operations.contains_key(name)
    });
    slot(&mut service.operations, &name)
}

/// The name itself, or the common one for all that come after the bound is reached.
fn bounded(len: usize, name: &Name, known: impl Fn(&str) -> bool) -> Name {
    if len < OPERATIONS_MAX || known(name) { name.clone() } else { OTHER.into() }
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
