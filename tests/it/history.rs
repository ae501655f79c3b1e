//! The history inside a running service: what is appended to the topics is asked for in SQL, soon,
//! once, and again after a restart.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::incident::Incident;
use pipeline::cli::Role;
use pipeline::clock::StopWatch;
use pipeline::log::embedded::{Durability, EmbeddedLog};
use pipeline::log::{Log, NewRecord, TopicPartition};
use pipeline::player::final_incidents;
use pipeline::run::stop::Stop;
use pipeline::run::{self, Running};
use pipeline::stages::settings::Settings;
use serde_json::{Value, json};

/// A fresh incident is seen in SQL within this. Asserted of the median of some, one after the other: on a machine that
/// tests and builds share, one may wait for the processor for longer, but half of them only if the history is slow.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// How many fresh incidents are timed.
const TIMED: usize = 9;
/// Whatever is not seen within this never will be.
const NEVER: Duration = Duration::from_secs(60);

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn start(directory: &Path, log: Arc<dyn Log>, http: SocketAddr) -> Running {
    let file = directory.join("faultline.yaml");
    let text = format!(
        "log: {{kind: embedded, directory: '{0}/log'}}\ndata_dir: '{0}/data'\n\
         http: {{listen: '{http}'}}\nintake: {{listen: '127.0.0.1:0'}}\n\
         history: {{directory: '{0}/history', flush_s: 1}}\n",
        directory.display()
    );
    std::fs::write(&file, text).expect("a file");
    let config = pipeline::config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    run::start(&config, log, &[Role::History]).expect("it starts")
}

/// Status and body of a query over HTTP.
fn post(http: SocketAddr, query: &str) -> (u16, Value) {
    let body = json!({ "query": query }).to_string();
    let mut stream = TcpStream::connect(http).expect("it listens");
    write!(
        stream,
        "POST /api/v1/sql HTTP/1.1\r\nhost: {http}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = body.get(body.find('{').unwrap_or(0)..=body.rfind('}').unwrap_or(0));
    (status, serde_json::from_str(body.unwrap_or("null")).unwrap_or_default())
}

fn count(http: SocketAddr, query: &str) -> i64 {
    let (status, body) = post(http, query);
    assert_eq!(status, 200, "{query}: {body}");
    body.pointer("/rows/0/0").and_then(Value::as_i64).unwrap_or_else(|| panic!("{body}"))
}

fn append(log: &dyn Log, incident: &Incident) {
    let record = NewRecord {
        timestamp_ms: incident.updated_at.millis(),
        key: Some(incident.id.to_string().into_bytes()),
        value: Some(serde_json::to_vec(incident).expect("JSON")),
        ..NewRecord::default()
    };
    log.append(&TopicPartition::new("faultline.incidents", 0), vec![record]).expect("appended");
}

/// How long it takes until a query counts to `n`.
fn until(http: SocketAddr, query: &str, n: i64) -> Duration {
    let watch = StopWatch::start();
    while count(http, query) < n {
        assert!(watch.elapsed() < NEVER, "{query}: not {n} after {:?}", watch.elapsed());
        let _never = Stop::default().wait(Duration::from_millis(20));
    }
    watch.elapsed()
}

#[test]
fn incidents_are_asked_for_in_sql_soon_and_once_over_a_restart() {
    let told = final_incidents(
        Settings::default(),
        1,
        simulator::the_two_oh_seven().records().map(Ok),
        |_| {},
    );
    let told: Vec<Incident> = told.expect("it plays").into_iter().map(|(told, _)| told).collect();
    let first = told.first().expect("the story has an incident").clone();
    let directory = tempfile::tempdir().expect("a directory");
    let log = EmbeddedLog::open(&directory.path().join("log"), Durability::Throwaway);
    let log: Arc<dyn Log> = Arc::new(log.expect("a log"));
    let http = free_address();

    let service = start(directory.path(), log.clone(), http);
    for incident in &told {
        append(&*log, incident);
    }
    let incidents = "SELECT count(*) AS n FROM incidents";
    until(http, incidents, told.len() as i64);
    let alerts: i64 = told.iter().map(|told| told.alerts.len() as i64).sum();
    assert_eq!(count(http, "SELECT count(*) AS n FROM alerts"), alerts);
    let (status, refused) = post(http, "DROP TABLE incidents");
    assert_eq!(status, 403, "{refused}");
    let (_, wrong) = post(http, "SELECT nonsense FROM incidents");
    let message = wrong.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    assert!(message.starts_with("42703"), "{wrong}");
    service.end().expect("it ends well");
    assert!(directory.path().join("history/manifest.json").exists());

    // Everything is there again, nothing twice, and the next revision replaces the last.
    let service = start(directory.path(), log.clone(), http);
    append(&*log, &first);
    let mut waits = Vec::new();
    for turn in 1..=TIMED {
        let title = format!("once more {turn}");
        let revision = first.revision + turn as u32;
        append(&*log, &Incident { revision, title: title.clone(), ..first.clone() });
        let again = format!("SELECT count(*) AS n FROM incidents WHERE title = '{title}'");
        waits.push(until(http, &again, 1));
    }
    waits.sort();
    let median = waits.get(TIMED / 2).copied().expect("they were timed");
    tests::say(&format!("seen in SQL after {median:?} in the median of {waits:?}"));
    assert!(median < SEEN_WITHIN, "seen after {median:?} in the median: {waits:?}");
    assert_eq!(count(http, incidents), told.len() as i64);
    assert_eq!(count(http, "SELECT count(*) AS n FROM revisions"), (told.len() + TIMED) as i64);
    service.end().expect("it ends well");
}
