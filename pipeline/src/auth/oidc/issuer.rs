//! What is known of the issuer: its document and its keys, read anew within bounds.
//!
//! A token of a key that is not known makes us ask, so that a new key is known at once, but never more often
//! than every ten seconds, whatever strangers send. Old keys serve for a day while the issuer is away; then
//! nobody knows any more whether they still are the issuer's.

use std::sync::{Arc, PoisonError, RwLock};

use model::time::{Nanos, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::jwt::Jwt;
use super::key::{self, Key};
use crate::outbound::Outbound;

/// Least time between two asks.
const ASK_EVERY: Nanos = Nanos::from_secs(10);
/// Keys that are older are read anew, so that what the issuer has withdrawn ends.
const FRESH_FOR: Nanos = Nanos::from_secs(3_600);
/// Keys that are older are believed no more.
const GOOD_FOR: Nanos = Nanos::from_secs(24 * 3_600);

/// What an issuer says about itself (OpenID Connect Discovery 1.0, 3).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Document {
    issuer: String,
    jwks_uri: String,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    #[serde(default)]
    pub(super) token_endpoint_auth_methods_supported: Vec<String>,
}

/// What has to be done before a token can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// The keys are getting old: ask beside, nobody has to wait.
    Soon,
    /// The key is not known: ask first.
    Now,
}

/// Whether the keys are known that a token needs.
pub(super) enum Known {
    /// These are.
    Keys(Arc<[Key]>),
    /// They are not, and the issuer does not say.
    Away,
}

#[derive(Default)]
struct State {
    document: Option<Arc<Document>>,
    keys: Arc<[Key]>,
    read_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
    /// Whether the last ask has not been answered.
    is_away: bool,
}

impl State {
    fn may_ask(&self, now: Timestamp) -> bool {
        // A clock that was put back does not keep us from asking.
        self.asked_at.is_none_or(|asked_at| now < asked_at || now - asked_at >= ASK_EVERY)
    }

    fn is_younger(&self, than: Nanos, now: Timestamp) -> bool {
        self.read_at.is_some_and(|read_at| now - read_at < than)
    }
}

/// The issuer.
pub(super) struct Issuer {
    url: String,
    pub(super) client: Outbound,
    state: RwLock<State>,
    /// Held while it is asked, also when whoever began that has gone away.
    pub(super) asking: Arc<Mutex<()>>,
}

impl Issuer {
    pub(super) fn new(url: &str, client: Outbound) -> Self {
        let (url, state) = (url.to_owned(), RwLock::default());
        Self { url, client, state, asking: Arc::default() }
    }

    fn state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn need(&self, token: &Jwt<'_>, now: Timestamp) -> Need {
        self.state(|state| {
            let is_known = token.may_be_of(&state.keys) && state.is_younger(GOOD_FOR, now);
            match (state.may_ask(now), is_known) {
                // It is being asked: the answer may have the key, so wait for that. Looked at after the state:
                // what has ended by now is in the state when the token is judged.
                (false, false) if self.asking.try_lock().is_err() => Need::Now,
                (false, _) => Need::Nothing,
                (true, false) => Need::Now,
                (true, true) if state.is_younger(FRESH_FOR, now) => Need::Nothing,
                (true, true) => Need::Soon,
            }
        })
    }

    /// The keys by which a token is to be judged.
    pub(super) fn keys(&self, token: &Jwt<'_>, now: Timestamp) -> Known {
        self.state(|state| {
            let is_known = token.may_be_of(&state.keys);
            if state.is_younger(GOOD_FOR, now) && (is_known || !state.is_away) {
                Known::Keys(state.keys.clone())
            } else {
                Known::Away
            }
        })
    }

    /// Its document, if it was read.
    pub(super) fn document(&self) -> Option<Arc<Document>> {
        self.state(|state| state.document.clone())
    }

    /// Asks it for its document and keys, if it was not asked just now.
    pub(super) async fn ask(self: &Arc<Self>, now: Timestamp) {
        let one_at_a_time = self.asking.clone().lock_owned().await;
        if !self.state(|state| state.may_ask(now)) {
            return;
        }
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            (state.asked_at, state.is_away) = (Some(now), true);
        }
        // What comes is kept also when whoever waits for it goes away.
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _held = one_at_a_time;
            this.read(now);
        });
        if let Err(error) = read.await {
            tracing::error!(%error, "asking the issuer has failed");
        }
    }

    fn read(&self, now: Timestamp) {
        match self.fetch() {
            Ok((document, keys)) => {
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                state.document = Some(document.into());
                state.keys = keys.into();
                state.read_at = Some(now);
                state.is_away = false;
            }
            Err(error) => {
                tracing::warn!(issuer = self.url, error, "the issuer's keys are not known")
            }
        }
    }

    fn fetch(&self) -> Result<(Document, Vec<Key>), String> {
        let at = format!("{}/.well-known/openid-configuration", self.url.trim_end_matches('/'));
        let document = self.client.get(&at).map_err(|error| error.to_string())?;
        let document: Document = serde_json::from_slice(&document)
            .map_err(|error| format!("its document is none: {error}"))?;
        if document.issuer != self.url {
            return Err(format!("its document is of `{}`", document.issuer));
        }
        let keys = self.client.get(&document.jwks_uri).map_err(|error| error.to_string())?;
        let keys = key::keys(&keys).map_err(|error| format!("its keys are none: {error}"))?;
        Ok((document, keys))
    }
}
