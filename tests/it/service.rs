//! The service over real logs: the same incidents as a replay of the same records, with and without
//! `kill -9` in the middle.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::incident::{Incident, IncidentState};
use model::recording::{TopicRecord, topic};
use pipeline::clock::StopWatch;
use pipeline::log::kafka::{KafkaConfig, KafkaLog};
use pipeline::log::{Log, NewRecord, Start, TopicPartition, TopicSpec};
use pipeline::player::final_incidents;
use pipeline::run::stop::Stop;
use pipeline::stages::settings::Settings;
use serde_json::Value;
use tests::{binary, canonical, kafka};

/// The longest that a service may take to read a story to its end and settle.
const PATIENCE: Duration = Duration::from_secs(240);

fn story(seed: u64) -> Vec<TopicRecord> {
    simulator::random(seed, simulator::Scale::default()).records().collect()
}

fn expected(records: &[TopicRecord]) -> Vec<Value> {
    let records = records.iter().cloned().map(Ok);
    let told = final_incidents(Settings::default(), 1, records, |_| {}).expect("it plays");
    canonical(told.iter().map(|(incident, _)| incident))
}

/// A `faultline run` of this test's own; killed when dropped.
struct Service(Child);

impl Service {
    fn start(config: &Path) -> Self {
        let log = fs::File::create(config.with_extension("log")).expect("a log file");
        let child = Command::new(binary())
            .args(["run", "-c"])
            .arg(config)
            .args(["--roles", "observe,detect,correlate"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        Self(child)
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.0.kill().expect("it was running");
        self.0.wait().expect("it has ended");
    }

    fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One installation on the real Kafka, under names of its own.
struct Installation {
    log: Arc<KafkaLog>,
    config: PathBuf,
    prefix: String,
    _directory: tempfile::TempDir,
}

impl Installation {
    fn new(brokers: &str, name: &str, partitions: u32) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let now = pipeline::clock::now().0;
        let prefix = format!("t{now}-{name}");
        let config = directory.path().join("faultline.yaml");
        let mut file = fs::File::create(&config).expect("a file");
        write!(
            file,
            "log: {{kind: kafka, brokers: '{brokers}'}}\n\
             data_dir: {}\n\
             topics: {{spans: {prefix}-spans, logs: {prefix}-logs, metrics: {prefix}-metrics, \
             alerts: {prefix}-alerts, changes: {prefix}-changes, topology: {prefix}-topology, \
             prefix: {prefix}, input_partitions: {partitions}}}\n\
             http: {{listen: '127.0.0.1:0'}}\nintake: {{listen: '127.0.0.1:0'}}\n",
            directory.path().join("data").display()
        )
        .expect("it can be written");
        let log = KafkaLog::connect(KafkaConfig::new(brokers)).expect("Kafka answers");
        Self { log: Arc::new(log), config, prefix, _directory: directory }
    }

    fn topic(&self, of: &str) -> String {
        let short = match of {
            topic::SPANS => "spans",
            topic::LOGS => "logs",
            topic::METRICS => "metrics",
            other => other,
        };
        format!("{}-{short}", self.prefix)
    }

    /// Produces records with their own timestamps, over the partitions in turn.
    fn produce(&self, records: &[TopicRecord], partitions: u32) {
        let specs: Vec<TopicSpec> =
            ["otlp_spans", "otlp_logs", "otlp_metrics", "alerts", "changes", "topology"]
                .iter()
                .map(|of| TopicSpec { name: self.topic(of), partitions, compacted: false })
                .collect();
        self.log.ensure_topics(&specs).expect("topics");
        for (turn, chunk) in (0..).zip(records.chunks(50)) {
            for record in chunk {
                let to = TopicPartition::new(&self.topic(&record.topic), turn % partitions);
                let header = |(k, v): &(String, String)| (k.clone(), v.clone().into_bytes());
                let new = NewRecord {
                    timestamp_ms: record.timestamp_ms,
                    key: record.key.clone().map(String::into_bytes),
                    headers: record.headers.iter().map(header).collect(),
                    value: Some(record.value.clone()),
                };
                self.log.append(&to, vec![new]).expect("it is durable");
            }
        }
    }

    /// The newest revision of each incident, but of those that became part of another or never were one: which
    /// of these were told at all depends on when records came, as in `Correlator::settled_ids`.
    fn incidents(&self) -> Vec<Incident> {
        let topic = format!("{}.incidents", self.prefix);
        let Ok(records) = self.log.latest_by_key(&topic) else { return Vec::new() };
        let incidents = records
            .iter()
            .filter_map(|record| record.value.as_deref())
            .map(|value| serde_json::from_slice::<Incident>(value).expect("an incident"));
        let gone = [IncidentState::Merged, IncidentState::Withdrawn];
        incidents.filter(|incident| !gone.contains(&incident.state)).collect()
    }

    /// Every (incident, revision) has one content, and revisions have no gap.
    fn assert_revisions_are_whole(&self) {
        let topic = format!("{}.incidents", self.prefix);
        let mut reader =
            self.log.reader(&[(TopicPartition::new(&topic, 0), Start::Oldest)]).expect("a reader");
        let mut seen = std::collections::BTreeMap::new();
        loop {
            let batch = reader.poll(1_000, Duration::from_millis(500)).expect("readable");
            for record in batch.records {
                let value = record.value.expect("no tombstones");
                let incident: Incident = serde_json::from_slice(&value).expect("an incident");
                let earlier = seen.insert((incident.id, incident.revision), value.clone());
                assert!(
                    earlier.is_none_or(|earlier| earlier == value),
                    "incident {} revision {} has two contents",
                    incident.id,
                    incident.revision
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

    fn wait_for(&self, service: &mut Service, expected: &[Value]) {
        let (watch, pause) = (StopWatch::start(), Stop::default());
        let mut told = Vec::new();
        while watch.elapsed() < PATIENCE {
            assert!(service.is_running(), "{}", self.said());
            told = canonical(&self.incidents());
            if told == expected {
                return;
            }
            let _never_set = pause.wait(Duration::from_millis(500));
        }
        let text = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>();
        panic!(
            "after {PATIENCE:?}\ntold     {:#?}\nexpected {:#?}\n{}",
            text(&told),
            text(expected),
            self.said()
        );
    }

    fn said(&self) -> String {
        fs::read_to_string(self.config.with_extension("log")).unwrap_or_default()
    }
}

#[test]
fn a_run_over_kafka_ends_with_the_incidents_of_a_replay() {
    let Some(brokers) = kafka() else { return };
    let records = story(1);
    let expected = expected(&records);
    assert!(!expected.is_empty(), "a story without incident proves nothing");
    for partitions in [1, 3] {
        let installation = Installation::new(&brokers, &format!("run{partitions}"), partitions);
        installation.produce(&records, partitions);
        let mut service = Service::start(&installation.config);
        installation.wait_for(&mut service, &expected);
        installation.assert_revisions_are_whole();
    }
}

#[test]
fn kill_9_in_the_middle_changes_no_incident() {
    let Some(brokers) = kafka() else { return };
    let records = story(2);
    let expected = expected(&records);
    let installation = Installation::new(&brokers, "kill", 3);
    let (first, rest) = records.split_at(records.len() / 2);
    let pause = Stop::default();
    installation.produce(first, 3);
    for wait_ms in [1_500, 4_000] {
        let service = Service::start(&installation.config);
        let _never_set = pause.wait(Duration::from_millis(wait_ms));
        service.kill();
    }
    installation.produce(rest, 3);
    let mut service = Service::start(&installation.config);
    installation.wait_for(&mut service, &expected);
    installation.assert_revisions_are_whole();
}
