//! The session of somebody whom the issuer knows: name, role and end, signed.
//!
//! The key comes from the client's secret and from what gives roles, so every process of the installation knows
//! the session, and it ends when either is changed. A public client has no secret, and a short one could be
//! guessed by whoever holds a session, without asking anybody: then the key is this process's own, and the
//! session ends with it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use model::name::Name;
use model::time::{Nanos, Timestamp};
use sha2::Sha256;

use super::settings::OidcSettings;
use crate::auth::{Caller, Means, Role};

/// What it begins with; sessions of tokens begin with a number.
const MARK: &str = "o.";
/// The shortest secret that a key is derived from. Unit: bytes.
const SECRET_BYTES_MIN: usize = 32;
const KEY: &str = "faultline oidc session key 1";

/// Makes sessions and knows them again.
pub(super) struct Sessions {
    key: Option<Hmac<Sha256>>,
    secs: i64,
}

impl Sessions {
    pub(super) fn new(settings: &OidcSettings, drawn: &str) -> Self {
        let secret = settings.client_secret.as_ref().map(|secret| secret.expose());
        let secret = secret.filter(|secret| secret.len() >= SECRET_BYTES_MIN).unwrap_or(drawn);
        let shape = (
            &settings.issuer,
            &settings.client_id,
            &settings.roles_claim,
            &settings.roles,
            &settings.name_claim,
        );
        let shape = serde_json::to_vec(&shape).ok();
        let derived = shape.and_then(|shape| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
            mac.update(KEY.as_bytes());
            mac.update(&shape);
            Hmac::new_from_slice(&mac.finalize().into_bytes()).ok()
        });
        Self { key: derived, secs: settings.session_secs }
    }

    /// A session from now on, and its length. Unit: seconds.
    pub(super) fn make(&self, name: &Name, role: Role, now: Timestamp) -> Option<(String, i64)> {
        let until = (now + Nanos::from_secs(self.secs)).millis() / 1000;
        let name = BASE64_URL_SAFE_NO_PAD.encode(name.as_bytes());
        let said = format!("{MARK}{until}.{role}.{name}");
        let mut mac = self.key.clone()?;
        mac.update(said.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Some((format!("{said}.{signature}"), self.secs))
    }

    /// Whose session this is, if it has not ended.
    pub(super) fn caller(&self, value: &str, now: Timestamp) -> Option<Caller> {
        let (said, signature) = value.rsplit_once('.')?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mut mac = self.key.clone()?;
        mac.update(said.as_bytes());
        mac.verify_slice(&signature).ok()?;
        let mut parts = said.strip_prefix(MARK)?.split('.');
        let until: i64 = parts.next()?.parse().ok()?;
        let until = Timestamp::from_millis(until.checked_mul(1000)?);
        let word = parts.next()?;
        let role = Role::ALL.into_iter().find(|role| role.word() == word)?;
        let name = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?;
        let means = Means::Session { until };
        (now < until).then(|| Caller { name: Some(name.as_str().into()), role, means })
    }
}
