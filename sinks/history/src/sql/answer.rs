//! A whole answer in memory, for clients that want it in one piece: HTTP and the command line.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{SqlError, TOO_LARGE};
use super::rows::Answer;
use super::session::{Outcome, Session};

/// The largest answer that is kept in memory. Unit: bytes; a number has as many as a value's place.
const BYTES_MAX: usize = 64 << 20;

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its name.
    pub name: String,
    /// PostgreSQL's name of its type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sheet {
    /// Its columns.
    pub columns: Vec<Head>,
    /// Its rows; each has one value a column. Times are RFC 3339.
    pub rows: Vec<Vec<Value>>,
}

impl Sheet {
    /// Runs a text of one or more statements; the answer is that of the last one with rows.
    ///
    /// # Errors
    /// Whatever is wrong with a statement, and answers beyond 64 MiB.
    pub async fn of(session: &Session, sql: &str) -> Result<Self, SqlError> {
        let mut sheet = Self::default();
        for prepared in session.prepare(sql).await? {
            if let Outcome::Rows(answer) = session.run(&prepared, None).await? {
                sheet = Self::collect(answer).await?;
            }
        }
        Ok(sheet)
    }

    async fn collect(mut answer: Answer) -> Result<Self, SqlError> {
        let schema = answer.schema();
        let columns = schema
            .fields()
            .iter()
            .map(|field| Head { name: field.name().clone(), kind: kind(field.data_type()) })
            .collect();
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = answer.next().await {
            for row in values(&batch?)? {
                bytes += row.iter().map(size).sum::<usize>();
                rows.push(row);
            }
            if bytes > BYTES_MAX {
                return Err(SqlError::new(
                    TOO_LARGE,
                    format!("the answer is larger than {} MiB", BYTES_MAX >> 20),
                )
                .hint("Add LIMIT, or name the columns that you need."));
            }
        }
        Ok(Self { columns, rows })
    }

    /// As CSV (RFC 4180), with a line of names.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let names = self.columns.iter().map(|column| quoted(&column.name));
        let mut csv = names.collect::<Vec<_>>().join(",");
        csv.push_str("\r\n");
        for row in &self.rows {
            let cells = row.iter().map(|value| quoted(&text(value)));
            csv.push_str(&cells.collect::<Vec<_>>().join(","));
            csv.push_str("\r\n");
        }
        csv
    }

    /// As one JSON object a row.
    pub fn to_objects(&self) -> impl Iterator<Item = Value> {
        self.rows.iter().map(|row| {
            let pairs = self.columns.iter().zip(row);
            Value::Object(pairs.map(|(column, v)| (column.name.clone(), v.clone())).collect())
        })
    }
}

/// A value as text; NULL is empty.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn size(value: &Value) -> usize {
    let text = if let Value::String(text) = value { text.len() } else { 0 };
    size_of::<Value>() + text
}

fn kind(data_type: &DataType) -> String {
    arrow_pg::datatypes::into_pg_type(data_type)
        .map_or_else(|_| "text".to_owned(), |known| known.name().to_owned())
}

fn values(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, SqlError> {
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    for column in batch.columns() {
        let failed =
            |error: datafusion::arrow::error::ArrowError| SqlError::new("XX000", error.to_string());
        let options = FormatOptions::default()
            .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.6fZ"))
            .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.6f"));
        let formatter = ArrayFormatter::try_new(column, &options).map_err(failed)?;
        for (place, row) in rows.iter_mut().enumerate() {
            row.push(match number(column, place) {
                Some(value) => value,
                None => Value::String(formatter.value(place).try_to_string().map_err(failed)?),
            });
        }
    }
    Ok(rows)
}

/// NULL, truths and numbers as JSON has them; `None` for everything that is told as text.
fn number(column: &dyn Array, place: usize) -> Option<Value> {
    if column.is_null(place) {
        return Some(Value::Null);
    }
    macro_rules! whole {
        ($kind:ty) => {
            Some(column.as_primitive::<$kind>().value(place).into())
        };
    }
    match column.data_type() {
        DataType::Null => Some(Value::Null),
        DataType::Boolean => Some(column.as_boolean().value(place).into()),
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::UInt8 => whole!(UInt8Type),
        DataType::UInt16 => whole!(UInt16Type),
        DataType::UInt32 => whole!(UInt32Type),
        DataType::UInt64 => whole!(UInt64Type),
        // What JSON has no number for is told as text.
        DataType::Float32 => {
            let value = column.as_primitive::<Float32Type>().value(place);
            serde_json::Number::from_f64(value.into()).map(Value::Number)
        }
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(place);
            serde_json::Number::from_f64(value).map(Value::Number)
        }
        _ => None,
    }
}
