//! A case as the record that others read. Pure: the same case gives the same record.
//!
//! Deliberately absent: id, revision and moments of decision; [`super::publish`] adds them.

use std::collections::BTreeSet;

use model::alert::Severity;
use model::id::TraceId;
use model::incident::{Incident, IncidentAlert, IncidentSymptom, Lineage, SCHEMA_VERSION};
use model::name::Name;
use model::symptom::SymptomKind;

use super::activity::NodeKey;
use super::case::Case;
use super::incident::published;
use super::limits::{EXEMPLARS_MAX, SHOWN_SYMPTOMS_MAX};
use super::ranking::{self, Analysis};
use super::world::{Rules, World};
use super::{narrative, priority, timeline};

/// The record of a told case, without what only publishing knows. `None` for a forming one.
pub(super) fn incident(world: &World, case: &Case, rules: Rules<'_>) -> Option<Incident> {
    let state = published(case.state)?;
    let (analysis, alerts) = match &case.frozen {
        Some(frozen) => (frozen.analysis.clone(), frozen.alerts.clone()),
        None => (ranking::analyse(world, case, rules), alerts(world, case)),
    };
    let Analysis { hypotheses, confidence_set_size, blast_radius } = analysis;
    let severity = alerts.iter().map(|alert| alert.severity).max().unwrap_or(Severity::Unknown);
    let width = rules.config.width;
    let timeline = timeline::draw(case, &hypotheses, &alerts, width);
    let cause = hypotheses.first().map(|first| &first.entity.service);
    let owner = cause.and_then(|cause| world.map.owner(cause));
    let cause_items = cause.map(|cause| world.map.identities(cause)).unwrap_or_default();
    let mut incident = Incident {
        schema_version: SCHEMA_VERSION,
        id: case.id,
        revision: 0,
        cell: rules.cell.clone(),
        state,
        severity,
        priority: priority::priority(blast_radius.impact, severity, case.calls()),
        title: String::new(),
        onset_at: width.start(case.onset()),
        opened_at: width.end(case.born),
        updated_at: width.end(case.born),
        resolved_at: case.resolved_at,
        services: in_trouble(case, &alerts),
        alerts,
        symptoms: symptoms(case, rules),
        exemplars: exemplars(case),
        blast_radius,
        hypotheses,
        confidence_set_size,
        owner,
        cause_items,
        tickets: Vec::new(),
        people: model::people::People::default(),
        lineage: Lineage { reopened: case.reopened, ..Lineage::default() },
        timeline,
        narrative: String::new(),
    };
    incident.title = narrative::title(&incident);
    incident.narrative = narrative::narrative(&incident);
    Some(incident)
}

/// The alerts of a case, sorted by (start, fingerprint).
pub(super) fn alerts(world: &World, case: &Case) -> Vec<IncidentAlert> {
    let mut found: Vec<IncidentAlert> = Vec::new();
    for (fingerprint, reason) in &case.alerts {
        let Some(state) = world.alerts.get(*fingerprint) else { continue };
        let alert = &state.alert;
        let text = ["summary", "description"].iter().find_map(|key| alert.annotations.get(key));
        found.push(IncidentAlert {
            fingerprint: *fingerprint,
            name: alert.name.clone(),
            status: state.status,
            flapping: state.flapping(),
            severity: alert.severity,
            service: state.binding.node().cloned(),
            summary: text.unwrap_or(&alert.name).clone(),
            starts_at: state.since,
            ends_at: state.ended,
            reason: *reason,
            muted_by: None,
            url: alert.generator_url.clone(),
        });
    }
    found.sort_by_key(|alert| (alert.starts_at, alert.fingerprint));
    found
}

fn symptoms(case: &Case, rules: Rules<'_>) -> Vec<IncidentSymptom> {
    let width = rules.config.width;
    let reason = |service: &Name| {
        let member = case.nodes.get(&NodeKey::Service(service.clone()));
        member.map_or(model::incident::JoinReason::SameEntity, |member| member.reason)
    };
    let mut all: Vec<_> = case.symptoms.iter().collect();
    all.sort_by(|(a_key, a), (b_key, b)| (b.nats, a_key).cmp(&(a.nats, b_key)));
    let shown = all.into_iter().take(SHOWN_SYMPTOMS_MAX);
    let print =
        |(key, sum): (&super::activity::SymptomKey, &super::sums::SymptomSum)| IncidentSymptom {
            entity: key.entity.clone(),
            kind: key.kind,
            detail: key.detail.clone(),
            nats: sum.nats.rounded(),
            hits: sum.hits,
            trials: sum.trials,
            first_at: width.start(sum.onset),
            last_at: width.end(sum.last),
            exemplars: sum.exemplars.iter().copied().collect(),
            reason: reason(&key.entity.service),
        };
    shown.map(print).collect()
}

/// The smallest trace ids of the heaviest symptoms.
fn exemplars(case: &Case) -> Vec<TraceId> {
    let mut all: Vec<_> = case.symptoms.iter().collect();
    all.sort_by(|(a_key, a), (b_key, b)| (b.nats, a_key).cmp(&(a.nats, b_key)));
    let mut found = BTreeSet::new();
    for (_, sum) in all {
        for trace in &sum.exemplars {
            if found.len() < EXEMPLARS_MAX {
                found.insert(*trace);
            }
        }
    }
    found.into_iter().collect()
}

/// The services of a case with an alert, or with a symptom that is more than a metric; all of them,
/// where nothing but metrics tells. A number that moved is no trouble as long as requests are fine.
fn in_trouble(case: &Case, alerts: &[IncidentAlert]) -> Vec<Name> {
    let metrics = case.rests_on_metrics();
    let shown = |name: &Name| {
        let mut own = case.symptoms.keys().filter(|key| key.entity.service == *name);
        own.any(|key| key.kind != SymptomKind::Metric)
    };
    let alerted: BTreeSet<&Name> = alerts.iter().filter_map(|a| a.service.as_ref()).collect();
    let troubled = |name: &Name| metrics || alerted.contains(name) || shown(name);
    case.services().into_iter().filter(troubled).collect()
}
