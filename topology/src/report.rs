//! What taking a document in has done, in numbers.

use serde::{Deserialize, Serialize};

/// What a document did. Counts of items and relations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyReport {
    /// Items new or brought back.
    pub items_added: u64,
    /// Items with new content.
    pub items_replaced: u64,
    /// Items that said what was known.
    pub items_unchanged: u64,
    /// Items taken out.
    pub items_removed: u64,
    /// Items, removals and relations that a later word overrules: without effect on the map of now.
    pub stale: u64,
    /// Known items and relations that turn out to have been in the map for longer.
    pub backdated: u64,
    /// Relations new or brought back.
    pub relations_added: u64,
    /// Relations that were known.
    pub relations_unchanged: u64,
    /// Relations with an end that no item has introduced yet; they count once it has.
    pub dangling: u64,
    /// Relations from an item to itself: dropped.
    pub self_loops: u64,
    /// Items, relations and aliases with an empty or oversize name, or too many aliases: dropped.
    pub oversize: u64,
    /// Items and relations beyond the map's limits: dropped.
    pub over_limit: u64,
}

impl ApplyReport {
    /// Whether the map of now differs from before.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.items_added + self.items_replaced + self.items_removed + self.relations_added > 0
    }

    /// Whether the map of now or of an earlier time may differ from before.
    pub(crate) fn touched(&self) -> bool {
        self.changed() || self.stale + self.backdated > 0
    }
}
