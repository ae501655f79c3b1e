//! The desk: where a decision becomes an act that is durable in the journal, once.
//!
//! An id that was seen before is answered with what it was then: a client that heard no answer asks
//! again under the same id. Two requests of one id at the same instant may both reach the journal;
//! the fold takes the first. What is deliberately absent: any log; the shell gives a [`Journal`].

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use model::command::{Act, Decision};
use model::id::CellId;
use model::name::Name;
use model::time::Timestamp;

use super::check::{self, Refusal};
use super::standing::Standing;
use crate::clock;

/// The journal as the desk sees it.
pub trait Journal: Send + Sync {
    /// The cells of the installation. Never empty.
    fn cells(&self) -> &[CellId];

    /// Appends acts to the journal of a cell, in order. When it returns, they are durable.
    ///
    /// # Errors
    /// Why they may not be. Repeating them is harmless.
    fn append(&self, cell: &CellId, acts: &[Act]) -> Result<(), String>;
}

/// By which clock people decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActClock {
    /// The machine's.
    #[default]
    Wall,
    /// The newest event time: in a story that is told, where `30m` means half an hour of it.
    Story,
}

/// A decision before it has an id and a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The id that the client chose, if it did.
    pub id: Option<String>,
    /// Who decides.
    pub author: String,
    /// Where.
    pub via: &'static str,
    /// Why.
    pub reason: String,
    /// What.
    pub decision: Decision,
}

/// An act that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The act.
    pub act: Act,
    /// Whether it was taken by an earlier request.
    pub is_repeat: bool,
}

/// Why a decision was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is not well formed.
    Refused(Refusal),
    /// Another decision has this id.
    IdTaken,
    /// There is no such cell.
    UnknownCell,
    /// This process cannot take decisions.
    NoJournal,
    /// The journal may not have it. Trying again under the same id is harmless.
    Unavailable(String),
}

/// The desk of a process. Without a journal it takes nothing.
#[derive(Default)]
pub struct Desk {
    journal: Option<Arc<dyn Journal>>,
    clock: ActClock,
    standing: RwLock<Standing>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("cells", &self.cells())
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk over a journal.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, clock: ActClock) -> Self {
        Self { journal: Some(journal), clock, standing: RwLock::default() }
    }

    /// The cells that can be decided on.
    #[must_use]
    pub fn cells(&self) -> &[CellId] {
        self.journal.as_ref().map_or(&[], |journal| journal.cells())
    }

    /// Now, for people; `event` is the newest event time.
    #[must_use]
    pub fn now(&self, event: Option<Timestamp>) -> Timestamp {
        match (self.clock, event) {
            (ActClock::Story, Some(event)) => event,
            _ => clock::now(),
        }
    }

    /// Takes what was read from the journal in.
    pub fn learn(&self, cell: &CellId, act: &Act) {
        self.standing.write().unwrap_or_else(PoisonError::into_inner).apply(cell, act);
    }

    /// Reads what stands.
    pub fn read<T>(&self, look: impl FnOnce(&Standing) -> T) -> T {
        look(&self.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a decision durable in the journals of some cells, or of all if none is named.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn take(&self, cells: &[CellId], draft: Draft, now: Timestamp) -> Result<Taken, NotTaken> {
        let journal = self.journal.as_ref().ok_or(NotTaken::NoJournal)?;
        let cells = if cells.is_empty() { journal.cells() } else { cells };
        if cells.iter().any(|cell| !journal.cells().contains(cell)) {
            return Err(NotTaken::UnknownCell);
        }
        let id = draft.id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        if let Some(known) = self.read(|standing| standing.act(&id).cloned()) {
            return match is_same(&known, &draft) {
                true => Ok(Taken { act: known, is_repeat: true }),
                false => Err(NotTaken::IdTaken),
            };
        }
        let act = Act {
            id: id.into(),
            author: Name::from(draft.author),
            via: draft.via.into(),
            at: now,
            reason: draft.reason,
            decision: draft.decision,
        };
        check::form(&act).map_err(NotTaken::Refused)?;
        for cell in cells {
            journal.append(cell, std::slice::from_ref(&act)).map_err(NotTaken::Unavailable)?;
            self.learn(cell, &act);
        }
        Ok(Taken { act, is_repeat: false })
    }
}

/// Whether a request asks again for an act. Times that were counted from `now` differ between two
/// requests, so of a decision with times only the rest is compared.
fn is_same(known: &Act, draft: &Draft) -> bool {
    let timeless = |decision: &Decision| {
        let mut decision = decision.clone();
        match &mut decision {
            Decision::Snooze { until, .. } => *until = Timestamp::EPOCH,
            Decision::Silence { starts_at, ends_at, .. }
            | Decision::Maintenance { starts_at, ends_at, .. } => {
                (*starts_at, *ends_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
            }
            _ => {}
        }
        decision
    };
    *known.author == *draft.author
        && known.reason == draft.reason
        && timeless(&known.decision) == timeless(&draft.decision)
}
