//! Complaints: warnings and errors that a service logs more often than usual.
//!
//! A line like "no servers available for seat-service" says little of who logs it and much of whom
//! it names. Which words are names only the map knows, so every complaint is told, bounded, and
//! the fold binds it. Deliberately absent: the history that other log tests ask for. Who was never
//! heard to complain needs none, by the thin-data rule.

use model::signal::LogSeverity;
use model::symptom::SymptomKind;

use super::evidence::Evidence;
use super::judge::{Case, Tally, note};
use super::statistics::too_many;

/// Most that one pane of one complaint can say: they come in bursts, and one broken call is logged
/// by every layer that it passes.
const CAP: f64 = 6.0;

/// Tells the complaints of an owner.
pub(crate) fn judge(case: &Case<'_>, found: &mut Vec<Evidence>) {
    for (key, template) in &case.counts.templates {
        if key.of_platform || key.severity < LogSeverity::Warn || template.records == 0 {
            continue;
        }
        let base = case.baseline.records(key);
        // The thin-data rule for a rate: one more record than was seen.
        let expected = (base.hits as f64 + 1.0) / (base.trials as f64 + 2.0);
        for (text, &records) in &template.texts {
            let nats = too_many(records as f64, expected).min(CAP);
            let subject = (case.entity(), SymptomKind::Complaint, text.clone());
            let tally = Tally { hits: records, trials: records, expected };
            note(found, subject, nats, tally, &template.exemplars);
        }
    }
}
