//! The shape of one trace: parents, children in time order, and what each span is for.

use model::signal::SpanKind;

use super::trace::SpanRow;
use super::words::Word;

/// What a span is for, whether its source says so or only the shape of the trace does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A service takes a call (or a message) here.
    Entry,
    /// A service calls another here; the time belongs to the call.
    Call,
    /// Work inside of a service.
    Local,
}

/// The memory of a tree, which the next one uses again.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeMemory {
    parents: Vec<Option<usize>>,
    roles: Vec<Role>,
    child_start: Vec<usize>,
    children: Vec<usize>,
    order: Vec<usize>,
}

/// A trace as a forest. Indices point into `spans`, which are sorted by id.
pub(crate) struct TraceTree<'a> {
    pub(crate) spans: &'a [SpanRow<'a>],
    memory: TreeMemory,
}

impl<'a> TraceTree<'a> {
    /// Builds the forest; O(s log s).
    pub(crate) fn new(spans: &'a [SpanRow<'a>], mut memory: TreeMemory) -> Self {
        let TreeMemory { parents, roles, child_start, children, order } = &mut memory;
        let find = |row: &SpanRow<'_>| {
            let parent = row.parent?;
            spans.binary_search_by(|other| other.span_id.cmp(&parent)).ok()
        };
        parents.clear();
        parents.extend(spans.iter().map(find));
        children.clear();
        children.extend((0..spans.len()).filter(|&i| parents.get(i).is_some_and(Option::is_some)));
        // Parent first, then time; the index (= span id) decides between equal starts.
        children.sort_unstable_by_key(|&i| {
            (parents.get(i).copied().flatten(), spans.get(i).map(|s| s.start), i)
        });
        child_start.clear();
        child_start.resize(spans.len() + 1, 0);
        for parent in children.iter().filter_map(|&i| parents.get(i).copied().flatten()) {
            if let Some(count) = child_start.get_mut(parent + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in child_start {
            sum += *start;
            *start = sum;
        }
        order.clear();
        roles.clear();
        let mut tree = Self { spans, memory };
        tree.put_in_order();
        for index in 0..spans.len() {
            let role = tree.find_role(index);
            tree.memory.roles.push(role);
        }
        tree
    }

    /// Its memory, for the next tree.
    pub(crate) fn into_memory(self) -> TreeMemory {
        self.memory
    }

    /// Parents before children. Spans of a cycle of parents are left out.
    pub(crate) fn order(&self) -> &[usize] {
        &self.memory.order
    }

    pub(crate) fn span(&self, index: usize) -> Option<&'a SpanRow<'a>> {
        self.spans.get(index)
    }

    pub(crate) fn parent(&self, index: usize) -> Option<usize> {
        self.memory.parents.get(index).copied().flatten()
    }

    pub(crate) fn role(&self, index: usize) -> Role {
        self.memory.roles.get(index).copied().unwrap_or(Role::Local)
    }

    /// The children in the order of their start.
    pub(crate) fn children(&self, index: usize) -> &[usize] {
        let from = self.memory.child_start.get(index).copied().unwrap_or(0);
        let to = self.memory.child_start.get(index + 1).copied().unwrap_or(from);
        self.memory.children.get(from..to).unwrap_or(&[])
    }

    /// The span that answers a call: its first child that is an entry.
    pub(crate) fn answer(&self, call: usize) -> Option<usize> {
        self.children(call).iter().copied().find(|&child| self.role(child) == Role::Entry)
    }

    /// The span itself or its nearest ancestor that is no call.
    pub(crate) fn worker(&self, index: usize) -> Option<usize> {
        let mut at = index;
        while self.role(at) == Role::Call {
            at = self.parent(at)?;
        }
        Some(at)
    }

    /// The span where the outside enters: the first that has no parent, else (the trace is
    /// incomplete) the earliest whose parent is missing; behind a calling root, what it calls.
    pub(crate) fn entry(&self) -> Option<usize> {
        let tops = self.order().iter().copied().filter(|&i| self.parent(i).is_none());
        let mut top = tops.min_by_key(|&i| {
            self.span(i).map(|span| (span.parent.is_some(), span.start, span.span_id))
        })?;
        while self.role(top) == Role::Call {
            match self.answer(top) {
                Some(answer) => top = answer,
                None => break,
            }
        }
        Some(top)
    }

    fn put_in_order(&mut self) {
        let mut order = std::mem::take(&mut self.memory.order);
        order.extend((0..self.spans.len()).filter(|&i| self.parent(i).is_none()));
        let mut next = 0;
        while let Some(&index) = order.get(next) {
            order.extend_from_slice(self.children(index));
            next += 1;
        }
        self.memory.order = order;
    }

    fn find_role(&self, index: usize) -> Role {
        let Some(span) = self.span(index) else { return Role::Local };
        let foreign = |other: usize| self.service(other) != Some(span.service);
        match span.kind {
            SpanKind::Server | SpanKind::Consumer => Role::Entry,
            SpanKind::Client | SpanKind::Producer => Role::Call,
            _ if self.parent(index).is_none_or(foreign) => Role::Entry,
            // A source without kinds: a span whose only child is in another service is the call.
            SpanKind::Unspecified => match self.children(index) {
                [child] if foreign(*child) => Role::Call,
                _ => Role::Local,
            },
            SpanKind::Internal => Role::Local,
        }
    }

    fn service(&self, index: usize) -> Option<Word<'a>> {
        self.span(index).map(|span| span.service)
    }
}
