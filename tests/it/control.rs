//! People's control through the whole service: what is decided by HTTP becomes a revision.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use model::incident::Incident;
use pipeline::cli::Role;
use pipeline::clock::StopWatch;
use pipeline::config::Config;
use pipeline::http::view::Filter;
use pipeline::log::memory::MemoryLog;
use pipeline::log::{Log, NewRecord, TopicPartition};
use pipeline::run::stop::Stop;
use pipeline::run::{Running, start};
use serde_json::{Value, json};

/// The longest that an act may take to show.
const PATIENCE: Duration = Duration::from_secs(60);

const ALERT: &str = r#"{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Down","service":"cart","severity":"critical"},"annotations":{},"startsAt":"2023-11-14T22:13:20Z"}]}"#;

/// A service over a log in memory, told by the clock of its records.
struct Service {
    address: String,
    running: Running,
    _directory: tempfile::TempDir,
}

impl Service {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address").to_string();
        drop(free);
        let config = Config::for_demo(&address, directory.path()).expect("a configuration");
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let roles = [Role::Observe, Role::Detect, Role::Correlate, Role::Console];
        let running = start(&config, log.clone(), &roles).expect("it starts");
        let record = NewRecord {
            timestamp_ms: 1_700_000_000_000,
            value: Some(ALERT.as_bytes().to_vec()),
            ..NewRecord::default()
        };
        log.append(&TopicPartition::new("alerts", 0), vec![record]).expect("durable");
        Self { address, running, _directory: directory }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Waits for the newest revision of the incident of `cart` to be as it should.
    fn wait(&self, what: &str, holds: impl Fn(&Incident) -> bool) -> Incident {
        let (watch, pause) = (StopWatch::start(), Stop::default());
        let mut last = None;
        while watch.elapsed() < PATIENCE {
            let rows = self.running.view.list(&Filter::default(), 10).1;
            let incident = rows.first().map(|revision| {
                serde_json::from_str::<Incident>(&revision.json).expect("an incident")
            });
            if let Some(incident) = &incident
                && holds(incident)
            {
                return incident.clone();
            }
            last = incident;
            let _never_set = pause.wait(Duration::from_millis(50));
        }
        panic!("{what} did not show: {last:#?}");
    }
}

#[test]
fn what_is_decided_by_http_becomes_a_revision() {
    let service = Service::start();
    let incident = service.wait("the incident", |_| true);
    let prefix = &incident.id.to_string()[..8];
    let decide = |verb: &str, body: Value| {
        let path = format!("/api/v1/incidents/{prefix}/{verb}");
        let (status, answer) = service.ask("POST", &path, &body);
        assert_eq!(status, 202, "{verb}: {answer}");
        answer["act"]["id"].as_str().expect("an id").to_owned()
    };
    let act = decide("acknowledge", json!({ "author": "ann", "reason": "on it" }));
    let shown = service.wait("the acknowledgement", |now| now.people.acknowledged.is_some());
    let said = shown.people.acknowledged.expect("it is there");
    assert_eq!((&*said.act, &*said.author, &*said.text), (act.as_str(), "ann", "on it"));
    assert!(shown.revision > incident.revision);

    decide("assign", json!({ "author": "ann", "to": "team-cart" }));
    service.wait("the assignment", |now| now.people.assignee.as_deref() == Some("team-cart"));
    decide("comment", json!({ "author": "bob", "reason": "looking at the disks" }));
    service.wait("the comment", |now| {
        now.people.comments.iter().any(|said| said.text == "looking at the disks")
    });
    decide(
        "reject-cause",
        json!({ "author": "bob", "cause": { "service": "cart", "change": null } }),
    );
    service.wait("the verdict", |now| now.people.verdicts.iter().any(|v| !v.is_cause));
    decide("resolve", json!({ "author": "ann" }));
    service.wait("the end", |now| {
        now.state == model::incident::IncidentState::Resolved && now.people.state_held.is_some()
    });

    let silence = json!({ "author": "ann", "matchers": ["service=cart"], "duration": "2h" });
    let (status, answer) = service.ask("POST", "/api/v1/silences", &silence);
    assert_eq!(status, 202, "{answer}");
    let (_, listed) = service.ask("GET", "/api/v1/silences", &Value::Null);
    assert_eq!(listed["silences"][0]["id"], answer["act"]["id"]);
    service.running.end().expect("it ends well");
}
