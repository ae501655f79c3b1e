//! Metric series that left their usual range, in either direction.

use model::entity::{Entity, EntityKind};
use model::name::Name;
use model::nats::Nats;
use model::symptom::{AT_LIMIT, SymptomKind};

use super::evidence::{Direction, Evidence, Key};
use super::judge::{Before, Case};
use super::saturation::is_at_limit;
use super::series::value_of;
use super::statistics::deviation;
use crate::observe::SeriesKey;

/// Most that one point can say.
const CAP: f64 = 8.0;

/// Tests every series of an owner. The evidence of a lone point is set aside later: only a second
/// one on the same side makes it count.
pub(crate) fn judge(case: &Case<'_>, before: Before<'_>, found: &mut Vec<Evidence>) {
    for (key, counts) in &case.counts.series {
        let Some(series) = case.baseline.series(key) else { continue };
        let Some(value) = value_of(counts, before(case.name, key)) else { continue };
        let Some(z) = series.standardised(value) else { continue };
        let at_limit = is_at_limit(&key.metric, value, z);
        let nats = Nats::from_f64(if at_limit { CAP } else { deviation(z).min(CAP) });
        if nats > Nats::ZERO {
            found.push(Evidence {
                key: Key {
                    entity: entity(case, key),
                    kind: SymptomKind::Metric,
                    detail: if at_limit {
                        format!("{}{AT_LIMIT}", detail(key)).into()
                    } else {
                        detail(key)
                    },
                },
                nats,
                direction: if z > 0.0 { Direction::Up } else { Direction::Down },
                hits: 1,
                trials: 1,
                expected_ppm: 0,
                against: None,
                exemplars: Vec::new(),
            });
        }
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
        (Some(instance), EntityKind::Instance) => *instance == entity.id,
        (None, kind) => kind != EntityKind::Instance || entity.id == entity.service,
        _ => false,
    }
}

fn entity(case: &Case<'_>, key: &SeriesKey) -> Entity {
    match &key.instance {
        Some(instance) => Entity::instance(case.name.clone(), instance.clone()),
        None => case.entity(),
    }
}
