//! From facts to rows: what one incident, change, alert or delivery becomes in the tables. No
//! I/O, no state.

pub mod incident;
pub mod picture;
pub mod journal;
pub mod delivery;

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::error::ArrowError;
use model::name::Name;
use model::time::Timestamp;
use serde::Serialize;

use crate::schema::{Kind, Table};

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// An instant.
    Time(Timestamp),
}

/// A day, counted from the Unix epoch: the unit in which files are kept and dropped.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
pub struct Day(pub i64);

const DAY_NANOS: i64 = 86_400 * 1_000_000_000;

impl Day {
    /// The day (UTC) of an instant.
    #[must_use]
    pub const fn of(at: Timestamp) -> Self {
        Self(at.0.div_euclid(DAY_NANOS))
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = Timestamp(self.0.saturating_mul(DAY_NANOS)).to_rfc3339();
        f.write_str(text.get(..10).unwrap_or("1970-01-01"))
    }
}

/// One row, with the table and the day where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The table.
    pub table: Table,
    /// The day.
    pub day: Day,
    /// The values, in the order of the table's columns.
    pub cells: Vec<Cell>,
}

impl Cell {
    /// Text, shared or owned.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// Text or NULL.
    pub(crate) fn maybe(text: Option<&Name>) -> Self {
        text.map_or(Self::Null, |text| Self::text(text))
    }

    /// An instant or NULL.
    pub(crate) fn maybe_time(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Null, Self::Time)
    }

    /// A count. What no `int8` can hold becomes the largest that it can.
    pub(crate) fn count(count: impl TryInto<i64>) -> Self {
        Self::Int(count.try_into().unwrap_or(i64::MAX))
    }

    /// The word by which an enum is written on the wire.
    pub(crate) fn word(value: &impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(serde_json::Value::String(word)) => Self::Text(word.to_ascii_lowercase()),
            _ => Self::Text(String::new()),
        }
    }

    /// The word as it is written, in its own case.
    pub(crate) fn exact_word(value: &impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(serde_json::Value::String(word)) => Self::Text(word),
            _ => Self::Text(String::new()),
        }
    }

    fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn as_int(&self) -> Option<i64> {
        if let Self::Int(int) = self { Some(*int) } else { None }
    }

    fn as_float(&self) -> Option<f64> {
        if let Self::Float(float) = self { Some(*float) } else { None }
    }

    fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    fn as_micros(&self) -> Option<i64> {
        if let Self::Time(at) = self { Some(at.0.div_euclid(1_000)) } else { None }
    }
}

/// Joins texts for a column that lists some.
pub(crate) fn joined<T: ToString>(items: impl IntoIterator<Item = T>, between: &str) -> Cell {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    Cell::Text(items.join(between))
}

/// Rows of one table as a batch.
///
/// # Errors
/// When a value is missing that the table needs: a fault of the code that built the row.
pub fn batch<'a>(
    table: Table,
    rows: impl Iterator<Item = &'a [Cell]> + Clone,
) -> Result<RecordBatch, ArrowError> {
    let column = |(place, kind): (usize, Kind)| -> ArrayRef {
        let cells = rows.clone().map(|row| row.get(place).unwrap_or(&Cell::Null));
        match kind {
            Kind::Text => Arc::new(StringArray::from_iter(cells.map(Cell::as_text))),
            Kind::Int => Arc::new(Int64Array::from_iter(cells.map(Cell::as_int))),
            Kind::Float => Arc::new(Float64Array::from_iter(cells.map(Cell::as_float))),
            Kind::Bool => Arc::new(BooleanArray::from_iter(cells.map(Cell::as_bool))),
            Kind::Time => {
                let micros = TimestampMicrosecondArray::from_iter(cells.map(Cell::as_micros));
                Arc::new(micros.with_timezone("UTC"))
            }
        }
    };
    let kinds = table.columns().iter().map(|column| column.kind).enumerate();
    RecordBatch::try_new(table.schema(), kinds.map(column).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days_before_and_after_the_epoch() {
        let at = |text| Timestamp::parse_rfc3339(text).unwrap();
        assert_eq!(Day::of(at("2026-11-27T23:59:59.999Z")).to_string(), "2026-11-27");
        assert_eq!(Day::of(at("1969-12-31T00:00:00Z")).to_string(), "1969-12-31");
    }

    #[test]
    fn a_missing_value_is_found_when_the_batch_is_built() {
        let cells = [Cell::Null];
        assert!(batch(Table::Deliveries, [cells.as_slice()].into_iter()).is_err());
    }
}
