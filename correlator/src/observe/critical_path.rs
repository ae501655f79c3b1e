//! Who spent the time that the entry waited for.
//!
//! The critical path walks back from the end of the entry through the child that finished last
//! (notes on attribution; Eaton et al., "CRISP", USENIX ATC 2022, use the same walk).

use super::tree::{Role, TraceTree};
use super::words::Word;

/// The memory of a walk, which the next one uses again.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathMemory {
    owners: Vec<Owner>,
    pending: Vec<(usize, i64)>,
    children: Vec<usize>,
}

/// Who spent time on the path.
#[derive(Clone, Copy, Debug)]
struct Owner {
    number: u32,
    /// Unit: nanoseconds.
    own: i64,
    /// The span where it spent most, and how much.
    at: usize,
    at_own: i64,
}

/// The owner of the largest part of the critical path below `entry`, and the span where it spent
/// most. Ties go to the smallest name.
pub(crate) fn dominant<'a>(
    tree: &TraceTree<'a>,
    entry: usize,
    memory: &mut PathMemory,
) -> Option<(Word<'a>, usize)> {
    memory.owners.clear();
    memory.pending.clear();
    memory.pending.push((entry, i64::MAX));
    while let Some((index, until)) = memory.pending.pop() {
        let own = own_part(tree, index, until, memory);
        let Some(owner) = owner(tree, index) else { continue };
        let number = owner.number;
        match memory.owners.iter_mut().find(|known| known.number == number) {
            Some(known) => {
                known.own += own;
                if (own, known.at) > (known.at_own, index) {
                    (known.at, known.at_own) = (index, own);
                }
            }
            None => memory.owners.push(Owner { number, own, at: index, at_own: own }),
        }
    }
    // All spans of one owner have it as theirs.
    let named = memory.owners.iter().filter_map(|known| Some((known, owner(tree, known.at)?)));
    let best = named.max_by(|a, b| a.0.own.cmp(&b.0.own).then_with(|| b.1.cmp(&a.1)))?;
    Some((best.1, best.0.at))
}

/// The time of a span up to `until` that no child on the path covers; those children are pushed.
fn own_part(tree: &TraceTree<'_>, index: usize, until: i64, memory: &mut PathMemory) -> i64 {
    let Some(span) = tree.span(index) else { return 0 };
    let mut cursor = span.end.0.min(until);
    let mut own = 0;
    let PathMemory { pending, children, .. } = memory;
    children.clear();
    children.extend_from_slice(tree.children(index));
    children.sort_unstable_by_key(|&child| {
        tree.span(child).map(|child| (std::cmp::Reverse(child.end), child.start, child.span_id))
    });
    for &child in &*children {
        let Some(below) = tree.span(child) else { continue };
        // A child that began later than the cursor ran beside the path (or after the span).
        if below.start.0 >= cursor || below.start < span.start {
            continue;
        }
        let end = below.end.0.min(cursor);
        own += cursor - end;
        pending.push((child, end));
        cursor = below.start.0;
    }
    own + (cursor - span.start.0).max(0)
}

/// Whose time a span's own part is: that of a call belongs to the callee.
fn owner<'a>(tree: &TraceTree<'a>, index: usize) -> Option<Word<'a>> {
    let span = tree.span(index)?;
    if tree.role(index) != Role::Call {
        return Some(span.service);
    }
    let answer = tree.answer(index).and_then(|answer| tree.span(answer));
    let peer = span.callee.map(|(_, name)| name);
    Some(answer.map(|answer| answer.service).or(peer).unwrap_or(span.service))
}
