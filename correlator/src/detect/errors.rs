//! Error origins and unanswered calls.

use model::entity::EntityKind;
use model::name::Name;
use model::symptom::SymptomKind;

use super::evidence::Evidence;
use super::judge::{Case, against, note_share};
use crate::observe::{EdgeCounts, Exemplars};

/// Tests where errors begin: at an operation, or on the way to a node that tells nothing itself.
pub(crate) fn judge(case: &Case<'_>, found: &mut Vec<Evidence>) {
    for (name, operation) in &case.counts.operations {
        if operation.errors == 0 {
            continue;
        }
        let base = case.baseline.errors_of(name);
        let trials = operation.calls.saturating_sub(operation.retried);
        let key = (case.operation(name), SymptomKind::ErrorOrigin, name.clone());
        let seen = (operation.errors, trials);
        note_share(found, key, seen, against(base), &operation.error_exemplars);
    }
    if matches!(case.kind, EntityKind::Service | EntityKind::Nothing) {
        for (caller, edge) in &case.counts.callers {
            edge_errors(case, caller, edge, found);
        }
    } else {
        node_errors(case, found);
    }
    for (caller, edge) in &case.counts.callers {
        unanswered(case, caller, edge, found);
    }
}

fn edge_errors(case: &Case<'_>, caller: &Name, edge: &EdgeCounts, found: &mut Vec<Evidence>) {
    let base = case.baseline.edge(caller, |edge| edge.errors);
    let key = (case.edge(caller), SymptomKind::ErrorOrigin, Name::default());
    if edge.errors > 0 {
        note_share(found, key, (edge.errors, edge.calls), against(base), &edge.error_exemplars);
    }
}

/// A database, queue or outside party: all callers together are its only witnesses.
fn node_errors(case: &Case<'_>, found: &mut Vec<Evidence>) {
    let base = case.baseline.all_edges(|edge| edge.errors);
    let mut exemplars = Exemplars::default();
    let (mut hits, mut trials) = (0, 0);
    for edge in case.counts.callers.values() {
        hits += edge.errors;
        trials += edge.calls;
        exemplars.absorb(&edge.error_exemplars);
    }
    let key = (case.entity(), SymptomKind::ErrorOrigin, Name::default());
    if hits > 0 {
        note_share(found, key, (hits, trials), against(base), &exemplars);
    }
}

fn unanswered(case: &Case<'_>, caller: &Name, edge: &EdgeCounts, found: &mut Vec<Evidence>) {
    let base = case.baseline.edge(caller, |edge| edge.orphans);
    let key = (case.edge(caller), SymptomKind::OrphanCalls, Name::default());
    if edge.orphans > 0 {
        note_share(found, key, (edge.orphans, edge.calls), against(base), &edge.orphan_exemplars);
    }
}
