//! A table of the history for the query engine: the files that count and the rows of the tail, both
//! as the statement's snapshot has them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;

use super::span::{Span, limit};
use crate::schema::Table;
use crate::snapshot::Snapshot;
use crate::store::manifest::FileEntry;

/// Under which address the query engine knows the files.
pub(super) const FILES_URL: &str = "history://files";

/// One table.
#[derive(Debug)]
pub(super) struct HistoryTable(pub(super) Table);

#[async_trait]
impl TableProvider for HistoryTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Limits of the day's column say which files are read; rows are filtered all the same.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let column = self.0.day_column();
        let each = |filter: &&Expr| match limit(column, filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(each).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let snapshot = session.config().get_extension::<Snapshot>().ok_or_else(|| {
            DataFusionError::Internal("a statement without a snapshot of the history".into())
        })?;
        let schema = self.schema();
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        let span = Span::of(self.0.day_column(), filters);
        let all = snapshot.files.get(&self.0).map_or(&[][..], Vec::as_slice);
        let files: Vec<&FileEntry> = all.iter().filter(|file| span.touches(file.day)).collect();
        if !files.is_empty() {
            let lanes = session.config().target_partitions().clamp(1, files.len());
            let mut groups: Vec<Vec<PartitionedFile>> = vec![Vec::new(); lanes];
            for (place, file) in files.iter().enumerate() {
                if let Some(group) = groups.get_mut(place % lanes) {
                    group.push(PartitionedFile::new(file.path.clone(), file.bytes));
                }
            }
            let source = Arc::new(ParquetSource::new(schema.clone()));
            let scan = FileScanConfigBuilder::new(ObjectStoreUrl::parse(FILES_URL)?, source)
                .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
                .with_projection_indices(projection.cloned())?
                .with_limit(limit)
                .build();
            parts.push(DataSourceExec::from_data_source(scan));
        }
        if let Some(tail) = snapshot.tail.get(&self.0).filter(|tail| !tail.is_empty()) {
            let tail = std::slice::from_ref(tail);
            let source = MemorySourceConfig::try_new(tail, schema.clone(), projection.cloned())?;
            parts.push(DataSourceExec::from_data_source(source.with_limit(limit)));
        }
        if parts.is_empty() {
            return Ok(Arc::new(EmptyExec::new(projected(&schema, projection)?)));
        }
        UnionExec::try_new(parts)
    }
}

fn projected(schema: &SchemaRef, projection: Option<&Vec<usize>>) -> Result<SchemaRef> {
    Ok(match projection {
        Some(places) => Arc::new(Schema::project(schema, places)?),
        None => schema.clone(),
    })
}
