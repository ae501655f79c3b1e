//! Statements that would take more memory than they may have end with an error that says so,
//! whichever step of the query engine would take it.

use std::time::Duration;

use history::sql::engine::{Engine, Limits};

use crate::sample::{ask, at, count, engine, incident, open};

fn with_little() -> (tempfile::TempDir, Engine) {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    for id in 1..=20 {
        recorder.incident(&incident(id, 1));
    }
    recorder.flush(at(100)).unwrap();
    let limits = Limits {
        rows: 100_000,
        memory_bytes: 16 << 20,
        time: Duration::from_secs(120),
        statements: 2,
    };
    let engine = engine(&recorder, limits);
    (directory, engine)
}

/// Rows with a text of nine hundred bytes: a few thousand of them fill a small memory.
fn texts(rows: usize) -> String {
    format!(
        "(SELECT value, repeat('x', 900) || value::text AS v FROM generate_series(1, {rows})) t"
    )
}

/// How such an error begins.
const OUT_OF_MEMORY: &str = "53200: the statement needs more memory";

/// One row with a text of a megabyte less a few bytes.
const LARGE: &str = "(SELECT repeat('x', 1000000 - value) AS v FROM generate_series(1, 1)) l";

#[test]
fn window_functions_end_at_the_bound_on_memory() {
    let (_directory, engine) = with_little();
    let rows = texts(30_000);
    for over in [
        "count(*) OVER ()",
        "count(*) OVER (PARTITION BY value % 7)",
        "sum(value) OVER (PARTITION BY value % 7 ORDER BY value)",
        "row_number() OVER (ORDER BY value)",
        "rank() OVER (PARTITION BY value % 7 ORDER BY v)",
        "lag(v) OVER (ORDER BY value)",
        "sum(value) OVER (ORDER BY value ROWS BETWEEN 5 PRECEDING AND 5 FOLLOWING)",
        "ntile(4) OVER (ORDER BY value)",
    ] {
        let sql = format!(
            "SELECT max(w), max(length(v)) AS n FROM (SELECT v, {over} AS w FROM {rows}) u"
        );
        let error = ask(&engine, &sql).expect_err(over);
        assert!(error.starts_with(OUT_OF_MEMORY), "{over}: {error}");
    }
    assert_eq!(count(&engine, "SELECT count(*) AS n FROM incidents"), 20);
}

#[test]
fn values_that_window_functions_make_are_counted() {
    let (_directory, engine) = with_little();
    for (over, rows) in [
        ("length(string_agg(v, ',') OVER (ORDER BY value))", texts(2_000)),
        ("array_length(array_agg(v) OVER ())", texts(2_000)),
        ("array_length(array_agg(v) OVER (ORDER BY value))", texts(2_000)),
        (
            "length(first_value(CASE WHEN value = 1 THEN repeat('x', 1000000 - value) END) \
             OVER (ORDER BY value))",
            texts(100),
        ),
    ] {
        let sql = format!("SELECT max(w) AS n FROM (SELECT {over} AS w FROM {rows}) u");
        let error = ask(&engine, &sql).expect_err(over);
        assert!(error.starts_with(OUT_OF_MEMORY), "{over}: {error}");
    }
}

#[test]
fn ordinary_window_functions_answer() {
    let (_directory, engine) = with_little();
    for (sql, expected) in [
        (
            "SELECT max(n) AS n FROM (SELECT row_number() OVER (ORDER BY opened_at) AS n FROM incidents) t",
            20,
        ),
        ("SELECT max(n) AS n FROM (SELECT count(*) OVER () AS n FROM alerts) t", 40),
        (
            "SELECT count(*) AS n FROM (SELECT row_number() OVER (PARTITION BY incident_id \
             ORDER BY starts_at) AS place, name FROM alerts) t WHERE place = 1",
            20,
        ),
        (
            "SELECT count(*) AS n FROM (SELECT lag(title) OVER (PARTITION BY priority \
             ORDER BY opened_at) AS before FROM incidents) t WHERE before IS NOT NULL",
            19,
        ),
        (
            "SELECT max(n) AS n FROM (SELECT sum(value) OVER (ORDER BY value ROWS BETWEEN 1 \
             PRECEDING AND CURRENT ROW) AS n FROM generate_series(1, 20000)) t",
            39_999,
        ),
        (
            "SELECT max(array_length(names)) AS n FROM (SELECT array_agg(name) OVER \
             (PARTITION BY incident_id) AS names FROM alerts) t",
            2,
        ),
    ] {
        assert_eq!(count(&engine, sql), expected, "{sql}");
    }
}

#[test]
fn one_large_value_is_not_copied_into_every_row() {
    let (_directory, engine) = with_little();
    let many = "generate_series(1, 2000) s";
    for sql in [
        format!("SELECT sum(length(l.v)) AS n FROM {LARGE} CROSS JOIN {many}"),
        format!("SELECT sum(length(l.v || s.value)) AS n FROM {many} CROSS JOIN {LARGE}"),
        format!(
            "SELECT sum(length(l.v)) AS n FROM {many} JOIN {LARGE} ON s.value > length(l.v) - 1000000"
        ),
        format!(
            "SELECT sum(length((SELECT v FROM {LARGE}))) + sum(s.value) AS n FROM {many} WHERE (SELECT v FROM {LARGE}) > s.value::text"
        ),
        "SELECT sum(length(v)) AS n FROM (SELECT v, unnest(string_to_array(repeat('x,', 5000 + n), ',')) AS item \
             FROM (SELECT repeat('x', 100000 + value) AS v, value AS n FROM generate_series(1, 1)) i) t WHERE item <> v"
            .into(),
    ] {
        let error = ask(&engine, &sql).map(|rows| rows.len()).expect_err(&sql[..80]);
        assert!(error.starts_with(OUT_OF_MEMORY), "{}: {error}", &sql[..80]);
    }
    assert_eq!(count(&engine, &format!("SELECT max(length(v)) AS n FROM {LARGE}")), 999_999);
    let joined = "SELECT count(*) AS n FROM incidents i JOIN alerts a ON a.incident_id = i.incident_id \
                  WHERE length(i.document) > 0";
    assert_eq!(count(&engine, joined), 40);
}

#[test]
fn every_other_step_that_keeps_rows_ends_at_the_bound() {
    let (_directory, engine) = with_little();
    let rows = texts(60_000);
    let mut others = Vec::new();
    for sql in [
        format!("SELECT max(v) AS n FROM (SELECT v FROM {rows} ORDER BY v DESC OFFSET 10) u"),
        format!("SELECT count(*) AS n FROM (SELECT DISTINCT v FROM {rows}) u"),
        format!("SELECT max(length(v)) AS n FROM (SELECT v FROM {rows} ORDER BY v LIMIT 50000) u"),
        format!("SELECT count(*) AS n FROM (SELECT v, max(value) AS m FROM {rows} GROUP BY v ORDER BY m DESC LIMIT 50000) u"),
        format!("SELECT array_length(array_agg(v)) AS n FROM {rows}"),
        format!("SELECT array_length(array_agg(v ORDER BY value)) AS n FROM {rows}"),
        format!("SELECT array_length(array_agg(DISTINCT v)) AS n FROM {rows}"),
        format!("SELECT length(string_agg(v, ',')) AS n FROM {rows}"),
        format!("SELECT sum(length(l)) AS n FROM (SELECT value % 3 AS k, string_agg(v, ',') AS l FROM {rows} GROUP BY 1) u"),
        format!("SELECT sum(array_length(l)) AS n FROM (SELECT value % 3 AS k, array_agg(v) AS l FROM {rows} GROUP BY 1) u"),
        format!("SELECT count(DISTINCT v) AS n FROM {rows}"),
        format!("SELECT count(*) AS n FROM {rows} JOIN (SELECT value AS w, repeat('y', 900) || value::text AS v FROM generate_series(1, 60000)) u ON t.v > u.v"),
        format!("SELECT count(u.v || t.v) AS n FROM {rows} JOIN (SELECT value AS w, repeat('y', 900) || value::text AS v FROM generate_series(1, 60000)) u ON t.value = u.w"),
        "WITH RECURSIVE r AS (SELECT 1 AS n, repeat('x', 900) AS v UNION ALL SELECT n + 1, repeat('x', 900) || n::text FROM r, generate_series(1, 20) WHERE n < 6) SELECT count(*) AS n, max(length(v)) AS l FROM r".into(),
        "SELECT median(value) AS n FROM generate_series(1, 5000000)".into(),
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS n FROM generate_series(1, 5000000)".into(),
    ] {
        let answer = ask(&engine, &sql).map(|rows| format!("{rows:?}").len());
        if !answer.as_ref().is_err_and(|error| error.starts_with(OUT_OF_MEMORY)) {
            others.push(format!("{sql}: {answer:?}"));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}
