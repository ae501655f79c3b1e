//! What people deploy fits the program: configurations are accepted, topics are those that it makes,
//! metrics are those that it has. `tests/deploy.sh` holds the same files against the real tools.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pipeline::clock::StopWatch;
use pipeline::http::api::ROLE_OWNED;
use pipeline::http::metrics::{Metric, outboxes};
use pipeline::run::stop::Stop;
use pipeline::topics::{InputTopics, OwnTopics};
use serde::Deserialize;
use tests::{binary, workspace};

/// How long a service may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

fn deploy(path: &str) -> PathBuf {
    workspace().join("deploy").join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The others name secrets and certificates: `tests/deploy.sh` makes some and checks those, too.
#[test]
fn the_example_configuration_is_accepted() {
    let path = deploy("faultline.example.yaml");
    if let Err(errors) = pipeline::config::load(&path) {
        panic!("{errors}");
    }
}

/// What the example only shows, behind `# `, is as good as what it sets. Secrets and certificates are not read.
#[test]
fn what_the_example_shows_is_accepted() {
    let text = read(&deploy("faultline.example.yaml"));
    let (_, shown) = text.split_once("\nsinks: []").expect("sinks are shown");
    let mut shown: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    // What the history's check reads nevertheless.
    shown.retain(|line| !line.starts_with("    tls:") && !line.contains("FAULTLINE_PG_PASSWORD"));
    let shown = shown.join("\n");
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("faultline.yaml");
    let text = format!("log: {{kind: kafka, brokers: '127.0.0.1:9092'}}\n{shown}\n");
    fs::write(&config, text).expect("written");
    match pipeline::config::load_parameters(&config, &[]) {
        Ok(config) => assert!(config.history.is_some(), "the history is shown"),
        Err(errors) => panic!("{errors}"),
    }
}

#[derive(Deserialize)]
struct Topics {
    inputs: Vec<Input>,
    own: Vec<Own>,
}

#[derive(Deserialize)]
struct Input {
    key: String,
    name: String,
}

#[derive(Deserialize)]
struct Own {
    suffix: String,
    partitions: String,
    compacted: bool,
}

#[test]
fn the_charts_topics_are_those_that_the_program_makes() {
    let text = read(&deploy("helm/faultline/files/topics.yaml"));
    let listed: Topics = serde_saphyr::from_str(&text).expect("a list of topics");

    let inputs = InputTopics::default();
    let expected: BTreeSet<&str> = inputs.all().into_iter().map(|(name, _)| name).collect();
    let found: BTreeSet<&str> = listed.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(found, expected);
    let keys: BTreeSet<&str> = listed.inputs.iter().map(|input| input.key.as_str()).collect();
    assert_eq!(keys, BTreeSet::from(["spans", "logs", "metrics", "alerts", "changes", "topology"]));

    let (cells, shares) = (3, 5);
    let count = |word: &str| match word {
        "cells" => cells,
        "panes" => cells * shares,
        "one" => 1,
        other => panic!("topics.yaml: `{other}` is no number of partitions"),
    };
    let found: BTreeMap<String, (u32, bool)> = listed
        .own
        .iter()
        .map(|own| (format!("x.{}", own.suffix), (count(&own.partitions), own.compacted)))
        .collect();
    let expected: BTreeMap<String, (u32, bool)> = OwnTopics::with_prefix("x")
        .specs(cells, shares)
        .into_iter()
        .map(|spec| (spec.name, (spec.partitions, spec.compacted)))
        .collect();
    assert_eq!(found, expected, "deploy/helm/faultline/files/topics.yaml");
}

/// The words `faultline_...` of a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("faultline_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn rules_and_dashboards_ask_for_metrics_that_are_there() {
    let mut known: BTreeSet<String> = Metric::ALL.iter().map(|m| m.name().to_owned()).collect();
    let gauges = ["faultline_incidents", "faultline_health", "faultline_build_info"];
    known.extend(gauges.map(str::to_owned));
    known.extend([outboxes::INCIDENTS, outboxes::OLDEST, ROLE_OWNED].map(str::to_owned));
    for path in ["prometheus/faultline.rules.yml", "grafana/dashboards/faultline-itself.json"] {
        let asked = metrics_in(&read(&deploy(path)));
        assert!(!asked.is_empty(), "{path}");
        let unknown: Vec<_> = asked.difference(&known).collect();
        assert!(unknown.is_empty(), "{path} asks for {unknown:?}");
    }
}

#[test]
fn the_chart_carries_the_same_rules() {
    let (ours, charts) =
        ("prometheus/faultline.rules.yml", "helm/faultline/files/faultline.rules.yml");
    assert!(read(&deploy(ours)) == read(&deploy(charts)), "copy deploy/{ours} to deploy/{charts}");
}

#[test]
fn images_have_versions() {
    for line in read(&deploy("compose.yaml")).lines().map(str::trim) {
        if let Some(image) = line.strip_prefix("image: ") {
            let version = image.rsplit_once(':').map(|(_, version)| version).unwrap_or_default();
            assert!(version.contains(|c: char| c.is_ascii_digit()), "{image} has no version");
        }
    }
    for line in read(&deploy("Dockerfile")).lines() {
        assert!(!line.starts_with("FROM") || line.contains(':'), "{line} has no version");
    }
}

/// A `faultline run` of this test's own; killed when dropped.
struct Service(std::process::Child);

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Each role alone is a process that becomes ready: what the chart's probes and the image's
/// HEALTHCHECK wait for.
#[test]
fn every_role_alone_becomes_ready() {
    for role in ["intake", "observe", "detect", "correlate", "deliver", "console", "history"] {
        let folder = tempfile::tempdir().expect("a folder");
        let port =
            TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
        let config = folder.path().join("faultline.yaml");
        let at = folder.path().display();
        let text = format!(
            "log: {{kind: embedded, directory: {at}/log}}\ndata_dir: {at}/data\n\
             http: {{listen: '127.0.0.1:{port}'}}\nintake: {{listen: '127.0.0.1:0'}}\n\
             history: {{directory: {at}/history, pg: {{listen: '127.0.0.1:0'}}}}\n"
        );
        fs::write(&config, text).expect("written");
        let child = Command::new(binary())
            .args(["run", "--roles", role, "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let service = Service(child);
        let url = format!("http://127.0.0.1:{port}");
        let ready = || {
            let asked = Command::new(binary()).args(["health", "--url", &url]).output();
            asked.expect("the binary starts").status.success()
        };
        let (watch, never) = (StopWatch::start(), Stop::default());
        while !ready() {
            assert!(watch.elapsed() < PATIENCE, "{role} alone does not become ready");
            let _not_stopped = never.wait(Duration::from_millis(100));
        }
        drop(service);
        assert!(!ready(), "{role} has ended and is not ready any more");
    }
}
