//! The desk: where a decision becomes an act that is durable in the journal, once.
//!
//! An id that was seen before is answered with what it was then: a client that heard no answer asks
//! again under the same id; cells that did not get the act the first time get it then. Two requests of
//! one id at the same instant may both reach the journal; the fold takes the first. What is deliberately absent: any log; the shell gives a [`Journal`].

use std::collections::BTreeSet;
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

    /// Appends acts that arrived at a moment to the journal of a cell, in order. When it returns, they are
    /// durable.
    ///
    /// # Errors
    /// Why they may not be. Repeating them is harmless.
    fn append(&self, cell: &CellId, acts: &[Act], arrival: Timestamp) -> Result<(), String>;
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

/// What of a decision's times was counted from the moment of asking, and so is another when it is
/// asked for again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// Nothing: they were named.
    #[default]
    Nothing,
    /// The start is that moment.
    Start,
    /// The start is that moment, and the end so long after it.
    Length,
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
    /// Which of its times were counted.
    pub counted: Counted,
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
    /// It was taken before, and no cell carried it out: why one did not.
    Undone(String),
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

    /// The fold of a cell did not carry an act out.
    pub fn refuse(&self, cell: &CellId, act: &Act, why: &str) {
        self.standing.write().unwrap_or_else(PoisonError::into_inner).refuse(cell, act, why);
    }

    /// Whether an act of this id was seen.
    #[must_use]
    pub fn knows(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.read(|standing| standing.known(id).is_some()))
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
        let known = self.read(|standing| standing.known(&id).cloned());
        let (act, has) = match known {
            Some(known) => {
                let is_more = known.cells.iter().any(|cell| !cells.contains(cell));
                if is_more || !is_same(&known.act, &draft, now) {
                    return Err(NotTaken::IdTaken);
                }
                // Where it stands in one cell, a decision anew would be a second one there.
                let is_undone = cells.iter().all(|cell| known.refused.contains_key(cell));
                if let Some(why) = known.refused.into_values().next().filter(|_| is_undone) {
                    return Err(NotTaken::Undone(why));
                }
                (known.act, known.cells)
            }
            None => (Self::made(id, draft, now)?, BTreeSet::new()),
        };
        let missing: Vec<&CellId> = cells.iter().filter(|cell| !has.contains(cell)).collect();
        for cell in &missing {
            journal.append(cell, std::slice::from_ref(&act), now).map_err(NotTaken::Unavailable)?;
            self.learn(cell, &act);
        }
        Ok(Taken { act, is_repeat: missing.is_empty() })
    }

    /// Makes an act durable that was decided elsewhere, in the journal of its incident's cell. Tells whether it was
    /// there before. It arrives now, whatever the clock over there says, and was not decided later than that.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn relay(&self, cell: &CellId, act: Act, now: Timestamp) -> Result<bool, NotTaken> {
        let journal = self.journal.as_ref().ok_or(NotTaken::NoJournal)?;
        if let Some(mut known) = self.read(|standing| standing.known(&act.id).cloned()) {
            // Of one that is sent again, the time may be that of sending.
            let same = |act: &Act| (act.author.clone(), act.reason.clone(), act.decision.clone());
            if same(&known.act) != same(&act) {
                return Err(NotTaken::IdTaken);
            }
            return known.refused.remove(cell).map_or(Ok(true), |why| Err(NotTaken::Undone(why)));
        }
        let act = Act { at: act.at.min(now), ..act };
        check::form(&act).map_err(NotTaken::Refused)?;
        journal.append(cell, std::slice::from_ref(&act), now).map_err(NotTaken::Unavailable)?;
        self.learn(cell, &act);
        Ok(false)
    }

    fn made(id: String, draft: Draft, now: Timestamp) -> Result<Act, NotTaken> {
        let act = Act {
            id: id.into(),
            author: Name::from(draft.author),
            via: draft.via.into(),
            at: now,
            reason: draft.reason,
            decision: draft.decision,
        };
        check::form(&act).map_err(NotTaken::Refused)?;
        Ok(act)
    }
}

/// Whether a request asks again for an act. What was counted from the moment of asking is compared
/// as it was counted.
fn is_same(known: &Act, draft: &Draft, now: Timestamp) -> bool {
    let counted = |decision: &Decision, asked_at: Timestamp| {
        let mut decision = decision.clone();
        match (&mut decision, draft.counted) {
            (Decision::Snooze { until, .. }, Counted::Length) => {
                *until = Timestamp::EPOCH + (*until - asked_at);
            }
            (
                Decision::Silence { starts_at, ends_at, .. }
                | Decision::Maintenance { starts_at, ends_at, .. },
                Counted::Start | Counted::Length,
            ) => {
                if draft.counted == Counted::Length {
                    *ends_at = Timestamp::EPOCH + (*ends_at - asked_at);
                }
                *starts_at = Timestamp::EPOCH + (*starts_at - asked_at);
            }
            _ => {}
        }
        decision
    };
    *known.author == *draft.author
        && known.reason == draft.reason
        && counted(&known.decision, known.at) == counted(&draft.decision, now)
}
