//! Ways into an error that no span took before are not normal because they are few: whoever errs once a minute
//! says too little to be suspected, and would be learned error by error. They are held back one by one until they have
//! gone on for as long as a fault seldom does.
//!
//! Deliberately absent: operations that are hardly known, of which it is not known what is new; and failed calls as
//! such: a few fail everywhere, and how many is what there is to learn.

use std::collections::BTreeMap;

use model::id::TemplateId;
use model::name::Name;
use serde::{Deserialize, Serialize};

use super::baseline::ServiceBaseline;
use super::limits::{DetectConfig, UNPROVEN_MAX};
use super::logs::is_error;
use crate::observe::ServiceCounts;

/// Spans of an operation that must be known before an error is new: who errs in a fifth of them would have done
/// so with nine chances in ten.
const KNOWN_MIN: u64 = 10;

/// What errs: a pair of log templates of an operation.
type Key = (Name, (TemplateId, TemplateId));

/// New errors of one service. At most [`UNPROVEN_MAX`]; what finds no room is learned at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unproven(Vec<(Key, Trial)>);

/// Errors of one kind since they were first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trial {
    /// Panes that the baseline had learned by then.
    since: u64,
    hits: u64,
}

impl Unproven {
    /// Whether counts hold any error at all: mostly they hold none.
    pub(super) fn concerns(counts: &ServiceCounts) -> bool {
        counts.templates.keys().any(is_error)
    }

    /// Takes new errors out of counts that are to be learned, and puts those in that have lasted.
    pub(super) fn hold_back(
        &mut self,
        counts: &mut ServiceCounts,
        baseline: &ServiceBaseline,
        config: &DetectConfig,
    ) {
        let panes = baseline.learned();
        // What was not seen again for long after it was first seen was nothing; were it to come back, it is new.
        let is_recent = |(_, trial): &(Key, Trial)| {
            panes.saturating_sub(trial.since) < 2 * config.outgrow_panes
        };
        let mut known: BTreeMap<Key, Trial> =
            std::mem::take(&mut self.0).into_iter().filter(is_recent).collect();
        let mut held = |key: Key, hits: u64| -> u64 {
            let has_room = known.len() < UNPROVEN_MAX || known.contains_key(&key);
            if !has_room {
                return hits;
            }
            let trial = known.entry(key.clone()).or_insert(Trial { since: panes, hits: 0 });
            trial.hits = trial.hits.saturating_add(hits);
            if panes.saturating_sub(trial.since) < config.outgrow_panes {
                return 0;
            }
            let lasted = trial.hits;
            known.remove(&key);
            lasted
        };
        let errors: Vec<TemplateId> = errors(counts);
        for (name, operation) in &mut counts.operations {
            for (pair, bigram) in &mut operation.bigrams {
                if errors.binary_search(&pair.1).is_err() {
                    continue;
                }
                let base = baseline.bigram(name, pair);
                if base.hits == 0 && base.trials >= KNOWN_MIN {
                    bigram.spans = held((name.clone(), *pair), bigram.spans);
                }
            }
            operation.bigrams.retain(|_, bigram| bigram.spans > 0);
        }
        self.0 = known.into_iter().collect();
    }
}

/// The templates that counts hold as errors of the service, sorted.
fn errors(counts: &ServiceCounts) -> Vec<TemplateId> {
    let mut errors: Vec<TemplateId> =
        counts.templates.keys().filter(|key| is_error(key)).map(|key| key.template).collect();
    errors.sort_unstable();
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::signal::LogSeverity;

    use crate::observe::{BigramCounts, OperationCounts, TemplateCounts, TemplateKey};

    const PAIR: (TemplateId, TemplateId) = (TemplateId(1), TemplateId(2));

    /// Ten spans, some of which end in an error that is logged.
    fn pane(errors: u64) -> ServiceCounts {
        let mut operation = OperationCounts { calls: 10, paths: 10, ..OperationCounts::default() };
        let mut counts = ServiceCounts::default();
        if errors > 0 {
            let bigram = BigramCounts { spans: errors, ..BigramCounts::default() };
            operation.bigrams.insert(PAIR, bigram);
            let key =
                TemplateKey { severity: LogSeverity::Error, template: PAIR.1, of_platform: false };
            counts.templates.insert(key, TemplateCounts { records: errors, ..Default::default() });
        }
        counts.operations.insert("op".into(), operation);
        counts
    }

    /// What a baseline knows that has learned so many panes without and so many with an error each.
    fn known(without: u64, with: u64) -> u64 {
        let (mut baseline, config) = (ServiceBaseline::default(), DetectConfig::default());
        for at in 0..without + with {
            baseline.learn(&pane(u64::from(at >= without)), &BTreeMap::new(), 1, &config);
        }
        baseline.bigram_spans("op", &PAIR)
    }

    #[test]
    fn a_new_error_is_learned_when_it_has_lasted_however_many_generations_came_before() {
        for before in [20, 170, 300, 350, 600] {
            assert_eq!(known(before, 89), 0, "after {before} panes");
            assert!(known(before, 92) >= 90, "after {before} panes");
        }
    }

    #[test]
    fn of_an_operation_that_is_hardly_known_errors_are_learned_at_once() {
        assert_eq!(known(0, 3), 3);
    }

    #[test]
    fn an_error_that_was_not_seen_again_is_new_when_it_comes_back() {
        let (mut baseline, config) = (ServiceBaseline::default(), DetectConfig::default());
        for at in 0..400 {
            let errors = u64::from(at == 20 || at == 399);
            baseline.learn(&pane(errors), &BTreeMap::new(), 1, &config);
        }
        assert_eq!(baseline.bigram_spans("op", &PAIR), 0);
    }
}
