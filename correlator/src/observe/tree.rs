//! The shape of one trace: parents, children in time order, and what each span is for.

use model::name::Name;
use model::signal::SpanKind;

use super::trace::SpanRow;

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

/// A trace as a forest. Indices point into `spans`, which are sorted by id.
pub(crate) struct TraceTree<'a> {
    pub(crate) spans: &'a [SpanRow],
    parents: Vec<Option<usize>>,
    roles: Vec<Role>,
    child_start: Vec<usize>,
    children: Vec<usize>,
    /// Parents before children. Spans of a cycle of parents are left out.
    pub(crate) order: Vec<usize>,
}

impl<'a> TraceTree<'a> {
    /// Builds the forest; O(s log s).
    pub(crate) fn new(spans: &'a [SpanRow]) -> Self {
        let find = |row: &SpanRow| {
            let parent = row.parent?;
            spans.binary_search_by(|other| other.span_id.cmp(&parent)).ok()
        };
        let parents: Vec<Option<usize>> = spans.iter().map(find).collect();
        let mut children: Vec<usize> =
            (0..spans.len()).filter(|&i| parents.get(i).is_some_and(Option::is_some)).collect();
        // Parent first, then time; the index (= span id) decides between equal starts.
        children.sort_by_key(|&i| {
            (parents.get(i).copied().flatten(), spans.get(i).map(|s| s.start), i)
        });
        let mut child_start = vec![0; spans.len() + 1];
        for parent in children.iter().filter_map(|&i| parents.get(i).copied().flatten()) {
            if let Some(count) = child_start.get_mut(parent + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut child_start {
            sum += *start;
            *start = sum;
        }
        let mut tree =
            Self { spans, parents, roles: Vec::new(), child_start, children, order: Vec::new() };
        tree.order = tree.preorder();
        tree.roles = (0..spans.len()).map(|i| tree.find_role(i)).collect();
        tree
    }

    pub(crate) fn span(&self, index: usize) -> Option<&'a SpanRow> {
        self.spans.get(index)
    }

    pub(crate) fn parent(&self, index: usize) -> Option<usize> {
        self.parents.get(index).copied().flatten()
    }

    pub(crate) fn role(&self, index: usize) -> Role {
        self.roles.get(index).copied().unwrap_or(Role::Local)
    }

    /// The children in the order of their start.
    pub(crate) fn children(&self, index: usize) -> &[usize] {
        let from = self.child_start.get(index).copied().unwrap_or(0);
        let to = self.child_start.get(index + 1).copied().unwrap_or(from);
        self.children.get(from..to).unwrap_or(&[])
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
        let tops = self.order.iter().copied().filter(|&i| self.parent(i).is_none());
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

    fn preorder(&self) -> Vec<usize> {
        let mut order: Vec<usize> =
            (0..self.spans.len()).filter(|&i| self.parent(i).is_none()).collect();
        let mut next = 0;
        while let Some(&index) = order.get(next) {
            order.extend_from_slice(self.children(index));
            next += 1;
        }
        order
    }

    fn find_role(&self, index: usize) -> Role {
        let Some(span) = self.span(index) else { return Role::Local };
        let foreign = |other: usize| self.service(other) != Some(&span.service);
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

    fn service(&self, index: usize) -> Option<&'a Name> {
        self.span(index).map(|span| &span.service)
    }
}
