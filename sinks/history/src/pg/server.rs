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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::door::{Door, Porter};
use super::handler::Handler;
use super::settings::PgSettings;
use super::tls::acceptor;
use crate::error::HistoryError;
use crate::sql::engine::{Engine, Session};

/// How long the end waits for statements that run.
const GRACE: Duration = Duration::from_secs(5);
/// Connections beyond the bound that are told so; more are closed without a word.
const TURNED_AWAY: usize = 16;

/// A server that runs. It ends when it is dropped.
pub struct PgServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
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
        let (stop, stopped) = watch::channel(false);
        let house = House {
            engine: engine.clone(),
            porter: Arc::new(Porter::new(settings)),
            tls,
            rooms: Arc::new(Semaphore::new(settings.connections.max(1))),
            corridor: Arc::new(Semaphore::new(TURNED_AWAY)),
            stopped,
        };
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        runtime.spawn(house.open(listener));
        Ok(Self { address, stop, runtime: Some(runtime) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PgServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            // Connections hold receivers: when the last is gone, all have ended.
            runtime.block_on(async {
                let _late = tokio::time::timeout(GRACE, self.stop.closed()).await;
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
    stopped: watch::Receiver<bool>,
}

impl House {
    async fn open(mut self, listener: tokio::net::TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stopped.changed() => return,
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
        let session = Arc::new(self.engine.session());
        let guest = Guest {
            door: Arc::new(self.porter.door(full)),
            handler: Arc::new(Handler::new(session.clone())),
            cancel: Arc::new(DefaultCancelHandler::new(self.porter.manager.clone())),
        };
        tokio::spawn(serve(stream, self.tls.clone(), guest, session, room, self.stopped.clone()));
    }
}

/// One connection until its end, or until the server's end and that of its running statement.
async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    guest: Guest,
    session: Arc<Session>,
    _room: OwnedSemaphorePermit,
    mut stopped: watch::Receiver<bool>,
) {
    let talk = pgwire::tokio::process_socket(stream, tls, guest);
    tokio::pin!(talk);
    let told = tokio::select! {
        ended = &mut talk => Some(ended),
        _ = stopped.wait_for(|stop| *stop) => None,
    };
    match told {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "a connection broke"),
        None => {
            while session.is_busy() {
                tokio::select! {
                    _ = &mut talk => return,
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
            }
        }
    }
}

/// The handlers of one connection.
struct Guest {
    door: Arc<Door>,
    handler: Arc<Handler>,
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
