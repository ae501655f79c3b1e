//! What can be asked, and what cannot.

use std::time::Duration;

use history::sql::engine::{Engine, Limits};

use crate::sample::{ask, at, count, engine, incident, open};

fn with_some(limits: Limits) -> (tempfile::TempDir, Engine) {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    for id in 1..=20 {
        recorder.incident(&incident(id, 1));
    }
    recorder.flush(at(100)).unwrap();
    let engine = engine(&recorder, limits);
    (directory, engine)
}

#[test]
fn every_view_answers() {
    let (_directory, engine) = with_some(Limits::default());
    for (view, rows) in [
        ("incidents", 20),
        ("revisions", 20),
        ("alerts", 40),
        ("symptoms", 0),
        ("hypotheses", 20),
        ("evidence", 20),
        ("services", 60),
        ("entry_points", 0),
        ("timeline", 20),
        ("nodes", 40),
        ("edges", 20),
        ("changes", 0),
        ("alert_events", 0),
        ("deliveries", 0),
    ] {
        assert_eq!(count(&engine, &format!("SELECT count(*) AS n FROM {view}")), rows, "{view}");
        let all = ask(&engine, &format!("SELECT * FROM {view}"));
        assert_eq!(all.unwrap().len() as i64, rows, "{view}");
    }
}

#[test]
fn files_of_the_machine_cannot_be_read() {
    let (_directory, engine) = with_some(Limits::default());
    for sql in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM \"file:///etc/passwd\"",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
    ] {
        let error = ask(&engine, sql).expect_err(sql);
        assert!(!error.contains("root:"), "{error}");
    }
}

#[test]
fn statements_end_at_their_bounds_and_others_go_on() {
    let limits =
        Limits { rows: 1_000, memory_bytes: 16 << 20, time: Duration::from_secs(2), statements: 2 };
    let (_directory, engine) = with_some(limits);
    let series = |rows: &str| format!("SELECT a.value AS v FROM generate_series(1, {rows}) a");
    let too_many = ask(&engine, &series("2000")).unwrap_err();
    assert!(too_many.starts_with("54000: the answer has more than 1000 rows"), "{too_many}");
    assert_eq!(ask(&engine, &series("1000")).unwrap().len(), 1_000);

    let memory = "SELECT count(*) AS n FROM (SELECT DISTINCT (value * 7919) % 5000011 AS v \
                  FROM generate_series(1, 5000000)) t";
    let patient = with_some(Limits { time: Duration::from_secs(120), ..limits });
    let error = ask(&patient.1, memory).unwrap_err();
    assert!(error.starts_with("53200: "), "{error}");

    let time = "SELECT count(*) AS n FROM generate_series(1, 100000) a \
                CROSS JOIN generate_series(1, 10000000) b";
    let session = engine.session();
    std::thread::scope(|scope| {
        let heavy = scope.spawn(|| ask(&engine, time));
        assert_eq!(count(&engine, "SELECT count(*) AS n FROM incidents"), 20);
        let error = heavy.join().unwrap().unwrap_err();
        assert!(error.starts_with("57014: "), "{error}");
    });
    drop(session);

    for sql in ["SELECT repeat('x', 1000000000) AS x", "SELECT array_repeat(1, 1000000000) AS x"] {
        ask(&engine, sql).expect_err(sql);
    }
    assert!(
        ask(&engine, &format!("SELECT '{}'", "x".repeat(70_000))).unwrap_err().contains("54000")
    );
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM incidents"), 20);
}
