//! `faultline replay --config NEW --against OLD`, as people meet it: two files, a recording, and each kind of
//! difference in what is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// When the recording begins. Unit: Unix seconds (2023-11-14T22:13:20Z).
const BEGIN: i64 = 1_700_000_000;

/// A recording of alerts and a deploy:
/// * `cart` and `mail` fail at once and share a rack; `search` and `stock` fail at once and share a database,
///   twenty minutes later, each pair on its own in the other regard;
/// * `payment` fails after its deploy, twenty minutes after that.
fn recording() -> String {
    let mut lines = Vec::new();
    let mut pair = |at_s: i64, names: [&str; 2], label: &str| {
        for step in 0..4 {
            for name in names {
                lines.push(alert(at_s + step * 30, at_s, name, &[(label, "seven")]));
            }
        }
    };
    pair(0, ["cart", "mail"], "rack");
    pair(1_200, ["search", "stock"], "db_cluster");
    lines.push(deploy(2_340, "payment", "4.3.1"));
    for step in 0..4 {
        lines.push(alert(2_400 + step * 30, 2_400, "payment", &[]));
    }
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    text.join("\n") + "\n"
}

fn rfc3339(at_s: i64) -> String {
    model::time::Timestamp::from_millis((BEGIN + at_s) * 1_000).to_rfc3339()
}

fn alert(at_s: i64, since_s: i64, service: &str, more: &[(&str, &str)]) -> Value {
    let mut labels = serde_json::Map::new();
    let name = format!("{service}Down");
    let always = [("alertname", name.as_str()), ("service", service), ("severity", "critical")];
    for (label, value) in always.iter().chain(more) {
        labels.insert((*label).to_owned(), json!(value));
    }
    let alert = json!({"status": "firing", "labels": labels, "annotations": {}, "startsAt": rfc3339(since_s)});
    let value = json!({"version": "4", "status": "firing", "alerts": [alert]});
    json!({"topic": "alerts", "timestamp": (BEGIN + at_s) * 1_000, "key": null, "headers": {}, "value": value})
}

fn deploy(at_s: i64, service: &str, version: &str) -> Value {
    let subject = json!({"id": service, "content": {"environment": {"id": "production"},
        "artifactId": format!("pkg:oci/{service}@{version}")}});
    let value = json!({"specversion": "1.0", "id": "deploy-1", "source": "/ci", "subject": service,
        "type": "dev.cdevents.service.upgraded.0.3.0", "time": rfc3339(at_s), "data": {"subject": subject}});
    let headers = json!({"content-type": "application/cloudevents+json"});
    json!({"topic": "changes", "timestamp": (BEGIN + at_s) * 1_000, "key": null, "headers": headers, "value": value})
}

/// A grouping rule: alerts with the same value of this label are one incident.
fn by(label: &str) -> String {
    format!(
        "grouping:\n  - {{name: g, key: \"has(alert.labels.{label}) ? alert.labels.{label} : ''\"}}\n"
    )
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }
}

/// What a comparison prints.
fn compared(new: &Path, old: &Path, recording: &Path, more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_faultline"))
        .args(["replay", "--config"])
        .arg(new)
        .arg("--against")
        .arg(old)
        .args(more)
        .arg(recording)
        .output()
        .expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).expect("text")
}

/// The lines of a difference of this kind, its head first.
fn difference<'a>(shown: &'a str, kind: &str) -> Vec<&'a str> {
    let begin = shown.lines().skip_while(|line| !line.starts_with(kind));
    let lines: Vec<&str> = begin.take_while(|line| !line.is_empty()).collect();
    assert!(!lines.is_empty(), "no {kind}: {shown}");
    lines
}

const LOG: &str = "log: {kind: embedded, directory: d}\n";

#[test]
fn a_comparison_prints_what_merges_what_splits_and_whose_first_hypothesis_is_another() {
    let folder = Folder::new();
    let recording = folder.file("hour.jsonl", &recording());
    let old = folder.file("old.yaml", &format!("{LOG}{}", by("db_cluster")));
    let new = folder
        .file("new.yaml", &format!("{LOG}topics: {{changes: changes_of_nobody}}\n{}", by("rack")));
    let shown = compared(&new, &old, &recording, &[]);

    let sides = |kind: &str| {
        let lines = difference(&shown, kind);
        let of = |sign: &str| lines.iter().filter(|line| line.starts_with(sign)).count();
        (of("  - "), of("  + "))
    };
    assert_eq!(sides("MERGES"), (2, 1), "{shown}");
    assert_eq!(sides("SPLITS"), (1, 2), "{shown}");
    let changes = difference(&shown, "CHANGES").join("\n");
    assert!(changes.contains("first hypothesis") && changes.contains("4.3.1"), "{shown}");

    let told: Value =
        serde_json::from_str(&compared(&new, &old, &recording, &["--json"])).expect("JSON");
    let kinds: Vec<&str> = told["differences"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|difference| difference["kind"].as_str())
        .collect();
    for kind in ["merges", "splits", "changes"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
}

#[test]
fn a_comparison_prints_what_appears_and_what_vanishes() {
    let folder = Folder::new();
    let recording = folder.file("hour.jsonl", &recording());
    let hears = folder.file("hears.yaml", LOG);
    let deaf = folder.file("deaf.yaml", &format!("{LOG}topics: {{alerts: alerts_of_nobody}}\n"));
    for (new, old, kind, sign) in
        [(&hears, &deaf, "APPEARS", "  + "), (&deaf, &hears, "VANISHES", "  - ")]
    {
        let shown = compared(new, old, &recording, &[]);
        assert_eq!(shown.matches(kind).count(), 5, "{shown}");
        let lines = difference(&shown, kind);
        assert!(lines.iter().any(|line| line.starts_with(sign)), "{shown}");
    }
}
