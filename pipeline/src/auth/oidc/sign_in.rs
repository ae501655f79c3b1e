//! Sign-in of people by authorization code, with PKCE, state and nonce (OpenID Connect Core 1.0, 3.1; RFC 7636).

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use model::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use uuid::Uuid;

use super::Oidc;
use super::claims;
use super::issuer::{Document, Known, Need};
use super::jwt::Jwt;
use super::pending::Pending;
use crate::outbound::OutboundError;

/// Codes that are exchanged at once. Each is a request with our secret and may hold a thread for seconds, and
/// whoever can begin a sign-in can come back from it, as often as they like.
pub(super) const EXCHANGES_MAX: usize = 8;

/// All but what RFC 3986 (2.3) leaves as it is: some issuers do not decode the secret, and most have no others.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why somebody is not signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// What came back is not what was begun, or the issuer does not stand by it.
    #[error("{0}")]
    Refused(String),
    /// The issuer knows them, but they have no role here.
    #[error("`{0}` has no role here")]
    NoRole(String),
    /// The issuer does not answer.
    #[error("the issuer does not answer: {0}")]
    Away(String),
}

/// A sign-in that begins: where to send the browser, and what its cookie has to hold.
#[derive(Debug)]
pub struct Begun {
    /// The issuer's page.
    pub to: String,
    /// The value of the cookie.
    pub browser: String,
}

/// Somebody who has signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The value of the session's cookie.
    pub session: String,
    /// Its length. Unit: seconds.
    pub secs: i64,
    /// The page to go to.
    pub next: String,
}

/// What the issuer's redirect brings back.
#[derive(Debug, Default, Deserialize)]
pub struct Callback {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    error: Option<String>,
    iss: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// 32 random bytes from the system, as text.
pub(super) fn drawn() -> String {
    let halves = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()];
    BASE64_URL_SAFE_NO_PAD.encode(halves.concat())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn refused(why: impl Into<String>) -> SignInError {
    SignInError::Refused(why.into())
}

impl Oidc {
    /// Begins a sign-in that leads to a page of ours.
    ///
    /// # Errors
    /// When the issuer cannot be asked where that is done.
    pub async fn begin(&self, next: &str, now: Timestamp) -> Result<Begun, SignInError> {
        let document = self.document(now).await?;
        let settings = &self.inner.settings;
        let (Some(redirect), Some(page)) =
            (&settings.redirect_url, &document.authorization_endpoint)
        else {
            return Err(refused("nobody signs in to the console so"));
        };
        let (state, browser) = (drawn(), drawn());
        let pending = Pending {
            browser: browser.clone(),
            nonce: drawn(),
            verifier: drawn(),
            next: next.into(),
        };
        let challenge = digest(&SHA256, pending.verifier.as_bytes());
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(challenge);
        let query = [
            ("response_type", "code"),
            ("client_id", &settings.client_id),
            ("redirect_uri", redirect),
            ("scope", &settings.scope),
            ("state", &state),
            ("nonce", &pending.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]
        .map(|(name, value)| format!("{name}={}", encoded(value)));
        let mark = if page.contains('?') { '&' } else { '?' };
        let to = format!("{page}{mark}{}", query.join("&"));
        self.inner.pending.add(state, pending, now);
        Ok(Begun { to, browser })
    }

    /// Finishes it: holds what came back against what was begun, fetches the token and judges it.
    ///
    /// # Errors
    /// When it was not begun in this browser, was finished already, or the issuer does not stand by it.
    pub async fn finish(
        &self,
        callback: &Callback,
        browser: &str,
        now: Timestamp,
    ) -> Result<SignedIn, SignInError> {
        let pending = self.inner.pending.take(&callback.state, browser, now);
        let pending = pending.ok_or_else(|| {
            refused("it was not begun in this browser, took too long, or was finished already")
        })?;
        let settings = &self.inner.settings;
        if callback.iss.as_ref().is_some_and(|iss| *iss != settings.issuer) {
            return Err(refused("another issuer answers"));
        }
        if let Some(error) = &callback.error {
            let shown: String = error.chars().filter(|c| !c.is_control()).take(100).collect();
            return Err(refused(format!("the issuer says `{shown}`")));
        }
        let document = self.document(now).await?;
        let token = self.exchange(&document, &callback.code, &pending.verifier).await?;
        let token = Jwt::parse(token.as_bytes()).ok_or_else(|| refused("its token is none"))?;
        self.prepare(&token, now).await;
        let Known::Keys(keys) = self.inner.issuer.keys(&token, now) else {
            return Err(SignInError::Away("its keys are not known".to_owned()));
        };
        let claims = token.claims(&keys).ok_or_else(|| refused("its token is not signed by it"))?;
        claims::check(claims, &settings.issuer, &settings.client_id, now)
            .and_then(|()| claims::check_sign_in(claims, &settings.client_id, &pending.nonce))
            .map_err(|invalid| refused(format!("its token is not for this: {invalid}")))?;
        let name =
            claims::name(claims, settings).map_err(|invalid| refused(invalid.to_string()))?;
        let role =
            claims::role(claims, settings).ok_or_else(|| SignInError::NoRole(name.to_string()))?;
        let made = self.inner.sessions.make(&name, role, now);
        let (session, secs) = made.ok_or_else(|| refused("no session can be made"))?;
        Ok(SignedIn { session, secs, next: pending.next })
    }

    /// Reads what the issuer says about itself, if that is not known.
    async fn document(&self, now: Timestamp) -> Result<Arc<Document>, SignInError> {
        let issuer = &self.inner.issuer;
        if issuer.document().is_none() {
            issuer.ask(now).await;
        }
        issuer.document().ok_or_else(|| SignInError::Away("it cannot be read".to_owned()))
    }

    /// Asks for the keys that a token needs, where they are not known.
    pub(super) async fn prepare(&self, token: &Jwt<'_>, now: Timestamp) {
        let issuer = &self.inner.issuer;
        match issuer.need(token, now) {
            Need::Nothing => {}
            Need::Now => issuer.ask(now).await,
            Need::Soon => {
                let issuer = issuer.clone();
                tokio::spawn(async move { issuer.ask(now).await });
            }
        }
    }

    async fn exchange(
        &self,
        document: &Document,
        code: &str,
        verifier: &str,
    ) -> Result<String, SignInError> {
        let inner = self.inner.clone();
        let permit = inner.exchanges.clone().try_acquire_owned();
        let permit =
            permit.map_err(|_| SignInError::Away("too many sign-ins end at once".to_owned()))?;
        let endpoint = document.token_endpoint.clone();
        let url = endpoint.ok_or_else(|| refused("the issuer gives no tokens"))?;
        let methods = &document.token_endpoint_auth_methods_supported;
        // Basic is what holds where nothing is said.
        let is_posted = !methods.is_empty()
            && !methods.iter().any(|method| method == "client_secret_basic")
            && methods.iter().any(|method| method == "client_secret_post");
        let (code, verifier) = (code.to_owned(), verifier.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let settings = &inner.settings;
            let redirect = settings.redirect_url.as_deref().unwrap_or_default();
            let mut fields = vec![
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", redirect),
                ("code_verifier", &verifier),
            ];
            let secret = settings.client_secret.as_ref().map(|secret| secret.expose());
            let mut authorization = None;
            match secret {
                Some(secret) if !is_posted => {
                    let pair = format!("{}:{}", encoded(&settings.client_id), encoded(secret));
                    authorization = Some(format!("Basic {}", BASE64_STANDARD.encode(pair)));
                }
                Some(secret) => {
                    fields.extend([("client_id", settings.client_id.as_str())]);
                    fields.push(("client_secret", secret));
                }
                None => fields.push(("client_id", &settings.client_id)),
            }
            inner.issuer.client.post_form(&url, &fields, authorization.as_deref())
        });
        let answer = match asked.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(OutboundError::Answer(_, status @ 400..=499))) => {
                return Err(refused(format!("the issuer does not take the code: {status}")));
            }
            Ok(Err(error)) => return Err(SignInError::Away(error.to_string())),
            Err(error) => return Err(SignInError::Away(error.to_string())),
        };
        let tokens: Tokens =
            serde_json::from_slice(&answer).map_err(|_| refused("the issuer gives no token"))?;
        Ok(tokens.id_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_code_has_none() {
        assert_eq!(encoded("aZ09-._~"), "aZ09-._~");
        assert_eq!(encoded("a b&c:d%e+f*"), "a%20b%26c%3Ad%25e%2Bf%2A");
    }
}
