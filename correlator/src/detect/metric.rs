//! Metric series that left their usual range, in the direction that is trouble.
//!
//! A series is held against its own past; that of a new instance, which has none, against what its
//! siblings (other instances of the same service) have shown: old against new, in the same pane.
//! Deliberately absent: what a process starting anew changes without anybody suffering (its
//! resources while two versions run side by side, its first slow answers).

use std::collections::BTreeMap;

use model::entity::{Entity, EntityKind};
use model::name::Name;
use model::nats::Nats;
use model::symptom::{AT_LIMIT, SymptomKind};

use super::evidence::{Direction, Evidence, Key};
use super::judge::{Before, Case};
use super::limits::{SPLIT_METRICS_MAX, WINDOW_ACCEPT};
use super::saturation::is_at_limit;
use super::series::{HOLD_Z, SeriesBaseline, Usual, value_of};
use super::siblings::Siblings;
use super::statistics::deviation;
use crate::observe::{SeriesCounts, SeriesKey};
use crate::sense::{self, Bad, Subject};

/// Most that one point can say.
const CAP: f64 = 8.0;
/// Points after which an instance counts as warm: its waiting times are then those it keeps.
const WARM_POINTS: usize = 3;

/// Points of the metrics of requests that one version wrote, and those of them that are off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Points {
    pub(crate) all: u64,
    pub(crate) off: u64,
}

/// A point against the usual range of its series.
struct Judged<'k> {
    key: &'k SeriesKey,
    /// Deviations in the direction that is trouble.
    z: f64,
    direction: Direction,
    /// Whether a resource is used up.
    at_limit: bool,
}

impl<'k> Judged<'k> {
    fn new(key: &'k SeriesKey, usual: &Usual, value: f64) -> Self {
        let direction = if value > usual.median { Direction::Up } else { Direction::Down };
        let at_limit = is_at_limit(&key.metric, value, usual.standardised(value));
        Self { key, z: trouble(key, usual, value), direction, at_limit }
    }
}

/// Tests every series of an owner. The evidence of a lone point is set aside later: only a second
/// one on the same side makes it count.
pub(crate) fn judge(case: &Case<'_>, before: Before<'_>, found: &mut Vec<Evidence>) {
    let siblings = Siblings::of(case);
    let is_rolling_out = case.counts.is_rolling_out();
    let mut judged: Vec<Judged<'_>> = Vec::new();
    for (key, counts) in &case.counts.series {
        let subject = sense::subject(&key.metric, &key.attributes);
        if is_rolling_out && subject == Subject::Resource {
            continue;
        }
        let Some(value) = value_of(counts, before(case.name, key)) else { continue };
        let Some(usual) = usual(case, key, subject, &siblings) else { continue };
        judged.push(Judged::new(key, &usual, value));
    }
    let shared = shared_calls(&judged);
    for Judged { key, z, direction, at_limit } in judged {
        let nats = if at_limit { CAP } else { deviation(z.max(0.0)).min(CAP) };
        let nats = Nats::from_f64(nats);
        if nats > Nats::ZERO {
            found.push(Evidence {
                key: Key {
                    entity: entity(case, key, &shared),
                    kind: SymptomKind::Metric,
                    detail: if at_limit {
                        format!("{}{AT_LIMIT}", detail(key)).into()
                    } else {
                        detail(key)
                    },
                },
                nats,
                direction,
                hits: 1,
                trials: 1,
                expected_ppm: 0,
                against: None,
                exemplars: Vec::new(),
            });
        }
    }
}

/// What the instances of each version write of requests, and how much of it is off; empty unless
/// several versions run.
pub(crate) fn by_version(case: &Case<'_>) -> BTreeMap<Name, BTreeMap<Name, Points>> {
    let mut found: BTreeMap<Name, BTreeMap<Name, Points>> = BTreeMap::new();
    if !case.counts.is_rolling_out() {
        return found;
    }
    let siblings = Siblings::of(case);
    for (key, counts) in &case.counts.series {
        let version = key.instance.as_ref().and_then(|name| case.counts.instances.get(name));
        let subject = sense::subject(&key.metric, &key.attributes);
        let (Some(version), Subject::Requests) = (version, subject) else { continue };
        // A total has no value without its last point; gauges and differences have.
        let Some(value) = value_of(counts, None) else { continue };
        let Some(usual) = usual(case, key, subject, &siblings) else { continue };
        let metrics = found.entry(version.clone()).or_default();
        let name = detail(key);
        if metrics.len() >= SPLIT_METRICS_MAX && !metrics.contains_key(&name) {
            continue;
        }
        let points = metrics.entry(name).or_default();
        points.all += 1;
        points.off += u64::from(trouble(key, &usual, value) >= HOLD_Z);
    }
    found
}

/// The range of a series: its own; that of its siblings where it speaks of requests and is too young
/// to know whether what it has shown so far is normal. Waiting depends on where an instance stands,
/// so there its own past goes before that of others.
fn usual(case: &Case<'_>, key: &SeriesKey, subject: Subject, siblings: &Siblings) -> Option<Usual> {
    let known = case.baseline.series(key);
    let own = known.and_then(SeriesBaseline::usual);
    let seen = known.map_or(0, SeriesBaseline::seen);
    let waits = sense::is_waiting(&key.metric);
    let is_settled = seen >= WINDOW_ACCEPT || waits && own.is_some();
    if is_settled || subject != Subject::Requests || waits && seen < WARM_POINTS {
        return own;
    }
    siblings.usual(key).or(own)
}

/// Deviations in the direction that is trouble; below zero on the good side.
fn trouble(key: &SeriesKey, usual: &Usual, value: f64) -> f64 {
    let z = if sense::is_waiting(&key.metric) {
        usual.standardised_ratio(value)
    } else {
        usual.standardised(value)
    };
    match sense::bad(&key.metric, usual.is_full) {
        Bad::Up => z,
        Bad::Down => -z,
        Bad::Either => z.abs(),
    }
}

/// What the series is called: metric and attributes.
pub(crate) fn detail(key: &SeriesKey) -> Name {
    if key.attributes.is_empty() {
        key.metric.clone()
    } else {
        format!("{}{{{}}}", key.metric, key.attributes).into()
    }
}

/// Whether the series is of this entity.
pub(crate) fn belongs(key: &SeriesKey, entity: &Entity) -> bool {
    match (&key.instance, entity.kind) {
        (_, EntityKind::Edge) => true,
        (Some(instance), EntityKind::Instance) => *instance == entity.id,
        (None, kind) => kind != EntityKind::Instance || entity.id == entity.service,
        _ => false,
    }
}

/// Whether a series has any value in this pane that it could be judged by.
pub(crate) fn speaks(counts: &SeriesCounts) -> bool {
    counts.points > 0
}

/// Series of calls to others that at least half of the caller's instances see off: then the way or
/// the callee is to blame, else the instance that sees it alone. A lone instance cannot tell.
fn shared_calls<'k>(judged: &[Judged<'k>]) -> BTreeMap<(&'k str, &'k str), bool> {
    let mut seen: BTreeMap<(&str, &str), (u32, u32)> = BTreeMap::new();
    for Judged { key, z, .. } in judged {
        let tally = seen.entry((key.metric.as_str(), key.attributes.as_str())).or_default();
        tally.0 += 1;
        tally.1 += u32::from(*z >= HOLD_Z);
    }
    seen.into_iter().map(|(key, (all, off))| (key, off * 2 >= all)).collect()
}

fn entity(case: &Case<'_>, key: &SeriesKey, shared: &BTreeMap<(&str, &str), bool>) -> Entity {
    let is_shared = shared.get(&(key.metric.as_str(), key.attributes.as_str())).copied();
    if let Some(callee) =
        sense::callee(&key.metric, &key.attributes).filter(|name| *name != case.name.as_str())
        && is_shared.unwrap_or_default()
    {
        return Entity::edge(case.name.as_str(), callee.into());
    }
    match &key.instance {
        Some(instance) => Entity::instance(case.name.clone(), instance.clone()),
        None => case.entity(),
    }
}
