//! The HTTP servers: console and API on one address, intake on another. The only async part.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::cli::Role;
use crate::clock;
use crate::config::Config;
use crate::http::metrics::Stage as StageName;
use crate::intake::decode::DecodeLimits;
use crate::intake::http::IntakeState;
use crate::run::Starter;
use crate::run::monitor::StageMonitor;
use crate::run::stop::Stop;

/// How long open connections may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// The servers of a process.
pub struct Servers {
    runtime: Runtime,
    ended: watch::Sender<bool>,
}

/// The addresses of a process, taken.
pub(super) struct Listeners {
    http: TcpListener,
    intake: Option<TcpListener>,
}

/// Takes the addresses of the roles; who connects waits until they are served.
///
/// # Errors
/// When an address is taken.
pub(super) fn listen(config: &Config, roles: &[Role]) -> Result<Listeners> {
    let intake = roles.contains(&Role::Intake).then(|| bind(config.intake.address));
    Ok(Listeners { http: bind(config.http.address)?, intake: intake.transpose()? })
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}; is another faultline running? choose another port")
    })
}

/// Starts the servers of the roles.
///
/// # Errors
/// When there can be no runtime.
pub(super) fn start(
    config: &Config,
    starter: &Starter<'_>,
    listeners: Listeners,
) -> Result<Servers> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http")
        .enable_all()
        .build()
        .context("cannot start the HTTP runtime")?;
    let servers = Servers { runtime, ended: watch::Sender::new(false) };
    // Health and metrics are served whatever the roles are.
    servers.serve("http", listeners.http, crate::http::router(starter.http.clone()))?;
    if let Some(listener) = listeners.intake {
        let state = IntakeState::new(
            starter.log.clone(),
            starter.settings.inputs.clone(),
            DecodeLimits::default(),
            clock::now,
        )
        .behind(config.intake.door.clone(), starter.http.metrics.clone());
        servers.serve("intake", listener, crate::intake::http::router(state))?;
        // It owns no partitions and restores nothing: whoever listens can append.
        StageMonitor::new(StageName::Intake, starter.http.clone()).ready();
    }
    Ok(servers)
}

impl Servers {
    fn serve(&self, name: &'static str, listener: TcpListener, router: Router) -> Result<()> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let mut ended = self.ended.subscribe();
        let _entered = self.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        self.runtime.spawn(async move {
            let end = async move {
                // An error says that the sender is gone: the end as well.
                drop(ended.wait_for(|ended| *ended).await);
            };
            let served = axum::serve(listener, router).with_graceful_shutdown(end).await;
            if let Err(error) = served {
                tracing::error!(server = name, %error, "the server has ended");
            }
        });
        tracing::info!(server = name, %address, "listening");
        Ok(())
    }

    /// Waits for SIGINT, SIGTERM, or for somebody to stop the process.
    pub fn wait_for_signal(&self, stop: &Stop) {
        let stop = stop.clone();
        self.runtime.block_on(async {
            let watched =
                tokio::task::spawn_blocking(
                    move || {
                        while !stop.wait(Duration::from_millis(200)) {}
                    },
                );
            let mut terminate = match terminate() {
                Ok(terminate) => terminate,
                Err(error) => {
                    tracing::warn!(%error, "cannot wait for SIGTERM");
                    drop(watched.await);
                    return;
                }
            };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                _ = watched => {}
            }
        });
        tracing::info!("stopping");
    }

    /// Ends the servers.
    pub fn end(self) {
        self.ended.send_replace(true);
        self.runtime.shutdown_timeout(GRACE);
    }
}

fn terminate() -> std::io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
}
