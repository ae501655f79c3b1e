//! What a test says of one key in one pane.

use model::entity::Entity;
use model::id::TraceId;
use model::name::Name;
use model::nats::Nats;
use model::symptom::SymptomKind;
use serde::{Deserialize, Serialize};

use super::statistics::two_samples;

/// Identity of a line of evidence: the same as that of a symptom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) entity: Entity,
    pub(crate) kind: SymptomKind,
    pub(crate) detail: Name,
}

/// Which way a value left its range. Counts can only be too many of the bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Direction {
    /// Upwards.
    Up,
    /// Downwards.
    Down,
}

/// What a share of hits is held against, so that the panes of a run can be judged as one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Against {
    /// Hits that the baseline knows, or would not be surprised by. Unit: thousandths.
    pub(crate) hits_milli: u64,
    /// Their trials.
    pub(crate) trials: u64,
    /// What is taken off because so many keys like this one were looked at.
    pub(crate) looked_at: Nats,
    /// How much of it is this key's own. Unit: parts per million.
    pub(crate) weight_ppm: u32,
}

impl Against {
    /// What these hits say, before the weight.
    pub(crate) fn nats(&self, hits: u64, trials: u64) -> Nats {
        let known = self.hits_milli as f64 / 1000.0;
        let nats = two_samples(hits as f64, trials as f64, known, self.trials as f64);
        (Nats::from_f64(nats) - self.looked_at).max(Nats::ZERO)
    }

    /// The part of some evidence that is this key's own.
    pub(crate) fn weighed(&self, nats: Nats) -> Nats {
        Nats::from_f64(nats.to_f64() * f64::from(self.weight_ppm) / 1e6)
    }
}

/// Evidence of one pane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) key: Key,
    pub(crate) nats: Nats,
    pub(crate) direction: Direction,
    pub(crate) hits: u64,
    pub(crate) trials: u64,
    pub(crate) expected_ppm: u32,
    /// What the hits are held against; without it the evidence of successive panes just adds up.
    pub(crate) against: Option<Against>,
    pub(crate) exemplars: Vec<TraceId>,
}
