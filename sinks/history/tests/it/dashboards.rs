//! What the shipped dashboards ask is answered, their macros expanded as Grafana does.

use std::path::Path;

use history::sql::engine::Limits;
use model::id::CellId;
use model::journal::JournalRecord;
use serde_json::Value;

use crate::keeping::{alert, change, entry, journal};
use crate::sample::{ask, at, engine, incident, open};

/// Whatever asks in SQL below a value.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(sql)
                        if name == "rawSql" || name == "query" && sql.starts_with("SELECT") =>
                    {
                        found.push(sql.clone());
                    }
                    other => queries(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

/// The macros and variables of a query put in.
fn expanded(sql: &str) -> String {
    let mut out = String::new();
    let mut rest = sql;
    while let Some(begin) = rest.find("$__time") {
        let (before, macro_text) = rest.split_at(begin);
        let end = macro_text.find(')').unwrap();
        let (name, inner) = macro_text[1..end].split_once('(').unwrap();
        let column = inner.split(',').next().unwrap();
        out.push_str(before);
        out.push_str(&match name {
            "__timeFilter" => {
                format!("{column} BETWEEN '2026-11-01T00:00:00Z' AND '2026-11-30T23:59:59.999Z'")
            }
            "__timeGroup" => format!("floor(extract(epoch from {column})/300)*300"),
            other => panic!("{other} is not known here"),
        });
        rest = &macro_text[end + 1..];
    }
    out.push_str(rest);
    out.replace("'$incident'", "$incident")
        .replace("$incident", "'0000000000000001'")
        .replace("'$cell'", "$cell")
        .replace("$cell", "'__all'")
}

fn asked_by(file: &Path) -> Vec<String> {
    let dashboard: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    found
}

#[test]
fn what_the_dashboards_ask_is_answered_and_a_change_is_one_row() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    recorder.incident(&incident(1, 1));
    // Two services, told twice.
    for offset in [5, 6] {
        let fact = entry(offset, 0, change("deploy-1", &["payments", "checkout"]));
        recorder.journal(&journal(), &CellId("default".into()), &fact);
    }
    recorder.flush(at(100)).unwrap();
    let engine = engine(&recorder, Limits::default());
    let dashboards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/grafana/dashboards");
    let (mut asked, mut of_changes) = (0, 0);
    for file in std::fs::read_dir(&dashboards).unwrap() {
        for sql in asked_by(&file.unwrap().path()) {
            let rows = ask(&engine, &expanded(&sql)).unwrap_or_else(|e| panic!("{sql}\n{e}"));
            asked += 1;
            if sql.contains("GROUP BY change_id") {
                of_changes += 1;
                assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
                assert!(format!("{rows:?}").contains("payments"), "{rows:?}");
            }
        }
    }
    assert!(asked > 40 && of_changes == 3, "{asked} {of_changes}");
}

/// What a panel of a dashboard asks.
fn asked_by_panel(file: &str, title: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/grafana/dashboards");
    let dashboard: Value =
        serde_json::from_slice(&std::fs::read(path.join(file)).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let panel = panels.iter().find(|panel| panel["title"] == title).unwrap();
    let mut found = Vec::new();
    queries(panel, &mut found);
    found
}

#[test]
fn noise_counts_an_alert_once_however_often_it_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    recorder.incident(&incident(1, 1));
    let mut again = alert("Slow");
    if let JournalRecord::Alert(alert) = &mut again {
        alert.starts_at = at(60);
    }
    // One that is sent thirty times, and fires again later; one that is sent twice.
    let sent = std::iter::repeat_n(alert("Slow"), 30).chain([again]);
    let sent = sent.chain([alert("Down"), alert("Down")]);
    for (offset, record) in (10..).zip(sent) {
        recorder.journal(&journal(), &CellId("default".into()), &entry(offset, 0, record));
    }
    recorder.publish().unwrap();
    let engine = engine(&recorder, Limits::default());
    let answer = |title: &str, place: usize| {
        let sql = expanded(&asked_by_panel("noise.json", title)[place]);
        ask(&engine, &sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    };
    assert_eq!(answer("Alerts in", 0)[0][0], 3);
    let reduction = answer("Noise reduction", 0)[0][0].as_f64().unwrap();
    assert!((reduction - 2.0 / 3.0).abs() < 1e-9, "{reduction}");
    let over_time = answer("Alerts in, incidents out", 0);
    let alerts: i64 = over_time.iter().map(|row| row[2].as_i64().unwrap()).sum();
    assert_eq!(alerts, 3);
    let noisiest = answer("Noisiest alerts", 0);
    let first = Value::Array(noisiest[0][..4].to_vec());
    assert_eq!(first, serde_json::json!(["Slow", 2, 1, 31]));
}
