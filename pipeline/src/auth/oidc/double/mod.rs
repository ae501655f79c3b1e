//! An issuer for tests, on loopback, with real keys: it tells its document and keys, and gives tokens for codes
//! to whoever knows the client's secret and the verifier of the challenge.

pub(crate) mod signer;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use model::time::{Nanos, Timestamp};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use sinks::config::secret::Secret;

pub(crate) use signer::Signer;

use super::{Oidc, OidcSettings};
use crate::outbound::Reach;

pub(crate) const CLIENT: &str = "faultline";
pub(crate) const SECRET: &str = "the client's secret: 100 % & so on";
/// How long a client may be silent.
const SILENT_MAX: Duration = Duration::from_secs(10);

#[derive(Default)]
struct State {
    keys: Vec<Value>,
    /// By code: the token and the challenge of its verifier.
    codes: BTreeMap<String, (String, String)>,
    is_down: bool,
    is_held: bool,
    asked_for_keys: usize,
}

/// The issuer. It serves until the test's process ends.
#[derive(Clone)]
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    freed: Arc<Condvar>,
}

impl Double {
    /// An issuer that publishes these keys.
    pub(crate) fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let double = Self { address, state: Arc::default(), freed: Arc::default() };
        double.publish(signers);
        let served = double.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || served.serve(stream));
            }
        });
        double
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/realms/ops", self.address)
    }

    pub(crate) fn publish(&self, signers: &[&Signer]) {
        self.state.lock().unwrap().keys = signers.iter().map(|signer| signer.jwk()).collect();
    }

    pub(crate) fn publish_raw(&self, keys: Vec<Value>) {
        self.state.lock().unwrap().keys = keys;
    }

    /// Whether it answers nothing but 500.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    /// Answers nobody until it is freed.
    pub(crate) fn hold(&self) {
        self.state.lock().unwrap().is_held = true;
    }

    pub(crate) fn free(&self) {
        self.state.lock().unwrap().is_held = false;
        self.freed.notify_all();
    }

    pub(crate) fn asked_for_keys(&self) -> usize {
        self.state.lock().unwrap().asked_for_keys
    }

    /// Gives this token for a code, to whoever began with this challenge.
    pub(crate) fn give(&self, code: &str, token: &str, challenge: &str) {
        let given = (token.to_owned(), challenge.to_owned());
        self.state.lock().unwrap().codes.insert(code.to_owned(), given);
    }

    /// What faultline is told of it.
    pub(crate) fn settings(&self) -> OidcSettings {
        let words = |word: &str| vec![word.to_owned()];
        OidcSettings {
            issuer: self.url(),
            client_id: CLIENT.to_owned(),
            client_secret: Some(Secret::new(SECRET)),
            audience: CLIENT.to_owned(),
            redirect_url: Some("http://localhost:7070/login/callback".to_owned()),
            roles_claim: "groups".to_owned(),
            roles: [words("viewer"), words("responder"), words("admin")],
            name_claim: "preferred_username".to_owned(),
            scope: "openid profile".to_owned(),
            reach: Reach::new([], ["127.0.0.1".to_owned()]),
            session_secs: 3_600,
        }
    }

    pub(crate) fn oidc(&self) -> Oidc {
        Oidc::new(self.settings())
    }

    /// What a good token of it claims.
    pub(crate) fn claims(&self, group: &str, now: Timestamp) -> Value {
        let secs = now.millis() / 1000;
        json!({
            "iss": self.url(), "aud": CLIENT, "sub": "7d1f", "preferred_username": "ann",
            "groups": ["everybody", group], "iat": secs, "exp": secs + 300,
        })
    }

    fn serve(&self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(SILENT_MAX)).unwrap();
        let Some((head, body)) = read(&mut stream) else { return };
        drop(self.freed.wait_while(self.state.lock().unwrap(), |state| state.is_held).unwrap());
        let answer = self.answer(&head, &body);
        let (status, body) = answer.map_or(("400 Bad Request", json!({})), |body| ("200 OK", body));
        let is_down = self.state.lock().unwrap().is_down;
        let status = if is_down { "500 Internal Server Error" } else { status };
        let body = body.to_string();
        let length = body.len();
        // Whoever asked may be gone.
        drop(write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        ));
    }

    fn answer(&self, head: &str, body: &str) -> Option<Value> {
        let url = self.url();
        let mut state = self.state.lock().unwrap();
        let path = head.split(' ').nth(1)?;
        match path.strip_prefix("/realms/ops")? {
            "/.well-known/openid-configuration" => Some(json!({
                "issuer": url,
                "jwks_uri": format!("{url}/keys"),
                "authorization_endpoint": format!("{url}/auth"),
                "token_endpoint": format!("{url}/token"),
            })),
            "/keys" => {
                state.asked_for_keys += 1;
                Some(json!({ "keys": state.keys }))
            }
            "/token" => {
                let field = |name: &str| {
                    let of = |pair: &str| pair.strip_prefix(name)?.strip_prefix('=').map(decoded);
                    body.split('&').find_map(of)
                };
                assert_eq!(field("grant_type")?, "authorization_code");
                assert_eq!(field("redirect_uri")?, "http://localhost:7070/login/callback");
                let basic = head.lines().find_map(|line| {
                    line.to_ascii_lowercase()
                        .starts_with("authorization:")
                        .then(|| line.rsplit(' ').next().unwrap_or_default().trim().to_owned())
                })?;
                let pair = String::from_utf8(BASE64_STANDARD.decode(basic).ok()?).ok()?;
                let (client, secret) = pair.split_once(':')?;
                // A code is good once, and only for whoever has the verifier.
                let (token, challenge) = state.codes.remove(&field("code")?)?;
                let hash = digest(&SHA256, field("code_verifier")?.as_bytes());
                let is_right = BASE64_URL_SAFE_NO_PAD.encode(hash) == challenge
                    && (decoded(client).as_str(), decoded(secret).as_str()) == (CLIENT, SECRET);
                is_right.then(|| json!({ "id_token": token, "token_type": "Bearer" }))
            }
            _ => None,
        }
    }
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8().unwrap().into_owned()
}

/// Head and body of a request.
fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
            });
            if body.len() >= length.unwrap_or(0_usize) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        match stream.read(&mut buffer).ok()? {
            0 => return None,
            read => text.push_str(&String::from_utf8_lossy(&buffer[..read])),
        }
    }
}

/// The same moment later.
pub(crate) fn later(now: Timestamp, secs: i64) -> Timestamp {
    now + Nanos::from_secs(secs)
}
