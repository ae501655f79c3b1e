//! One at work, others stand by: processes with data directories of their own over a real Kafka, of which one after
//! the other is killed, frozen, ended. Needs `FAULTLINE_TEST_KAFKA` (`tests/run.sh kafka`).

mod ear;
mod epochs;
mod seats;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::incident::Incident;
use model::recording::TopicRecord;
use pipeline::clock::StopWatch;
use pipeline::log::kafka::{KafkaConfig, KafkaLog};
use pipeline::log::{Log, NewRecord, TopicPartition, TopicSpec};
use pipeline::player::final_incidents;
use pipeline::run::stop::Stop;
use pipeline::stages::settings::Settings;
use tests::{binary, kafka};

use ear::Ear;

/// What brokers take at least.
const SESSION: Duration = Duration::from_secs(6);
/// How long a process may take to notice and to start its roles, beside the session.
const SLACK: Duration = Duration::from_secs(9);
/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(150);

const ROLES: [&str; 4] = ["observe", "detect", "correlate", "deliver"];

fn pause(ms: u64) {
    let _never_set = Stop::default().wait(Duration::from_millis(ms));
}

/// Waits for something, and tells how long that took.
fn wait_for(what: &str, at_most: Duration, mut look: impl FnMut() -> bool) -> Duration {
    let watch = StopWatch::start();
    while !look() {
        assert!(watch.elapsed() < at_most, "{what} does not come within {at_most:?}");
        pause(50);
    }
    watch.elapsed()
}

/// A `faultline run` with all roles; killed when dropped.
struct Process {
    child: Child,
    config: PathBuf,
    url: String,
}

impl Process {
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill is there").success(), "no signal {name}");
    }

    fn kill(&mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it has ended");
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it can be asked")
    }

    fn ask(&self, path: &str) -> Option<String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(2)))
            .http_status_as_error(false)
            .build()
            .into();
        let mut answer = agent.get(format!("{}{path}", self.url)).call().ok()?;
        answer.body_mut().read_to_string().ok()
    }

    /// Whether it does all roles, or stands by for all.
    fn owns(&mut self, all: bool) -> bool {
        assert_eq!(self.ended(), None, "{}", self.said());
        let Some(metrics) = self.ask("/metrics") else { return false };
        let value = u8::from(all);
        let line = |role| format!("faultline_role_owned{{role=\"{role}\"}} {value}\n");
        ROLES.into_iter().all(|role| metrics.contains(&line(role)))
    }

    fn is_ready(&mut self) -> bool {
        self.ask("/readyz").is_some_and(|body| body.contains("\"ready\":true"))
    }

    fn said(&self) -> String {
        fs::read_to_string(self.config.with_extension("log")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            tests::say(&format!("{}:\n{}", self.config.display(), self.said()));
        }
    }
}

/// One installation on the real Kafka, under names of its own, and whom it tells.
struct Installation {
    log: Arc<KafkaLog>,
    brokers: String,
    prefix: String,
    ear: Ear,
    directory: tempfile::TempDir,
}

impl Installation {
    fn new(brokers: &str, name: &str) -> Self {
        let log = KafkaLog::connect(KafkaConfig::new(brokers)).expect("Kafka answers");
        let prefix = format!("t{}-{name}", pipeline::clock::now().0);
        let directory = tempfile::tempdir().expect("a directory");
        let (log, brokers) = (Arc::new(log), brokers.to_owned());
        Self { log, brokers, prefix, ear: Ear::open(), directory }
    }

    /// A process of this name, with a data directory.
    fn start_in(&self, name: &str, data: &Path) -> Process {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let config = self.directory.path().join(format!("{name}.yaml"));
        let (prefix, brokers) = (&self.prefix, &self.brokers);
        let text = format!(
            "log: {{kind: kafka, brokers: '{brokers}', session_s: {}}}\n\
             data_dir: {}\n\
             topics: {{spans: {prefix}-spans, logs: {prefix}-logs, metrics: {prefix}-metrics, \
             alerts: {prefix}-alerts, changes: {prefix}-changes, topology: {prefix}-topology, \
             prefix: {prefix}, input_partitions: 1}}\n\
             http: {{listen: '{address}'}}\nintake: {{listen: '127.0.0.1:0'}}\n\
             sinks:\n- webhook:\n    name: hook\n    url: {}\n    secrets: [{{env: HOOK_SECRET}}]\n    \
             delivery: {{update_every_s: 0, stale_after_s: 4000000000}}\n",
            SESSION.as_secs(),
            data.display(),
            self.ear.url(name),
        );
        fs::write(&config, text).expect("it can be written");
        let log = fs::File::options().create(true).append(true).open(config.with_extension("log"));
        let child = Command::new(binary())
            .args(["run", "-c"])
            .arg(&config)
            .env("HOOK_SECRET", "whsec-of-a-test-0123456789abcdef")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn()
            .expect("the binary starts");
        Process { child, config, url: format!("http://{address}") }
    }

    fn start(&self, name: &str) -> Process {
        self.start_in(name, &self.directory.path().join(format!("data-{name}")))
    }

    /// The first that is started is at work, the second stands by, and is ready all the same.
    fn two(&self) -> (Process, Process) {
        let mut a = self.start("a");
        wait_for("work", PATIENCE, || a.owns(true));
        let mut b = self.start("b");
        wait_for("a standby that is ready", PATIENCE, || b.owns(false) && b.is_ready());
        assert!(a.owns(true), "who came second took nothing away");
        (a, b)
    }

    fn produce(&self, records: &[TopicRecord]) {
        let name = |of: &str| {
            let short = of.trim_start_matches("otlp_");
            format!("{}-{short}", self.prefix)
        };
        let all = ["spans", "logs", "metrics", "alerts", "changes", "topology"];
        let spec = |of: &&str| TopicSpec { name: name(of), partitions: 1, compacted: false };
        self.log.ensure_topics(&all.iter().map(spec).collect::<Vec<_>>()).expect("topics");
        for record in records {
            let header = |(k, v): &(String, String)| (k.clone(), v.clone().into_bytes());
            let new = NewRecord {
                timestamp_ms: record.timestamp_ms,
                key: record.key.clone().map(String::into_bytes),
                headers: record.headers.iter().map(header).collect(),
                value: Some(record.value.clone()),
            };
            let to = TopicPartition::new(&name(&record.topic), 0);
            self.log.append(&to, vec![new]).expect("it is durable");
        }
    }

    /// The newest revision of each incident that somebody is to be told of.
    fn incidents(&self) -> Vec<Incident> {
        let records = self.log.latest_by_key(&format!("{}.incidents", self.prefix));
        let read = |value: &[u8]| serde_json::from_slice::<Incident>(value).expect("an incident");
        let records = records.unwrap_or_default();
        let all = records.iter().filter_map(|record| record.value.as_deref()).map(read);
        all.filter(is_called).collect()
    }

    /// Waits until the whole story was folded and the last of each incident was told; tells how many there are.
    fn await_the_last_of_each(&self) -> usize {
        let mut before: (usize, StopWatch) = (usize::MAX, StopWatch::start());
        wait_for("the last revision of each incident", PATIENCE, || {
            let (all, heard) = (self.incidents(), self.ear.all());
            let is_told = |incident: &Incident| {
                heard.iter().any(|h| {
                    h.incident.id == incident.id && h.incident.revision == incident.revision
                })
            };
            let revisions = all.iter().map(|incident| incident.revision as usize).sum();
            if revisions != before.0 {
                before = (revisions, StopWatch::start());
            }
            // Nothing new for a while: the story is over.
            !all.is_empty()
                && all.iter().all(is_told)
                && before.1.elapsed() > Duration::from_secs(8)
        });
        self.incidents().len()
    }

    /// One revision has one content, whoever told it.
    fn assert_nothing_was_told_in_two_ways(&self) {
        let mut known: BTreeMap<_, Vec<u8>> = BTreeMap::new();
        for heard in self.ear.all() {
            let key = (heard.incident.id, heard.incident.revision);
            let data = serde_json::to_vec(&heard.incident).expect("JSON");
            let earlier = known.insert(key, data.clone());
            assert!(
                earlier.is_none_or(|earlier| earlier == data),
                "{key:?} was told with two contents: {}",
                String::from_utf8_lossy(&heard.body)
            );
        }
    }
}

/// Whether somebody is to be called: what was only suspected is told to nobody.
fn is_called(incident: &Incident) -> bool {
    incident.timeline.iter().any(|entry| entry.text.starts_with("open"))
}

/// A story up to a while after somebody is called for the first time, and the rest of it.
fn story() -> (Vec<TopicRecord>, Vec<TopicRecord>) {
    let told = |seed| {
        let story = simulator::random(seed, simulator::Scale::default());
        let mut records: Vec<TopicRecord> = story.records().collect();
        let upto = |part: usize| records.len() * part / 16;
        let calls = |part: &usize| {
            let first = records.iter().take(upto(*part)).cloned().map(Ok);
            let told = final_incidents(Settings::default(), 1, first, |_| {}).expect("it plays");
            told.iter().any(|(incident, _)| is_called(incident))
        };
        let part = (4..14).find(calls)?;
        let rest = records.split_off(upto(part + 1));
        Some((records, rest))
    };
    (1..20).find_map(told).expect("a story in which somebody is called")
}

#[test]
fn when_the_one_at_work_is_killed_another_takes_over_and_tells_the_rest() {
    let Some(brokers) = kafka() else { return };
    let installation = Installation::new(&brokers, "killed");
    let (first, rest) = story();
    let (mut a, mut b) = installation.two();
    installation.produce(&first);
    wait_for("the first page", PATIENCE, || installation.ear.count("a") > 0);
    assert_eq!(installation.ear.count("b"), 0, "one tells");

    a.kill();
    let took = wait_for("a takeover", SESSION + SLACK, || b.owns(true));
    tests::say(&format!("taken over {took:?} after the kill"));
    installation.produce(&rest);
    let told = installation.await_the_last_of_each();
    installation.assert_nothing_was_told_in_two_ways();
    assert!(told > 0 && installation.ear.count("b") > 0, "{}", b.said());
}

#[test]
fn who_was_frozen_past_its_session_does_nothing_more() {
    let Some(brokers) = kafka() else { return };
    let installation = Installation::new(&brokers, "frozen");
    let (first, rest) = story();
    let (mut a, mut b) = installation.two();
    installation.produce(&first);
    wait_for("the first page", PATIENCE, || installation.ear.count("a") > 0);
    // Not in the middle of a request: that one would be ended when it wakes (ADR 19).
    let (mut heard, mut quiet) = (0, StopWatch::start());
    wait_for("a pause", PATIENCE, || {
        let now = installation.ear.count("a");
        if now != heard {
            (heard, quiet) = (now, StopWatch::start());
        }
        quiet.elapsed() > Duration::from_secs(2)
    });

    a.signal("STOP");
    let frozen = StopWatch::start();
    // There is something to say as soon as it wakes.
    installation.produce(&rest);
    wait_for("a takeover", SESSION + SLACK, || b.owns(true));
    assert!(frozen.elapsed() > SESSION / 2, "the first was at work a moment ago");
    let said = installation.ear.count("a");
    a.signal("CONT");
    let took = wait_for("its end", Duration::from_secs(20), || a.ended().is_some());
    tests::say(&format!("it ended {took:?} after it woke"));
    assert_eq!(a.ended().and_then(|status| status.code()), Some(75), "{}", a.said());
    assert!(a.said().contains("is done by another process now"), "{}", a.said());

    // A supervisor starts it anew.
    let mut again = installation.start("a");
    wait_for("a standby that is ready", PATIENCE, || again.owns(false) && again.is_ready());
    installation.await_the_last_of_each();
    assert_eq!(installation.ear.count("a"), said, "it told nothing after it woke");
    installation.assert_nothing_was_told_in_two_ways();
}

#[test]
fn who_ends_well_hands_over_at_once_and_who_comes_back_stands_by() {
    let Some(brokers) = kafka() else { return };
    let installation = Installation::new(&brokers, "ended");
    let (mut a, mut b) = installation.two();
    a.signal("TERM");
    wait_for("its end", PATIENCE, || a.ended().is_some());
    assert_eq!(a.ended().and_then(|status| status.code()), Some(0), "{}", a.said());
    let took = wait_for("a takeover", SESSION / 2, || b.owns(true));
    tests::say(&format!("taken over {took:?} after the end"));
    let mut a = installation.start("a");
    wait_for("a standby that is ready", PATIENCE, || a.owns(false) && a.is_ready());
    assert!(b.owns(true));
}

#[test]
fn who_was_killed_and_is_started_again_on_its_directory_waits_for_nobody() {
    let Some(brokers) = kafka() else { return };
    let installation = Installation::new(&brokers, "again");
    let mut a = installation.start("a");
    wait_for("work", PATIENCE, || a.owns(true));
    a.kill();
    let mut a = installation.start("a");
    let took = wait_for("work", SESSION - Duration::from_secs(1), || a.owns(true));
    tests::say(&format!("at work again {took:?} after the start"));
}

#[test]
fn two_on_one_directory_stand_by_for_each_other() {
    let Some(brokers) = kafka() else { return };
    let installation = Installation::new(&brokers, "shared");
    let data = installation.directory.path().join("data");
    let mut a = installation.start_in("a", &data);
    wait_for("work", PATIENCE, || a.owns(true));
    let mut b = installation.start_in("b", &data);
    wait_for("a standby that is ready", PATIENCE, || b.owns(false) && b.is_ready());
    a.kill();
    wait_for("a takeover", SESSION + SLACK, || b.owns(true));
}
