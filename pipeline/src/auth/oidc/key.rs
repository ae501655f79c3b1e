//! The public keys of an issuer, and whether one of them signed something.
//!
//! A key is made once, from its JWK, for the algorithms of its own kind; what a token says about its algorithm
//! only chooses among those. So a public key is never a shared secret, and `none` is no algorithm.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;

/// How many keys of an issuer are looked at.
const KEYS_MAX: usize = 64;

/// The algorithms that are taken, as JOSE names them. All are of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    fn of_rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Of one algorithm: a point of its curve.
    Point {
        of: Algorithm,
        point: Vec<u8>,
    },
}

/// A public key of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    id: Option<String>,
    /// The only algorithm that the issuer uses it with, if it says so.
    only: Option<Algorithm>,
    public: Public,
}

#[derive(Deserialize)]
struct RawKeys {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a JWK set. Those that are of no use here are left out.
pub(super) fn keys(jwks: &[u8]) -> Result<Vec<Key>, serde_json::Error> {
    let raw: RawKeys = serde_json::from_slice(jwks)?;
    let of = |value| serde_json::from_value::<RawKey>(value).ok().and_then(Key::from_raw);
    Ok(raw.keys.into_iter().take(KEYS_MAX).filter_map(of).collect())
}

impl Key {
    fn from_raw(raw: RawKey) -> Option<Self> {
        if raw.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let bytes = |text: &Option<String>| BASE64_URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
        let point = |of, length: usize| {
            let (x, y) = (bytes(&raw.x)?, bytes(&raw.y)?);
            let is_whole = x.len() == length && y.len() == length;
            let point = [[4].as_slice(), &x, &y].concat();
            is_whole.then_some(Public::Point { of, point })
        };
        let public = match (raw.kty.as_str(), raw.crv.as_deref()) {
            ("RSA", _) => Public::Rsa { modulus: bytes(&raw.n)?, exponent: bytes(&raw.e)? },
            ("EC", Some("P-256")) => point(Algorithm::Es256, 32)?,
            ("EC", Some("P-384")) => point(Algorithm::Es384, 48)?,
            ("OKP", Some("Ed25519")) => {
                Public::Point { of: Algorithm::EdDsa, point: bytes(&raw.x)? }
            }
            // Shared secrets (`oct`) among them: they have no business in a public set.
            _ => return None,
        };
        let only = match &raw.alg {
            Some(name) => Some(Algorithm::named(name)?),
            None => None,
        };
        Some(Self { id: raw.kid, only, public })
    }

    /// Whether a token that names this key and algorithm may be of it. A token without a key's id may be of any.
    pub(super) fn fits(&self, id: Option<&str>, algorithm: Algorithm) -> bool {
        let is_named = id.is_none_or(|id| self.id.as_deref() == Some(id));
        let is_for = self.only.is_none_or(|only| only == algorithm);
        let can = match &self.public {
            Public::Rsa { .. } => algorithm.of_rsa().is_some(),
            Public::Point { of, .. } => *of == algorithm,
        };
        is_named && is_for && can
    }

    /// Whether it signed `signed` so.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Rsa { modulus, exponent } => algorithm.of_rsa().is_some_and(|how| {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(how, signed, signature).is_ok()
            }),
            Public::Point { of, point } if *of == algorithm => {
                let how: &'static dyn VerificationAlgorithm = match of {
                    Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
                    Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
                    Algorithm::EdDsa => &ED25519,
                    _ => return false,
                };
                UnparsedPublicKey::new(how, point).verify(signed, signature).is_ok()
            }
            Public::Point { .. } => false,
        }
    }
}
