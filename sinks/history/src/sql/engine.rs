//! The engine: statements in, bounded answers out.
//!
//! Each statement is planned and run on a thread of its own, so that a heavy one holds up neither
//! the protocols nor another statement: the machine's scheduler shares the cores among them. Each has a memory pool of its own, no files to spill to,
//! and one deadline over everything until its last row.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::ParamValues;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{DataFrame, SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::setup_pg_catalog;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Sleep;

use super::catalog::{DATABASE, Described, information_schema};
use super::error::{CANCELED, SqlError, TOO_LARGE};
use super::guard::{Allowed, check, not_understood};
use super::settings::Settings;
use super::table::{FILES_URL, HistoryTable};
use super::{functions, views};
use crate::error::HistoryError;
use crate::schema::Table;
use crate::snapshot::Shared;
use crate::store::place::Store;

/// What one statement may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of an answer.
    pub rows: usize,
    /// Memory of a statement. Unit: bytes.
    pub memory_bytes: usize,
    /// From the statement to its last row.
    pub time: Duration,
    /// Statements that run at the same time; the others wait, within their time.
    pub statements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 100_000,
            memory_bytes: 256 << 20,
            time: Duration::from_secs(30),
            statements: 8,
        }
    }
}

/// The longest text of a query. Unit: bytes. It also bounds how deep an expression can be.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Stack of a thread that plans: deep expressions are walked recursively. Unit: bytes.
const STACK_BYTES: usize = 64 << 20;
/// Batches that wait for a slow reader.
const BATCHES_WAITING: usize = 2;

/// The engine. Clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    shared: Shared,
    base: SessionContext,
    limits: Limits,
    slots: Arc<Semaphore>,
    planners: Arc<Semaphore>,
    parser: PostgresCompatibilityParser,
    runtime: Option<Runtime>,
}

/// The threads end without waiting for statements that do not.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Engine {
    /// An engine over the files of a store and what is shown of them. Must not be called from a
    /// task.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn new(store: &Store, shared: Shared, limits: Limits) -> Result<Self, HistoryError> {
        let failed = |error: &dyn std::fmt::Display| HistoryError::Settings(error.to_string());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let base = runtime.block_on(context(store)).map_err(|error| failed(&error))?;
        Ok(Self(Arc::new(Inner {
            shared,
            base,
            limits,
            slots: Arc::new(Semaphore::new(limits.statements.max(1))),
            planners: Arc::new(Semaphore::new(limits.statements.max(1))),
            parser: PostgresCompatibilityParser::new(),
            runtime: Some(runtime),
        })))
    }

    /// A session of its own: what one client sets, another does not see.
    #[must_use]
    pub fn session(&self) -> Session {
        Session { engine: self.clone(), settings: Mutex::default(), running: Arc::default() }
    }

    /// Waits for something of this engine from a thread that is no task.
    pub fn wait<F: Future>(&self, future: F) -> Option<F::Output> {
        self.0.runtime.as_ref().map(|runtime| runtime.block_on(future))
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.limits
    }

    /// State for one statement: the newest snapshot and a memory pool of its own.
    fn state(&self) -> Result<SessionState, SqlError> {
        let base = self.0.base.state();
        let pool = Arc::new(GreedyMemoryPool::new(self.0.limits.memory_bytes));
        let environment = RuntimeEnvBuilder::from_runtime_env(base.runtime_env())
            .with_memory_pool(pool)
            .build_arc()?;
        let mut config = base.config().clone();
        config.set_extension(self.0.shared.get());
        Ok(SessionStateBuilder::new_from_existing(base)
            .with_config(config)
            .with_runtime_env(environment)
            .build())
    }

    /// Runs a future on a thread of its own and waits for it; a panic there is an error here.
    async fn on_own_thread<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, SqlError>> + Send + 'static,
    ) -> Result<T, SqlError> {
        let (sender, receiver) = oneshot::channel();
        let _work = OwnThread::start(async move {
            let _gone = sender.send(future.await);
        })?;
        receiver.await.unwrap_or_else(|_| Err(broken()))
    }
}

fn broken() -> SqlError {
    SqlError::new("XX000", "the query engine failed on this statement")
}

/// A thread that works on one thing. When nobody waits for it any more, the work is dropped where it
/// next pauses, and the thread ends.
struct OwnThread(#[expect(dead_code, reason = "its end is what it says")] oneshot::Sender<()>);

impl OwnThread {
    fn start(work: impl Future<Output = ()> + Send + 'static) -> Result<Self, SqlError> {
        let failed = |error: std::io::Error| {
            SqlError::new("53000", format!("no thread for the statement: {error}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (sender, dropped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("history-sql".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = dropped => {}
                        () = work => {}
                    }
                });
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Self(sender))
    }
}

/// One client's session.
pub struct Session {
    engine: Engine,
    settings: Mutex<Settings>,
    /// Held by whatever runs for this session.
    running: Arc<()>,
}

/// A statement that was let through and planned.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// Answered by the query engine.
    Query(Box<LogicalPlan>),
    /// Anything else.
    Other(Box<Allowed>),
}

/// What came of a statement.
pub enum Outcome {
    /// Rows.
    Rows(Answer),
    /// Done; the word is the command tag.
    Done(&'static str),
    /// A transaction began.
    Begun,
    /// A transaction ended; the word is the command tag.
    Ended(&'static str),
}

impl Session {
    /// Checks and plans all statements of a text. None of them has run then.
    ///
    /// # Errors
    /// When one of them is not let through, or cannot be planned.
    pub async fn prepare(&self, sql: &str) -> Result<Vec<Prepared>, SqlError> {
        if sql.len() > TEXT_BYTES_MAX {
            return Err(SqlError::new(
                TOO_LARGE,
                format!("the text has {} bytes, at most {TEXT_BYTES_MAX} are read", sql.len()),
            ));
        }
        let (engine, text) = (self.engine.clone(), sql.to_owned());
        let planners = engine.0.planners.clone();
        let work = async move {
            // Held until the plan is made, however long the client waited for it.
            let _planner = planners.acquire_owned().await.map_err(|_| broken())?;
            let statements = engine
                .0
                .parser
                .parse(&text)
                .map_err(|error| not_understood(&text, &error.to_string()))?;
            let mut prepared = Vec::with_capacity(statements.len());
            let allowed: Vec<Allowed> =
                statements.into_iter().map(check).collect::<Result<_, _>>()?;
            for allowed in allowed {
                prepared.push(match allowed {
                    Allowed::Query(statement) => plan(&engine, *statement).await?,
                    Allowed::ShowTables => {
                        let statements = engine.0.parser.parse(SHOW_TABLES).unwrap_or_default();
                        let statement = statements.into_iter().next().ok_or_else(broken)?;
                        plan(&engine, statement).await?
                    }
                    other => Prepared::Other(Box::new(other)),
                });
            }
            Ok(prepared)
        };
        let limit = self.settings().timeout(self.engine.0.limits.time);
        tokio::time::timeout(limit, self.engine.on_own_thread(work))
            .await
            .unwrap_or_else(|_| Err(too_late(limit)))
    }

    /// Runs a statement; `values` are those of its parameters.
    ///
    /// # Errors
    /// When it cannot be started. What goes wrong later comes with the rows.
    pub async fn run(
        &self,
        prepared: &Prepared,
        values: Option<ParamValues>,
    ) -> Result<Outcome, SqlError> {
        let allowed = match prepared {
            Prepared::Query(plan) => return self.query(plan, values).await.map(Outcome::Rows),
            Prepared::Other(allowed) => &**allowed,
        };
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match allowed {
            Allowed::Show(name) => {
                let value = settings.get(name)?;
                Outcome::Rows(Answer::of_text(name, &value)?)
            }
            Allowed::Set(name, value) => {
                settings.set(name, value)?;
                Outcome::Done("SET")
            }
            Allowed::Reset(name) => {
                settings.reset(name.as_deref());
                Outcome::Done("RESET")
            }
            Allowed::Begin => Outcome::Begun,
            Allowed::Commit => Outcome::Ended("COMMIT"),
            Allowed::Rollback => Outcome::Ended("ROLLBACK"),
            Allowed::Nothing(tag) => Outcome::Done(tag),
            // Both were planned.
            Allowed::Query(_) | Allowed::ShowTables => return Err(broken()),
        })
    }

    /// The columns of a statement's answer; `None`: it has none.
    #[must_use]
    pub fn columns(prepared: &Prepared) -> Option<SchemaRef> {
        match prepared {
            Prepared::Query(plan) => Some(Arc::new(plan.schema().as_arrow().clone())),
            Prepared::Other(allowed) => match &**allowed {
                Allowed::Show(name) => Some(text_column(name)),
                _ => None,
            },
        }
    }

    /// Whether a statement runs.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        Arc::strong_count(&self.running) > 1
    }

    fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn query(
        &self,
        plan: &LogicalPlan,
        values: Option<ParamValues>,
    ) -> Result<Answer, SqlError> {
        let limits = self.engine.0.limits;
        let time = self.settings().timeout(limits.time);
        let mut deadline = Box::pin(tokio::time::sleep(time));
        let (engine, running) = (self.engine.clone(), self.running.clone());
        let plan = plan.clone();
        let slots = engine.0.slots.clone();
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let (schema_sender, schema) = oneshot::channel();
        let work = async move {
            let _running = running;
            let Ok(_slot) = slots.acquire_owned().await else { return };
            let started = async {
                let plan = match values {
                    Some(values) => plan.replace_params_with_values(&values)?,
                    None => plan,
                };
                let frame = DataFrame::new(engine.state()?, plan);
                Ok::<_, SqlError>(frame.execute_stream().await?)
            };
            let mut stream = match started.await {
                Ok(stream) => stream,
                Err(error) => {
                    let _gone = schema_sender.send(Err(error));
                    return;
                }
            };
            if schema_sender.send(Ok(stream.schema())).is_err() {
                return;
            }
            while let Some(batch) = stream.next().await {
                let last = batch.is_err();
                let batch = batch.map(Some).map_err(SqlError::from);
                if sender.send(batch).await.is_err() || last {
                    return;
                }
            }
            // Without this word the answer was cut off.
            let _gone = sender.send(Ok(None)).await;
        };
        let thread = OwnThread::start(work)?;
        let schema = tokio::select! {
            biased;
            schema = schema => schema.unwrap_or_else(|_| Err(broken()))?,
            () = &mut deadline => return Err(too_late(time)),
        };
        Ok(Answer {
            schema,
            rows: Rows::Coming { batches: receiver, deadline, time, _thread: thread },
            left: limits.rows,
            limit: limits.rows,
            _running: Some(self.running.clone()),
        })
    }
}

/// `SHOW TABLES` in words that the engine knows.
const SHOW_TABLES: &str = "SELECT table_schema, table_name, table_type \
     FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name";

async fn plan(engine: &Engine, statement: Statement) -> Result<Prepared, SqlError> {
    let statement = EngineStatement::Statement(Box::new(statement));
    let plan = engine.state()?.statement_to_plan(statement).await?;
    // The second gate: whatever the first did not see.
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(|error| SqlError::new(super::error::READ_ONLY, error.strip_backtrace()))?;
    Ok(Prepared::Query(Box::new(plan)))
}

fn too_late(time: Duration) -> SqlError {
    SqlError::new(
        CANCELED,
        format!("canceling statement due to statement timeout ({} ms)", time.as_millis()),
    )
    .hint("Ask for less: a narrower time filter, LIMIT, an aggregate.")
}

fn text_column(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, false)]))
}

/// The rows of a statement, as they come.
pub struct Answer {
    schema: SchemaRef,
    rows: Rows,
    left: usize,
    limit: usize,
    _running: Option<Arc<()>>,
}

enum Rows {
    Coming {
        batches: mpsc::Receiver<Result<Option<RecordBatch>, SqlError>>,
        deadline: Pin<Box<Sleep>>,
        time: Duration,
        _thread: OwnThread,
    },
    There(Option<RecordBatch>),
}

impl Answer {
    fn of_text(name: &str, value: &str) -> Result<Self, SqlError> {
        let schema = text_column(name);
        let column = Arc::new(StringArray::from(vec![value]));
        let batch = RecordBatch::try_new(schema.clone(), vec![column])
            .map_err(|error| SqlError::new("XX000", error.to_string()))?;
        Ok(Self { schema, rows: Rows::There(Some(batch)), left: 1, limit: 1, _running: None })
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next rows; `None` at the end. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        let Rows::Coming { batches, deadline, time, .. } = &mut self.rows else {
            let Rows::There(batch) = &mut self.rows else { return None };
            return batch.take().map(Ok);
        };
        let got = tokio::select! {
            biased;
            () = deadline => Some(Err(too_late(*time))),
            got = batches.recv() => got.unwrap_or_else(|| Err(broken())).transpose(),
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

/// The context from which every statement's state is made. Nothing in it changes afterwards.
async fn context(store: &Store) -> datafusion::error::Result<SessionContext> {
    let mut config = SessionConfig::new()
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(DATABASE, views::PUBLIC)
        .with_target_partitions(1);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    let no_files = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let environment = RuntimeEnvBuilder::new().with_disk_manager_builder(no_files).build_arc()?;
    // The machine's own files are no object store here.
    drop(environment.deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref()));
    environment.register_object_store(ObjectStoreUrl::parse(FILES_URL)?.as_ref(), store.objects());
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(environment)
        .with_default_features()
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
    functions::prepare(&mut context.state_ref().write())?;
    Ok(context)
}
