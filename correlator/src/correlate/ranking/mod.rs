//! Ranking: which cause explains a case, by a sum of evidence that anybody can add up.
//!
//! `Lambda = prior + sum of capped evidence + coverage - absent + change`, softmax to a probability.
//! "Nothing inside the system" is always among the hypotheses. Every term is a row of the ledger;
//! the ledger is the explanation. Deliberately absent: learned weights, and reasoning along the
//! graph beyond one tie-breaking term: measured, it does not pay.

mod alerts;
mod candidates;
mod change_term;
mod common_cause;
pub(super) mod content;
mod deeper;
mod diff;
pub(super) mod words;
mod evidence;
mod feedback;
mod host;
mod nothing;
mod split;
mod path;
mod score;
mod signs;
pub(super) mod verdicts;

use model::blast_radius::BlastRadius;
use model::hypothesis::Hypothesis;
use serde::{Deserialize, Serialize};

use super::blast_radius;
use super::case::Case;
use super::config::CorrelateConfig;
use super::people::Standing;
use super::world::{Rules, World};
use candidates::Draft;

/// What a case means: causes and reach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Analysis {
    /// Causes, most likely first.
    pub(super) hypotheses: Vec<Hypothesis>,
    /// How many of the first hold 90 % of the probability.
    pub(super) confidence_set_size: u32,
    /// Whom it reaches, seen from the first cause.
    pub(super) blast_radius: BlastRadius,
}

/// Ranks the causes of a case and measures its reach.
pub(super) fn analyse(world: &World, case: &Case, rules: Rules<'_>) -> Analysis {
    let view = View { world, case, config: rules.config, standing: rules.standing };
    let mut drafts = candidates::drafts(&view);
    leave_out(&view, &mut drafts);
    deeper::explain(&view, &mut drafts);
    leave_out(&view, &mut drafts);
    drafts.push(nothing::draft(&view, &drafts));
    feedback::learn(&view, &mut drafts);
    let hypotheses = score::rank(drafts, &view);
    let confidence_set_size = score::confidence_set_size(&hypotheses);
    let blast_radius = blast_radius::measure(world, case, rules.config, hypotheses.first());
    Analysis { hypotheses, confidence_set_size, blast_radius }
}

/// Takes the terms out that are not to count.
fn leave_out(view: &View<'_>, drafts: &mut [Draft]) {
    let without = &view.config.ranking.without;
    if without.is_empty() {
        return;
    }
    for draft in drafts {
        draft.evidence.retain(|row| !without.contains(&row.term));
    }
}

/// What ranking looks at.
pub(super) struct View<'a> {
    world: &'a World,
    case: &'a Case,
    config: &'a CorrelateConfig,
    standing: &'a Standing,
}

/// Three decimals: what is printed is what is summed.
pub(super) fn rounded(nats: f64) -> f64 {
    let value = (nats * 1000.0).round() / 1000.0;
    // Minus zero and what is not a number print badly and mean nothing.
    if value.is_finite() && value != 0.0 { value } else { 0.0 }
}
