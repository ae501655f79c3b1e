//! DELIVER over a real log: what is published reaches a sink once, over a restart as well.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::id::IncidentId;
use model::incident::{Incident, IncidentState};
use pipeline::cli::Role;
use pipeline::config::{Config, ConfigErrors};
use pipeline::log::memory::MemoryLog;
use pipeline::log::{Log, LogReader, NewRecord, Record, Start, TopicPartition};

#[path = "../../sinks/tests/it/fixture.rs"]
mod fixture;

use fixture::{at, in_state, incident, with_service};

const TOPIC: &str = "mine";

/// A configuration with one sink that writes to a topic.
fn config(directory: &Path) -> Config {
    let mut config = Config::for_demo("127.0.0.1:0", directory).expect("an address");
    let sink = r#"{"kafka": {"name": "feed", "topic": "mine", "body": "summary", "partitions": 3,
        "delivery": {"update_every_s": 0, "when": ["service=payment"]}}}"#;
    config.sinks = vec![serde_json::from_str(sink).expect("a sink")];
    config
}

fn publish(log: &dyn Log, incident: &Incident) {
    let record = NewRecord {
        timestamp_ms: at(0).millis(),
        key: Some(incident.id.to_string().into_bytes()),
        headers: Vec::new(),
        value: Some(serde_json::to_vec(incident).expect("json")),
    };
    log.append(&TopicPartition::new("faultline.incidents", 0), vec![record]).expect("it is kept");
}

/// Waits until so many records were read in all.
fn read(reader: &mut dyn LogReader, found: &mut Vec<Record>, count: usize) {
    for _ in 0..200 {
        if found.len() >= count {
            break;
        }
        found.extend(reader.poll(10, Duration::from_millis(100)).expect("it can be read").records);
    }
    assert_eq!(found.len(), count, "{found:?}");
}

fn kinds(records: &[Record]) -> Vec<String> {
    let header = |record: &Record, name: &str| {
        let found = record.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    records.iter().map(|record| header(record, "ce_type")).collect()
}

#[test]
fn what_is_published_reaches_a_topic_of_ones_own_once_over_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = config(directory.path());
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let running = pipeline::run::start(&config, log.clone(), &[Role::Deliver]).expect("it starts");
    assert_eq!(log.partitions(TOPIC).expect("a number"), 3, "the topic was made");
    let all: Vec<_> =
        (0..3).map(|place| (TopicPartition::new(TOPIC, place), Start::Oldest)).collect();
    let mut reader = log.reader(&all).expect("a reader");
    let mut found = Vec::new();

    publish(&*log, &incident(1));
    read(&mut *reader, &mut found, 1);
    publish(&*log, &with_service(2, "cart"));
    read(&mut *reader, &mut found, 2);
    publish(&*log, &in_state(3, IncidentState::Resolved));
    read(&mut *reader, &mut found, 3);
    running.end().expect("it ends well");

    let running = pipeline::run::start(&config, log.clone(), &[Role::Deliver]).expect("it starts");
    let mut other = incident(1);
    other.id = IncidentId(0xcd);
    let mut foreign = other.clone();
    foreign.id = IncidentId(0xce);
    foreign.services = vec!["search".into()];
    publish(&*log, &foreign);
    publish(&*log, &other);
    read(&mut *reader, &mut found, 4);
    running.end().expect("it ends well");
    let types = ["opened", "updated", "resolved", "opened"];
    assert_eq!(kinds(&found), types.map(|kind| format!("io.faultline.incident.{kind}.v1")));
    let last = found.last().and_then(|record| record.key.clone());
    assert_eq!(last.as_deref(), Some(&b"00000000000000cd"[..]), "who does not match is not told");
}

#[test]
fn what_can_be_refused_is_refused_before_anything_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let refused = |config: &Config| {
        let started = pipeline::run::start(config, log.clone(), &[Role::Deliver]);
        started.err().expect("it does not start")
    };

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut busy = config(directory.path());
    busy.http.address = taken.local_addr().expect("its address");
    assert!(refused(&busy).to_string().contains("cannot listen on"));

    let mut secretless = config(directory.path());
    let sink = r#"{"rt": {"name": "itsm", "url": "http://127.0.0.1:1", "queue": "Incidents",
        "auth": {"bearer": {"token": {"env": "NOT_SET_ANYWHERE"}}}}}"#;
    secretless.sinks.push(serde_json::from_str(sink).expect("a sink"));
    let error = refused(&secretless);
    assert!(error.downcast_ref::<ConfigErrors>().is_some(), "{error}: exit code 78");
    assert!(error.to_string().contains("sinks.itsm.auth.bearer.token"), "{error}");
    assert_eq!(log.partitions(TOPIC).unwrap_or(0), 0, "nothing was made");

    let running = pipeline::run::start(&config(directory.path()), log.clone(), &[Role::Deliver]);
    let second = refused(&config(directory.path()));
    assert!(second.to_string().contains("another faultline runs `deliver`"), "{second}");
    running.expect("the first one runs").end().expect("it ends well");
}
