//! Who spent the time that the entry waited for.
//!
//! The critical path walks back from the end of the entry through the child that finished last
//! (notes on attribution; Eaton et al., "CRISP", USENIX ATC 2022, use the same walk).

use model::name::Name;

use super::tree::{Role, TraceTree};

/// The owner of the largest part of the critical path below `entry`, and the span where it spent
/// most. Ties go to the smallest name.
pub(crate) fn dominant<'a>(tree: &TraceTree<'a>, entry: usize) -> Option<(&'a Name, usize)> {
    let mut owners: Vec<(&'a Name, i64, usize, i64)> = Vec::new();
    let mut pending = vec![(entry, i64::MAX)];
    while let Some((index, until)) = pending.pop() {
        let own = own_part(tree, index, until, &mut pending);
        let Some(owner) = owner(tree, index) else { continue };
        match owners.iter_mut().find(|known| known.0 == owner) {
            Some(known) => {
                known.1 += own;
                if (own, known.2) > (known.3, index) {
                    (known.2, known.3) = (index, own);
                }
            }
            None => owners.push((owner, own, index, own)),
        }
    }
    let best = owners.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))?;
    Some((best.0, best.2))
}

/// The time of a span up to `until` that no child on the path covers; those children are pushed.
fn own_part(
    tree: &TraceTree<'_>,
    index: usize,
    until: i64,
    pending: &mut Vec<(usize, i64)>,
) -> i64 {
    let Some(span) = tree.span(index) else { return 0 };
    let mut cursor = span.end.0.min(until);
    let mut own = 0;
    let mut children: Vec<usize> = tree.children(index).to_vec();
    children.sort_by_key(|&child| {
        tree.span(child).map(|child| (std::cmp::Reverse(child.end), child.start, child.span_id))
    });
    for child in children {
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
fn owner<'a>(tree: &TraceTree<'a>, index: usize) -> Option<&'a Name> {
    let span = tree.span(index)?;
    if tree.role(index) != Role::Call {
        return Some(&span.service);
    }
    let answer = tree.answer(index).and_then(|answer| tree.span(answer));
    let peer = span.callee.as_ref().map(|(_, name)| name);
    Some(answer.map(|answer| &answer.service).or(peer).unwrap_or(&span.service))
}
