//! The context of the query engine: which tables, views, functions and files there are for a
//! statement. Whatever is not put in here does not exist.

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::setup_pg_catalog;

use super::catalog::{DATABASE, Described, information_schema};
use super::memory::Reserved;
use super::table::{FILES_URL, HistoryTable};
use super::{functions, views};
use crate::schema::Table;
use crate::store::place::Store;

/// Rows of a batch: what the steps of a statement make at a time is this many rows long. Few, since
/// each row may have a large text: of one megabyte in all of them, a statement has the memory.
pub(super) const BATCH_ROWS: usize = 128;

/// The context from which every statement's state is made. Nothing in it changes afterwards.
pub(super) async fn context(
    store: &Store,
    memory_bytes: usize,
) -> datafusion::error::Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(DATABASE, views::PUBLIC)
        .with_batch_size(BATCH_ROWS)
        .with_target_partitions(1);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    // It keeps the groups of `ORDER BY max(x) LIMIT n` without asking for memory.
    options.optimizer.enable_topk_aggregation = false;
    let no_files = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let environment = RuntimeEnvBuilder::new().with_disk_manager_builder(no_files).build_arc()?;
    // The machine's own files are no object store here.
    drop(environment.deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref()));
    environment.register_object_store(ObjectStoreUrl::parse(FILES_URL)?.as_ref(), store.objects());
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(environment)
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(Reserved { memory_bytes }))
        .build();
    let context = SessionContext::new_with_state(state);
    let database = Arc::new(MemoryCatalogProvider::new());
    let files = Arc::new(MemorySchemaProvider::new());
    let public = Arc::new(MemorySchemaProvider::new());
    database.register_schema(views::FILES, files.clone())?;
    database.register_schema(views::PUBLIC, public.clone())?;
    context.register_catalog(DATABASE, database.clone());
    let mut described = Vec::new();
    for table in Table::ALL {
        let provider: Arc<dyn TableProvider> = Arc::new(HistoryTable(table));
        described.push(Described {
            schema: views::FILES,
            name: table.name().to_owned(),
            kind: "BASE TABLE",
            columns: table.schema(),
        });
        files.register_table(table.name().to_owned(), provider)?;
    }
    for (name, query) in views::all() {
        let view = context.sql(&query).await?.into_view();
        described.push(Described {
            schema: views::PUBLIC,
            name: name.to_owned(),
            kind: "VIEW",
            columns: view.schema(),
        });
        public.register_table(name.to_owned(), view)?;
    }
    setup_pg_catalog(&context, DATABASE, EmptyContextProvider).map_err(|error| *error)?;
    database.register_schema("information_schema", information_schema(&described)?)?;
    functions::prepare(&mut context.state_ref().write(), memory_bytes)?;
    Ok(context)
}
