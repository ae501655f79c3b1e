//! What people decided for a time: silences, maintenance windows and inhibitions, folded from the
//! acts of the journal; and the acts that were seen, so that a repeated request is known.
//!
//! Pure: acts in, entries out, in any order and any number of times. What is deliberately absent:
//! what they mute; that is the correlator's, and each incident says it itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::command::{Act, Decision};
use model::id::CellId;
use model::name::Name;
use model::people::Said;
use model::time::Timestamp;

/// Acts whose ids are remembered; the oldest leave first.
const ACTS_MAX: usize = 10_000;
/// Entries that are kept; those that ended first leave first.
const ENTRIES_MAX: usize = 5_000;

/// The three kinds of what stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Alerts that match tell nobody.
    Silence,
    /// Services that are worked on.
    Maintenance,
    /// Alerts that mute other alerts.
    Inhibition,
}

/// Whether it holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It begins later.
    Pending,
    /// It holds.
    Active,
    /// It is over.
    Expired,
}

impl Phase {
    /// Its word in JSON, as in Alertmanager.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

/// One thing that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The act that made it.
    pub act: Act,
    /// Where it holds, or held.
    pub cells: BTreeSet<CellId>,
    end: Option<End>,
}

/// An end before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    said: Said,
    cells: BTreeSet<CellId>,
}

impl Entry {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        kind_of(&self.act.decision)
    }

    /// Who ended it everywhere before its time, if anybody did.
    #[must_use]
    pub fn ended(&self) -> Option<&Said> {
        let end = self.end.as_ref().filter(|end| self.cells.is_subset(&end.cells));
        end.map(|end| &end.said)
    }

    /// Where nobody has ended it.
    #[must_use]
    pub fn cells_left(&self) -> Vec<CellId> {
        let has_ended = |cell: &CellId| self.end.as_ref().is_some_and(|e| e.cells.contains(cell));
        self.cells.iter().filter(|cell| !has_ended(cell)).cloned().collect()
    }

    /// From when to when; an inhibition has no end of its own.
    #[must_use]
    pub fn interval(&self) -> (Timestamp, Option<Timestamp>) {
        let (starts_at, planned) = match &self.act.decision {
            Decision::Silence { starts_at, ends_at, .. }
            | Decision::Maintenance { starts_at, ends_at, .. } => (*starts_at, Some(*ends_at)),
            _ => (self.act.at, None),
        };
        let ended = self.ended().map(|said| said.at);
        let ends_at = match (planned, ended) {
            (Some(planned), Some(ended)) => Some(planned.min(ended)),
            (planned, ended) => planned.or(ended),
        };
        (starts_at, ends_at)
    }

    /// Whether it holds at a time.
    #[must_use]
    pub fn phase(&self, now: Timestamp) -> Phase {
        let (starts_at, ends_at) = self.interval();
        if self.ended().is_some() || ends_at.is_some_and(|end| end <= now) {
            Phase::Expired
        } else if starts_at > now {
            Phase::Pending
        } else {
            Phase::Active
        }
    }
}

fn kind_of(decision: &Decision) -> Option<Kind> {
    match decision {
        Decision::Silence { .. } => Some(Kind::Silence),
        Decision::Maintenance { .. } => Some(Kind::Maintenance),
        Decision::Inhibit { .. } => Some(Kind::Inhibition),
        _ => None,
    }
}

/// A decision without its times.
fn timeless(decision: &Decision) -> Decision {
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
}

/// What a beginning of an id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// This one.
    One(T),
    /// None begins so.
    None,
    /// Several begin so; some of them.
    Several(Vec<String>),
}

/// An act that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The act: the first that was seen of its id.
    pub act: Act,
    /// The cells whose journals have it.
    pub cells: BTreeSet<CellId>,
    /// The cells whose fold did not carry it out, and why.
    pub refused: BTreeMap<CellId, String>,
}

/// The fold.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    entries: BTreeMap<Name, Entry>,
    /// Ends that arrived before what they end.
    ends: BTreeMap<Name, End>,
    acts: BTreeMap<Name, Known>,
    order: VecDeque<Name>,
}

impl Standing {
    /// Takes an act in. The first act of an id counts; repeats only add cells. Two requests of one
    /// id at the same instant may differ in their times: they are one act all the same.
    pub fn apply(&mut self, cell: &CellId, act: &Act) {
        let Some(known) = self.known_as(act) else { return };
        known.cells.insert(cell.clone());
        let (act, is_refused) = (known.act.clone(), known.refused.contains_key(cell));
        match &act.decision {
            decision if kind_of(decision).is_some() && !is_refused => {
                let end = self.ends.remove(&act.id);
                let entry = self.entries.entry(act.id.clone()).or_insert_with(|| Entry {
                    act,
                    cells: BTreeSet::new(),
                    end,
                });
                entry.cells.insert(cell.clone());
                self.bound();
            }
            Decision::Expire { target } | Decision::Uninhibit { target } => {
                self.end(cell, target, &act);
            }
            _ => {}
        }
    }

    /// The fold of a cell did not carry an act out: it does not stand there.
    pub fn refuse(&mut self, cell: &CellId, act: &Act, why: &str) {
        let Some(known) = self.known_as(act) else { return };
        known.cells.insert(cell.clone());
        known.refused.insert(cell.clone(), why.to_owned());
        if let Some(entry) = self.entries.get_mut(&act.id) {
            entry.cells.remove(cell);
            if entry.cells.is_empty() {
                self.entries.remove(&act.id);
            }
        }
    }

    /// What is known of an act, with the act itself from now on; `None` if another has its id.
    fn known_as(&mut self, act: &Act) -> Option<&mut Known> {
        if !self.acts.contains_key(&act.id) {
            self.remember(act);
        }
        let known = self.acts.get_mut(&act.id)?;
        (timeless(&known.act.decision) == timeless(&act.decision)).then_some(known)
    }

    fn end(&mut self, cell: &CellId, target: &Name, act: &Act) {
        let said = Said::from(act);
        let first = || End { said, cells: BTreeSet::new() };
        let end = match self.entries.get_mut(target) {
            Some(entry) => entry.end.get_or_insert_with(first),
            None if self.ends.len() < ENTRIES_MAX => {
                self.ends.entry(target.clone()).or_insert_with(first)
            }
            None => return,
        };
        end.cells.insert(cell.clone());
    }

    fn remember(&mut self, act: &Act) {
        let known = Known { act: act.clone(), cells: BTreeSet::new(), refused: BTreeMap::new() };
        self.acts.insert(act.id.clone(), known);
        self.order.push_back(act.id.clone());
        while self.order.len() > ACTS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.acts.remove(&oldest);
            }
        }
    }

    /// Lets the one go that ended first; what has no end stays longest.
    fn bound(&mut self) {
        if self.entries.len() <= ENTRIES_MAX {
            return;
        }
        let end = |entry: &Entry| entry.interval().1.unwrap_or(Timestamp(i64::MAX));
        let first = self.entries.iter().min_by_key(|(id, entry)| (end(entry), (*id).clone()));
        if let Some(id) = first.map(|(id, _)| id.clone()) {
            self.entries.remove(&id);
        }
    }

    /// The act of this id, if it was seen.
    #[must_use]
    pub fn known(&self, id: &str) -> Option<&Known> {
        self.acts.get(id)
    }

    /// What stands of a kind: what holds first, then what comes, then what is over, newest first.
    #[must_use]
    pub fn list(&self, kind: Kind, now: Timestamp) -> Vec<&Entry> {
        let mut found: Vec<&Entry> =
            self.entries.values().filter(|entry| entry.kind() == Some(kind)).collect();
        let rank = |entry: &Entry| match entry.phase(now) {
            Phase::Active => 0,
            Phase::Pending => 1,
            Phase::Expired => 2,
        };
        found.sort_by_key(|entry| {
            (rank(entry), std::cmp::Reverse(entry.act.at), entry.act.id.clone())
        });
        found
    }

    /// The entry of a kind whose id begins so. The whole id is always enough.
    #[must_use]
    pub fn find(&self, kind: Kind, prefix: &str) -> Found<&Entry> {
        let of_kind = |entry: &&Entry| entry.kind() == Some(kind);
        if let Some(entry) = self.entries.get(prefix).filter(of_kind) {
            return Found::One(entry);
        }
        let begins = |entry: &&Entry| entry.act.id.starts_with(prefix);
        let mut found: Vec<&Entry> = self.entries.values().filter(of_kind).filter(begins).collect();
        match (prefix.is_empty(), found.len()) {
            (true, _) | (_, 0) => Found::None,
            (_, 1) => found.pop().map_or(Found::None, Found::One),
            _ => Found::Several(found.iter().take(5).map(|e| e.act.id.to_string()).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::matcher::{MatchOp, Matcher};

    fn act(id: &str, at_s: i64, decision: Decision) -> Act {
        Act {
            id: id.into(),
            author: "ann".into(),
            via: "api".into(),
            at: at(at_s),
            reason: String::new(),
            decision,
        }
    }

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(s * 1_000)
    }

    fn silence(from_s: i64, to_s: i64) -> Decision {
        let matcher =
            Matcher { label: "service".into(), op: MatchOp::Equal, value: "cart".to_owned() };
        Decision::Silence { matchers: vec![matcher], starts_at: at(from_s), ends_at: at(to_s) }
    }

    fn cell() -> CellId {
        CellId("default".into())
    }

    fn phase(standing: &Standing, id: &str, now_s: i64) -> Phase {
        let Found::One(entry) = standing.find(Kind::Silence, id) else { panic!("{id} is there") };
        entry.phase(at(now_s))
    }

    #[test]
    fn a_silence_is_pending_then_active_then_over() {
        let mut standing = Standing::default();
        standing.apply(&cell(), &act("s1", 1, silence(10, 20)));
        let phases = [9, 10, 19, 20].map(|now| phase(&standing, "s1", now));
        assert_eq!(phases, [Phase::Pending, Phase::Active, Phase::Active, Phase::Expired]);
    }

    #[test]
    fn an_end_holds_whether_it_comes_before_or_after_and_however_often() {
        let end = act("e1", 12, Decision::Expire { target: "s1".into() });
        let begin = act("s1", 1, silence(10, 20));
        for order in [[&begin, &end, &begin, &end], [&end, &begin, &end, &begin]] {
            let mut standing = Standing::default();
            for act in order {
                standing.apply(&cell(), act);
            }
            assert_eq!(phase(&standing, "s1", 12), Phase::Expired);
            let Found::One(entry) = standing.find(Kind::Silence, "s") else { panic!() };
            assert_eq!(entry.interval(), (at(10), Some(at(12))));
        }
    }

    #[test]
    fn the_same_act_in_two_cells_is_one_entry() {
        let mut standing = Standing::default();
        let begin = act("s1", 1, silence(10, 20));
        standing.apply(&CellId("a".into()), &begin);
        standing.apply(&CellId("b".into()), &begin);
        let list = standing.list(Kind::Silence, at(11));
        assert_eq!((list.len(), list[0].cells.len()), (1, 2));
    }

    #[test]
    fn what_ended_in_one_cell_of_two_still_stands() {
        let (a, b) = (CellId("a".into()), CellId("b".into()));
        let mut standing = Standing::default();
        standing.apply(&a, &act("s1", 1, silence(10, 20)));
        standing.apply(&b, &act("s1", 1, silence(10, 20)));
        let end = act("e1", 12, Decision::Expire { target: "s1".into() });
        standing.apply(&a, &end);
        assert_eq!(phase(&standing, "s1", 13), Phase::Active);
        let Found::One(entry) = standing.find(Kind::Silence, "s1") else { panic!() };
        assert_eq!((entry.cells_left(), entry.ended()), (vec![b.clone()], None));
        standing.apply(&b, &end);
        assert_eq!(phase(&standing, "s1", 13), Phase::Expired);
    }

    #[test]
    fn what_the_fold_refused_stands_nowhere_whichever_is_heard_first() {
        let begin = act("s1", 1, silence(10, 20));
        for refusal_first in [true, false] {
            let mut standing = Standing::default();
            if refusal_first {
                standing.refuse(&cell(), &begin, "full");
            }
            standing.apply(&cell(), &begin);
            standing.refuse(&cell(), &begin, "full");
            assert_eq!(standing.find(Kind::Silence, "s1"), Found::None);
            assert_eq!(standing.known("s1").unwrap().refused[&cell()], "full");
            standing.apply(&CellId("b".into()), &begin);
            let Found::One(entry) = standing.find(Kind::Silence, "s1") else { panic!() };
            assert_eq!(entry.cells.len(), 1, "the other cell took it");
        }
    }

    #[test]
    fn another_act_under_a_known_id_changes_nothing() {
        let mut standing = Standing::default();
        standing.apply(&cell(), &act("s1", 1, silence(10, 20)));
        standing.apply(&cell(), &act("s1", 2, silence(10, 99)));
        assert_eq!(phase(&standing, "s1", 50), Phase::Expired);
    }

    #[test]
    fn a_prefix_names_one_or_says_whom_it_could_mean() {
        let mut standing = Standing::default();
        for id in ["aa1", "aa2", "aa"] {
            standing.apply(&cell(), &act(id, 1, silence(10, 20)));
        }
        assert!(matches!(standing.find(Kind::Silence, "aa"), Found::One(e) if *e.act.id == *"aa"));
        assert!(matches!(standing.find(Kind::Silence, "aa2"), Found::One(_)));
        assert!(matches!(standing.find(Kind::Silence, "a"), Found::Several(ids) if ids.len() == 3));
        assert_eq!(standing.find(Kind::Silence, "b"), Found::None);
        assert_eq!(standing.find(Kind::Maintenance, "aa"), Found::None);
    }

    #[test]
    fn entries_are_bounded_and_what_ended_first_leaves() {
        let mut standing = Standing::default();
        let many = i64::try_from(ENTRIES_MAX).unwrap() + 10;
        for n in 0..many {
            standing.apply(&cell(), &act(&format!("s{n}"), 1, silence(10, 20 + n)));
        }
        let held = standing.list(Kind::Silence, at(11));
        assert_eq!(held.len(), ENTRIES_MAX);
        assert!(held.iter().all(|entry| entry.interval().1 >= Some(at(30))), "the first ten left");
    }
}
