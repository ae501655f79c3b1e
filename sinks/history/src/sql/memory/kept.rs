//! What a window step has at its end: all rows of its input, and a value for each of them.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, WindowExpr,
};

use super::weigh::{batch_bytes, bytes, widest};

/// A value that a window function makes, on its way into a column. Unit: bytes.
const VALUE_BYTES: u64 = 64;
/// A partition of a single row: its state and a column of its own. Unit: bytes.
const PARTITION_BYTES: u64 = 512;

/// Aggregates whose value is one of those that went in.
const ONE_OF_THEM: [&str; 6] =
    ["min", "max", "first_value", "last_value", "nth_value", "any_value"];

/// How large the values of a window function are.
#[derive(Debug)]
enum Size {
    /// As one of its arguments.
    OneOf(Vec<Arc<dyn PhysicalExpr>>),
    /// As all of its arguments in all rows together.
    AllOf(Vec<Arc<dyn PhysicalExpr>>),
}

/// What is known of a window step before its rows come.
#[derive(Debug)]
pub(super) struct Kept {
    copies: u64,
    row_bytes: u64,
    large: Vec<Size>,
}

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Came {
    rows: u64,
    bytes: u64,
    /// Of each function in `large`: the largest value.
    values: Vec<u64>,
}

impl Kept {
    /// `copies` is how often the step has its input in memory.
    pub(super) fn of(functions: &[Arc<dyn WindowExpr>], copies: u64) -> Self {
        let row = |function: &Arc<dyn WindowExpr>| {
            if function.partition_by().is_empty() { VALUE_BYTES } else { PARTITION_BYTES }
        };
        Self {
            copies,
            row_bytes: functions.iter().map(row).sum(),
            large: functions.iter().filter_map(Size::of).collect(),
        }
    }

    /// One more batch; the answer is what the step needs for all that came. Unit: bytes.
    pub(super) fn add(&self, came: &mut Came, batch: &RecordBatch) -> Result<u64> {
        came.rows += batch.num_rows() as u64;
        came.bytes = came.bytes.saturating_add(batch_bytes(batch));
        came.values.resize(self.large.len(), 0);
        let mut row_bytes = self.row_bytes;
        for (size, value) in self.large.iter().zip(&mut came.values) {
            *value = size.with(*value, batch)?;
            row_bytes = row_bytes.saturating_add(*value);
        }
        let rows = came.rows.saturating_mul(row_bytes);
        Ok(came.bytes.saturating_mul(self.copies).saturating_add(rows))
    }
}

impl Size {
    /// `None`: a number, which `row_bytes` has room for.
    fn of(function: &Arc<dyn WindowExpr>) -> Option<Self> {
        let field = function.field().ok();
        if field.is_some_and(|field| super::is_narrow(field.data_type())) {
            return None;
        }
        let any = function.as_any();
        let plain = any.downcast_ref::<PlainAggregateWindowExpr>();
        let plain = plain.map(PlainAggregateWindowExpr::get_aggregate_expr);
        let sliding = any.downcast_ref::<SlidingAggregateWindowExpr>();
        let sliding = sliding.map(SlidingAggregateWindowExpr::get_aggregate_expr);
        let aggregate = plain.or(sliding).map(|aggregate| aggregate.fun().name());
        let arguments = function.all_expressions().args;
        Some(match aggregate {
            Some(name) if !ONE_OF_THEM.contains(&name) => Self::AllOf(arguments),
            _ => Self::OneOf(arguments),
        })
    }

    /// The largest value so far, with one more batch.
    fn with(&self, so_far: u64, batch: &RecordBatch) -> Result<u64> {
        let column = |argument: &Arc<dyn PhysicalExpr>| -> Result<ArrayRef> {
            argument.evaluate(batch)?.into_array(batch.num_rows())
        };
        Ok(match self {
            Self::OneOf(arguments) => {
                let mut largest = so_far;
                for argument in arguments {
                    largest = largest.max(widest(&column(argument)?));
                }
                largest
            }
            Self::AllOf(arguments) => {
                let mut all = so_far;
                for argument in arguments {
                    all = all.saturating_add(bytes(&column(argument)?));
                }
                all
            }
        })
    }
}
