//! Grouping rules as people meet them: `grouping:` in a configuration makes one incident of alerts that
//! nothing else ties.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const RULES: &str = r#"
log: {kind: embedded, directory: nowhere}
grouping:
  - name: database
    key: "has(alert.labels.db_cluster) ? alert.labels.db_cluster : ''"
"#;

/// Three services that do not know each other fail at once; two of them on one database.
fn write_alerts(path: &Path) {
    let alert = |service: &str, cluster: &str| {
        json!({
            "status": "firing",
            "labels": {
                "alertname": "TooManyErrors", "service": service, "severity": "critical",
                "db_cluster": cluster,
            },
            "annotations": {"summary": format!("{service} fails")},
            "startsAt": "2023-11-14T22:13:20Z",
        })
    };
    let alerts = [alert("cart", "main"), alert("ledger", "main"), alert("mail", "other")];
    let record = json!({
        "topic": "alerts", "timestamp": 1_700_000_000_000_i64, "key": null, "headers": {},
        "value": {"version": "4", "status": "firing", "alerts": alerts},
    });
    std::fs::write(path, format!("{record}\n")).expect("written");
}

fn replay(directory: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_faultline"))
        .current_dir(directory)
        .arg("replay")
        .args(arguments)
        .arg("alerts.jsonl")
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The services of each incident in the end.
fn incidents(directory: &Path, config: &str) -> BTreeSet<Vec<String>> {
    let output = replay(directory, &["--json", "--final", "--config", config]);
    let told = String::from_utf8(output.stdout).expect("text");
    let services = |line: &str| {
        let incident: Value = serde_json::from_str(line).expect("JSON");
        let alerts = incident.get("alerts").and_then(Value::as_array).expect("alerts").clone();
        let name =
            |alert: &Value| alert.get("service").and_then(Value::as_str).expect("text").to_owned();
        let mut services: Vec<String> = alerts.iter().map(name).collect();
        services.sort();
        services
    };
    told.lines().map(services).collect()
}

fn with_files() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    write_alerts(&directory.path().join("alerts.jsonl"));
    let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text);
    file("grouped.yaml", RULES).expect("written");
    file("plain.yaml", "log: {kind: embedded, directory: nowhere}\n").expect("written");
    directory
}

#[test]
fn alerts_with_one_key_are_one_incident_and_others_stay_apart() {
    let directory = with_files();
    let set = |groups: &[&[&str]]| -> BTreeSet<Vec<String>> {
        groups.iter().map(|group| group.iter().map(|&name| name.to_owned()).collect()).collect()
    };
    let plain = incidents(directory.path(), "plain.yaml");
    assert_eq!(plain, set(&[&["cart"], &["ledger"], &["mail"]]));
    let grouped = incidents(directory.path(), "grouped.yaml");
    assert_eq!(grouped, set(&[&["cart", "ledger"], &["mail"]]));
}

#[test]
fn what_a_rule_would_do_is_told_before_it_does_it() {
    let directory = with_files();
    let output = replay(directory.path(), &["--config", "grouped.yaml", "--against", "plain.yaml"]);
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(told.contains("MERGES"), "{told}");
    assert!(told.contains("No decision of a person is among the records."), "{told}");
}
