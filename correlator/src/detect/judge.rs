//! All tests over one pane.

use std::collections::BTreeMap;

use model::entity::{Entity, EntityKind};
use model::id::TraceId;
use model::name::Name;
use model::nats::Nats;
use model::symptom::{AT_LIMIT, SymptomKind};
use model::time::Timestamp;

use super::baseline::{ServiceBaseline, Share};
use super::bounded::bounded;
use super::evidence::{Against, Direction, Evidence, Key};
use super::statistics::ppm;
use super::{complaints, errors, logs, metric, platform, silence, slow};
use crate::observe::{Exemplars, PaneCounts, SeriesKey, ServiceCounts};

/// Baselines by owner.
pub(crate) type Baselines = BTreeMap<Name, ServiceBaseline>;

/// One owner in one pane, against its baseline.
pub(crate) struct Case<'a> {
    pub(crate) name: &'a Name,
    pub(crate) kind: EntityKind,
    pub(crate) counts: &'a ServiceCounts,
    pub(crate) baseline: &'a ServiceBaseline,
}

/// The last point of a series before the pane.
pub(crate) type Before<'a> = &'a dyn Fn(&Name, &SeriesKey) -> Option<(Timestamp, u64)>;

/// Evidence of a pane, sorted by key. Owners without a baseline give none, since nothing is normal
/// yet, but what is said in words. At a border of the telemetry log paths are not judged: their lines
/// may lie beyond it.
pub(crate) fn judge(
    pane: &PaneCounts,
    baselines: &Baselines,
    before: Before<'_>,
    is_border: bool,
) -> Vec<Evidence> {
    let mut found = Vec::new();
    let mut slow = Vec::new();
    let nothing = ServiceBaseline::default();
    for (name, counts) in &pane.services {
        let known = baselines.get(name.as_str());
        let baseline = known.unwrap_or(&nothing);
        let counts = bounded(counts, Some(baseline));
        let case = Case { name, kind: counts.kind.min(baseline.kind()), counts: &counts, baseline };
        complaints::judge(&case, &mut found);
        platform::judge(&case, &mut found);
        if known.is_none() {
            continue;
        }
        errors::judge(&case, &mut found);
        slow::collect(&case, &mut slow);
        if !is_border {
            logs::paths(&case, &mut found);
        }
        logs::untraced_all(&case, &mut found);
        metric::judge(&case, before, &mut found);
    }
    slow::weigh(slow, &mut found);
    silence::judge(pane, baselines, &mut found);
    found.sort_by(|a, b| a.key.cmp(&b.key));
    // Two tests may speak of one key (templates of one text): the stronger stays.
    found.dedup_by(|later, kept| {
        let same = later.key == kept.key;
        if same && later.nats > kept.nats {
            std::mem::swap(later, kept);
        }
        same
    });
    found
}

impl Case<'_> {
    /// The entity of the owner itself.
    pub(crate) fn entity(&self) -> Entity {
        owner_entity(self.name, self.kind)
    }

    /// The entity of an operation.
    pub(crate) fn operation(&self, operation: &str) -> Entity {
        Entity::operation(self.name.clone(), operation)
    }

    /// The entity of the calls of one caller.
    pub(crate) fn edge(&self, caller: &str) -> Entity {
        Entity::edge(caller, self.name.clone())
    }
}

/// The entity of an owner: a service, or a node that stands for itself.
pub(crate) fn owner_entity(name: &Name, kind: EntityKind) -> Entity {
    match kind {
        EntityKind::Service | EntityKind::Nothing => Entity::service(name.clone()),
        _ => Entity::standalone(kind, name.clone()),
    }
}

/// Hits of trials against an expected share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) hits: u64,
    pub(crate) trials: u64,
    pub(crate) expected: f64,
}

/// Notes that a share of hits is larger than the baseline knows; a smaller one is no line.
pub(crate) fn note_share(
    found: &mut Vec<Evidence>,
    key: (Entity, SymptomKind, Name),
    (hits, trials): (u64, u64),
    against: Against,
    exemplars: &Exemplars,
) {
    let nats = against.weighed(against.nats(hits, trials));
    let known = against.hits_milli as f64 / 1000.0;
    let expected = (known + 0.5) / (against.trials as f64 + 1.0);
    if nats == Nats::ZERO && hits as f64 <= expected * trials as f64 {
        return;
    }
    let (entity, kind, detail) = key;
    found.push(Evidence {
        key: Key { entity, kind, detail },
        nats,
        direction: Direction::Up,
        hits,
        trials,
        expected_ppm: ppm(expected),
        against: Some(against),
        exemplars: exemplars.traces().collect(),
    });
}

/// A share that a baseline knows, alone looked at and wholly its own.
pub(crate) fn against(known: Share) -> Against {
    Against {
        hits_milli: known.hits.saturating_mul(1000),
        trials: known.trials,
        looked_at: Nats::ZERO,
        weight_ppm: 1_000_000,
    }
}

/// Notes evidence above zero; none is no line.
pub(crate) fn note(
    found: &mut Vec<Evidence>,
    (entity, kind, detail): (Entity, SymptomKind, Name),
    nats: f64,
    tally: Tally,
    exemplars: &Exemplars,
) {
    let nats = Nats::from_f64(nats);
    if nats > Nats::ZERO {
        let exemplars: Vec<TraceId> = exemplars.traces().collect();
        found.push(Evidence {
            key: Key { entity, kind, detail },
            nats,
            direction: Direction::Up,
            hits: tally.hits,
            trials: tally.trials,
            expected_ppm: ppm(tally.expected),
            against: None,
            exemplars,
        });
    }
}

/// Whether a pane could have spoken of a key: then its silence is a sign of health.
pub(crate) fn has_trials(pane: &PaneCounts, key: &Key) -> bool {
    // The metrics of a call are the caller's own.
    let owner = match (key.kind, key.entity.edge_from()) {
        (SymptomKind::Metric, Some(caller)) => caller,
        _ => key.entity.service.as_str(),
    };
    let Some(counts) = pane.services.get(owner) else { return false };
    match (key.entity.kind, key.kind) {
        (_, SymptomKind::Metric) => counts.series.iter().any(|(series, points)| {
            metric::speaks(points)
                && metric::belongs(series, &key.entity)
                && metric::detail(series).as_str() == key.detail.trim_end_matches(AT_LIMIT)
        }),
        (EntityKind::Operation, _) => key
            .entity
            .operation_name()
            .is_some_and(|operation| counts.operations.contains_key(operation)),
        (EntityKind::Edge, _) => {
            key.entity.edge_from().is_some_and(|caller| counts.callers.contains_key(caller))
        }
        (_, SymptomKind::LogPath | SymptomKind::Complaint) => true,
        // What the platform said stays said until it says something else.
        (_, SymptomKind::Platform) => false,
        _ => !counts.operations.is_empty() || !counts.callers.is_empty(),
    }
}
