//! The door: who comes in. SCRAM-SHA-256 where a password is configured; over TLS only where a
//! certificate is; nobody beyond the number of connections.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::Sink;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::{
    SCRAM_ITERATIONS, ScramAuth, gen_salted_password, random_nonce,
};
use pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, StartupHandler,
    finish_authentication, protocol_negotiation, save_startup_parameters_to_metadata,
};
use pgwire::api::{
    ClientInfo, ConnectionManager, METADATA_USER, PidSecretKeyGenerator,
    RandomPidSecretKeyGenerator,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::settings::PgSettings;
use crate::sql::settings::SERVER_VERSION;

/// What all connections of a server share.
pub(super) struct Porter {
    keeper: Option<Arc<Keeper>>,
    tls_only: bool,
    pub(super) manager: Arc<ConnectionManager>,
    keys: Arc<RandomPidSecretKeyGenerator>,
    parameters: Arc<DefaultServerParameterProvider>,
}

impl Porter {
    pub(super) fn new(settings: &PgSettings) -> Self {
        let mut parameters = DefaultServerParameterProvider::default();
        parameters.server_version = SERVER_VERSION.to_owned();
        parameters.is_superuser = false;
        parameters.default_transaction_read_only = true;
        parameters.time_zone = "UTC".to_owned();
        let keeper = settings
            .password
            .as_ref()
            .map(|password| Arc::new(Keeper::new(&settings.user, password)));
        Self {
            keeper,
            tls_only: settings.tls.is_some(),
            manager: Arc::new(ConnectionManager::new()),
            keys: Arc::new(RandomPidSecretKeyGenerator::default()),
            parameters: Arc::new(parameters),
        }
    }

    /// The door of one connection. `full`: it is told so and sent away.
    pub(super) fn door(&self, full: bool) -> Door {
        let scram = self.keeper.as_ref().map(|keeper| {
            SASLAuthStartupHandler::new(Arc::clone(&self.parameters))
                .with_scram(ScramAuth::new(keeper.clone()))
                .with_pid_secret_key_generator(self.keys.clone())
                .with_connection_manager(Arc::clone(&self.manager))
        });
        Door {
            scram,
            full,
            tls_only: self.tls_only,
            manager: Arc::clone(&self.manager),
            keys: Arc::clone(&self.keys),
            parameters: Arc::clone(&self.parameters),
        }
    }
}

/// The door of one connection.
pub(super) struct Door {
    scram: Option<SASLAuthStartupHandler<DefaultServerParameterProvider>>,
    full: bool,
    tls_only: bool,
    manager: Arc<ConnectionManager>,
    keys: Arc<RandomPidSecretKeyGenerator>,
    parameters: Arc<DefaultServerParameterProvider>,
}

/// An error after which nothing more is said.
pub(super) fn fatal(code: &str, message: &str) -> PgWireError {
    let info = ErrorInfo::new("FATAL".into(), code.into(), message.into());
    PgWireError::UserError(Box::new(info))
}

/// Says who was refused: with SCRAM the name is told once, at the start, and clients leave it out of the exchange from
/// which the library takes it.
fn with_name(error: PgWireError, client: &impl ClientInfo) -> PgWireError {
    match (error, client.metadata().get(METADATA_USER)) {
        (PgWireError::InvalidPassword(_), Some(user)) => PgWireError::InvalidPassword(user.clone()),
        (error, _) => error,
    }
}

#[async_trait]
impl StartupHandler for Door {
    async fn on_startup<C>(
        &self,
        client: &mut C,
        message: PgWireFrontendMessage,
    ) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if self.full {
            return Err(fatal("53300", "too many connections already; try again later"));
        }
        if self.tls_only && !client.is_secure() {
            return Err(fatal("28000", "only TLS is spoken here; connect with sslmode=require"));
        }
        if let Some(scram) = &self.scram {
            let welcomed = scram.on_startup(client, message).await;
            return welcomed.map_err(|error| with_name(error, client));
        }
        if let PgWireFrontendMessage::Startup(startup) = &message {
            protocol_negotiation(client, startup).await?;
            save_startup_parameters_to_metadata(client, startup);
            let (pid, key) = self.keys.generate(client);
            client.set_pid_and_secret_key(pid, key.clone());
            let (handle, guard) = self.manager.register(pid, key);
            client.session_extensions().insert(handle);
            client.session_extensions().insert(guard);
            finish_authentication(client, self.parameters.as_ref()).await?;
        }
        Ok(())
    }
}

/// Knows the password, salted.
struct Keeper {
    user: String,
    salt: Vec<u8>,
    salted: Vec<u8>,
    /// What a wrong user is held against, so that the answers to right and wrong users look alike.
    nobody: Vec<u8>,
}

impl Keeper {
    fn new(user: &str, password: &str) -> Self {
        let salt = random_nonce().into_bytes();
        let salted = gen_salted_password(password, &salt, SCRAM_ITERATIONS);
        let nobody = gen_salted_password(&random_nonce(), &salt, SCRAM_ITERATIONS);
        Self { user: user.to_owned(), salt, salted, nobody }
    }
}

/// No secret in logs.
impl Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keeper({})", self.user)
    }
}

#[async_trait]
impl AuthSource for Keeper {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let known = login.user() == Some(self.user.as_str());
        let salted = if known { &self.salted } else { &self.nobody };
        Ok(Password::new(Some(self.salt.clone()), salted.clone()))
    }
}
