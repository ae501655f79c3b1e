//! The rows of an answer, as they come: at most so many, and none after the deadline.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::error::{SqlError, TOO_LARGE, broken, too_late};
use super::thread::OwnThread;

/// What a statement's thread says: a batch, `None` at the end, or what went wrong. Silence means
/// that the answer was cut off.
pub(super) type Said = Result<Option<RecordBatch>, SqlError>;

/// The rows of a statement, as they come.
pub struct Answer {
    schema: SchemaRef,
    rows: Rows,
    left: usize,
    limit: usize,
}

enum Rows {
    Coming { batches: mpsc::Receiver<Said>, deadline: Instant, time: Duration, _thread: OwnThread },
    There(Option<RecordBatch>),
}

impl Answer {
    /// The rows that a thread sends until a deadline, which is `time` after the beginning; more
    /// than `limit` are an error.
    pub(super) const fn coming(
        schema: SchemaRef,
        batches: mpsc::Receiver<Said>,
        (deadline, time): (Instant, Duration),
        thread: OwnThread,
        limit: usize,
    ) -> Self {
        let rows = Rows::Coming { batches, deadline, time, _thread: thread };
        Self { schema, rows, left: limit, limit }
    }

    /// One row of one text.
    pub(super) fn of_text(name: &str, value: &str) -> Result<Self, SqlError> {
        let schema = text_column(name);
        let column = Arc::new(StringArray::from(vec![value]));
        let batch = RecordBatch::try_new(schema.clone(), vec![column])
            .map_err(|error| SqlError::new("XX000", error.to_string()))?;
        Ok(Self { schema, rows: Rows::There(Some(batch)), left: 1, limit: 1 })
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next rows; `None` at the end. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        let got = match &mut self.rows {
            Rows::There(batch) => return batch.take().map(Ok),
            Rows::Coming { time, deadline, .. } if Instant::now() >= *deadline => {
                Some(Err(too_late(*time)))
            }
            Rows::Coming { batches, deadline, time, .. } => {
                match timeout_at(*deadline, batches.recv()).await {
                    Ok(said) => said.unwrap_or_else(|| Err(broken())).transpose(),
                    Err(_) => Some(Err(too_late(*time))),
                }
            }
        };
        let got = match got {
            Some(Ok(batch)) if batch.num_rows() > self.left => Some(Err(SqlError::new(
                TOO_LARGE,
                format!("the answer has more than {} rows", self.limit),
            )
            .hint("Add LIMIT or an aggregate, or raise history.query.max_rows."))),
            other => other,
        };
        match &got {
            Some(Ok(batch)) => self.left -= batch.num_rows(),
            _ => self.rows = Rows::There(None),
        }
        got
    }
}

/// One column of text.
pub(super) fn text_column(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, false)]))
}
