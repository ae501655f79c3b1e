//! Blast radius: whom a case reaches, by its traces; whom it will reach, by the map; what that is
//! worth, by a public formula whose terms are printed: what users suffer at the entries, but not less than what
//! the services themselves show.
//!
//! `impact = 100 (1 - product over entries of (1 - w sqrt(phi) max(delta, g)))` with tier weight w,
//! traffic share phi, degradation delta, and burn `g = min(1, ln(1+b)/ln(15.4))`, b = error rate /
//! (1 - SLO), SLO 99.9 %. Deliberately absent: reachability as proof; it over-predicts.

use std::collections::{BTreeMap, BTreeSet};

use model::blast_radius::{BlastRadius, EntryPoint, ObservedReach, PredictedReach};
use model::entity::{Criticality, EntityKind};
use model::hypothesis::Hypothesis;
use model::name::Name;
use model::nats::Nats;
use model::symptom::SymptomKind;

use super::case::Case;
use super::config::CorrelateConfig;
use super::graph;
use super::limits::{PREDICTED_MAX, WALK_HOPS_MAX};
use super::sufferers::Sufferers;
use super::sums::EntrySum;
use super::world::World;

/// Share of requests that may fail: 1 - 99.9 %.
const ERROR_BUDGET: f64 = 0.001;
/// The burn rate that counts as the worst: 14.4 spends a month's budget in two days.
const WORST_BURN: f64 = 14.4;
/// Weight of a service that shows something.
const SHOWN: f64 = 0.2;
/// The part of it that remains where a monitor or a metric alone says so.
const ONLY_ALERTED: f64 = 0.25;
/// Least probability with which somebody is predicted to be reached.
const PREDICTED_FROM: f64 = 0.1;

/// Measures the reach of a case, seen from its first cause.
pub(super) fn measure(
    world: &World,
    case: &Case,
    config: &CorrelateConfig,
    first: Option<&Hypothesis>,
) -> BlastRadius {
    let origins = origins(case, first);
    let observed = observed(world, case, &origins);
    let predicted = predicted(world, &origins, &observed);
    let entry_points = entry_points(world, case);
    let cap = config.ranking.telemetry_cap;
    let (impact, terms) = impact((world, case), cap, &entry_points, &observed);
    let lost = case.entries.values().map(lost).sum();
    let graph = graph::draw(&world.map, &origins, &observed, &predicted, &entry_points);
    BlastRadius { observed, predicted, entry_points, impact, terms, lost_requests: lost, graph }
}

/// The cause's service; where nothing inside is to blame, every origin of failing traces.
fn origins(case: &Case, first: Option<&Hypothesis>) -> BTreeSet<Name> {
    match first.map(|hypothesis| &hypothesis.entity) {
        Some(entity) if entity.kind != EntityKind::Nothing => [entity.service.clone()].into(),
        _ => {
            let own = case.reach.keys().filter(|(origin, reached)| origin == reached);
            own.map(|(origin, _)| origin.clone()).collect()
        }
    }
}

/// Who lies on failing or slow traces of the origins; of the members and of those who complain in
/// their logs, who depends on an origin, names it, or complains of the same, trace or not. What an
/// origin itself needs is upstream of it: it is not reached.
fn observed(world: &World, case: &Case, origins: &BTreeSet<Name>) -> Vec<ObservedReach> {
    let mut traces: BTreeMap<Name, u64> = BTreeMap::new();
    for ((origin, reached), count) in &case.reach {
        if origins.contains(origin) {
            let sum = traces.entry(reached.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    let sufferers = Sufferers::of(world, case, origins);
    let members = case.services();
    let reached = members.iter().filter(|name| sufferers.may_be_reached(name));
    let speakers = sufferers.speakers(&members);
    for service in reached.cloned().chain(speakers).chain(origins.iter().cloned()) {
        traces.entry(service).or_default();
    }
    let hops = |service: &Name| {
        origins.iter().filter_map(|origin| world.map.distance(service, origin, 6)).min()
    };
    let reach = |(service, traces)| ObservedReach { hops: hops(&service), service, traces };
    traces.into_iter().map(reach).collect()
}

fn predicted(
    world: &World,
    origins: &BTreeSet<Name>,
    observed: &[ObservedReach],
) -> Vec<PredictedReach> {
    let suffers: BTreeSet<&Name> = observed.iter().map(|reach| &reach.service).collect();
    let mut found: BTreeMap<Name, (u32, f64)> = BTreeMap::new();
    for origin in origins {
        for (service, hops, probability) in world.map.downstream(origin, WALK_HOPS_MAX) {
            if !suffers.contains(&service) && probability >= PREDICTED_FROM {
                let known = found.entry(service).or_insert((hops, probability));
                *known = (known.0.min(hops), known.1.max(probability));
            }
        }
    }
    let mut predicted: Vec<PredictedReach> = found
        .into_iter()
        .map(|(service, (hops, p))| PredictedReach {
            service,
            probability: rounded(p.min(1.0)),
            hops,
        })
        .collect();
    predicted.sort_by(|a, b| {
        b.probability.total_cmp(&a.probability).then_with(|| a.service.cmp(&b.service))
    });
    predicted.truncate(PREDICTED_MAX);
    predicted
}

fn entry_points(world: &World, case: &Case) -> Vec<EntryPoint> {
    let all: u64 = case.entries.values().map(|sum| sum.calls).sum();
    let hit = case.entries.iter().filter(|(_, sum)| sum.affected > 0 && sum.calls > 0);
    let mut points: Vec<EntryPoint> = hit
        .map(|((service, operation), sum)| {
            let criticality = world.map.criticality(service);
            let share = sum.calls as f64 / all.max(1) as f64;
            let degradation = degradation(sum);
            let burnt = burn(sum);
            let term = tier_weight(criticality) * share.sqrt() * degradation.max(burnt);
            EntryPoint {
                service: service.clone(),
                operation: operation.clone(),
                criticality,
                requests: sum.calls,
                affected: sum.affected.min(sum.calls),
                traffic_share: rounded(share),
                degradation: rounded(degradation),
                impact_term: rounded(term),
            }
        })
        .collect();
    points.sort_by(|a, b| {
        let heavier = b.impact_term.total_cmp(&a.impact_term);
        heavier.then_with(|| (&a.service, &a.operation).cmp(&(&b.service, &b.operation)))
    });
    points
}

/// Failed requests above the expected, and not more than the members are to blame for.
fn lost(sum: &EntrySum) -> u64 {
    let expected = sum.expected_failed_micro / 1_000_000;
    sum.failed.saturating_sub(expected).min(sum.affected)
}

fn degradation(sum: &EntrySum) -> f64 {
    let calls = sum.calls.max(1) as f64;
    let failed = lost(sum) as f64 / calls;
    let slow = sum.slow.min(sum.affected) as f64 / calls;
    failed.max(slow).min(1.0)
}

fn burn(sum: &EntrySum) -> f64 {
    let rate = lost(sum) as f64 / sum.calls.max(1) as f64 / ERROR_BUDGET;
    (libm::log(1.0 + rate) / libm::log(1.0 + WORST_BURN)).min(1.0)
}

/// Whether requests show anything of a service in a case: more than slow calls that no user's request was
/// any slower for.
fn shows(case: &Case, service: &Name) -> bool {
    let is_felt = case.entries.values().any(|sum| sum.affected > 0);
    let is_measured = case.entries.values().any(|sum| sum.calls > 0);
    let mut own = case.symptoms.keys().filter(|key| key.entity.service == *service);
    own.any(|key| match key.kind {
        SymptomKind::Metric => false,
        SymptomKind::SlowSelf | SymptomKind::SlowEdge => is_felt || !is_measured,
        _ => true,
    })
}

/// What a tier weighs; an unknown one counts as the second lowest.
const fn tier_weight(criticality: Option<Criticality>) -> f64 {
    match criticality {
        Some(Criticality::Critical) => 1.0,
        Some(Criticality::High) => 0.6,
        Some(Criticality::Medium) | None => 0.3,
        Some(Criticality::Low) => 0.1,
    }
}

/// The formula, and its terms in words: by what the entries suffer, but not less than by tier and number of
/// the services that show something.
fn impact(
    view: (&World, &Case),
    cap: f64,
    entries: &[EntryPoint],
    observed: &[ObservedReach],
) -> (f64, Vec<String>) {
    let suffered = entries.iter().map(|entry| (entry.impact_term, entry_term(entry)));
    // Where entries tell, whoever merely lies on a failing trace adds nothing to them.
    let counts = |reach: &&ObservedReach| entries.is_empty() || shows(view.1, &reach.service);
    let observed = observed.iter().filter(counts);
    let shown = observed.map(|reach| shown_term(view, cap, &reach.service));
    let (mut well, mut terms) = without(suffered);
    let (least, shown) = without(shown);
    if least < well {
        (well, terms) = (least, shown);
    }
    terms.truncate(50);
    let impact = rounded(100.0 * (1.0 - well));
    terms.push(format!("impact = 100 x (1 - product of (1 - term)) = {impact:.1}"));
    (impact, terms)
}

/// What all terms leave, with their words.
fn without(parts: impl Iterator<Item = (f64, String)>) -> (f64, Vec<String>) {
    let mut well = 1.0;
    let mut terms = Vec::new();
    for (part, text) in parts {
        well *= 1.0 - part.clamp(0.0, 1.0);
        terms.push(text);
    }
    (well, terms)
}

fn entry_term(entry: &EntryPoint) -> String {
    format!(
        "{} {}: tier weight {:.1} x sqrt(traffic share {:.3}) x max(degradation {:.3}, burn) = {:.3}",
        entry.service,
        entry.operation,
        tier_weight(entry.criticality),
        entry.traffic_share,
        entry.degradation,
        entry.impact_term
    )
}

/// A service that shows something, by how sure that is; a quarter of it where a monitor alone says so, or
/// where calls take longer and no request of a user did.
fn shown_term(view: (&World, &Case), cap: f64, service: &Name) -> (f64, String) {
    let (world, case) = view;
    let sure = if shows(case, service) { sureness(case, service, cap) } else { ONLY_ALERTED };
    let weight = SHOWN * sure;
    let part = weight * tier_weight(world.map.criticality(service));
    (part, format!("{service}: {weight:.3} x tier weight = {part:.3}"))
}

/// What requests show of a service, as a share of the most that one kind of evidence may say, and not less than
/// what a monitor's word counts.
fn sureness(case: &Case, service: &Name, cap: f64) -> f64 {
    let own = case
        .symptoms
        .iter()
        .filter(|(key, _)| key.entity.service == *service && key.kind != SymptomKind::Metric);
    let nats: Nats = own.map(|(_, sum)| sum.early).sum();
    (nats.to_f64() / cap).clamp(ONLY_ALERTED, 1.0)
}

fn rounded(value: f64) -> f64 {
    super::ranking::rounded(value)
}
