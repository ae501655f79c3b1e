//! Attempts of one call: what was tried again after a failure is no trial of its own.

use std::collections::BTreeMap;

use super::trace::Outcome;
use super::tree::{Role, TraceTree};

/// For every span, whether it belongs to an attempt that was followed by another attempt: same
/// parent, same callee, same operation, begun after the failed one ended.
pub(crate) fn superseded(tree: &TraceTree<'_>, marks: &mut Vec<bool>) {
    marks.clear();
    marks.resize(tree.spans.len(), false);
    if tree.spans.iter().all(|span| span.outcome == Outcome::Ok) {
        return;
    }
    for &index in tree.order() {
        mark_attempts(tree, index, marks);
    }
    for &index in tree.order() {
        let above = tree.parent(index).and_then(|parent| marks.get(parent).copied());
        if above == Some(true) {
            set(marks, index);
        }
    }
}

fn mark_attempts(tree: &TraceTree<'_>, parent: usize, marks: &mut [bool]) {
    let mut last: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for &child in tree.children(parent) {
        let Some(span) = tree.span(child) else { continue };
        if tree.role(child) == Role::Local {
            continue;
        }
        let answer = tree.answer(child).and_then(|answer| tree.span(answer));
        let callee = match (span.callee, tree.role(child), answer) {
            (Some((_, name)), _, _) => name.name.as_str(),
            (None, Role::Call, Some(answer)) => answer.service.name.as_str(),
            (None, Role::Entry, _) => span.service.name.as_str(),
            (None, ..) => "",
        };
        let key = (callee, span.operation.name.as_str());
        let before = last.insert(key, child).and_then(|i| tree.span(i).map(|span| (i, span)));
        if let Some((index, before)) = before
            && before.outcome != Outcome::Ok
            && before.end <= span.start
        {
            set(marks, index);
        }
    }
}

fn set(marks: &mut [bool], index: usize) {
    if let Some(mark) = marks.get_mut(index) {
        *mark = true;
    }
}
