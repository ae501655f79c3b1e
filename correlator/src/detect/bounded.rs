//! Folds what is too much of a service into common places, the same whoever counted it: what the
//! baseline knows stays, then the smallest names until the bound.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::name::Name;

use super::baseline::ServiceBaseline;
use super::limits::{BIGRAMS_MAX, CALLERS_MAX, OPERATIONS_MAX, TEMPLATES_MAX};
use crate::observe::{LOG_END, LOG_START, Merge, OperationCounts, ServiceCounts};

/// Where the rest is counted.
pub(crate) const OTHER: &str = "(other)";

/// The counts of a service within its bounds.
pub(crate) fn bounded<'c>(
    counts: &'c ServiceCounts,
    baseline: Option<&ServiceBaseline>,
) -> Cow<'c, ServiceCounts> {
    let known = |count: fn(&ServiceBaseline) -> usize| baseline.map_or(0, count);
    let fits = counts.operations.len() + known(ServiceBaseline::operation_count) <= OPERATIONS_MAX
        && counts.callers.len() + known(ServiceBaseline::caller_count) <= CALLERS_MAX
        && counts.entries.len() + known(ServiceBaseline::entry_count) <= OPERATIONS_MAX
        && counts.templates.len() + known(ServiceBaseline::template_count) <= TEMPLATES_MAX
        && counts.operations.values().all(|op| op.bigrams.len() <= BIGRAMS_MAX);
    if fits {
        return Cow::Borrowed(counts);
    }
    let mut counts = counts.clone();
    let other = || Name::from(OTHER);
    let is = |known: fn(&ServiceBaseline, &str) -> bool| {
        move |name: &Name| baseline.is_some_and(|baseline| known(baseline, name))
    };
    fold(&mut counts.operations, OPERATIONS_MAX, is(ServiceBaseline::knows_operation), other());
    fold(&mut counts.callers, CALLERS_MAX, is(ServiceBaseline::knows_caller), other());
    fold(&mut counts.entries, OPERATIONS_MAX, is(ServiceBaseline::knows_entry), other());
    let is_known = |key: &_| baseline.is_some_and(|baseline| baseline.knows_template(key));
    let mut room = TEMPLATES_MAX.saturating_sub(known(ServiceBaseline::template_count));
    counts.templates.retain(|key, _| is_known(key) || take(&mut room));
    for (name, operation) in &mut counts.operations {
        bound_bigrams(operation, name, baseline);
    }
    Cow::Owned(counts)
}

fn bound_bigrams(operation: &mut OperationCounts, name: &str, baseline: Option<&ServiceBaseline>) {
    let is_known = |pair: &_| baseline.is_some_and(|base| base.bigram_spans(name, pair) > 0);
    if operation.bigrams.len() > BIGRAMS_MAX {
        fold(&mut operation.bigrams, BIGRAMS_MAX, is_known, (LOG_END, LOG_START));
    }
}

fn take(room: &mut usize) -> bool {
    let taken = *room > 0;
    *room = room.saturating_sub(1);
    taken
}

/// Keeps the known keys and the smallest others while there are fewer than `max`; merges the rest
/// into `other`.
fn fold<K: Ord + Clone, V: Merge + Clone + Default>(
    map: &mut BTreeMap<K, V>,
    max: usize,
    is_known: impl Fn(&K) -> bool,
    other: K,
) {
    let known = map.keys().filter(|key| is_known(key)).count();
    let mut room = max.saturating_sub(known);
    let keys: Vec<K> = map.keys().filter(|key| **key != other && !is_known(key)).cloned().collect();
    let mut rest = V::default();
    let mut folded = false;
    for key in keys {
        if take(&mut room) {
            continue;
        }
        if let Some(value) = map.remove(&key) {
            rest.absorb(&value);
            folded = true;
        }
    }
    if folded {
        map.entry(other).or_default().absorb(&rest);
    }
}
