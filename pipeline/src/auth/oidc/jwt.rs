//! A signed token in its compact form (RFC 7515), taken apart; nothing of it is believed here.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::key::{Algorithm, Key};

/// The longest token that is looked at. Unit: bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that have to be understood: we know none.
    crit: Option<Value>,
    /// Payloads that are not encoded: they come with `crit`, some forget it.
    b64: Option<Value>,
}

/// What a token says, before anybody has looked who signed it.
pub(super) struct Jwt<'t> {
    signed: &'t str,
    signature: Vec<u8>,
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    claims: Map<String, Value>,
}

impl<'t> Jwt<'t> {
    /// Takes it apart; `None`: it is no token that can be checked here.
    pub(super) fn parse(token: &'t [u8]) -> Option<Self> {
        let token = std::str::from_utf8(token).ok().filter(|text| text.len() <= TOKEN_BYTES_MAX)?;
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let bytes = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let header: Header = serde_json::from_slice(&bytes(header)?).ok()?;
        if header.crit.is_some() || header.b64.is_some() {
            return None;
        }
        let algorithm = Algorithm::named(&header.alg)?;
        let Value::Object(claims) = serde_json::from_slice(&bytes(claims)?).ok()? else {
            return None;
        };
        let signature = bytes(signature)?;
        Some(Self { signed, signature, algorithm, key_id: header.kid, claims })
    }

    /// Whether it says that it is of this issuer. Anybody can say so.
    pub(super) fn names_issuer(&self, issuer: &str) -> bool {
        self.claims.get("iss").and_then(Value::as_str) == Some(issuer)
    }

    /// Whether one of these keys may have signed it.
    pub(super) fn may_be_of(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| key.fits(self.key_id.as_deref(), self.algorithm))
    }

    /// What it claims, if one of these keys signed that.
    pub(super) fn claims(&self, keys: &[Key]) -> Option<&Map<String, Value>> {
        let signed = self.signed.as_bytes();
        let mut fitting =
            keys.iter().filter(|key| key.fits(self.key_id.as_deref(), self.algorithm));
        let is_signed = fitting.any(|key| key.verifies(self.algorithm, signed, &self.signature));
        is_signed.then_some(&self.claims)
    }
}
