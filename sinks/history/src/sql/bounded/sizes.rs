//! How large the arguments of a function are, row by row, before it is called.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::length::length;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;

use super::Growth;

/// How large one argument is in each row: bytes of a text or list, or the number itself.
pub(super) enum Sizes {
    All(u64, u64),
    Each(Vec<u64>, Vec<u64>),
}

impl Sizes {
    pub(super) fn of(arg: &ColumnarValue, growth: Growth, place: usize) -> Result<Self> {
        let one_row = matches!(arg, ColumnarValue::Scalar(_));
        // A constant is looked at once, not made as long as the batch.
        let array = arg.to_array(1)?;
        let is_number = place == 1 && matches!(growth, Growth::Times | Growth::Padded);
        let (sizes, items) = if is_number {
            (whole(&array)?, Vec::new())
        } else {
            match array.data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                    (whole(&length(&array)?)?, Vec::new())
                }
                DataType::List(_) | DataType::LargeList(_) => lists(&array)?,
                _ => {
                    let bytes = array.to_data().get_slice_memory_size()?;
                    (vec![(bytes / array.len().max(1)) as u64; array.len()], Vec::new())
                }
            }
        };
        Ok(if one_row {
            let first = |of: &[u64]| of.first().copied().unwrap_or(0);
            Self::All(first(&sizes), first(&items))
        } else {
            Self::Each(sizes, items)
        })
    }

    pub(super) fn at(&self, row: usize) -> u64 {
        match self {
            Self::All(bytes, _) => *bytes,
            Self::Each(bytes, _) => bytes.get(row).copied().unwrap_or(0),
        }
    }

    pub(super) fn items(&self, row: usize) -> u64 {
        match self {
            Self::All(_, items) => *items,
            Self::Each(_, items) => items.get(row).copied().unwrap_or(0),
        }
    }
}

/// Bytes and items of each list.
fn lists(array: &ArrayRef) -> Result<(Vec<u64>, Vec<u64>)> {
    let items = whole(&length(array)?)?;
    let values = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().values(),
        _ => array.as_list::<i64>().values(),
    };
    let bytes = values.to_data().get_slice_memory_size()? as u64;
    let each = bytes / (values.len() as u64).max(1) + 1;
    Ok((items.iter().map(|items| items.saturating_mul(each)).collect(), items))
}

/// Whole numbers; NULL and what is less than nothing are 0.
fn whole(array: &ArrayRef) -> Result<Vec<u64>> {
    let numbers = cast(array, &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>();
    Ok(numbers.iter().map(|number| u64::try_from(number.unwrap_or(0)).unwrap_or(0)).collect())
}
