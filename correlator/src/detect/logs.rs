//! Log paths: spans that take an unusual way through their log statements or miss a usual one,
//! and warnings outside of traces that come too often.

use model::id::TemplateId;
use model::name::Name;
use model::nats::Nats;
use model::signal::LogSeverity;
use model::symptom::SymptomKind;

use super::baseline::Share;
use super::evidence::{Against, Evidence};
use super::judge::{Case, Tally, against, note, note_share};
use super::statistics::{posterior_share, too_many};
use crate::observe::{Exemplars, LOG_END, LOG_START, OperationCounts, TemplateCounts, TemplateKey};

/// A pair of fewer spans than this share is unusual.
const UNUSUAL: f64 = 0.01;
/// A pair of more spans than this share is expected.
const EXPECTED: f64 = 0.9;
/// Spans that hold no error, to the credit of every operation: whoever writes a line as an error says that
/// it is not the usual way, however little of the service is known yet.
const ERROR_CREDIT: u64 = 30;
/// Longest part of either side of a pair in a symptom's text. Unit: characters.
const SIDE_CHARS_MAX: usize = 120;
/// Panes that must be known before untraced logs are judged.
const PANES_MIN: u64 = 6;
/// Most that one pane of untraced logs can say: they come in bursts, and who only passes an error
/// on logs it as loudly as who made it.
const ERROR_CAP: f64 = 3.0;
/// The same for warnings.
const WARN_CAP: f64 = 1.5;

/// Tests the log paths of all operations of an owner.
pub(crate) fn paths(case: &Case<'_>, found: &mut Vec<Evidence>) {
    for (name, operation) in &case.counts.operations {
        path(case, name, operation, found);
    }
}

/// Tests the untraced logs of an owner.
pub(crate) fn untraced_all(case: &Case<'_>, found: &mut Vec<Evidence>) {
    for (key, template) in &case.counts.templates {
        untraced(case, key, template, found);
    }
}

/// Every pair that is more or less usual than it was, less the logarithm of how many were looked at.
/// Which of them speaks for the operation is decided over a whole run.
fn path(case: &Case<'_>, name: &Name, operation: &OperationCounts, found: &mut Vec<Evidence>) {
    let mut pairs = case.baseline.bigrams(name);
    pairs.extend(operation.bigrams.keys().copied());
    pairs.sort_unstable();
    pairs.dedup();
    if pairs.len() <= 1 {
        return;
    }
    let looked_at = Nats::from_f64(libm::log(pairs.len() as f64));
    let none = Exemplars::default();
    for pair in pairs {
        let base = case.baseline.bigram(name, &pair);
        let now = operation.bigrams.get(&pair);
        let spans = now.map_or(0, |bigram| bigram.spans);
        let is_unusual = (base.hits as f64) < UNUSUAL * base.trials as f64 || base.hits == 0;
        let (hits, known, text) = if is_unusual {
            (spans, base, describe(case, pair))
        } else if posterior_share(base.hits, base.trials) > EXPECTED {
            let missing = operation.paths.saturating_sub(spans);
            let known = Share { hits: base.trials.saturating_sub(base.hits), ..base };
            (missing, known, format!("no longer {}", describe(case, pair)))
        } else {
            continue;
        };
        if hits == 0 {
            continue;
        }
        let credit = if is_unusual && holds_as_error(case, pair.1) { ERROR_CREDIT } else { 0 };
        let known = Share { trials: known.trials + credit, ..known };
        let against = Against { looked_at, ..against(known) };
        let exemplars = now.map_or(&none, |bigram| &bigram.exemplars);
        let key = (case.operation(name), SymptomKind::LogPath, text.into());
        note_share(found, key, (hits, operation.paths), against, exemplars);
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

/// Whether a pane holds a template as an error of its service.
fn holds_as_error(case: &Case<'_>, template: TemplateId) -> bool {
    case.counts.templates.keys().any(|key| key.template == template && is_error(key))
}

/// Whether a template is an error of the service that logs it.
pub(super) const fn is_error(key: &TemplateKey) -> bool {
    !key.of_platform && matches!(key.severity, LogSeverity::Error | LogSeverity::Fatal)
}

/// Both ends of a pair in words.
fn describe(case: &Case<'_>, (before, after): (TemplateId, TemplateId)) -> String {
    let text = |id: TemplateId| -> String {
        let now = case.counts.templates.iter().find(|(key, _)| key.template == id);
        let known = now.map(|(_, counts)| &counts.skeleton).or_else(|| case.baseline.skeleton(id));
        known.map(|name| name.chars().take(SIDE_CHARS_MAX).collect()).unwrap_or_default()
    };
    match (before, after) {
        (LOG_START, LOG_END) => "logs nothing".to_owned(),
        (LOG_START, after) => format!("begins with: {}", text(after)),
        (before, LOG_END) => format!("ends after: {}", text(before)),
        (before, after) => format!("{} > {}", text(before), text(after)),
    }
}
