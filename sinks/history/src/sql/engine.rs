//! The engine: what all sessions share, and the bounds that hold for each statement. Each has a
//! memory pool of its own and no files to spill to.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use tokio::runtime::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::context::context;
use super::error::{NOT_YET, SqlError, broken, too_late};
use super::guard::not_understood;
use super::path;
use super::session::Session;
use super::text::check_text;
use crate::error::HistoryError;
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

/// The engine. Clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    shared: Shared,
    base: SessionContext,
    limits: Limits,
    running: Arc<Semaphore>,
    planning: Arc<Semaphore>,
    parser: PostgresCompatibilityParser,
}

/// The right to do something until an instant, which is `time` after it was asked for.
pub(super) struct Turn {
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) deadline: Instant,
    pub(super) time: Duration,
}

impl Engine {
    /// An engine over the files of a store and what is shown of them. Must not be called from a
    /// task.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn new(store: &Store, shared: Shared, limits: Limits) -> Result<Self, HistoryError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let base = runtime
            .block_on(context(store, limits.memory_bytes))
            .map_err(|error| HistoryError::Settings(error.to_string()))?;
        let statements = limits.statements.max(1);
        Ok(Self(Arc::new(Inner {
            shared,
            base,
            limits,
            running: Arc::new(Semaphore::new(statements)),
            planning: Arc::new(Semaphore::new(statements)),
            parser: PostgresCompatibilityParser::new(),
        })))
    }

    /// A session of its own: what one client sets, another does not see.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.limits
    }

    /// The statements of a text. It takes a while, and cannot be stopped.
    pub(super) fn parse(&self, sql: &str) -> Result<Vec<Statement>, SqlError> {
        check_text(sql)?;
        let parsed = self.0.parser.parse(sql);
        let mut statements = parsed.map_err(|error| not_understood(sql, &error.to_string()))?;
        path::name(&mut statements);
        Ok(statements)
    }

    /// State for one statement: the newest snapshot and a memory pool of its own.
    pub(super) fn state(&self) -> Result<SessionState, SqlError> {
        let base = self.0.base.state();
        let pool = Arc::new(GreedyMemoryPool::new(self.0.limits.memory_bytes));
        let environment = RuntimeEnvBuilder::from_runtime_env(base.runtime_env())
            .with_memory_pool(pool)
            .build_arc()?;
        let mut config = base.config().clone();
        config.set_extension(self.0.shared.get().ok_or_else(|| {
            SqlError::new(NOT_YET, "the history is not open: its storage has not answered")
                .hint("Try again; the log of faultline tells why it does not answer.")
        })?);
        Ok(SessionStateBuilder::new_from_existing(base)
            .with_config(config)
            .with_runtime_env(environment)
            .build())
    }

    /// Waits, at most `time`, until one more statement may be planned.
    pub(super) async fn turn_to_plan(&self, time: Duration) -> Result<Turn, SqlError> {
        turn(&self.0.planning, time).await
    }

    /// Waits, at most `time`, until one more statement may run.
    pub(super) async fn turn_to_run(&self, time: Duration) -> Result<Turn, SqlError> {
        turn(&self.0.running, time).await
    }
}

async fn turn(slots: &Arc<Semaphore>, time: Duration) -> Result<Turn, SqlError> {
    let deadline = Instant::now() + time;
    match timeout_at(deadline, Arc::clone(slots).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(Turn { permit, deadline, time }),
        Ok(Err(_)) => Err(broken()),
        Err(_) => Err(too_late(time)),
    }
}
