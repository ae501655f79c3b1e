//! Columns that grow by an eighth: a map of a million items is held for months and grows seldom, so
//! that half of a doubled column would lie idle.

/// Least room that is made at once.
const LEAST: usize = 8;

/// Makes room for `more` rows in a column. Each row is moved some eight times while a column grows.
pub(crate) fn make_room<T>(column: &mut Vec<T>, more: usize) {
    if column.capacity() - column.len() < more {
        column.reserve_exact(more.max(column.len() / 8).max(LEAST));
    }
}

/// Puts a row in at a place, with empty rows before it as far as there are none yet.
pub(crate) fn put<T: Clone + Default>(column: &mut Vec<T>, at: usize, row: T) {
    if let Some(known) = column.get_mut(at) {
        *known = row;
        return;
    }
    make_room(column, at + 1 - column.len());
    column.resize(at, T::default());
    column.push(row);
}
