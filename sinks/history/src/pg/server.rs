//! The server: a listener, a bounded number of connections, an end that waits for what runs.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use pgwire::api::PgWireServerHandlers;
use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::door::{Door, Porter};
use super::handler::Handler;
use super::settings::PgSettings;
use super::talk::{End, talk};
use super::tls::acceptor;
use crate::error::HistoryError;
use crate::sql::engine::Engine;

/// How long the end waits for statements that run.
const GRACE: Duration = Duration::from_secs(5);
/// How long it then takes to tell their clients.
const FAREWELL: Duration = Duration::from_secs(1);
/// Connections beyond the bound that are told so; more are closed without a word.
const TURNED_AWAY: usize = 16;

/// A server that runs. It ends when it is dropped.
pub struct PgServer {
    address: SocketAddr,
    end: watch::Sender<End>,
    runtime: Option<Runtime>,
}

impl PgServer {
    /// Starts to listen. Must not be called from a task.
    ///
    /// # Errors
    /// When the settings would let strangers in, the certificate cannot be used, or the address is
    /// taken.
    pub fn start(engine: &Engine, settings: &PgSettings) -> Result<Self, HistoryError> {
        let errors = settings.errors();
        if !errors.is_empty() {
            return Err(HistoryError::Settings(errors.join("; ")));
        }
        let tls = settings.tls.as_ref().map(acceptor).transpose()?;
        let listener = TcpListener::bind(settings.listen).map_err(|error| {
            HistoryError::Settings(format!("cannot listen on {}: {error}", settings.listen))
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("history-pg")
            .enable_all()
            .build()?;
        let (end, reached) = watch::channel(End::NotYet);
        let house = House {
            engine: engine.clone(),
            porter: Arc::new(Porter::new(settings)),
            tls,
            rooms: Arc::new(Semaphore::new(settings.connections.max(1))),
            corridor: Arc::new(Semaphore::new(TURNED_AWAY)),
            end: reached,
        };
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        runtime.spawn(house.open(listener));
        Ok(Self { address, end, runtime: Some(runtime) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PgServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Connections hold receivers: when the last is gone, all have ended.
            runtime.block_on(async {
                for (end, wait) in [(End::Begun, GRACE), (End::Now, FAREWELL)] {
                    self.end.send_replace(end);
                    if tokio::time::timeout(wait, self.end.closed()).await.is_ok() {
                        break;
                    }
                }
            });
            runtime.shutdown_background();
        }
    }
}

/// What the listener needs.
struct House {
    engine: Engine,
    porter: Arc<Porter>,
    tls: Option<TlsAcceptor>,
    rooms: Arc<Semaphore>,
    corridor: Arc<Semaphore>,
    end: watch::Receiver<End>,
}

impl House {
    async fn open(mut self, listener: tokio::net::TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.end.changed() => return,
            };
            match accepted {
                Ok((stream, _)) => self.admit(stream),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream) {
        let (room, full) = match self.rooms.clone().try_acquire_owned() {
            Ok(room) => (room, false),
            Err(_) => match self.corridor.clone().try_acquire_owned() {
                Ok(room) => (room, true),
                Err(_) => return,
            },
        };
        let guest = Guest {
            door: Arc::new(self.porter.door(full)),
            handler: Arc::new(Handler::new(self.engine.session())),
            cancel: Arc::new(DefaultCancelHandler::new(self.porter.manager.clone())),
        };
        let (tls, end) = (self.tls.clone(), self.end.clone());
        tokio::spawn(async move {
            let _room = room;
            if let Err(error) = talk(stream, tls, &guest, end).await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
}

/// The handlers of one connection.
pub(super) struct Guest {
    door: Arc<Door>,
    pub(super) handler: Arc<Handler>,
    cancel: Arc<DefaultCancelHandler>,
}

impl PgWireServerHandlers for Guest {
    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.door.clone()
    }

    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.handler.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.handler.clone()
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        self.cancel.clone()
    }
}
