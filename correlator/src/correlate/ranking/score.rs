//! Scores: log-odds to ranks and probabilities.

use model::entity::EntityKind;
use model::hypothesis::{CauseKind, Evidence, EvidenceTerm, Hypothesis, SuspectedChange};
use model::name::Name;

use crate::correlate::change::Change;
use crate::correlate::limits::HYPOTHESES_MAX;

use super::candidates::Draft;
use super::{View, path, rounded};

/// Less than this is no lack worth a word. Unit: nats.
const LACK: f64 = 0.5;

/// Probability that the confidence set holds.
const CONFIDENCE: f64 = 0.9;

/// Orders the drafts and gives each its probability. At most [`HYPOTHESES_MAX`] remain, "nothing"
/// always among them; probabilities are those among what remains.
pub(super) fn rank(drafts: Vec<Draft>, view: &View<'_>) -> Vec<Hypothesis> {
    let mut scored: Vec<(f64, Draft)> =
        drafts.into_iter().map(|draft| (rounded(draft.log_odds()), draft)).collect();
    scored.sort_by(|(a, left), (b, right)| {
        b.total_cmp(a).then_with(|| order(left).cmp(&order(right)))
    });
    let mut kept = Vec::new();
    for (place, entry) in scored.into_iter().enumerate() {
        let nothing = entry.1.entity.kind == EntityKind::Nothing;
        if place < HYPOTHESES_MAX - 1 || nothing || kept.len() + 1 < HYPOTHESES_MAX {
            kept.push(entry);
        }
        if kept.len() >= HYPOTHESES_MAX
            && kept.iter().any(|(_, d)| d.entity.kind == EntityKind::Nothing)
        {
            break;
        }
    }
    let scores: Vec<f64> = kept.iter().map(|(score, _)| *score).collect();
    let chances = softmax(&scores, view.config.ranking.temperature);
    let make =
        |(at, ((log_odds, draft), probability))| hypothesis(at, log_odds, draft, probability, view);
    let mut hypotheses: Vec<Hypothesis> =
        kept.into_iter().zip(chances).enumerate().map(make).collect();
    compare(&mut hypotheses);
    hypotheses
}

/// Orders hypotheses whose sums have changed, and gives each its place and its probability anew.
pub(super) fn rank_again(hypotheses: &mut [Hypothesis], temperature: f64) {
    hypotheses.sort_by(|a, b| b.log_odds.total_cmp(&a.log_odds));
    let scores: Vec<f64> = hypotheses.iter().map(|hypothesis| hypothesis.log_odds).collect();
    let chances = softmax(&scores, temperature);
    for (at, (hypothesis, probability)) in hypotheses.iter_mut().zip(chances).enumerate() {
        hypothesis.rank = u32::try_from(at + 1).unwrap_or(u32::MAX);
        hypothesis.probability = probability;
        hypothesis.lacks = None;
    }
    compare(hypotheses);
}

fn compare(hypotheses: &mut [Hypothesis]) {
    if let Some((first, others)) = hypotheses.split_first_mut() {
        for other in others {
            other.lacks = lacks(first, other);
        }
    }
}

/// The row of the first hypothesis in whose term it is furthest ahead.
fn lacks(first: &Hypothesis, other: &Hypothesis) -> Option<String> {
    let of = |hypothesis: &Hypothesis, term| -> f64 {
        let rows = hypothesis.evidence.iter().filter(|row| row.term == term);
        rows.map(|row| row.nats).sum()
    };
    let ahead = |row: &Evidence| of(first, row.term) - of(other, row.term);
    let telling = first.evidence.iter().filter(|row| row.term != EvidenceTerm::Prior);
    let most = telling
        .filter(|row| row.nats > 0.0)
        .max_by(|a, b| ahead(a).total_cmp(&ahead(b)).then(b.text.cmp(&a.text)))?;
    let nats = ahead(most);
    (nats >= LACK).then(|| format!("the first has {nats:.1} nats more by: {}", most.text))
}

/// Equal scores: what shows more of itself, without a change first, then by name.
fn order(draft: &Draft) -> (bool, Name, Option<Name>) {
    let change = draft.change.as_ref().map(|change| change.event.id.clone());
    (draft.entity.kind == EntityKind::Nothing, draft.entity.service.clone(), change)
}

/// Probabilities in millionths that sum to exactly one.
fn softmax(scores: &[f64], temperature: f64) -> Vec<f64> {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> =
        scores.iter().map(|score| libm::exp((score - most) / temperature.max(0.01))).collect();
    let sum: f64 = weights.iter().sum();
    let mut parts: Vec<u64> = weights.iter().map(|w| (w / sum * 1e6).round() as u64).collect();
    let rest: u64 = parts.iter().skip(1).sum();
    if let Some(first) = parts.first_mut() {
        *first = 1_000_000_u64.saturating_sub(rest);
    }
    parts.into_iter().map(|part| part as f64 / 1e6).collect()
}

/// How many of the first hypotheses hold 90 % of the probability.
pub(super) fn confidence_set_size(hypotheses: &[Hypothesis]) -> u32 {
    let mut sum = 0.0;
    let mut size = 0;
    for hypothesis in hypotheses {
        if sum >= CONFIDENCE {
            break;
        }
        sum += hypothesis.probability;
        size += 1;
    }
    size
}

fn hypothesis(
    at: usize,
    log_odds: f64,
    draft: Draft,
    probability: f64,
    view: &View<'_>,
) -> Hypothesis {
    let mut evidence = draft.evidence;
    evidence.sort_by(|a, b| {
        b.nats.abs().total_cmp(&a.nats.abs()).then(a.term.cmp(&b.term)).then(a.text.cmp(&b.text))
    });
    let path = path::of(view, &draft.entity.service);
    Hypothesis {
        rank: u32::try_from(at + 1).unwrap_or(u32::MAX),
        summary: summary(&draft.entity.service, draft.kind, draft.change.as_ref(), &evidence),
        entity: draft.entity,
        kind: draft.kind,
        change: draft.change.as_ref().map(suspected),
        probability,
        log_odds,
        path,
        lacks: None,
        evidence,
    }
}

fn suspected(change: &Change) -> SuspectedChange {
    SuspectedChange {
        id: change.event.id.clone(),
        kind: change.event.kind,
        at: change.at,
        title: change.event.title.clone(),
        author: change.event.author.clone(),
        url: change.event.url.clone(),
    }
}

fn summary(name: &Name, kind: CauseKind, change: Option<&Change>, evidence: &[Evidence]) -> String {
    let heaviest = evidence
        .iter()
        .find(|row| row.nats > 0.0 && !matches!(row.term, EvidenceTerm::Prior))
        .map(|row| row.text.as_str());
    let why = heaviest.map(|text| format!(": {}", text.trim_end_matches('.'))).unwrap_or_default();
    if let Some(change) = change {
        let at = change.at.to_hms();
        let change = change.event.kind.named(&change.event.title);
        return format!("The {change} at {at} broke {name}{why}.");
    }
    match kind {
        CauseKind::Change | CauseKind::Code => format!("{name} itself misbehaves{why}."),
        CauseKind::Resource => format!("{name} runs short of something{why}."),
        CauseKind::Unavailable => format!("{name} does not answer{why}."),
        CauseKind::Network => format!("The way to {name} is slow{why}."),
        CauseKind::External => format!("{name}, outside of this system, fails{why}."),
        CauseKind::Traffic => format!("More load than {name} can carry{why}."),
        CauseKind::None => format!("Nothing inside the system is to blame{why}."),
    }
}
