//! A list whose ids are made by the list itself.
//!
//! Absent on purpose: removal. An id that a table gave out stays good for that table.

use std::ops::{Index, IndexMut};

/// A grow-only list. [`Table::push`] gives the id under which an entry is found again.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<T>(Vec<T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    /// Adds an entry and gives its id.
    pub fn push(&mut self, entry: T) -> usize {
        self.0.push(entry);
        self.0.len() - 1
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries in the order of their ids.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// The entries in the order of their ids, to be changed.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }

    /// The ids in order.
    #[must_use]
    pub fn ids(&self) -> std::ops::Range<usize> {
        0..self.0.len()
    }
}

impl<T> FromIterator<T> for Table<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<T> Index<usize> for Table<T> {
    type Output = T;
    #[expect(clippy::indexing_slicing, reason = "ids are given out by this table's push")]
    fn index(&self, id: usize) -> &T {
        &self.0[id]
    }
}

impl<T> IndexMut<usize> for Table<T> {
    #[expect(clippy::indexing_slicing, reason = "ids are given out by this table's push")]
    fn index_mut(&mut self, id: usize) -> &mut T {
        &mut self.0[id]
    }
}
