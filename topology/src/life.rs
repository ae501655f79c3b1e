//! Since when and until when something is in the map.

use model::time::{Pane, PaneWidth, Timestamp};
use serde::{Deserialize, Serialize};

/// The time that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Now,
    AsOf(Pane),
}

/// First and last word on an item or relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Life {
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

impl Life {
    /// Now: the last word is no removal. In an earlier pane: it had begun and was not yet removed.
    pub(crate) fn holds(self, removed: Timestamp, when: When, width: PaneWidth) -> bool {
        match when {
            When::Now => self.last >= removed,
            When::AsOf(pane) => {
                let begun = width.pane_of(self.first) <= pane;
                begun && (self.last >= removed || pane < width.pane_of(removed))
            }
        }
    }
}
