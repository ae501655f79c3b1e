//! What is recorded stays, once, whatever happens in between.

use history::sql::engine::Limits;
use history::store::compact::plan;
use history::store::manifest::Manifest;
use model::alert::{Alert, AlertStatus, Labels, Severity};
use model::change::{ChangeContent, ChangeEvent, ChangeKind, ChangeOutcome};
use model::id::{CellId, Position};
use model::incident::IncidentState;
use model::journal::{JournalEntry, JournalRecord};
use proptest::prelude::*;

use crate::sample::{ask, at, count, engine, incident, incidents, open, with_graph};
use history::recorder::Source;

fn manifest(directory: &std::path::Path) -> Manifest {
    serde_json::from_slice(&std::fs::read(directory.join("manifest.json")).unwrap()).unwrap()
}

pub(crate) fn journal() -> Source {
    Source { topic: "faultline.journal".into(), partition: 0 }
}

pub(crate) fn entry(offset: u64, item: u32, record: JournalRecord) -> JournalEntry {
    let position = Position { topic: "changes".into(), partition: 0, offset, item };
    JournalEntry { arrival: at(offset as i64), position: Some(position), record }
}

pub(crate) fn change(id: &str, targets: &[&str]) -> JournalRecord {
    JournalRecord::Change(ChangeEvent {
        id: id.into(),
        kind: ChangeKind::Deploy,
        at: at(-60),
        started_at: None,
        targets: targets.iter().map(|target| (*target).into()).collect(),
        environment: None,
        title: "payments 2.4".into(),
        author: Some("kim".into()),
        version: Some("2.4".into()),
        outcome: ChangeOutcome::Succeeded,
        content: ChangeContent::default(),
        links: vec![],
        url: None,
    })
}

pub(crate) fn alert(name: &str) -> JournalRecord {
    let labels = Labels::new(vec![("alertname".into(), name.into())]);
    JournalRecord::Alert(Alert {
        fingerprint: labels.fingerprint(),
        name: name.into(),
        status: AlertStatus::Firing,
        labels,
        annotations: Labels::default(),
        starts_at: at(0),
        ends_at: None,
        severity: Severity::Critical,
        trace_id: None,
        group: None,
        generator_url: None,
    })
}

#[test]
fn a_fresh_incident_is_seen_before_it_is_in_a_file_and_after() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    let engine = engine(&recorder, Limits::default());
    assert!(recorder.incident(&incident(1, 1)));
    recorder.publish().unwrap();
    let seen = "SELECT count(*) AS n FROM incidents WHERE is_open AND title = 'checkout is slow'";
    assert_eq!(count(&engine, seen), 1);
    assert!(!directory.path().join("manifest.json").exists());
    recorder.flush(at(100)).unwrap();
    assert_eq!(count(&engine, seen), 1);
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM alerts"), 2);
    // Half in files, half in the tail: still one newest revision, and all revisions.
    recorder.incident(&incident(1, 2));
    recorder.publish().unwrap();
    assert_eq!(count(&engine, seen), 1);
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM revisions"), 2);
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM alerts"), 2);
    let row = ask(
        &engine,
        "SELECT revision, seconds_to_hypothesis, cause_change_id, services, is_open FROM incidents",
    );
    let expected = serde_json::json!([[2, 30.0, "deploy-1", "checkout, payments", true]]);
    assert_eq!(serde_json::json!(row.unwrap()), expected);
    let items = ask(&engine, "SELECT cause_items FROM incidents");
    let expected = serde_json::json!([["backstage:component:default/payments, servicenow:27d3"]]);
    assert_eq!(serde_json::json!(items.unwrap()), expected);
}

#[test]
fn what_was_told_had_begun_by_then() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    let engine = engine(&recorder, Limits::default());
    // Opened at 20 by an alert, first explained at 30; telemetry dates the onset to 50.
    let late = model::incident::Incident { onset_at: at(50), ..incident(1, 1) };
    assert!(recorder.incident(&late));
    recorder.publish().unwrap();
    let query = "SELECT CAST(seconds_to_hypothesis AS bigint) FROM incidents";
    assert_eq!(count(&engine, query), 10);
}

#[test]
fn repeats_are_recognised_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let cell = CellId("default".into());
    let facts = [
        entry(5, 0, change("deploy-1", &["payments", "checkout"])),
        entry(5, 1, change("deploy-2", &[])),
        entry(6, 0, alert("SlowCheckout")),
    ];
    let delivery = serde_json::json!({
        "schema_version": 1, "sink": "ops", "incident": "0000000000000001", "revision": 1,
        "attempted": 2, "at": at(40).to_rfc3339(), "content_hash": "0000000000000000",
        "idempotency_key": "k", "ticket": null, "told": {}
    });
    let delivery = history::rows::delivery::Delivery::from_json(delivery.to_string().as_bytes());
    let all = |recorder: &mut history::recorder::Recorder| {
        let mut taken = usize::from(recorder.incident(&incident(1, 1)));
        taken += usize::from(recorder.incident(&incident(1, 3)));
        for fact in &facts {
            taken += usize::from(recorder.journal(&journal(), &cell, fact));
        }
        taken + usize::from(recorder.delivery(delivery.clone().unwrap()))
    };
    let mut recorder = open(directory.path());
    assert_eq!(all(&mut recorder), 6);
    assert_eq!(all(&mut recorder), 0);
    recorder.passed(&incidents(), 41);
    recorder.flush(at(100)).unwrap();
    drop(recorder);

    let mut recorder = open(directory.path());
    assert_eq!(recorder.next_offset(&incidents()), Some(42));
    // The delivery is told apart by its offset after a restart, everything else by itself.
    assert_eq!(all(&mut recorder), 1);
    assert!(!recorder.incident(&incident(1, 2)), "older than what is known");
    let engine = engine(&recorder, Limits::default());
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM changes"), 3);
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM alert_events"), 1);
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM revisions"), 2);
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM deliveries WHERE in_doubt"), 1);
    // A topic that was made anew counts from the beginning again.
    recorder.forget(&journal());
    assert!(recorder.journal(&journal(), &cell, &facts[0]));
}

#[test]
fn what_a_crash_left_between_file_and_manifest_is_no_part_of_the_history() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    recorder.incident(&incident(1, 1));
    recorder.flush(at(10)).unwrap();
    drop(recorder);
    let day = directory.path().join("revisions/day=2026-11-27");
    let file = std::fs::read_dir(&day).unwrap().next().unwrap().unwrap().path();
    let stray = day.join("000000000099f.parquet");
    std::fs::copy(&file, &stray).unwrap();
    let recorder = open(directory.path());
    assert!(!stray.exists() && file.exists());
    let engine = engine(&recorder, Limits::default());
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM revisions"), 1);
}

#[test]
fn a_directory_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(directory.path());
    let settings = history::recorder::RecorderSettings {
        place: history::store::place::Place::Directory(directory.path().to_owned()),
        retention_days: 1,
        flush_every: model::time::Nanos::from_secs(1),
    };
    let refused = history::recorder::Recorder::open(settings, at(0)).err().unwrap().to_string();
    assert!(refused.contains("another process"), "{refused}");
}

#[test]
fn days_beyond_the_retention_leave_and_a_wrong_clock_in_the_future_moves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    let day = 86_400;
    for (id, days) in [(1, 0), (2, -29), (3, -31), (4, 400)] {
        let mut incident = incident(id, 1);
        incident.opened_at = at(days * day);
        incident.state = IncidentState::Resolved;
        recorder.incident(&incident);
    }
    recorder.turn(at(100)).unwrap();
    let engine = engine(&recorder, Limits::default());
    let ids = ask(&engine, "SELECT incident_id FROM incidents ORDER BY incident_id").unwrap();
    let ids: Vec<_> = ids.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, ["0000000000000001", "0000000000000002", "0000000000000004"]);
    // Files that no longer count stay for queries that read them, and then go.
    let gone = manifest(directory.path()).garbage;
    assert!(!gone.is_empty() && directory.path().join(&gone[0].path).exists());
    recorder.turn(at(2_000)).unwrap();
    assert!(!directory.path().join(&gone[0].path).exists());
}

#[test]
fn the_retention_keeps_what_is_still_open() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    let aged = |id: u64, revision: u32, days: i64, state: IncidentState| {
        let mut incident = incident(id, revision);
        incident.opened_at = at(days * 86_400);
        incident.state = state;
        incident
    };
    recorder.incident(&aged(1, 1, 0, IncidentState::Open));
    recorder.incident(&aged(2, 1, -40, IncidentState::Open));
    recorder.incident(&aged(3, 1, -41, IncidentState::Open));
    recorder.incident(&aged(3, 2, -41, IncidentState::Resolved));
    recorder.turn(at(100)).unwrap();
    let engine = engine(&recorder, Limits::default());
    let known = "SELECT sum(1) AS n FROM incidents";
    assert_eq!(count(&engine, known), 2);
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM alerts WHERE incident_id LIKE '%2'"), 2);
    // It is known as open from the files alone, too.
    drop(recorder);
    let mut recorder = open(directory.path());
    recorder.turn(at(200)).unwrap();
    let engine = crate::sample::engine(&recorder, Limits::default());
    assert_eq!(count(&engine, known), 2);
    recorder.incident(&aged(2, 2, -40, IncidentState::Resolved));
    recorder.turn(at(300)).unwrap();
    assert_eq!(count(&engine, known), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    /// Any facts in any order, with flushes, restarts and repeats in between: every table has each
    /// fact once, compaction changes no sum, and edges end at nodes.
    #[test]
    fn sums_survive_compaction_and_restarts(
        steps in prop::collection::vec((0_u64..4, 1_u32..6, prop::bool::weighted(0.3)), 1..14)
    ) {
        let directory = tempfile::tempdir().unwrap();
        let cell = CellId("default".into());
        let mut recorder = open(directory.path());
        let mut newest = std::collections::BTreeMap::new();
        let (mut revisions, mut changes, mut now) = (0_i64, 0_i64, 100);
        for (place, (id, revision, flush)) in steps.iter().enumerate() {
            let all = ["a", "b", "c", "d"];
            let nodes = &all[..1 + place % 4];
            // Some of these edges have no node at one end.
            let edges = [("a", "b"), ("b", "c"), ("x", "a"), ("a", "b")];
            let fresh = newest.get(id).is_none_or(|known| known < revision);
            prop_assert_eq!(recorder.incident(&with_graph(*id, *revision, nodes, &edges)), fresh);
            if fresh {
                newest.insert(*id, *revision);
                revisions += 1;
            }
            let fact = entry(place as u64, 0, change("c", &["payments"]));
            changes += i64::from(recorder.journal(&journal(), &cell, &fact));
            if *flush {
                now += 1;
                recorder.flush(at(now)).unwrap();
                if place % 3 == 0 {
                    drop(recorder);
                    recorder = open(directory.path());
                }
            }
        }
        recorder.flush(at(now + 1)).unwrap();
        for turn in 0..6 {
            recorder.turn(at(now + 100 + turn * 61)).unwrap();
        }
        prop_assert!(plan(&manifest(directory.path()), at(now)).is_none());
        prop_assert_eq!(changes, steps.len() as i64);
        let engine = engine(&recorder, Limits::default());
        let n = |sql: &str| count(&engine, sql);
        prop_assert_eq!(n("SELECT count(*) AS n FROM revisions"), revisions);
        prop_assert_eq!(n("SELECT count(*) AS n FROM changes"), changes);
        let known = newest.len() as i64;
        prop_assert_eq!(n("SELECT count(*) AS n FROM incidents"), known);
        prop_assert_eq!(n("SELECT count(*) AS n FROM alerts"), 2 * known);
        let revision: i64 = newest.values().copied().map(i64::from).sum();
        prop_assert_eq!(n("SELECT sum(revision) AS n FROM incidents"), revision);
        let open_ends = "SELECT count(*) AS n FROM edges e WHERE NOT EXISTS (SELECT 1 FROM nodes n \
            WHERE n.incident_id = e.incident_id AND n.id = e.source) OR NOT EXISTS (SELECT 1 FROM \
            nodes n WHERE n.incident_id = e.incident_id AND n.id = e.target)";
        prop_assert_eq!(n(open_ends), 0);
        let twice = "SELECT count(*) AS n FROM (SELECT incident_id, id FROM edges GROUP BY 1, 2 \
            HAVING count(*) > 1) t";
        prop_assert_eq!(n(twice), 0);
    }
}
