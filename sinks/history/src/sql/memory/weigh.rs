//! How large columns are, and the largest of their values.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{DataType, Int32Type, Int64Type};

/// Beside the bytes of a value: its place in the column.
const PLACE_BYTES: u64 = 16;

/// Bytes of a column's rows, not of those that it shares its memory with.
pub(super) fn bytes(column: &ArrayRef) -> u64 {
    let slice = column.to_data().get_slice_memory_size();
    slice.unwrap_or_else(|_| column.get_array_memory_size()) as u64
}

/// Bytes of a batch's rows.
pub(super) fn batch_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(bytes).fold(0, u64::saturating_add)
}

/// The most that one row of a column has, in bytes.
pub(super) fn widest(column: &ArrayRef) -> u64 {
    let of_value = match column.data_type() {
        kind if super::is_narrow(kind) => PLACE_BYTES,
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => longest(column),
        DataType::List(_) => {
            let lists = column.as_list::<i32>();
            lists.iter().flatten().map(|list| bytes(&list)).max().unwrap_or(0)
        }
        DataType::Struct(_) => {
            column.as_struct().columns().iter().map(widest).fold(0, u64::saturating_add)
        }
        // No row has more than all together.
        _ => bytes(column),
    };
    of_value.saturating_add(PLACE_BYTES)
}

/// The most that one row of a batch has, in bytes, in the columns that are asked for.
pub(super) fn widest_row(batch: &RecordBatch, asked: impl Fn(usize) -> bool) -> u64 {
    let columns = batch.columns().iter().enumerate().filter(|(place, _)| asked(*place));
    columns.map(|(_, column)| widest(column)).fold(0, u64::saturating_add)
}

fn longest(column: &ArrayRef) -> u64 {
    let Ok(lengths) = length(column) else { return bytes(column) };
    let longest = match lengths.data_type() {
        DataType::Int32 => {
            let lengths = lengths.as_primitive::<Int32Type>();
            lengths.iter().flatten().max().map(i64::from)
        }
        DataType::Int64 => lengths.as_primitive::<Int64Type>().iter().flatten().max(),
        _ => return bytes(column),
    };
    longest.unwrap_or(0).unsigned_abs()
}

/// How many rows `unnest` makes of a column of lists at most; lists in lists count as what is in
/// the innermost.
pub(super) fn items(column: &ArrayRef) -> u64 {
    let inner = match column.data_type() {
        DataType::List(_) => {
            column.as_list::<i32>().iter().flatten().map(|list| items(&list)).sum()
        }
        DataType::LargeList(_) => {
            column.as_list::<i64>().iter().flatten().map(|list| items(&list)).sum()
        }
        DataType::FixedSizeList(..) => items(column.as_fixed_size_list().values()),
        _ => 0,
    };
    inner.max(column.len() as u64)
}
