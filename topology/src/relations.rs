//! Declared relations, by where they start; those that are asked backwards also by where they end.

use std::collections::BTreeSet;

use model::map::RelationKind;
use serde::{Deserialize, Serialize};

use crate::life::Life;
use crate::names::Sym;
use crate::sym_table::SymTable;

/// A relation, seen from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Leg {
    kind: RelationKind,
    to: Sym,
    life: Life,
}

/// All relations, dead ones that are still remembered among them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Relations {
    /// Sorted by kind and end.
    by_start: SymTable<Vec<Leg>>,
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

    fn legs(&self, from: Sym) -> &[Leg] {
        self.by_start.get(from).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn get(&self, from: Sym, kind: RelationKind, to: Sym) -> Option<Life> {
        let legs = self.legs(from);
        let at = legs.binary_search_by_key(&(kind, to), |leg| (leg.kind, leg.to)).ok()?;
        legs.get(at).map(|leg| leg.life)
    }

    /// Puts a relation in, or gives a known one another life.
    pub(crate) fn put(&mut self, from: Sym, kind: RelationKind, to: Sym, life: Life) {
        if self.by_start.get(from).is_none() {
            self.by_start.insert(from, Vec::new());
        }
        let Some(legs) = self.by_start.get_mut(from) else { return };
        match legs.binary_search_by_key(&(kind, to), |leg| (leg.kind, leg.to)) {
            Ok(at) => {
                if let Some(leg) = legs.get_mut(at) {
                    leg.life = life;
                }
            }
            Err(at) => {
                legs.insert(at, Leg { kind, to, life });
                self.count += 1;
                if is_asked_backwards(kind) {
                    self.by_end.insert((to, kind, from));
                }
            }
        }
    }

    /// Drops what does not pass. Cost: linear in all relations.
    pub(crate) fn retain(&mut self, keep: impl Fn(Sym, Sym, Life) -> bool) {
        let Self { by_start, by_end, count } = self;
        for (from, legs) in by_start.iter_mut() {
            legs.retain(|leg| {
                let kept = keep(from, leg.to, leg.life);
                if !kept {
                    *count = count.saturating_sub(1);
                    by_end.remove(&(leg.to, leg.kind, from));
                }
                kept
            });
        }
        let empty: Vec<Sym> =
            by_start.iter().filter(|(_, legs)| legs.is_empty()).map(|(from, _)| from).collect();
        for from in empty {
            by_start.remove(from);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Sym, RelationKind, Sym, Life)> {
        self.by_start
            .iter()
            .flat_map(|(from, legs)| legs.iter().map(move |leg| (from, leg.kind, leg.to, leg.life)))
    }

    /// Ends of the relations of one kind that start at an item.
    pub(crate) fn from(&self, from: Sym, kind: RelationKind) -> impl Iterator<Item = (Sym, Life)> {
        let legs = self.legs(from).iter().filter(move |leg| leg.kind == kind);
        legs.map(|leg| (leg.to, leg.life))
    }

    /// Starts of the `PartOf` or `RunsOn` relations that end at an item.
    pub(crate) fn to(&self, to: Sym, kind: RelationKind) -> impl Iterator<Item = (Sym, Life)> {
        self.by_end
            .range((to, kind, Sym::MIN)..=(to, kind, Sym::MAX))
            .filter_map(move |&(to, kind, from)| Some((from, self.get(from, kind, to)?)))
    }
}
