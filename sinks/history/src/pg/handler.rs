//! From messages of the protocol to statements of a session, and back.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::ParamValues;
use futures_util::{Sink, Stream, StreamExt, stream};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, ConnectionHandle, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::DataRow;

use super::kept::{Kept, Named};
use crate::sql::error::{SYNTAX, SqlError};
use crate::sql::guard::Allowed;
use crate::sql::rows::Answer;
use crate::sql::session::{Outcome, Prepared, Session};

/// One connection's statements.
#[derive(Clone)]
pub(super) struct Handler {
    session: Arc<Session>,
    kept: Arc<Mutex<Kept>>,
}

impl Handler {
    pub(super) fn new(session: Session) -> Self {
        Self { session: Arc::new(session), kept: Arc::default() }
    }

    /// Whether what a message makes under a name may be kept.
    ///
    /// # Errors
    /// As [`Kept::room_for`].
    pub(super) fn room_for(&self, named: Option<&(Named, usize)>) -> PgWireResult<()> {
        named.map_or(Ok(()), |(named, bytes)| self.kept().room_for(named, *bytes))
    }

    /// Notes what became of a name when its message was answered.
    pub(super) fn follow(&self, named: (Named, usize), store: &impl PortalStore, done: bool) {
        let (named, bytes) = named;
        match (named.is_in(store), bytes) {
            (true, 1..) if done => self.kept().add(named, bytes),
            (true, _) => {}
            (false, _) => self.kept().remove(&named),
        }
    }

    /// What the connection keeps.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the statements that a statement says are not needed any more.
    fn deallocate(&self, store: &impl PortalStore, prepared: &Prepared) {
        let Prepared::Other(allowed) = prepared else { return };
        let mut kept = self.kept();
        let names = match &**allowed {
            Allowed::Deallocate(Some(name)) => vec![name.clone()],
            Allowed::Deallocate(None) | Allowed::DiscardAll => kept.statements(),
            _ => return,
        };
        for name in names {
            store.rm_statement(&name);
            kept.remove(&Named::Statement(name));
        }
    }

    /// Answers one statement. Rows are not asked for before the client reads them: of several
    /// statements in one text, one runs at a time.
    async fn answer(
        &self,
        client: &impl ClientInfo,
        prepared: Prepared,
        format: &Format,
        values: Option<ParamValues>,
    ) -> PgWireResult<Response> {
        if let Some(columns) = Session::columns(&prepared) {
            let fields = Arc::new(fields(&columns, format)?);
            let rows = self.rows(prepared, values, fields.clone(), Cancel::of(client));
            return Ok(Response::Query(QueryResponse::new(fields, rows)));
        }
        Ok(match self.session.run(&prepared, values).await.map_err(told)? {
            Outcome::Rows(_) => Response::EmptyQuery,
            Outcome::Done(tag) => Response::Execution(Tag::new(tag)),
            Outcome::Begun => Response::TransactionStart(Tag::new("BEGIN")),
            Outcome::Ended(tag) => Response::TransactionEnd(Tag::new(tag)),
        })
    }

    /// The rows of a statement, encoded one by one, until the client takes it back.
    fn rows(
        &self,
        prepared: Prepared,
        values: Option<ParamValues>,
        fields: Arc<Vec<FieldInfo>>,
        cancel: Cancel,
    ) -> impl Stream<Item = PgWireResult<DataRow>> + Send + 'static {
        let session = self.session.clone();
        let begin = async move {
            let mut cancel: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(cancel.wait());
            let outcome = tokio::select! {
                outcome = session.run(&prepared, values) => outcome.map_err(told)?,
                () = &mut cancel => return Err(PgWireError::QueryCanceled),
            };
            match outcome {
                Outcome::Rows(answer) => Ok((answer, cancel)),
                _ => Err(told(SqlError::new("XX000", "the statement has no rows"))),
            }
        };
        stream::once(begin).flat_map(move |begun| match begun {
            Ok(begun) => {
                let fields = fields.clone();
                let encode = move |batch: PgWireResult<RecordBatch>| match batch {
                    Ok(batch) => {
                        stream::iter(arrow_pg::encode_recordbatch(fields.clone(), batch)).boxed()
                    }
                    Err(error) => stream::iter([Err(error)]).boxed(),
                };
                stream::unfold(Some(begun), next_batch).flat_map(encode).boxed()
            }
            Err(error) => stream::iter([Err(error)]).boxed(),
        })
    }
}

/// A statement that runs, and its client's change of mind.
type Begun = (Answer, Pin<Box<dyn Future<Output = ()> + Send>>);

/// The next batch; after an error there is none.
async fn next_batch(begun: Option<Begun>) -> Option<(PgWireResult<RecordBatch>, Option<Begun>)> {
    let (mut answer, mut cancel) = begun?;
    let next = tokio::select! {
        biased;
        () = &mut cancel => Err(PgWireError::QueryCanceled),
        next = answer.next() => next?.map_err(told),
    };
    let rest = next.is_ok().then_some((answer, cancel));
    Some((next, rest))
}

/// How a client takes a running statement back.
struct Cancel(Option<Arc<ConnectionHandle>>);

impl Cancel {
    fn of(client: &impl ClientInfo) -> Self {
        let handle = client.session_extensions().get::<Arc<ConnectionHandle>>();
        Self(handle.map(|handle| Arc::clone(&*handle)))
    }

    /// Ends when the client takes the statement back that begins now; otherwise never.
    async fn wait(self) {
        if let Some(handle) = self.0
            && handle.start_query().await.await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

fn fields(columns: &Schema, format: &Format) -> PgWireResult<Vec<FieldInfo>> {
    arrow_pg::datatypes::arrow_schema_to_pg_fields(columns, format, None)
}

fn told(error: SqlError) -> PgWireError {
    let mut info = ErrorInfo::new("ERROR".into(), error.code.into(), error.message);
    info.hint = error.hint;
    PgWireError::UserError(Box::new(info))
}

#[async_trait]
impl SimpleQueryHandler for Handler {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let mut responses = Vec::new();
        for prepared in self.session.prepare(query).await.map_err(told)? {
            self.deallocate(client.portal_store(), &prepared);
            responses.push(self.answer(client, prepared, &Format::UnifiedText, None).await?);
        }
        Ok(responses)
    }
}

#[async_trait]
impl ExtendedQueryHandler for Handler {
    type Statement = Prepared;
    type QueryParser = Self;

    fn query_parser(&self) -> Arc<Self> {
        Arc::new(self.clone())
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Self::Statement>,
        _max_rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = portal.statement.statement.clone();
        self.deallocate(client.portal_store(), &prepared);
        let types = parameters(&prepared)?;
        let types: Vec<Option<&DataType>> = types.iter().map(Option::as_ref).collect();
        let values = if portal.parameter_len() == 0 {
            None
        } else {
            Some(arrow_pg::datatypes::df::deserialize_parameters(portal, &types)?)
        };
        self.answer(client, prepared, &portal.result_column_format, values).await
    }
}

#[async_trait]
impl QueryParser for Handler {
    type Statement = Prepared;

    async fn parse_sql<C>(
        &self,
        _client: &C,
        sql: &str,
        _types: &[Option<Type>],
    ) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut prepared = self.session.prepare(sql).await.map_err(told)?;
        let first = prepared.pop();
        if !prepared.is_empty() {
            let several = "cannot insert multiple commands into a prepared statement";
            return Err(told(SqlError::new(SYNTAX, several)));
        }
        Ok(first)
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        parameters(statement)?
            .iter()
            .map(|known| match known {
                Some(known) => arrow_pg::datatypes::into_pg_type(known),
                None => Ok(Type::TEXT),
            })
            .collect()
    }

    fn get_result_schema(
        &self,
        statement: &Prepared,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        Session::columns(statement).map_or_else(
            || Ok(Vec::new()),
            |columns| fields(&columns, format.unwrap_or(&Format::UnifiedText)),
        )
    }
}

/// The types of `$1`, `$2` ... as far as the statement tells them.
fn parameters(prepared: &Prepared) -> PgWireResult<Vec<Option<DataType>>> {
    let Prepared::Query(plan) = prepared else { return Ok(Vec::new()) };
    let known = plan.get_parameter_types().map_err(|error| told(error.into()))?;
    Ok((1..=known.len()).map(|place| known.get(&format!("${place}")).cloned().flatten()).collect())
}
