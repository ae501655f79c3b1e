//! What a pane tells beside its symptoms: entries, reach, versions and dependencies.

use std::collections::{BTreeMap, BTreeSet};

use model::map::ObservedDependency;
use model::name::Name;
use model::signal::LogSeverity;
use model::symptom::{EntryObservation, Reach, Symptom, VersionObservation, Voice};

use super::baseline::ServiceBaseline;
use super::bounded::bounded;
use super::judge::{Baselines, Case};
use super::limits::{VOICE_PANES_MIN, VOICES_MAX};
use super::metric;
use super::profile::SlowProfile;
use super::statistics::ppm;
use crate::observe::{EntryCounts, Histogram, PaneCounts};

/// What users saw, and which services their failures passed; both sorted.
pub(crate) fn entries(
    pane: &PaneCounts,
    baselines: &Baselines,
) -> (Vec<EntryObservation>, Vec<Reach>) {
    let mut entries = Vec::new();
    let mut reach: BTreeMap<(Name, Name), u64> = BTreeMap::new();
    for (service, counts) in &pane.services {
        let baseline = baselines.get(service.as_str());
        let limited = bounded(counts, baseline);
        for (operation, entry) in &limited.entries {
            entries.push(observation(service, operation, entry, baseline));
            let profile = baseline.and_then(|baseline| baseline.entry_profile(operation));
            for (origin, counts) in &entry.origins {
                for (reached, counts) in &counts.reached {
                    let traces = counts.failed + slow(&counts.durations, profile);
                    if traces > 0 {
                        *reach.entry((origin.clone(), reached.clone())).or_default() += traces;
                    }
                }
            }
        }
    }
    let reach = reach
        .into_iter()
        .map(|((origin, reached), traces)| Reach { origin, reached, traces })
        .collect();
    (entries, reach)
}

/// Versions of services that run several or have a symptom; sorted.
pub(crate) fn versions(
    pane: &PaneCounts,
    baselines: &Baselines,
    symptoms: &[Symptom],
) -> Vec<VersionObservation> {
    let ill: BTreeSet<&Name> = symptoms.iter().map(|symptom| &symptom.entity.service).collect();
    let mut versions = Vec::new();
    for (service, counts) in &pane.services {
        if counts.versions.len() < 2 && !ill.contains(service) {
            continue;
        }
        let baseline = baselines.get(service.as_str());
        let profile = baseline.and_then(ServiceBaseline::local_profile);
        let points = baseline
            .map(|baseline| Case { name: service, kind: counts.kind, counts, baseline })
            .map(|case| metric::by_version(&case))
            .unwrap_or_default();
        for (version, counts) in &counts.versions {
            let metrics = points.get(version).into_iter().flatten();
            versions.push(VersionObservation {
                service: service.clone(),
                version: version.clone(),
                calls: counts.calls,
                failed: counts.failed,
                slow: slow(&counts.local_time, profile),
                metrics: metrics.map(|(name, p)| (name.clone(), p.all, p.off)).collect(),
            });
        }
    }
    versions
}

/// What services say that is grave, or that they have not said before; sorted, bounded by service:
/// the most frequent stay.
pub(crate) fn voices(pane: &PaneCounts, baselines: &Baselines) -> Vec<Voice> {
    let mut all = Vec::new();
    for (service, counts) in &pane.services {
        let baseline = baselines.get(service.as_str());
        let is_known_well = baseline.is_some_and(|base| base.panes() >= VOICE_PANES_MIN);
        let mut own: Vec<Voice> = Vec::new();
        for (key, template) in &counts.templates {
            let is_grave = key.severity >= LogSeverity::Warn;
            let is_new = baseline.is_some_and(|base| !base.knows_template(key)) && is_known_well;
            if is_grave || is_new {
                own.push(Voice {
                    service: service.clone(),
                    text: template.skeleton.clone(),
                    records: template.records,
                    severity: key.severity,
                });
            }
        }
        own.sort_by(|a, b| (b.severity, b.records, &a.text).cmp(&(a.severity, a.records, &b.text)));
        own.truncate(VOICES_MAX);
        all.extend(own);
    }
    all.sort();
    all
}

/// All dependencies of the pane; sorted.
pub(crate) fn dependencies(pane: &PaneCounts) -> Vec<ObservedDependency> {
    let mut dependencies: Vec<ObservedDependency> = pane
        .services
        .iter()
        .flat_map(|(to, counts)| {
            counts.callers.iter().map(move |(from, edge)| ObservedDependency {
                from: from.clone(),
                to: to.clone(),
                to_kind: counts.kind,
                calls: edge.calls,
                failed: edge.failed,
                orphans: edge.orphans,
            })
        })
        .collect();
    dependencies.sort();
    dependencies
}

fn observation(
    service: &Name,
    operation: &Name,
    entry: &EntryCounts,
    baseline: Option<&ServiceBaseline>,
) -> EntryObservation {
    let profile = baseline.and_then(|baseline| baseline.entry_profile(operation));
    let normal = baseline.map(|baseline| baseline.entry(operation)).unwrap_or_default();
    let origins = entry
        .origins
        .iter()
        .map(|(origin, counts)| (origin.clone(), counts.failed + slow(&counts.durations, profile)))
        .filter(|&(_, requests)| requests > 0)
        .collect();
    EntryObservation {
        service: service.clone(),
        operation: operation.clone(),
        calls: entry.calls,
        failed: entry.failed,
        slow: slow(&entry.durations, profile),
        expected_failed_ppm: ppm(normal.hits as f64 / normal.trials.max(1) as f64),
        origins,
    }
}

/// Coarse buckets stand at their lower end: they are slow if all of them is.
fn slow(durations: &Histogram, profile: Option<&SlowProfile>) -> u64 {
    profile.map_or(0, |profile| durations.count_above(profile.threshold))
}
