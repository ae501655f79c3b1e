//! Verdicts: what a person said of the cause of this very incident. It wins over the ranking.
//!
//! A confirmed cause ranks first, the last one said before others; a rejected one stands behind all that
//! nobody rejected. Either is a row of the ledger, as heavy as that takes and marked as a person's word, so
//! that the sums stay true. Works on the record, so that it holds for frozen and closed incidents as well.

use std::collections::BTreeMap;

use model::command::CauseRef;
use model::entity::{Entity, EntityKind};
use model::hypothesis::{CauseKind, Evidence, EvidenceTerm, Hypothesis, SuspectedChange};
use model::incident::Incident;
use model::name::Name;
use model::people::Verdict;

use crate::correlate::change_ledger::ChangeLedger;

use super::{evidence, rounded, score};

/// How far a person's word stands before or behind all others, in softmax temperatures: `e^7` to one,
/// so that a dozen of others together have less than 2 %.
const LEAD: f64 = 7.0;

/// Ranks the hypotheses of an incident again, by what people said of them.
pub(in crate::correlate) fn apply(
    incident: &mut Incident,
    verdicts: &[Verdict],
    ledger: &ChangeLedger,
    temperature: f64,
) {
    let last = last_words(verdicts);
    if last.is_empty() {
        return;
    }
    let lead = LEAD * temperature;
    for verdict in last.iter().filter(|verdict| verdict.is_cause) {
        if !incident.hypotheses.iter().any(|h| is_meant(&verdict.cause, h)) {
            incident.hypotheses.push(thought_of(&verdict.cause, ledger));
        }
    }
    let open = |hypotheses: &[Hypothesis]| {
        let rejected = |h: &&Hypothesis| !last.iter().any(|v| !v.is_cause && is_meant(&v.cause, h));
        hypotheses.iter().filter(rejected).map(|h| h.log_odds).reduce(f64::max)
    };
    if let Some(top) = open(&incident.hypotheses) {
        for verdict in last.iter().filter(|verdict| !verdict.is_cause) {
            for hypothesis in meant(&mut incident.hypotheses, &verdict.cause) {
                say(hypothesis, verdict, (top - lead - hypothesis.log_odds).min(-1.0));
            }
        }
    }
    for verdict in last.iter().filter(|verdict| verdict.is_cause) {
        let others = incident.hypotheses.iter().filter(|h| !is_meant(&verdict.cause, h));
        let top = others.map(|h| h.log_odds).reduce(f64::max).unwrap_or_default();
        for hypothesis in meant(&mut incident.hypotheses, &verdict.cause) {
            say(hypothesis, verdict, (top + lead - hypothesis.log_odds).max(1.0));
        }
    }
    score::rank_again(&mut incident.hypotheses, temperature);
    incident.confidence_set_size = score::confidence_set_size(&incident.hypotheses);
}

/// The last word on each cause, in the order in which they were said.
fn last_words(verdicts: &[Verdict]) -> Vec<&Verdict> {
    let places: BTreeMap<&CauseRef, usize> =
        verdicts.iter().enumerate().map(|(place, verdict)| (&verdict.cause, place)).collect();
    let is_last = |(place, verdict): &(usize, &Verdict)| places.get(&verdict.cause) == Some(place);
    verdicts.iter().enumerate().filter(is_last).map(|(_, verdict)| verdict).collect()
}

/// Whether a hypothesis is the cause that a person names: the service with that change, or with none.
fn is_meant(cause: &CauseRef, hypothesis: &Hypothesis) -> bool {
    let is_nothing = hypothesis.entity.kind == EntityKind::Nothing;
    let change = hypothesis.change.as_ref().map(|change| &change.id);
    match &cause.service {
        None => is_nothing,
        Some(service) => {
            !is_nothing && *service == hypothesis.entity.service && cause.change.as_ref() == change
        }
    }
}

fn meant<'a>(
    hypotheses: &'a mut [Hypothesis],
    cause: &'a CauseRef,
) -> impl Iterator<Item = &'a mut Hypothesis> {
    hypotheses.iter_mut().filter(|hypothesis| is_meant(cause, hypothesis))
}

fn say(hypothesis: &mut Hypothesis, verdict: &Verdict, nats: f64) {
    let author = &verdict.said.author;
    let text = match (verdict.is_cause, verdict.said.text.trim()) {
        (true, "") => format!("{author} said that this was the cause"),
        (true, why) => format!("{author} said that this was the cause: {why}"),
        (false, "") => format!("{author} said that this was not the cause"),
        (false, why) => format!("{author} said that this was not the cause: {why}"),
    };
    let row = evidence::row(EvidenceTerm::Person, nats, text);
    hypothesis.log_odds = rounded(hypothesis.log_odds + row.nats);
    hypothesis.evidence.push(row);
    hypothesis.evidence.sort_by(|a, b| b.nats.abs().total_cmp(&a.nats.abs()));
}

/// A cause that only the person thought of.
fn thought_of(cause: &CauseRef, ledger: &ChangeLedger) -> Hypothesis {
    let service = cause.service.clone().unwrap_or_default();
    let named = cause.change.as_ref();
    let event = named.and_then(|id| ledger.events().find(|event| event.id == *id));
    let change = event.map(|event| SuspectedChange {
        id: event.id.clone(),
        kind: event.kind,
        at: event.at,
        title: event.title.clone(),
        author: event.author.clone(),
        url: event.url.clone(),
    });
    let kind = if change.is_some() { CauseKind::Change } else { CauseKind::Code };
    Hypothesis {
        rank: 0,
        entity: Entity::service(service.clone()),
        kind,
        summary: summary(&service, change.as_ref()),
        change,
        probability: 0.0,
        log_odds: 0.0,
        path: Vec::new(),
        lacks: None,
        evidence: Vec::<Evidence>::new(),
    }
}

fn summary(service: &Name, change: Option<&SuspectedChange>) -> String {
    match change {
        Some(change) => format!(
            "The {} at {} broke {service}, as a person said.",
            change.kind.named(&change.title),
            change.at.to_hms()
        ),
        None => format!("{service} itself was the cause, as a person said."),
    }
}
