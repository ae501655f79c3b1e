//! A client's session: statements are checked, planned and run, each on a thread of its own, each
//! with one deadline over everything until its last row.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::ParamValues;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::{DataFrame, SQLOptions};
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast::Statement;
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

use super::engine::{Engine, Turn};
use super::error::{READ_ONLY, SqlError, TOO_COMPLEX, TOO_LARGE, broken, too_late};
use super::guard::{Allowed, check, check_plan};
use super::rows::{Answer, Said, text_column};
use super::settings::Settings;
use super::thread::{OwnThread, on_own_thread};

/// The longest text of a query. Unit: bytes.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;
/// The most statements of a text: all are planned before the first one runs.
const STATEMENTS_MAX: usize = 100;
/// Batches that wait for a slow reader.
const BATCHES_WAITING: usize = 2;
/// How long after its deadline a statement's thread ends by itself: whoever reads says so first.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// One client's session.
pub struct Session {
    engine: Engine,
    settings: Mutex<Settings>,
}

/// A statement that was let through and planned.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// Answered by the query engine.
    Query(Arc<LogicalPlan>),
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
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, settings: Mutex::default() }
    }

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
        let turn = self.engine.turn_to_plan(self.time()).await?;
        let Turn { permit, deadline, time } = turn;
        let (engine, text) = (self.engine.clone(), sql.to_owned());
        let work = async move {
            // Held until the plan is made, however long the client waited for it.
            let _permit = permit;
            let statements = engine.parse(&text)?;
            if statements.len() > STATEMENTS_MAX {
                let message = format!(
                    "the text has {} statements, at most {STATEMENTS_MAX} are answered",
                    statements.len()
                );
                return Err(SqlError::new(TOO_COMPLEX, message).hint("Send it in parts."));
            }
            let allowed: Vec<Allowed> =
                statements.into_iter().map(check).collect::<Result<_, _>>()?;
            let mut prepared = Vec::with_capacity(allowed.len());
            for allowed in allowed {
                prepared.push(match allowed {
                    Allowed::Query(statement) => plan(&engine, *statement).await?,
                    Allowed::ShowTables => {
                        let statement = engine.parse(SHOW_TABLES)?.pop().ok_or_else(broken)?;
                        plan(&engine, statement).await?
                    }
                    other => Prepared::Other(Box::new(other)),
                });
            }
            Ok(prepared)
        };
        timeout_at(deadline, on_own_thread(work)).await.unwrap_or_else(|_| Err(too_late(time)))
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
            Allowed::DiscardAll => {
                settings.reset(None);
                Outcome::Done("DISCARD ALL")
            }
            Allowed::Begin => Outcome::Begun,
            Allowed::Commit => Outcome::Ended("COMMIT"),
            Allowed::Rollback => Outcome::Ended("ROLLBACK"),
            // Statements are kept by whoever speaks the protocol.
            Allowed::Deallocate(_) => Outcome::Done("DEALLOCATE"),
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

    /// How long a statement may take.
    fn time(&self) -> Duration {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.timeout(self.engine.limits().time)
    }

    /// Starts a planned statement. It has its slot until its last row was taken or its time is
    /// over, whether its client reads or not.
    async fn query(
        &self,
        plan: &Arc<LogicalPlan>,
        values: Option<ParamValues>,
    ) -> Result<Answer, SqlError> {
        let Turn { permit, deadline, time } = self.engine.turn_to_run(self.time()).await?;
        let (engine, plan) = (self.engine.clone(), Arc::clone(plan));
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        let (schema_sender, schema) = oneshot::channel();
        let work = async move {
            let mut stream = match begin(&engine, plan, values).await {
                Ok(stream) => stream,
                Err(error) => {
                    let _gone = schema_sender.send(Err(error));
                    return;
                }
            };
            if schema_sender.send(Ok(stream.schema())).is_ok() {
                pass_on(&mut stream, &sender).await;
            }
        };
        let thread = OwnThread::start(async move {
            let _permit = permit;
            let _late = timeout_at(deadline + AFTERWARDS, work).await;
        })?;
        let schema = timeout_at(deadline, schema)
            .await
            .map_err(|_| too_late(time))?
            .unwrap_or_else(|_| Err(broken()))?;
        let limit = self.engine.limits().rows;
        Ok(Answer::coming(schema, receiver, (deadline, time), thread, limit))
    }
}

async fn begin(
    engine: &Engine,
    plan: Arc<LogicalPlan>,
    values: Option<ParamValues>,
) -> Result<SendableRecordBatchStream, SqlError> {
    let plan = Arc::unwrap_or_clone(plan);
    let plan = match values {
        Some(values) => plan.replace_params_with_values(&values)?,
        None => plan,
    };
    Ok(DataFrame::new(engine.state()?, plan).execute_stream().await?)
}

async fn pass_on(stream: &mut SendableRecordBatchStream, sender: &mpsc::Sender<Said>) {
    while let Some(batch) = stream.next().await {
        let last = batch.is_err();
        let said = batch.map(Some).map_err(SqlError::from);
        if sender.send(said).await.is_err() || last {
            return;
        }
    }
    // Without this word the answer was cut off.
    let _gone = sender.send(Ok(None)).await;
}

/// `SHOW TABLES` in words that the engine knows.
const SHOW_TABLES: &str = "SELECT table_schema, table_name, table_type \
     FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name";

async fn plan(engine: &Engine, statement: Statement) -> Result<Prepared, SqlError> {
    let statement = EngineStatement::Statement(Box::new(statement));
    let plan = engine.state()?.statement_to_plan(statement).await?;
    check_plan(&plan)?;
    // The second gate: whatever the first did not see.
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(|error| SqlError::new(READ_ONLY, error.strip_backtrace()))?;
    Ok(Prepared::Query(Arc::new(plan)))
}
