//! People and programs whom an OpenID issuer knows: bearer tokens of the API, sign-in to the console.
//!
//! Whom the issuer vouches for has the role that a claim gives; without one, none. Nothing of a token is
//! believed before a key of the issuer has been seen to have signed it. What is deliberately absent:
//! accounts, refresh tokens, asking the issuer about a token, and shared-secret algorithms.

mod settings;
mod key;
mod jwt;
mod claims;
mod issuer;
mod pending;
mod session;
mod sign_in;
#[cfg(test)]
pub(crate) mod double;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use model::time::Timestamp;

use super::role::{Caller, Means};
use crate::outbound::Outbound;
use issuer::{Issuer, Known};
use jwt::Jwt;
use pending::Sheet;
use session::Sessions;
use sign_in::EXCHANGES_MAX;
use tokio::sync::Semaphore;

pub use pending::PENDING_SECS;
pub use settings::OidcSettings;
pub use sign_in::{Begun, Callback, SignInError, SignedIn};

/// What a token of the issuer says about who shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Who it is.
    Caller(Caller),
    /// Somebody whom the issuer knows, but who has no role here.
    NoRole,
    /// Nobody.
    Nobody,
    /// The issuer does not say by which keys it signs.
    Away,
}

/// An issuer. Cloning shares it.
#[derive(Clone)]
pub struct Oidc {
    inner: Arc<Inner>,
}

struct Inner {
    settings: OidcSettings,
    issuer: Arc<Issuer>,
    pending: Sheet,
    sessions: Sessions,
    exchanges: Arc<Semaphore>,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Oidc").field(&self.inner.settings.issuer).finish()
    }
}

impl Oidc {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(settings: OidcSettings) -> Self {
        let client = Outbound::new(settings.reach.clone());
        let issuer = Arc::new(Issuer::new(&settings.issuer, client));
        let sessions = Sessions::new(&settings, &sign_in::drawn());
        let (pending, exchanges) = (Sheet::default(), Arc::new(Semaphore::new(EXCHANGES_MAX)));
        Self { inner: Arc::new(Inner { settings, issuer, pending, sessions, exchanges }) }
    }

    /// Whether people sign in to the console so.
    #[must_use]
    pub fn has_sign_in(&self) -> bool {
        self.inner.settings.redirect_url.is_some()
    }

    /// Whether browsers come to us by TLS, as the address says that people are sent back to.
    #[must_use]
    pub fn is_by_tls(&self) -> bool {
        let back = self.inner.settings.redirect_url.as_deref();
        back.is_some_and(|url| url.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://")))
    }

    /// Fetches the keys that are needed to judge a bearer token, within bounds. What is not even said to be of
    /// the issuer needs none.
    pub async fn await_keys(&self, token: &[u8], now: Timestamp) {
        if let Some(token) = self.ours(token) {
            self.prepare(&token, now).await;
        }
    }

    fn ours<'t>(&self, token: &'t [u8]) -> Option<Jwt<'t>> {
        Jwt::parse(token).filter(|token| token.names_issuer(&self.inner.settings.issuer))
    }

    /// Who shows a bearer token, by the keys that are known now.
    #[must_use]
    pub fn by_token(&self, token: &[u8], now: Timestamp) -> Verdict {
        let Some(token) = self.ours(token) else { return Verdict::Nobody };
        let settings = &self.inner.settings;
        let Known::Keys(keys) = self.inner.issuer.keys(&token, now) else { return Verdict::Away };
        let Some(claims) = token.claims(&keys) else { return Verdict::Nobody };
        let checked = claims::check(claims, &settings.issuer, &settings.audience, now);
        let Ok(name) = checked.and_then(|()| claims::name(claims, settings)) else {
            return Verdict::Nobody;
        };
        match claims::role(claims, settings) {
            Some(role) => Verdict::Caller(Caller { name: Some(name), role, means: Means::Token }),
            None => Verdict::NoRole,
        }
    }

    /// Whose session this is, if it has not ended.
    #[must_use]
    pub fn by_session(&self, value: &str, now: Timestamp) -> Option<Caller> {
        self.inner.sessions.caller(value, now)
    }
    /// A session as of whoever signs in with these claims.
    #[cfg(test)]
    pub(crate) fn session_for_tests(&self, claims: &serde_json::Value, now: Timestamp) -> String {
        let (claims, settings) = (claims.as_object().unwrap(), &self.inner.settings);
        let name = claims::name(claims, settings).unwrap();
        let role = claims::role(claims, settings).unwrap();
        self.inner.sessions.make(&name, role, now).unwrap().0
    }
}
