//! Error origins and unanswered calls.

use model::entity::EntityKind;
use model::name::Name;
use model::symptom::SymptomKind;

use super::evidence::Evidence;
use super::judge::{Case, Tally, note};
use super::statistics::{binomial, posterior_share};
use crate::observe::{EdgeCounts, Exemplars};

/// Tests where errors begin: at an operation, or on the way to a node that tells nothing itself.
pub(crate) fn judge(case: &Case<'_>, found: &mut Vec<Evidence>) {
    for (name, operation) in &case.counts.operations {
        if operation.errors == 0 {
            continue;
        }
        let base = case.baseline.errors_of(name);
        let expected = posterior_share(base.hits, base.trials);
        let trials = operation.calls.saturating_sub(operation.retried);
        let tally = Tally { hits: operation.errors, trials, expected };
        let key = (case.operation(name), SymptomKind::ErrorOrigin, name.clone());
        let nats = binomial(tally.hits, tally.trials, expected);
        note(found, key, nats, tally, &operation.error_exemplars);
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
    let expected = posterior_share(base.hits, base.trials);
    let tally = Tally { hits: edge.errors, trials: edge.calls, expected };
    let key = (case.edge(caller), SymptomKind::ErrorOrigin, Name::default());
    let nats = binomial(tally.hits, tally.trials, expected);
    note(found, key, nats, tally, &edge.error_exemplars);
}

/// A database, queue or outside party: all callers together are its only witnesses.
fn node_errors(case: &Case<'_>, found: &mut Vec<Evidence>) {
    let base = case.baseline.all_edges(|edge| edge.errors);
    let expected = posterior_share(base.hits, base.trials);
    let mut exemplars = Exemplars::default();
    let (mut hits, mut trials) = (0, 0);
    for edge in case.counts.callers.values() {
        hits += edge.errors;
        trials += edge.calls;
        exemplars.absorb(&edge.error_exemplars);
    }
    let key = (case.entity(), SymptomKind::ErrorOrigin, Name::default());
    let tally = Tally { hits, trials, expected };
    note(found, key, binomial(hits, trials, expected), tally, &exemplars);
}

fn unanswered(case: &Case<'_>, caller: &Name, edge: &EdgeCounts, found: &mut Vec<Evidence>) {
    let base = case.baseline.edge(caller, |edge| edge.orphans);
    let expected = posterior_share(base.hits, base.trials);
    let tally = Tally { hits: edge.orphans, trials: edge.calls, expected };
    let key = (case.edge(caller), SymptomKind::OrphanCalls, Name::default());
    let nats = binomial(tally.hits, tally.trials, expected);
    note(found, key, nats, tally, &edge.orphan_exemplars);
}
