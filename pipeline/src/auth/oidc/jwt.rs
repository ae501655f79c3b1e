//! A signed token in its compact form (RFC 7515), taken apart; nothing of it is believed here.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::key::{Algorithm, Key};

/// The longest token that is looked at. Unit: bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Keys that are tried: a token that names none may be of any, and each try costs as much as a good one.
const KEYS_TRIED_MAX: usize = 4;
/// What tokens call themselves that are taken (RFC 7519, 5.1; RFC 9068, 2.1). Others are made for other uses.
const TYPES: [&str; 2] = ["JWT", "at+jwt"];

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
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
        let typ = header.typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
        if typ.is_some_and(|typ| !TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ))) {
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
        let fits = |key: &&Key| key.fits(self.key_id.as_deref(), self.algorithm);
        let mut fitting = keys.iter().filter(fits).take(KEYS_TRIED_MAX);
        let is_signed = fitting.any(|key| key.verifies(self.algorithm, signed, &self.signature));
        is_signed.then_some(&self.claims)
    }
}
