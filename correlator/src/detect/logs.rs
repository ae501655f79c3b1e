//! Log paths: spans that take an unusual way through their log statements or miss a usual one,
//! and warnings outside of traces that come too often.

use model::id::TemplateId;
use model::name::Name;
use model::signal::LogSeverity;
use model::symptom::SymptomKind;

use super::evidence::Evidence;
use super::judge::{Case, Tally, note};
use super::statistics::{binomial, posterior_share, too_many};
use crate::observe::{Exemplars, LOG_END, LOG_START, OperationCounts, TemplateCounts, TemplateKey};

/// A pair of fewer spans than this share is unusual.
const UNUSUAL: f64 = 0.01;
/// A pair of more spans than this share is expected.
const EXPECTED: f64 = 0.9;
/// Panes that must be known before untraced logs are judged.
const PANES_MIN: u64 = 6;
/// Most that one pane of untraced logs can say: they come in bursts, and who only passes an error
/// on logs it as loudly as who made it.
const ERROR_CAP: f64 = 3.0;
/// The same for warnings.
const WARN_CAP: f64 = 1.5;

/// Tests the log paths of all operations and the untraced logs of an owner.
pub(crate) fn judge(case: &Case<'_>, found: &mut Vec<Evidence>) {
    for (name, operation) in &case.counts.operations {
        path(case, name, operation, found);
    }
    for (key, template) in &case.counts.templates {
        untraced(case, key, template, found);
    }
}

/// The strongest pair speaks for the operation, less the logarithm of how many were looked at.
fn path(case: &Case<'_>, name: &Name, operation: &OperationCounts, found: &mut Vec<Evidence>) {
    let mut pairs = case.baseline.bigrams(name);
    pairs.extend(operation.bigrams.keys().copied());
    pairs.sort_unstable();
    pairs.dedup();
    if pairs.len() <= 1 {
        return;
    }
    let looked_at = libm::log(pairs.len() as f64);
    let mut best: Option<(f64, Tally, (TemplateId, TemplateId))> = None;
    for pair in pairs {
        let base = case.baseline.bigram(name, &pair);
        let share = posterior_share(base.hits, base.trials);
        let spans = operation.bigrams.get(&pair).map_or(0, |bigram| bigram.spans);
        let unusual = (base.hits as f64) < UNUSUAL * base.trials as f64 || base.hits == 0;
        let tally = if unusual {
            Tally { hits: spans, trials: operation.paths, expected: share }
        } else if share > EXPECTED {
            let missing = operation.paths.saturating_sub(spans);
            Tally { hits: missing, trials: operation.paths, expected: 1.0 - share }
        } else {
            continue;
        };
        let nats = binomial(tally.hits, tally.trials, tally.expected) - looked_at;
        if nats > best.as_ref().map_or(0.0, |best| best.0) {
            best = Some((nats, tally, pair));
        }
    }
    if let Some((nats, tally, pair)) = best {
        let none = Exemplars::default();
        let exemplars = operation.bigrams.get(&pair).map_or(&none, |bigram| &bigram.exemplars);
        let key = (case.operation(name), SymptomKind::LogPath, describe(case, pair));
        note(found, key, nats, tally, exemplars);
    }
}

fn untraced(
    case: &Case<'_>,
    key: &TemplateKey,
    template: &TemplateCounts,
    found: &mut Vec<Evidence>,
) {
    let cap = match key.severity {
        LogSeverity::Error | LogSeverity::Fatal => ERROR_CAP,
        LogSeverity::Warn => WARN_CAP,
        _ => return,
    };
    if key.of_platform {
        return;
    }
    let records = template.records.saturating_sub(template.traced);
    let base = case.baseline.untraced(key);
    if records == 0 || base.trials < PANES_MIN {
        return;
    }
    // The thin-data rule for a rate: one more record than was seen.
    let expected = (base.hits as f64 + 1.0) / (base.trials as f64 + 2.0);
    let nats = too_many(records as f64, expected).min(cap);
    let subject = (case.entity(), SymptomKind::LogPath, template.skeleton.clone());
    let tally = Tally { hits: records, trials: records, expected };
    note(found, subject, nats, tally, &template.exemplars);
}

/// The text of the pair's telling side: the unusual template, or the one that is missing.
fn describe(case: &Case<'_>, (before, after): (TemplateId, TemplateId)) -> Name {
    let text = |id: TemplateId| {
        let now = case.counts.templates.iter().find(|(key, _)| key.template == id);
        now.map(|(_, counts)| &counts.skeleton).or_else(|| case.baseline.skeleton(id)).cloned()
    };
    match (before, after) {
        (LOG_START, LOG_END) => "logs nothing".into(),
        (before, LOG_END) => text(before).unwrap_or_default(),
        (_, after) => text(after).unwrap_or_default(),
    }
}
