//! What a test says of one key in one pane.

use model::entity::Entity;
use model::id::TraceId;
use model::name::Name;
use model::nats::Nats;
use model::symptom::SymptomKind;
use serde::{Deserialize, Serialize};

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

/// Evidence of one pane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) key: Key,
    pub(crate) nats: Nats,
    pub(crate) direction: Direction,
    pub(crate) hits: u64,
    pub(crate) trials: u64,
    pub(crate) expected_ppm: u32,
    pub(crate) exemplars: Vec<TraceId>,
}
