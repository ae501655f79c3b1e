//! Quarantine: what is counted while a service behaves abnormally is no part of its baseline.
//!
//! Without it an ongoing fault soon becomes normal (notes: the largest single loss of accuracy).
//! Held counts are learned if the symptom turns out to be noise, or if it stays so long that it
//! is the new normal (longer than the limit, or than several times all that was known: a thin
//! baseline is the less likely of the two to be right); else they are dropped. Metric series are held one by one in `series`.

use std::collections::BTreeMap;

use model::name::Name;
use model::nats::Nats;
use serde::{Deserialize, Serialize};

use super::baseline::ServiceBaseline;
use super::limits::DetectConfig;
use crate::observe::{Activity, Merge, ServiceCounts};

/// Counts held back of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    counts: ServiceCounts,
    activity: BTreeMap<Name, Activity>,
    panes: u64,
    calm: u64,
    peak: Nats,
}

/// What became of a pane's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learning {
    /// Learned at once.
    Learned,
    /// Held back.
    Held,
    /// Held counts were noise: learned now.
    Dismissed,
    /// Held counts were a fault: dropped now.
    Dropped,
    /// The fault has become normal: learned now.
    Accepted,
}

/// One settled pane of one service.
pub(crate) struct Lesson<'a> {
    pub(crate) counts: &'a ServiceCounts,
    pub(crate) activity: &'a BTreeMap<Name, Activity>,
    /// The highest run of the service by now.
    pub(crate) level: Nats,
}

/// Learns a pane, or holds it back, or decides on what was held.
pub(crate) fn learn(
    baseline: &mut ServiceBaseline,
    held: &mut BTreeMap<Name, Held>,
    name: &Name,
    lesson: &Lesson<'_>,
    config: &DetectConfig,
) -> Learning {
    let suspect = lesson.level >= config.tell;
    if !suspect && !held.contains_key(name.as_str()) {
        baseline.learn(lesson.counts, lesson.activity, 1, config);
        return Learning::Learned;
    }
    baseline.learn_series(lesson.counts);
    let mine = held.entry(name.clone()).or_default();
    mine.hold(lesson);
    let known = baseline.panes().saturating_mul(config.outgrow).max(config.outgrow_panes);
    let outcome = if mine.panes >= config.accept_panes.min(known) {
        Learning::Accepted
    } else if mine.calm < config.calm_panes {
        Learning::Held
    } else if mine.peak < config.confirm {
        Learning::Dismissed
    } else {
        Learning::Dropped
    };
    if outcome != Learning::Held {
        let mine = held.remove(name.as_str()).unwrap_or_default();
        match outcome {
            Learning::Accepted => baseline.accept(&mine.counts, &mine.activity, mine.panes, config),
            Learning::Dismissed => baseline.learn(&mine.counts, &mine.activity, mine.panes, config),
            _ => {}
        }
    }
    outcome
}

impl Held {
    fn hold(&mut self, lesson: &Lesson<'_>) {
        let counts = ServiceCounts { series: BTreeMap::new(), ..lesson.counts.clone() };
        self.counts.absorb(&counts);
        self.activity.absorb(lesson.activity);
        self.panes += 1;
        self.peak = self.peak.max(lesson.level);
        self.calm = if lesson.level == Nats::ZERO { self.calm + 1 } else { 0 };
    }
}
