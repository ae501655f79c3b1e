//! The tail: rows that are in no file yet, in memory, by table and day. Bounded by whoever fills
//! it: when [`Tail::is_full`], nothing more is read from the topics until a flush succeeded.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;

use crate::error::HistoryError;
use crate::rows::{Cell, Day, Row, batch};
use crate::schema::Table;

/// Bytes above which a flush is due before its time.
const BYTES_FLUSH: usize = 16 << 20;
/// Bytes above which nothing more is taken.
const BYTES_MAX: usize = 128 << 20;
/// Batches of one table and day that become one.
const BATCHES_MAX: usize = 64;

/// Rows that are in no file yet.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    fresh: BTreeMap<(Table, Day), Vec<Vec<Cell>>>,
    batches: BTreeMap<(Table, Day), Vec<RecordBatch>>,
    bytes: usize,
}

impl Tail {
    /// Adds a row. It is seen after the next [`Tail::settle`].
    pub(crate) fn push(&mut self, row: Row) {
        self.fresh.entry((row.table, row.day)).or_default().push(row.cells);
    }

    /// Turns added rows into batches; tells whether there were any.
    pub(crate) fn settle(&mut self) -> Result<bool, HistoryError> {
        let fresh = std::mem::take(&mut self.fresh);
        let any = !fresh.is_empty();
        for ((table, day), rows) in fresh {
            let batch = batch(table, rows.iter().map(Vec::as_slice))?;
            self.bytes += bytes(&batch);
            let held = self.batches.entry((table, day)).or_default();
            held.push(batch);
            if held.len() > BATCHES_MAX {
                *held = vec![concat_batches(&table.schema(), held.iter())?];
            }
        }
        Ok(any)
    }

    /// The batches of each table and day.
    pub(crate) const fn batches(&self) -> &BTreeMap<(Table, Day), Vec<RecordBatch>> {
        &self.batches
    }

    /// The batches by table, for a snapshot.
    pub(crate) fn by_table(&self) -> BTreeMap<Table, Vec<RecordBatch>> {
        let mut tables: BTreeMap<Table, Vec<RecordBatch>> = BTreeMap::new();
        for ((table, _), batches) in &self.batches {
            tables.entry(*table).or_default().extend(batches.iter().cloned());
        }
        tables
    }

    /// Forgets all settled rows: they are in files.
    pub(crate) fn clear(&mut self) {
        self.batches.clear();
        self.bytes = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.fresh.is_empty()
    }

    /// Whether a flush is due before its time.
    pub(crate) const fn is_large(&self) -> bool {
        self.bytes > BYTES_FLUSH
    }

    /// Whether nothing more is to be read for now.
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes > BYTES_MAX
    }
}

fn bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.get_array_memory_size()).sum()
}
