//! A table keyed by numbers of names: one look-up is two reads, and rows lie side by side.

use serde::{Deserialize, Serialize};

use crate::names::Sym;

/// Rows by number. Their order is that of insertion (and of removals): it must not reach an output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(Sym, T)>", into = "Vec<(Sym, T)>", bound(serialize = "T: Serialize + Clone"))]
pub(crate) struct SymTable<T> {
    /// For each number the row, plus one; 0: none. May be shorter than there are numbers.
    index: Vec<u32>,
    rows: Vec<(Sym, T)>,
}

impl<T> Default for SymTable<T> {
    fn default() -> Self {
        Self { index: Vec::new(), rows: Vec::new() }
    }
}

impl<T> SymTable<T> {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    fn row(&self, sym: Sym) -> Option<usize> {
        let row = self.index.get(sym as usize).copied()?;
        (row as usize).checked_sub(1)
    }

    pub(crate) fn get(&self, sym: Sym) -> Option<&T> {
        self.rows.get(self.row(sym)?).map(|(_, row)| row)
    }

    pub(crate) fn get_mut(&mut self, sym: Sym) -> Option<&mut T> {
        let row = self.row(sym)?;
        self.rows.get_mut(row).map(|(_, row)| row)
    }

    /// Puts a row in, in place of what was there.
    pub(crate) fn insert(&mut self, sym: Sym, row: T) {
        if let Some(known) = self.get_mut(sym) {
            *known = row;
            return;
        }
        self.rows.push((sym, row));
        self.point(sym, self.rows.len());
    }

    pub(crate) fn remove(&mut self, sym: Sym) {
        let Some(row) = self.row(sym) else { return };
        self.rows.swap_remove(row);
        self.point(sym, 0);
        if let Some((moved, _)) = self.rows.get(row) {
            self.point(*moved, row + 1);
        }
    }

    fn point(&mut self, sym: Sym, to: usize) {
        let at = sym as usize;
        if at >= self.index.len() {
            self.index.resize(at + 1, 0);
        }
        if let Some(slot) = self.index.get_mut(at) {
            *slot = u32::try_from(to).unwrap_or(0);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Sym, &T)> {
        self.rows.iter().map(|(sym, row)| (*sym, row))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Sym, &mut T)> {
        self.rows.iter_mut().map(|(sym, row)| (*sym, row))
    }
}

impl<T> From<Vec<(Sym, T)>> for SymTable<T> {
    fn from(rows: Vec<(Sym, T)>) -> Self {
        let mut table = Self::default();
        for (sym, row) in rows {
            table.insert(sym, row);
        }
        table
    }
}

impl<T> From<SymTable<T>> for Vec<(Sym, T)> {
    fn from(table: SymTable<T>) -> Self {
        table.rows
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(
            steps in prop::collection::vec((0..12_u32, prop::option::of(any::<u8>())), 0..60),
        ) {
            let (mut table, mut map) = (SymTable::default(), BTreeMap::new());
            for (sym, step) in steps {
                match step {
                    Some(row) => {
                        table.insert(sym, row);
                        map.insert(sym, row);
                    }
                    None => {
                        table.remove(sym);
                        map.remove(&sym);
                    }
                }
                prop_assert_eq!(table.len(), map.len());
                for sym in 0..12 {
                    prop_assert_eq!(table.get(sym), map.get(&sym));
                }
            }
            let rows: BTreeMap<Sym, u8> = table.iter().map(|(sym, row)| (sym, *row)).collect();
            prop_assert_eq!(rows, map);
        }
    }
}
