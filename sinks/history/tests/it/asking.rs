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

#[test]
fn statements_in_each_other_beyond_all_measure_are_refused() {
    let (_directory, engine) = with_some(Limits::default());
    let around = |left: &str, times: usize, inner: &str, right: &str| {
        format!("SELECT {}{inner}{} AS x", left.repeat(times), right.repeat(times))
    };
    let mut doubled = "WITH t0 AS (SELECT 1 AS x)".to_owned();
    for level in 1..40 {
        let below = level - 1;
        doubled += &format!(
            ", t{level} AS (SELECT a.x FROM t{below} a UNION ALL SELECT b.x FROM t{below} b)"
        );
    }
    for sql in [
        around("1+", 30_000, "1", ""),
        around("(", 30_000, "1", ")"),
        around("NOT (", 9_000, "true", ")"),
        around("abs(", 40, "1", ")"),
        around("CAST(", 40, "1", " AS int)"),
        around("ARRAY[", 40, "1", "]"),
        around("- ", 30_000, "1", ""),
        around("abs(", 10_000, "1", ")"),
        around("", 9_000, "'1'", "::text"),
        around("true AND ", 7_000, "true", ""),
        around("'x' || ", 9_000, "'x'", ""),
        format!("SELECT 1 AS x{}", " UNION ALL SELECT 1".repeat(3_000)),
        format!("SELECT * FROM {}edges{}", "(SELECT * FROM ".repeat(3_000), ") t".repeat(3_000)),
        format!("{doubled} SELECT count(*) AS n FROM t39"),
    ] {
        let error = ask(&engine, &sql).expect_err(&sql[..60]);
        assert!(error.starts_with("54001"), "{}: {error}", &sql[..60]);
    }
    // Here the parser gives up before, and takes the word for a column.
    ask(&engine, &around("CASE WHEN true THEN ", 2_500, "1", " END")).expect_err("CASE");
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM incidents"), 20);
}

#[test]
fn functions_that_grow_have_bounds_and_do_as_ever_within_them() {
    let (_directory, engine) = with_some(Limits::default());
    let mut doubled = "SELECT repeat('x', 100000) AS v".to_owned();
    let mut listed = "SELECT make_array(repeat('x', 100000)) AS v".to_owned();
    for _ in 0..12 {
        doubled = format!("SELECT v || v AS v FROM ({doubled}) t");
        listed = format!("SELECT array_concat(v, v) AS v FROM ({listed}) t");
    }
    for sql in [
        "SELECT length(replace(repeat('x', 100000), 'x', repeat('y', 100000))) AS n",
        "SELECT length(regexp_replace(repeat('x', 100000), 'x', repeat('y', 100000), 'g')) AS n",
        "SELECT length(regexp_replace(repeat('x', 100000), 'x*', repeat('\\0', 100000))) AS n",
        "SELECT length(lpad('x', 1000000000, 'y')) AS n",
        "SELECT length(concat(repeat('x', 1000000), repeat('x', 1000000))) AS n",
        "SELECT length(array_to_string(string_to_array(repeat('x,', 50000), ','), \
         repeat('y', 100000))) AS n",
        "SELECT array_length(array_replace_all(string_to_array(repeat('x,', 5000 + value), ','), \
         'x', repeat('y', 5000 + value))) AS n FROM generate_series(1, 2) t",
        "SELECT array_length(array_replace_n(string_to_array(repeat('x,', 5000 + value), ','), \
         'x', repeat('y', 5000 + value), 5000)) AS n FROM generate_series(1, 2) t",
        "SELECT length(to_char(now(), repeat('%c', 60000 + value))) AS n FROM generate_series(1, 2) t",
        "SELECT length(date_format(now(), repeat('%c', 60000 + value))) AS n \
         FROM generate_series(1, 2) t",
        "SELECT repeat('a', 1000000) AS a, repeat('b', 1000000) AS b FROM incidents",
        "SELECT sum(length(repeat('x', 1000000))) AS n FROM generate_series(1, 1000) t \
         WHERE length(repeat(value::text, 900000)) > 0",
        &format!("SELECT length(v) AS n FROM ({doubled}) t"),
        &format!("SELECT array_length(v) AS n FROM ({listed}) t"),
    ] {
        let error = ask(&engine, sql).expect_err(sql);
        assert!(error.starts_with("53200"), "{sql}: {error}");
    }
    for (sql, expected) in [
        ("replace('abcb', 'b', 'dd')", "addcdd"),
        ("regexp_replace('abcb', 'b', 'd', 'g')", "adcd"),
        ("lpad('7', 3, '0')", "007"),
        ("'a' || 'b' || 'c'", "abc"),
        ("'n' || 1", "n1"),
        ("concat('a', NULL, 'b')", "ab"),
        ("array_to_string(make_array('a', 'b'), '-')", "a-b"),
        (
            "array_to_string(array_replace_all(make_array('a', 'b', 'a'), 'a', 'cc'), '-')",
            "cc-b-cc",
        ),
        ("to_char(to_timestamp('2026-11-27T02:00:00Z'), '%Y/%m')", "2026/11"),
        ("coalesce('a' || NULL, 'none')", "none"),
    ] {
        let rows = ask(&engine, &format!("SELECT {sql} AS x"));
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(rows[0][0].as_str(), Some(expected), "{sql}");
    }
    let joined = "SELECT count(*) AS n FROM incidents WHERE cell || '/' || priority = 'default/P1'";
    assert_eq!(count(&engine, joined), 20);
}

#[test]
fn a_time_filter_reads_only_the_days_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    for (id, days) in [(1, 0), (2, -5)] {
        let mut incident = incident(id, 1);
        incident.opened_at = at(days * 86_400);
        recorder.incident(&incident);
    }
    recorder.flush(at(100)).unwrap();
    let engine = engine(&recorder, Limits::default());
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM incidents"), 2);
    // Whoever reads a file of that day fails from now on.
    for table in std::fs::read_dir(directory.path()).unwrap() {
        let day = table.unwrap().path().join("day=2026-11-22");
        if day.is_dir() {
            std::fs::remove_dir_all(day).unwrap();
        }
    }
    for (view, rows) in [("incidents", 1), ("revisions", 1), ("alerts", 2), ("nodes", 2)] {
        for filter in [
            "opened_at >= '2026-11-26T00:00:00Z'",
            "opened_at BETWEEN '2026-11-27T00:00:00Z' AND '2026-11-27T23:59:59.999Z'",
        ] {
            let sql = format!("SELECT count(*) AS n FROM {view} WHERE {filter}");
            assert_eq!(count(&engine, &sql), rows, "{sql}");
        }
        let all = ask(&engine, &format!("SELECT * FROM {view}"));
        assert!(all.is_err(), "{view}");
    }
}
