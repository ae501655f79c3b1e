//! What bounds the map, and how fast it forgets.

use model::time::PaneWidth;
use serde::{Deserialize, Serialize};

/// Parameters of a map. A *tick* is a pane in which any dependency was seen at all: a gap in all
/// telemetry ages nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapParameters {
    /// Width of the panes that `observe` and `as_of` speak of.
    pub pane_width: PaneWidth,
    /// After so many ticks the weight of a call has halved. Default: one hour of 10 s panes.
    pub half_life_ticks: u64,
    /// An edge not seen for so many ticks is no longer in the map. Default: one day.
    pub expiry_ticks: u64,
    /// After so many ticks in which the caller was seen but a declared edge was not, the
    /// confidence in that edge has halved. Default: one week.
    pub disuse_half_life_ticks: u64,
    /// Declared items.
    pub items_max: usize,
    /// Declared relations.
    pub relations_max: usize,
    /// Aliases of one item.
    pub aliases_max: usize,
    /// Length of one name, in bytes.
    pub name_bytes_max: usize,
    /// Learned edges.
    pub learned_edges_max: usize,
    /// Structural versions that `as_of` can still tell apart.
    pub versions_max: usize,
    /// Removed items that are remembered.
    pub tombstones_max: usize,
}

impl Default for MapParameters {
    fn default() -> Self {
        Self {
            pane_width: PaneWidth::default(),
            half_life_ticks: 360,
            expiry_ticks: 8_640,
            disuse_half_life_ticks: 60_480,
            items_max: 2_000_000,
            relations_max: 10_000_000,
            aliases_max: 64,
            name_bytes_max: 512,
            learned_edges_max: 200_000,
            versions_max: 64,
            tombstones_max: 65_536,
        }
    }
}
