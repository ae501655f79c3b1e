//! The way of a failure: from its cause to where users meet it.
//!
//! A hop is believed if it passes three checks, those by which published work tells a right service
//! from a right explanation (OpenRCA 2.0): *structure*, it calls the hop before it; *deviation*, it
//! lies on failing traces of the cause or is abnormal itself; *order in time*, it did not become
//! abnormal before the hop that it suffers from.

use std::cmp::Reverse;

use model::name::Name;
use model::time::Pane;

use crate::correlate::activity::NodeKey;

use super::View;

/// The longest way that is told: longer ones are read by nobody.
const HOPS_MAX: usize = 6;
/// How much earlier than its cause an effect may seem to begin: the two are noticed by different
/// tests, which need different numbers of panes.
const EARLIER_MAX: i64 = 6;

/// The services from a cause towards the entry, the cause first; empty without one.
pub(super) fn of(view: &View<'_>, cause: &Name) -> Vec<Name> {
    if cause.is_empty() {
        return Vec::new();
    }
    let mut path = vec![cause.clone()];
    let mut since = onset(view, cause);
    while path.len() <= HOPS_MAX {
        let last = path.last().cloned().unwrap_or_default();
        let callers = view.world.map.callers(&last);
        let follows = |name: &&Name| {
            !path.contains(*name)
                && deviates(view, cause, name)
                && in_order(since, onset(view, name))
        };
        let next = callers
            .iter()
            .filter(follows)
            .max_by_key(|name| (traces(view, cause, name), Reverse((*name).clone())));
        let Some(next) = next else { break };
        since = onset(view, next).or(since);
        path.push(next.clone());
    }
    path
}

/// On failing traces of the cause, or a member of the case.
fn deviates(view: &View<'_>, cause: &Name, name: &Name) -> bool {
    traces(view, cause, name) > 0 || onset(view, name).is_some()
}

/// Failing traces of the cause that pass the service.
fn traces(view: &View<'_>, cause: &Name, name: &Name) -> u64 {
    view.case.reach.get(&(cause.clone(), name.clone())).copied().unwrap_or_default()
}

/// Since when the service is abnormal, if it is.
fn onset(view: &View<'_>, name: &Name) -> Option<Pane> {
    view.case.nodes.get(&NodeKey::Service(name.clone())).map(|member| member.onset)
}

fn in_order(before: Option<Pane>, after: Option<Pane>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => after.since(before) >= -EARLIER_MAX,
        _ => true,
    }
}
