//! People: what they decide, and how it holds in the fold.
//!
//! `check` says whether an act can be carried out. What stands for all incidents is in `mutes` (over alerts
//! that match, by `matching`; `cover` says which cases that mutes whole) and `opinions` (from which
//! rankings learn). Which services are one incident is a fact of the fold, a `decree`. What is said about
//! one incident is kept with its record (`../publish`).

mod check;
mod matching;
mod mutes;
mod cover;
mod opinions;
mod decree;
mod words;

pub use check::{ActFault, check, is_act_id};
pub(super) use cover::Cover;
pub(super) use decree::{Anchor, Bond, Decree, apply as carry_out};
pub(super) use mutes::Muted;
pub(super) use opinions::{Opinion, REMEMBERED};
pub(super) use words::{is_own, line, refusal, refused_line};

use std::collections::{BTreeSet, VecDeque};

use model::name::Name;
use serde::{Deserialize, Serialize};

use super::limits::ACTS_SEEN_MAX;

/// What people said that stands for all incidents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// What tells nobody.
    pub(super) mutes: mutes::Mutes,
    /// What was said of causes.
    pub(super) opinions: opinions::Opinions,
}

/// The ids of the newest acts: each counts once, however often it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ActsSeen {
    order: VecDeque<Name>,
    ids: BTreeSet<Name>,
}

impl ActsSeen {
    /// Whether an act was carried out already.
    pub(super) fn knows(&self, id: &Name) -> bool {
        self.ids.contains(id)
    }

    /// Remembers an act that was carried out.
    pub(super) fn note(&mut self, id: Name) {
        if self.ids.insert(id.clone()) {
            self.order.push_back(id);
        }
        while self.order.len() > ACTS_SEEN_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
    }
}
