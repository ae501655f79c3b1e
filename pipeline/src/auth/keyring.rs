//! The tokens of an installation, and the sessions of those who signed in with one.
//!
//! No token is kept: each is known by a digest under a key that this process draws, so what is
//! compared is of equal length, says nothing of the token, and is compared in constant time. A
//! session is a moment of its end, signed by a key that is derived from its token: every process
//! of the installation knows it, and it ends with the token.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::digest::InvalidLength;
use hmac::{Hmac, Mac};
use model::name::Name;
use model::time::{Nanos, Timestamp};
use sha2::Sha256;
use sinks::config::secret::Secret;
use uuid::Uuid;

use super::role::{Caller, Means, Role};

/// The shortest token that is taken. Unit: bytes.
pub const TOKEN_BYTES_MIN: usize = 16;
/// The longest that is looked at. Unit: bytes.
const OFFERED_BYTES_MAX: usize = 16 * 1024;
/// How long a session lasts. Unit: seconds.
pub const SESSION_SECS: i64 = 12 * 3600;

/// What the key of sessions is derived by, and what they are signed over.
const SESSION_KEY: &[u8] = b"faultline session key 1";
const SESSION: &str = "faultline session 1";

type Digest = [u8; 32];
type Sha = Hmac<Sha256>;

/// A token, as it is configured.
#[derive(Clone, Debug)]
pub struct Token {
    /// Whose it is; `None`: it is shared, and says nothing about who asks.
    pub name: Option<Name>,
    /// What its holder may do.
    pub role: Role,
    /// The token itself.
    pub secret: Secret,
    /// The file that it was read from, if it was one.
    pub file: Option<PathBuf>,
}

/// A token whose file cannot be read at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Whose it is.
    pub name: Option<Name>,
    /// What its holder may do.
    pub role: Role,
    /// Where it is.
    pub file: PathBuf,
}

/// Why tokens are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// One could be guessed.
    #[error("the token has {0} bytes; use at least 16, e.g. from `openssl rand -hex 32`")]
    Short(usize),
    /// Two are the same, so it could not be told who asks.
    #[error("two tokens are the same; give each its own")]
    Same,
    /// One cannot be hashed.
    #[error("the token cannot be hashed: {0}")]
    Digest(#[from] InvalidLength),
}

#[derive(Clone)]
struct Entry {
    name: Option<Name>,
    role: Role,
    digest: Digest,
    session_key: Digest,
    file: Option<PathBuf>,
}

impl Entry {
    fn caller(&self, means: Means) -> Caller {
        Caller { name: self.name.clone(), role: self.role, means }
    }
}

#[derive(Default)]
struct Held {
    key: Digest,
    entries: Vec<Entry>,
}

impl Held {
    /// Looks at all, so that the time does not tell which it is.
    fn entry(&self, offered: &[u8]) -> Option<&Entry> {
        let offered = Some(offered).filter(|text| text.len() <= OFFERED_BYTES_MAX)?;
        let offered = keyed(&self.key, offered).ok()?;
        self.entries.iter().fold(None, |found, entry| {
            let is_it = offered.clone().verify_slice(&entry.digest).is_ok();
            if is_it { Some(entry) } else { found }
        })
    }
}

/// The tokens of an installation. Cloning shares them, also when they are replaced.
#[derive(Clone, Default)]
pub struct Keyring {
    held: Arc<RwLock<Arc<Held>>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.held();
        let names = held.entries.iter().map(|entry| (&entry.name, entry.role));
        f.debug_list().entries(names).finish()
    }
}

impl Keyring {
    /// Takes tokens in. Several may have one name: so one is replaced by another without a pause.
    ///
    /// # Errors
    /// When one is shorter than [`TOKEN_BYTES_MIN`], or two are the same.
    pub fn new(tokens: &[Token]) -> Result<Self, KeyringError> {
        let mut key = Digest::default();
        // Random from the system, in two halves.
        for (half, drawn) in key.chunks_exact_mut(16).zip([Uuid::new_v4(), Uuid::new_v4()]) {
            half.copy_from_slice(drawn.as_bytes());
        }
        Self::under(key, tokens)
    }

    /// As [`Keyring::new`]; of tokens that cannot be read at the moment, what this ring knows is good on, under the name
    /// and the role that they have now.
    ///
    /// # Errors
    /// As [`Keyring::new`].
    pub fn renewed(&self, tokens: &[Token], unread: &[Unread]) -> Result<Self, KeyringError> {
        let known = self.held();
        let renewed = Self::under(known.key, tokens)?;
        let mut entries = renewed.held().entries.clone();
        for one in unread {
            let file = Some(&one.file);
            let is_it = |entry: &&Entry| entry.file.as_ref() == file;
            let (name, role) = (one.name.clone(), one.role);
            // One secret under two lines says nothing about who asks, whenever it came.
            let is_new = |entry: &&Entry| entries.iter().all(|other| other.digest != entry.digest);
            let kept = known.entries.iter().filter(is_it).find(is_new).cloned();
            entries.extend(kept.map(|entry| Entry { name, role, ..entry }));
        }
        Ok(Self { held: Arc::new(RwLock::new(Held { key: known.key, entries }.into())) })
    }

    fn under(key: Digest, tokens: &[Token]) -> Result<Self, KeyringError> {
        let mut entries: Vec<Entry> = Vec::with_capacity(tokens.len());
        for token in tokens {
            let secret = token.secret.expose().as_bytes();
            if secret.len() < TOKEN_BYTES_MIN {
                return Err(KeyringError::Short(secret.len()));
            }
            let digest = keyed(&key, secret)?.finalize().into_bytes().into();
            if entries.iter().any(|entry| entry.digest == digest) {
                return Err(KeyringError::Same);
            }
            let session_key = keyed(secret, SESSION_KEY)?.finalize().into_bytes().into();
            entries.push(Entry {
                name: token.name.clone(),
                role: token.role,
                digest,
                session_key,
                file: token.file.clone(),
            });
        }
        let held = Held { key, entries };
        Ok(Self { held: Arc::new(RwLock::new(held.into())) })
    }

    fn held(&self) -> Arc<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Holds the tokens of another ring from now on, for all that share this one. What is not among them is
    /// good no more, nor are its sessions. Tells whether anything changed.
    pub fn replace(&self, other: &Self) -> bool {
        let (old, new) = (self.held(), other.held());
        // The session's key is derived from the token alone, so equal for equal tokens whatever the ring's own key.
        fn all(held: &Held) -> Vec<(Digest, &Option<Name>, Role)> {
            let entries = held.entries.iter();
            let mut all: Vec<_> =
                entries.map(|one| (one.session_key, &one.name, one.role)).collect();
            all.sort();
            all
        }
        let is_same = all(&old) == all(&new);
        // Files may have changed places without any token having changed.
        let files =
            |held: &Held| held.entries.iter().map(|one| one.file.clone()).collect::<Vec<_>>();
        if !is_same || files(&old) != files(&new) {
            *self.held.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
        !is_same
    }

    /// How many tokens it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held().entries.len()
    }

    /// Who shows this token.
    #[must_use]
    pub fn by_token(&self, offered: &[u8]) -> Option<Caller> {
        self.held().entry(offered).map(|entry| entry.caller(Means::Token))
    }

    /// A session for whoever shows this token: the value of its cookie.
    #[must_use]
    pub fn session(&self, offered: &[u8], now: Timestamp) -> Option<String> {
        let held = self.held();
        let entry = held.entry(offered)?;
        let until = (now + Nanos::from_secs(SESSION_SECS)).millis() / 1000;
        let signed = signed(&entry.session_key, until)?.finalize().into_bytes();
        Some(format!("{until}.{}", BASE64_URL_SAFE_NO_PAD.encode(signed)))
    }

    /// Who has this session, if it has not ended.
    #[must_use]
    pub fn by_session(&self, value: &str, now: Timestamp) -> Option<Caller> {
        let (until, signature) = value.split_once('.')?;
        let until: i64 = until.parse().ok()?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let held = self.held();
        let entry = held.entries.iter().fold(None, |found, entry| {
            let right = signed(&entry.session_key, until);
            let is_it = right.is_some_and(|right| right.verify_slice(&signature).is_ok());
            if is_it { Some(entry) } else { found }
        })?;
        let until = Timestamp::from_millis(until.checked_mul(1000)?);
        (now < until).then(|| entry.caller(Means::Session { until }))
    }
}

fn keyed(key: &[u8], text: &[u8]) -> Result<Sha, InvalidLength> {
    let mut mac = Sha::new_from_slice(key)?;
    mac.update(text);
    Ok(mac)
}

fn signed(key: &Digest, until: i64) -> Option<Sha> {
    keyed(key, format!("{SESSION} {until}").as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = "ann-has-this-long-token";
    const BOB: &str = "bob-has-that-long-token";

    fn token(name: &str, role: Role, secret: &str) -> Token {
        Token { name: Some(name.into()), role, secret: Secret::new(secret), file: None }
    }

    fn ring() -> Keyring {
        Keyring::new(&[token("ann", Role::Viewer, ANN), token("bob", Role::Admin, BOB)]).unwrap()
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn a_token_says_who_asks_whole_or_not_at_all() {
        let ring = ring();
        let ann = ring.by_token(ANN.as_bytes()).unwrap();
        assert_eq!((ann.name.as_deref(), ann.role), (Some("ann"), Role::Viewer));
        assert_eq!(ring.by_token(BOB.as_bytes()).unwrap().role, Role::Admin);
        let long = format!("{ANN}{}", "x".repeat(OFFERED_BYTES_MAX));
        for wrong in ["", "ann", &ANN[1..], &ANN[..ANN.len() - 1], "ann-has-this-long-tokeN", &long]
        {
            assert_eq!(ring.by_token(wrong.as_bytes()), None, "{wrong:.40}");
        }
        assert_eq!(Keyring::default().by_token(b""), None);
    }

    #[test]
    fn short_and_equal_tokens_are_refused_and_a_name_may_have_two() {
        let short = Keyring::new(&[token("ann", Role::Viewer, "fifteen-bytes-x")]);
        assert_eq!(short.unwrap_err(), KeyringError::Short(15));
        let same = [token("ann", Role::Viewer, ANN), token("bob", Role::Admin, ANN)];
        assert_eq!(Keyring::new(&same).unwrap_err(), KeyringError::Same);
        assert!(
            Keyring::new(&[token("ann", Role::Viewer, ANN), token("ann", Role::Viewer, BOB)])
                .is_ok()
        );
    }

    #[test]
    fn a_session_ends_at_its_time_and_cannot_be_drawn_out() {
        let ring = ring();
        let cookie = ring.session(ANN.as_bytes(), at(1000)).unwrap();
        let until = at(1000 + SESSION_SECS);
        let caller = ring.by_session(&cookie, at(1001)).unwrap();
        assert_eq!(caller.means, Means::Session { until });
        assert_eq!(caller.name.as_deref(), Some("ann"));
        assert!(ring.by_session(&cookie, at(999 + SESSION_SECS)).is_some());
        assert_eq!(ring.by_session(&cookie, until), None, "it has ended");
        let (end, signature) = cookie.split_once('.').unwrap();
        let later = end.parse::<i64>().unwrap() + 1;
        for forged in [
            format!("{later}.{signature}"),
            format!("{end}."),
            format!("{}.{signature}", i64::MAX),
            end.to_owned(),
            String::new(),
            ANN.to_owned(),
        ] {
            assert_eq!(ring.by_session(&forged, at(1001)), None, "{forged}");
        }
        assert_eq!(ring.session(b"no-token-of-anybody", at(1000)), None);
    }

    #[test]
    fn a_session_is_known_to_every_process_and_ends_with_its_token() {
        let cookie = ring().session(ANN.as_bytes(), at(1000)).unwrap();
        assert!(ring().by_session(&cookie, at(1001)).is_some(), "another process");
        let without = Keyring::new(&[token("bob", Role::Admin, BOB)]).unwrap();
        assert_eq!(without.by_session(&cookie, at(1001)), None);
    }

    #[test]
    fn tokens_that_are_replaced_are_replaced_for_all_and_their_sessions_end() {
        let ring = ring();
        let shared = ring.clone();
        let ann = ring.session(ANN.as_bytes(), at(1000)).unwrap();
        let bob = ring.session(BOB.as_bytes(), at(1000)).unwrap();
        assert!(!ring.replace(&self::ring()), "the same tokens are no change");
        let other = [token("bob", Role::Admin, BOB), token("eve", Role::Viewer, "eve-has-a-token")];
        assert_eq!(Keyring::new(&other).unwrap_err(), KeyringError::Short(15));
        let other = Keyring::new(&[token("bob", Role::Admin, BOB)]).unwrap();
        assert!(ring.replace(&other));
        assert_eq!(shared.by_token(ANN.as_bytes()), None);
        assert_eq!(shared.by_session(&ann, at(1001)), None);
        assert!(shared.by_token(BOB.as_bytes()).is_some());
        assert!(shared.by_session(&bob, at(1001)).is_some(), "who stays stays signed in");
        let lesser = Keyring::new(&[token("bob", Role::Viewer, BOB)]).unwrap();
        assert!(ring.replace(&lesser));
        assert_eq!(shared.by_session(&bob, at(1001)).unwrap().role, Role::Viewer);
        assert!(ring.replace(&Keyring::default()));
        assert_eq!((shared.count(), shared.by_token(BOB.as_bytes())), (0, None));
    }

    #[test]
    fn a_token_that_cannot_be_read_is_good_on_as_it_is_known_from_its_file() {
        let from = |name: &str, secret: &str, file: &str| Token {
            file: Some(file.into()),
            ..token(name, Role::Viewer, secret)
        };
        let ring = Keyring::new(&[from("ann", ANN, "/a"), from("bob", BOB, "/b")]).unwrap();
        let session = ring.session(ANN.as_bytes(), at(1000)).unwrap();
        let unread = |file: &str| Unread {
            name: Some("ann".into()),
            role: Role::Responder,
            file: file.into(),
        };
        let kept = ring.renewed(&[from("bob", BOB, "/b")], &[unread("/a")]).unwrap();
        assert_eq!(
            kept.by_token(ANN.as_bytes()).unwrap().role,
            Role::Responder,
            "as its line says"
        );
        assert!(kept.by_session(&session, at(1001)).is_some());
        assert!(kept.by_token(BOB.as_bytes()).is_some());
        let another = ring.renewed(&[from("bob", BOB, "/b")], &[unread("/c")]).unwrap();
        assert_eq!((another.count(), another.by_token(ANN.as_bytes())), (1, None));
        let moved = ring.renewed(&[from("bob", ANN, "/b")], &[unread("/a")]).unwrap();
        assert_eq!(moved.count(), 1, "one token twice");
    }

    #[test]
    fn nothing_of_a_token_is_printed_or_kept() {
        let (ring, another) = (ring(), ring());
        let shown = format!("{ring:?} {:?}", token("ann", Role::Viewer, ANN));
        assert!(shown.contains("ann") && !shown.contains("long-token"), "{shown}");
        let cookie = ring.session(ANN.as_bytes(), at(1)).unwrap();
        assert!(!cookie.contains("ann"), "{cookie}");
        assert_ne!(ring.held().key, another.held().key, "each process draws its own");
    }
}
