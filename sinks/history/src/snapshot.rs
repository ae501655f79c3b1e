//! What a query sees: the files that count and the rows that are not in files yet. A snapshot never
//! changes; a new one replaces it, so one query sees one state of all tables.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::arrow::array::RecordBatch;

use crate::error::HistoryError;
use crate::schema::Table;
use crate::store::manifest::{FileEntry, Manifest};
use crate::store::place::Store;

/// One state of all tables.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Files that count.
    pub files: Arc<BTreeMap<Table, Vec<FileEntry>>>,
    /// Rows that are in no file yet.
    pub tail: BTreeMap<Table, Vec<RecordBatch>>,
}

impl Snapshot {
    /// The files of a manifest, by table.
    #[must_use]
    pub fn files_of(manifest: &Manifest) -> Arc<BTreeMap<Table, Vec<FileEntry>>> {
        let files = |table| (table, manifest.of(table).cloned().collect());
        Arc::new(Table::ALL.into_iter().map(files).collect())
    }
}

/// The newest snapshot, shared between who records and who asks. There is none until the history is
/// open.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<RwLock<Option<Arc<Snapshot>>>>);

impl Shared {
    /// The newest state.
    #[must_use]
    pub fn get(&self) -> Option<Arc<Snapshot>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the state.
    pub(crate) fn set(&self, snapshot: Snapshot) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
    }

    /// The files of a place that somebody else may be writing.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub async fn of_files(store: &Store) -> Result<Self, HistoryError> {
        let (manifest, _) = Manifest::load(store).await?;
        let shared = Self::default();
        shared.set(Snapshot { files: Snapshot::files_of(&manifest), tail: BTreeMap::new() });
        Ok(shared)
    }
}
