//! Snapshots that are of no use: of a version that a role does not know, while each role is ended and started again
//! one after the other and records come in; and of a log that has lost its end. The incidents must be those of
//! what the log holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::incident::{Incident, IncidentState};
use model::recording::TopicRecord;
use pipeline::cli::Role;
use pipeline::clock::StopWatch;
use pipeline::config::Config;
use pipeline::log::embedded::{Durability, EmbeddedLog};
use pipeline::log::memory::MemoryLog;
use pipeline::log::{Log, NewRecord, Start, TopicPartition};
use pipeline::player::final_incidents;
use pipeline::run::stop::Stop;
use pipeline::run::{Running, start};
use pipeline::snapshot::{Snapshot, SnapshotStore};
use pipeline::stages::settings::Settings;
use serde_json::Value;
use tests::canonical;

/// The longest that the roles may take to come to the end of a story.
const PATIENCE: Duration = Duration::from_secs(120);

const ROLES: [(Role, &str); 3] =
    [(Role::Observe, "observe"), (Role::Detect, "detect"), (Role::Correlate, "correlate")];

/// One role over the log that all share, with a directory of its own.
struct Instance {
    role: Role,
    directory: PathBuf,
    running: Option<Running>,
}

impl Instance {
    fn new(role: Role, directory: PathBuf, log: &Arc<dyn Log>) -> Self {
        let mut instance = Self { role, directory, running: None };
        instance.start(log);
        instance
    }

    fn start(&mut self, log: &Arc<dyn Log>) {
        let config = Config::for_demo("127.0.0.1:0", &self.directory).expect("a configuration");
        self.running = Some(start(&config, log.clone(), &[self.role]).expect("it starts"));
    }

    fn end(&mut self) {
        self.running.take().expect("it runs").end().expect("it ends well");
    }
}

/// Leaves a newest snapshot that is whole and of another version: as far as the one before it, but with a state that
/// nobody here can read. Tells whether there was one before.
fn leave_another_version(directory: &Path, stage: &str) -> bool {
    let store = SnapshotStore::open(&directory.join("data/snapshots"), stage).expect("a store");
    let Some(newest) = store.newest() else { return false };
    let state = [b"state of version 0, ", newest.state.as_slice()].concat();
    store.write(&Snapshot { state, ..newest }).expect("it is written");
    true
}

fn append(log: &Arc<dyn Log>, records: &[TopicRecord]) {
    for record in records {
        let header = |(k, v): &(String, String)| (k.clone(), v.clone().into_bytes());
        let new = NewRecord {
            timestamp_ms: record.timestamp_ms,
            key: record.key.clone().map(String::into_bytes),
            headers: record.headers.iter().map(header).collect(),
            value: Some(record.value.clone()),
        };
        log.append(&TopicPartition::new(&record.topic, 0), vec![new]).expect("durable");
    }
}

/// Every (incident, revision) once or with equal bytes, without a gap.
fn assert_revisions_are_whole(log: &Arc<dyn Log>, topic: &str) {
    let mut reader =
        log.reader(&[(TopicPartition::new(topic, 0), Start::Oldest)]).expect("a reader");
    let mut seen: BTreeMap<_, Vec<u8>> = BTreeMap::new();
    loop {
        let batch = reader.poll(1_000, Duration::ZERO).expect("readable");
        for record in batch.records {
            let value = record.value.expect("no tombstones");
            let incident: Incident = serde_json::from_slice(&value).expect("an incident");
            let earlier = seen.insert((incident.id, incident.revision), value.clone());
            assert!(
                earlier.is_none_or(|earlier| earlier == value),
                "{}: two contents",
                incident.id
            );
        }
        if !batch.caught_up.is_empty() {
            break;
        }
    }
    for (id, revision) in seen.keys() {
        assert!(
            *revision == 1 || seen.contains_key(&(*id, revision - 1)),
            "gap before {id} {revision}"
        );
    }
}

fn told(log: &Arc<dyn Log>, topic: &str) -> Vec<Value> {
    let records = log.latest_by_key(topic).unwrap_or_default();
    let incidents = records
        .iter()
        .filter_map(|record| record.value.as_deref())
        .map(|value| serde_json::from_slice::<Incident>(value).expect("an incident"));
    let gone = [IncidentState::Merged, IncidentState::Withdrawn];
    canonical(&incidents.filter(|one| !gone.contains(&one.state)).collect::<Vec<_>>())
}

/// What is in one list alone, and in which fields the first two of these differ.
fn difference(told: &[Value], expected: &[Value]) -> String {
    let alone = |these: &[Value], those: &[Value]| -> Vec<Value> {
        these.iter().filter(|one| !those.contains(one)).cloned().collect()
    };
    let (more, fewer) = (alone(told, expected), alone(expected, told));
    let title = |one: &Value| format!("{} {} {}", one["onset_at"], one["state"], one["title"]);
    let titles = |all: &[Value]| all.iter().map(title).collect::<Vec<_>>();
    let mut text = format!("told {:#?}\nexpected {:#?}\n", titles(&more), titles(&fewer));
    if let (Some(Value::Object(one)), Some(Value::Object(other))) = (more.first(), fewer.first()) {
        for (name, value) in one.iter().filter(|(name, value)| other.get(*name) != Some(*value)) {
            text +=
                &format!("{name}: {value}\n  not {}\n", other.get(name).unwrap_or(&Value::Null));
        }
    }
    text
}

#[test]
fn roles_that_are_renewed_one_by_one_on_snapshots_of_another_version_end_with_the_same_incidents() {
    let records: Vec<_> = simulator::random(2, simulator::Scale::default()).records().collect();
    let replayed = final_incidents(Settings::default(), 1, records.iter().cloned().map(Ok), |_| {});
    let expected = canonical(replayed.expect("it plays").iter().map(|(incident, _)| incident));
    assert!(!expected.is_empty(), "a story without incident proves nothing");

    let directory = tempfile::tempdir().expect("a directory");
    // Not the one in memory: it drops what a snapshot has passed.
    let log = EmbeddedLog::open(&directory.path().join("log"), Durability::Throwaway);
    let log: Arc<dyn Log> = Arc::new(log.expect("a log"));
    let mut instances =
        ROLES.map(|(role, name)| Instance::new(role, directory.path().join(name), &log));
    let mut renewed = 0;
    let parts = records.chunks(records.len() / 7 + 1);
    for (turn, part) in parts.enumerate() {
        append(&log, part);
        let at = turn % ROLES.len();
        let (instance, (_, stage)) = (&mut instances[at], ROLES[at]);
        // Ended in the middle of its work; the others go on meanwhile.
        instance.end();
        renewed += usize::from(leave_another_version(&instance.directory, stage));
        instance.start(&log);
    }
    assert!(renewed >= 3, "{renewed} snapshots of another version prove nothing");

    let topic = Settings::default().own.incidents;
    let (watch, pause) = (StopWatch::start(), Stop::default());
    while told(&log, &topic) != expected {
        let differs = || difference(&told(&log, &topic), &expected);
        assert!(watch.elapsed() < PATIENCE, "{}", differs());
        let _never_set = pause.wait(Duration::from_millis(200));
    }
    assert_revisions_are_whole(&log, &topic);
    for instance in &mut instances {
        instance.end();
    }
}

fn alert(service: &str) -> NewRecord {
    let text = format!(
        r#"{{"version":"4","status":"firing","alerts":[{{"status":"firing","labels":{{"alertname":"Down","service":"{service}","severity":"critical"}},"annotations":{{}},"startsAt":"2023-11-14T22:13:20Z"}}]}}"#
    );
    NewRecord {
        timestamp_ms: 1_700_000_000_000,
        value: Some(text.into_bytes()),
        ..NewRecord::default()
    }
}

/// Three roles over a log of their own: they take an alert in, so many times, and end.
fn serve_alert_of(service: &str, times: usize, directory: &Path) {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new());
    let config = Config::for_demo("127.0.0.1:0", directory).expect("a configuration");
    let running = start(&config, log.clone(), &ROLES.map(|(role, _)| role)).expect("it starts");
    log.append(&TopicPartition::new("alerts", 0), vec![alert(service); times]).expect("durable");
    let topic = Settings::default().own.incidents;
    let (watch, pause) = (StopWatch::start(), Stop::default());
    let is_told =
        || told(&log, &topic).iter().any(|one| one["services"].to_string().contains(service));
    while !is_told() {
        assert!(watch.elapsed() < PATIENCE, "the alert of {service} came to nothing");
        let _never_set = pause.wait(Duration::from_millis(100));
    }
    running.end().expect("it ends well");
}

#[test]
fn an_alert_at_an_offset_that_a_snapshot_takes_for_read_is_read_where_the_log_lost_its_end() {
    let directory = tempfile::tempdir().expect("a directory");
    serve_alert_of("cart", 40, directory.path());
    // The log is gone, the snapshots are not: the next alert stands where one of those stood.
    serve_alert_of("checkout", 1, directory.path());
}
