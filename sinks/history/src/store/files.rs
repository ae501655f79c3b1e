//! Batches to Parquet and back.

use std::collections::BTreeMap;

use bytes::Bytes;
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch, new_null_array};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::Int64Type;
use model::id::IncidentId;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::HistoryError;
use crate::rows::Day;
use crate::schema::Table;
use crate::store::manifest::FileEntry;

/// Rows read at a time.
const BATCH_ROWS: usize = 8_192;
/// Rows that share statistics: what a time filter can skip.
const GROUP_ROWS: usize = 65_536;

/// What is known of an incident from its newest revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The revision's number.
    pub revision: u32,
    /// The day of the incident's rows.
    pub day: Day,
    /// Whether it is neither over nor taken back.
    pub is_open: bool,
}

/// The newest revision of each incident.
pub type Newest = BTreeMap<IncidentId, Known>;

/// A Parquet file in the making.
pub(crate) struct FileWriter {
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
}

impl FileWriter {
    pub(crate) fn new(table: Table) -> Result<Self, HistoryError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_created_by("faultline".into())
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), table.schema(), Some(properties))?;
        Ok(Self { writer, rows: 0 })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), HistoryError> {
        self.writer.write(batch)?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Content and rows.
    pub(crate) fn finish(self) -> Result<(Vec<u8>, u64), HistoryError> {
        Ok((self.writer.into_inner()?, self.rows))
    }
}

/// The batches of a file, in the form that the table has now.
pub(crate) fn read(
    table: Table,
    path: &str,
    content: Bytes,
) -> Result<impl Iterator<Item = Result<RecordBatch, HistoryError>>, HistoryError> {
    let damaged = |reason: String| HistoryError::Damaged { path: path.to_owned(), reason };
    let reader = ParquetRecordBatchReaderBuilder::try_new(content)
        .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
        .map_err(|error| damaged(error.to_string()))?;
    Ok(reader.map(move |batch| fit(table, &batch?)))
}

/// Takes the newest revisions from a file of them; no other column is read.
pub(crate) fn note_revisions(
    entry: &FileEntry,
    content: Bytes,
    newest: &mut Newest,
) -> Result<(), HistoryError> {
    let damaged = |reason: String| HistoryError::Damaged { path: entry.path.clone(), reason };
    let builder = ParquetRecordBatchReaderBuilder::try_new(content)
        .map_err(|error| damaged(error.to_string()))?;
    let wanted = ["incident_id", "revision", "state"];
    let columns = ProjectionMask::columns(builder.parquet_schema(), wanted);
    let reader = builder
        .with_projection(columns)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| damaged(error.to_string()))?;
    for batch in reader {
        let batch = batch?;
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| damaged(format!("it has no column {name}")))
        };
        let ids = column("incident_id")?.as_string::<i32>();
        let revisions = column("revision")?.as_primitive::<Int64Type>();
        let states = column("state")?.as_string::<i32>();
        for ((id, revision), state) in ids.iter().zip(revisions.iter()).zip(states.iter()) {
            if let (Some(id), Some(revision)) = (id.and_then(IncidentId::parse_hex), revision) {
                let revision = u32::try_from(revision).unwrap_or(u32::MAX);
                let held = newest.entry(id).or_default();
                if revision >= held.revision {
                    let is_open = matches!(state, Some("suspected" | "open"));
                    *held = Known { revision, day: entry.day, is_open };
                }
            }
        }
    }
    Ok(())
}

/// Files of older versions lack columns that were added since: those are NULL.
fn fit(table: Table, batch: &RecordBatch) -> Result<RecordBatch, HistoryError> {
    let schema = table.schema();
    if batch.schema() == schema {
        return Ok(batch.clone());
    }
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => Ok(cast(column, field.data_type())?),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    let columns = columns.collect::<Result<Vec<_>, HistoryError>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// Leaves out rows of revisions that are not the newest any more, where the table wants it so.
pub(crate) fn without_superseded(
    table: Table,
    batch: &RecordBatch,
    newest: &Newest,
) -> Result<RecordBatch, HistoryError> {
    if !table.newest_only() || batch.num_columns() < 2 {
        return Ok(batch.clone());
    }
    let ids = batch.column(0).as_string::<i32>();
    let revisions = batch.column(1).as_primitive::<Int64Type>();
    let keep: BooleanArray = (0..batch.num_rows())
        .map(|row| {
            let id = IncidentId::parse_hex(ids.value(row));
            let known = id.and_then(|id| newest.get(&id));
            Some(known.is_none_or(|known| revisions.value(row) >= i64::from(known.revision)))
        })
        .collect();
    Ok(if keep.true_count() == keep.len() {
        batch.clone()
    } else {
        filter_record_batch(batch, &keep)?
    })
}
