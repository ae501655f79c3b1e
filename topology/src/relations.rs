//! Declared relations, by where they start; those that are asked backwards also by where they end.
//!
//! Items with few relations, nearly all, have them packed (see `legs`); the few hubs have lists of
//! their own, because a packed row is written anew with every change.

use std::collections::{BTreeMap, BTreeSet};

use model::map::RelationKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::lean;
use crate::legs::{Leg, Page, ROWS};
use crate::life::Life;
use crate::lives::Lives;
use crate::names::Sym;

/// Most relations of a packed row.
const PACKED_MAX: usize = 32;

/// A relation of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Spoke {
    kind: RelationKind,
    to: Sym,
    life: Life,
}

/// All relations, dead ones that are still remembered among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relations {
    /// Each of `ROWS` starts that follow each other.
    pages: Vec<Page>,
    lives: Lives,
    /// Starts with more than `PACKED_MAX` relations; sorted by kind and end.
    hubs: BTreeMap<Sym, Vec<Spoke>>,
    /// (end, kind, start) of `PartOf` and `RunsOn`.
    by_end: BTreeSet<(Sym, RelationKind, Sym)>,
    count: usize,
}

fn is_asked_backwards(kind: RelationKind) -> bool {
    matches!(kind, RelationKind::PartOf | RelationKind::RunsOn)
}

impl Relations {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The packed relations of a start.
    fn packed(&self, from: Sym) -> impl Iterator<Item = Leg> {
        let (page, row) = place(from);
        self.pages.get(page).into_iter().flat_map(move |page| page.row(row))
    }

    /// All relations of a start.
    fn spokes(&self, from: Sym) -> impl Iterator<Item = Spoke> {
        let packed = self.packed(from).filter_map(|Leg { kind, to, life }| {
            Some(Spoke { kind, to, life: self.lives.get(life)? })
        });
        packed.chain(self.hubs.get(&from).into_iter().flatten().copied())
    }

    pub(crate) fn get(&self, from: Sym, kind: RelationKind, to: Sym) -> Option<Life> {
        if let Some(hub) = self.hubs.get(&from) {
            return hub.get(find(hub, kind, to).ok()?).map(|spoke| spoke.life);
        }
        let leg = self.packed(from).find(|leg| (leg.kind, leg.to) == (kind, to))?;
        self.lives.get(leg.life)
    }

    /// Puts a relation in, or gives a known one another life.
    pub(crate) fn put(&mut self, from: Sym, kind: RelationKind, to: Sym, life: Life) {
        let spoke = Spoke { kind, to, life };
        let is_new = match self.hubs.get_mut(&from) {
            Some(hub) => put_sorted(hub, spoke),
            None => self.put_packed(from, spoke),
        };
        if is_new {
            self.count += 1;
            if is_asked_backwards(kind) {
                self.by_end.insert((to, kind, from));
            }
        }
    }

    /// Puts a relation of a start in that is no hub yet; says whether it is a new one.
    fn put_packed(&mut self, from: Sym, spoke: Spoke) -> bool {
        let mut legs: Vec<Leg> = self.packed(from).collect();
        let Spoke { kind, to, life } = spoke;
        let known = legs.iter_mut().find(|leg| (leg.kind, leg.to) == (kind, to));
        let is_new = known.is_none();
        if let Some(leg) = known {
            let before = std::mem::replace(&mut leg.life, self.lives.take(life));
            self.lives.give_back(before);
            if leg.life == before {
                return false;
            }
        } else if legs.len() < PACKED_MAX {
            legs.push(Leg { kind, to, life: self.lives.take(life) });
        } else {
            let mut spokes: Vec<Spoke> = self.spokes(from).collect();
            spokes.sort_unstable_by_key(|spoke| (spoke.kind, spoke.to));
            put_sorted(&mut spokes, spoke);
            self.store(from, spokes);
            return true;
        }
        self.set_row(from, legs);
        is_new
    }

    /// Keeps these relations, sorted by kind and end, in place of those of a start.
    fn store(&mut self, from: Sym, spokes: Vec<Spoke>) {
        let before: Vec<Leg> = self.packed(from).collect();
        let legs: Vec<Leg> = if spokes.len() > PACKED_MAX {
            self.hubs.insert(from, spokes);
            Vec::new()
        } else {
            self.hubs.remove(&from);
            let Self { lives, .. } = self;
            let leg = |Spoke { kind, to, life }| Leg { kind, to, life: lives.take(life) };
            spokes.into_iter().map(leg).collect()
        };
        for leg in &before {
            self.lives.give_back(leg.life);
        }
        if !(legs.is_empty() && before.is_empty()) {
            self.set_row(from, legs);
        }
    }

    fn set_row(&mut self, from: Sym, legs: Vec<Leg>) {
        let (page, row) = place(from);
        if page >= self.pages.len() {
            lean::put(&mut self.pages, page, Page::default());
        }
        if let Some(page) = self.pages.get_mut(page) {
            page.set_row(row, legs);
        }
    }

    /// Drops what does not pass. Cost: linear in all relations.
    pub(crate) fn retain(&mut self, keep: impl Fn(Sym, Sym, Life) -> bool) {
        for from in self.starts() {
            let (kept, gone): (Vec<Spoke>, Vec<Spoke>) =
                self.spokes(from).partition(|spoke| keep(from, spoke.to, spoke.life));
            if gone.is_empty() {
                continue;
            }
            self.count = self.count.saturating_sub(gone.len());
            for spoke in &gone {
                self.by_end.remove(&(spoke.to, spoke.kind, from));
            }
            self.store(from, kept);
        }
    }

    /// All numbers from which relations may start, rising.
    fn starts(&self) -> impl Iterator<Item = Sym> + use<> {
        let packed = self.pages.len() * ROWS;
        let hubs = self.hubs.keys().next_back().map_or(0, |&last| last as usize + 1);
        0..packed.max(hubs) as Sym
    }

    /// All relations; their order must not reach an output.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Sym, RelationKind, Sym, Life)> {
        self.starts().flat_map(|from| {
            self.spokes(from).map(move |Spoke { kind, to, life }| (from, kind, to, life))
        })
    }

    /// Ends of the relations of one kind that start at an item.
    pub(crate) fn from(&self, from: Sym, kind: RelationKind) -> impl Iterator<Item = (Sym, Life)> {
        let spokes = self.spokes(from).filter(move |spoke| spoke.kind == kind);
        spokes.map(|spoke| (spoke.to, spoke.life))
    }

    /// Starts of the `PartOf` or `RunsOn` relations that end at an item.
    pub(crate) fn to(&self, to: Sym, kind: RelationKind) -> impl Iterator<Item = (Sym, Life)> {
        self.by_end
            .range((to, kind, Sym::MIN)..=(to, kind, Sym::MAX))
            .filter_map(move |&(to, kind, from)| Some((from, self.get(from, kind, to)?)))
    }
}

/// The page of a start, and its row in it.
fn place(from: Sym) -> (usize, usize) {
    (from as usize / ROWS, from as usize % ROWS)
}

fn find(spokes: &[Spoke], kind: RelationKind, to: Sym) -> Result<usize, usize> {
    spokes.binary_search_by_key(&(kind, to), |spoke| (spoke.kind, spoke.to))
}

/// Says whether the relation is a new one.
fn put_sorted(spokes: &mut Vec<Spoke>, spoke: Spoke) -> bool {
    match find(spokes, spoke.kind, spoke.to) {
        Ok(at) => {
            if let Some(known) = spokes.get_mut(at) {
                *known = spoke;
            }
            false
        }
        Err(at) => {
            spokes.insert(at, spoke);
            true
        }
    }
}

/// Relations as they are kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// By number of the start, sorted by kind and end.
    by_start: Vec<(Sym, Vec<Spoke>)>,
    by_end: BTreeSet<(Sym, RelationKind, Sym)>,
    count: usize,
}

impl Serialize for Relations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.starts().map(|from| {
            let mut spokes: Vec<Spoke> = self.spokes(from).collect();
            spokes.sort_unstable_by_key(|spoke| (spoke.kind, spoke.to));
            (from, spokes)
        });
        let by_start = rows.filter(|(_, spokes)| !spokes.is_empty()).collect();
        let kept = Kept { by_start, by_end: self.by_end.clone(), count: self.count };
        kept.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Relations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Kept::deserialize(deserializer)?;
        let mut relations = Self { by_end: kept.by_end, count: kept.count, ..Self::default() };
        for (from, spokes) in kept.by_start {
            relations.store(from, spokes);
        }
        Ok(relations)
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    type Plain = BTreeMap<(Sym, RelationKind, Sym), Life>;

    fn kind() -> impl Strategy<Value = RelationKind> {
        const ALL: [RelationKind; 4] = [
            RelationKind::DependsOn,
            RelationKind::RunsOn,
            RelationKind::PartOf,
            RelationKind::Related,
        ];
        prop::sample::select(ALL.as_slice())
    }

    fn life() -> impl Strategy<Value = Life> {
        (0..4_i64, 0..4_i64).prop_map(|(a, b)| Life { first: Timestamp(a), last: Timestamp(b) })
    }

    /// Few starts, on two pages, so that some become hubs.
    fn relation() -> impl Strategy<Value = ((Sym, RelationKind, Sym), Life)> {
        let from = prop::sample::select([0_u32, 1, 40].as_slice());
        ((from, kind(), 0..20_u32), life())
    }

    fn agree(relations: &Relations, plain: &Plain) -> Result<(), TestCaseError> {
        prop_assert_eq!(relations.len(), plain.len());
        let all: Plain =
            relations.iter().map(|(from, kind, to, l)| ((from, kind, to), l)).collect();
        prop_assert_eq!(relations.iter().count(), plain.len());
        prop_assert_eq!(&all, plain);
        for from in [0, 1, 2, 40, 41, 1_000] {
            let mut found: Vec<(Sym, Life)> = relations.from(from, RelationKind::RunsOn).collect();
            found.sort_unstable();
            let expected: Vec<(Sym, Life)> = plain
                .iter()
                .filter(|((start, kind, _), _)| (*start, *kind) == (from, RelationKind::RunsOn))
                .map(|((_, _, to), life)| (*to, *life))
                .collect();
            prop_assert_eq!(found, expected);
        }
        for to in 0..20 {
            let found: Vec<(Sym, Life)> = relations.to(to, RelationKind::PartOf).collect();
            let expected: Vec<(Sym, Life)> = plain
                .iter()
                .filter(|((_, kind, end), _)| (*kind, *end) == (RelationKind::PartOf, to))
                .map(|((from, ..), life)| (*from, *life))
                .collect();
            prop_assert_eq!(found, expected);
            for from in [0, 1, 2, 40] {
                let key = (from, RelationKind::DependsOn, to);
                prop_assert_eq!(relations.get(key.0, key.1, key.2), plain.get(&key).copied());
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn they_are_a_map(
            puts in prop::collection::vec(relation(), 0..250),
            dead in 0..5_i64,
            again in prop::collection::vec(relation(), 0..60),
        ) {
            let (mut relations, mut plain) = (Relations::default(), Plain::new());
            for puts in [puts, again] {
                for ((from, kind, to), life) in puts {
                    relations.put(from, kind, to, life);
                    plain.insert((from, kind, to), life);
                }
                agree(&relations, &plain)?;
                let keep = |from, to, life: Life| life.last.0 >= dead || (from + to) % 3 == 0;
                relations.retain(keep);
                plain.retain(|(from, _, to), life| keep(*from, *to, *life));
                agree(&relations, &plain)?;
            }
            let bytes = rmp_serde::to_vec_named(&relations).unwrap();
            let restored: Relations = rmp_serde::from_slice(&bytes).unwrap();
            agree(&restored, &plain)?;
            prop_assert_eq!(rmp_serde::to_vec_named(&restored).unwrap(), bytes);
        }
    }
}
