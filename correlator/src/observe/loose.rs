//! Signals that belong to no trace: untraced logs and metric points, counted as they come.

use std::collections::BTreeMap;

use model::id::TraceId;
use model::name::Name;
use model::signal::{LogRecord, MetricPoint, Resource};
use model::time::{Pane, PaneWidth};

use super::counts::{Merge, PaneCounts, SeriesCounts, SeriesKey, slot};
use super::limits::{ObserveLimits, VERSIONS_MAX};
use super::log_path::count_template;
use super::trace::{LogRow, owner_of};

/// Counts by pane.
pub(crate) type LoosePanes = BTreeMap<Pane, PaneCounts>;

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// It is counted in its pane.
    In(Pane),
    /// It names nobody who sent it.
    NoOwner,
    /// A bound is reached.
    Dropped,
}

/// Counts a log record that names no trace.
pub(crate) fn count_log(
    panes: &mut LoosePanes,
    limits: &ObserveLimits,
    width: PaneWidth,
    log: &LogRecord,
    resource: &Resource,
) -> Counted {
    let Some((kind, name)) = owner_of(resource) else { return Counted::NoOwner };
    let pane = width.pane_of(log.time);
    let Some(counts) = pane_counts(panes, limits, pane) else { return Counted::Dropped };
    let row = LogRow::new(log, (kind, name.clone()));
    if !count_template(counts.service(name, kind), &row, TraceId(0), limits.templates) {
        return Counted::Dropped;
    }
    note_version(counts, name, resource);
    counts.signals += 1;
    Counted::In(pane)
}

/// Counts a metric point.
pub(crate) fn count_point(
    panes: &mut LoosePanes,
    limits: &ObserveLimits,
    width: PaneWidth,
    point: &MetricPoint,
    resource: &Resource,
) -> Counted {
    let Some((kind, name)) = owner_of(resource) else { return Counted::NoOwner };
    let pane = width.pane_of(point.time);
    let Some(counts) = pane_counts(panes, limits, pane) else { return Counted::Dropped };
    let owner = counts.service(name, kind);
    let key = SeriesKey {
        instance: resource.instance.clone().filter(|instance| instance != name),
        metric: point.metric.clone(),
        attributes: point.attributes.clone(),
    };
    let key_instance = key.instance.clone();
    let full = owner.series.len() >= limits.series;
    let one = SeriesCounts::point(point.kind, point.time, point.value);
    match owner.series.get_mut(&key) {
        Some(series) => series.absorb(&one),
        None if full => return Counted::Dropped,
        None => {
            owner.series.insert(key, one);
        }
    }
    if let (Some(instance), Some(version)) = (&key_instance, &resource.version) {
        owner.note_instance(instance, version);
    }
    note_version(counts, name, resource);
    counts.signals += 1;
    Counted::In(pane)
}

/// A version that only logs or metrics name is known all the same.
fn note_version(counts: &mut PaneCounts, name: &Name, resource: &Resource) {
    if let (Some(version), false) = (&resource.version, resource.service.is_empty())
        && let Some(owner) = counts.services.get_mut(name.as_str())
        && (owner.versions.len() < VERSIONS_MAX || owner.versions.contains_key(version.as_str()))
    {
        slot(&mut owner.versions, version);
    }
}

fn pane_counts<'p>(
    panes: &'p mut LoosePanes,
    limits: &ObserveLimits,
    pane: Pane,
) -> Option<&'p mut PaneCounts> {
    if panes.len() >= limits.panes && !panes.contains_key(&pane) {
        return None;
    }
    Some(panes.entry(pane).or_default())
}
