//! What the tests of the API share: a server on loopback, and incidents to ask for.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use model::alert::Severity;
use model::blast_radius::BlastRadius;
use model::id::{CellId, IncidentId};
use model::incident::{Incident, IncidentState, Lineage, Priority};
use model::time::Timestamp;
use serde_json::Value;
use sinks::config::secret::Secret;
use tokio::net::TcpListener;

use super::security::Security;
use super::{HttpState, router};
use crate::auth::{Keyring, Role, Token};

pub(crate) const TOKEN: &str = "a-token-of-some-length";

pub(crate) fn incident(id: u64, revision: u32, state: IncidentState) -> Incident {
    let at = Timestamp::from_millis(1_773_713_220_000 + i64::try_from(id).unwrap() * 1000);
    Incident {
        schema_version: 1,
        id: IncidentId(id),
        revision,
        cell: CellId("default".into()),
        state,
        severity: Severity::Critical,
        priority: Priority::P1,
        title: format!("incident {id}"),
        onset_at: at,
        opened_at: at,
        updated_at: Timestamp::from_millis(at.millis() + i64::from(revision) * 1000),
        resolved_at: None,
        services: vec!["checkout".into(), format!("service-{id}").as_str().into()],
        alerts: Vec::new(),
        symptoms: Vec::new(),
        exemplars: Vec::new(),
        blast_radius: BlastRadius::default(),
        hypotheses: Vec::new(),
        confidence_set_size: 0,
        owner: None,
        cause_items: Vec::new(),
        tickets: Vec::new(),
        people: model::people::People::default(),
        lineage: Lineage::default(),
        timeline: Vec::new(),
        narrative: String::new(),
    }
}

pub(crate) struct Server {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) state: HttpState,
}

pub(crate) async fn serve(state: HttpState) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router(state.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Server { address, state }
}

/// The token of a role; its name is the role's word.
pub(crate) fn token_of(role: Role) -> String {
    format!("the-token-of-the-{role}")
}

fn guarded(tokens: &[Token]) -> HttpState {
    let security = Security::default().with_tokens(Keyring::new(tokens).unwrap());
    HttpState { security: Arc::new(security), ..HttpState::default() }
}

/// One token that all share.
pub(crate) fn with_token() -> HttpState {
    guarded(&[Token { name: None, role: Role::Admin, secret: Secret::new(TOKEN), file: None }])
}

/// One token of each role, with a name.
pub(crate) fn with_people() -> HttpState {
    guarded(&Role::ALL.map(|role| Token {
        name: Some(role.word().into()),
        role,
        secret: Secret::new(&token_of(role)),
        file: None,
    }))
}

pub(crate) fn read_until(stream: &mut TcpStream, until: Option<&str>) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while until.is_none_or(|end| !text.contains(end)) {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            read => text.push_str(&String::from_utf8_lossy(&buffer[..read])),
        }
    }
    text
}

impl Server {
    /// Asks, and reads until the server closes or `until` has been read.
    pub(crate) async fn raw(
        &self,
        request: String,
        until: Option<&'static str>,
    ) -> (TcpStream, String) {
        let address = self.address;
        let talk = move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let answer = read_until(&mut stream, until);
            (stream, answer)
        };
        tokio::task::spawn_blocking(talk).await.unwrap()
    }

    /// Status, head in lower case, body.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        host: &str,
        more: &str,
        body: &str,
    ) -> (u16, String, String) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (_, answer) = self.raw(request, None).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String, String) {
        self.ask("GET", path, "localhost", "", "").await
    }

    pub(crate) async fn json(&self, path: &str) -> (u16, Value) {
        let (status, _, body) = self.get(path).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }
}
