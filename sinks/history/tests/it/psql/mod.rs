//! The PostgreSQL protocol as real clients speak it: `psql` of Debian's postgresql-client. Without
//! it these tests say that they were skipped; with `FAULTLINE_TEST_PSQL=1` they fail then.

mod grafana;

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use history::pg::server::PgServer;
use history::pg::settings::{PgSettings, TlsFiles};
use history::sql::engine::{Engine, Limits};

use crate::sample::{at, engine, incident, open};

fn there_is_psql() -> bool {
    let there = Command::new("psql").arg("--version").output().is_ok();
    assert!(there || std::env::var_os("FAULTLINE_TEST_PSQL").is_none(), "psql is not installed");
    if !there {
        println!("psql is not installed: skipped");
    }
    there
}

struct Served {
    server: PgServer,
    _engine: Engine,
    _directory: tempfile::TempDir,
}

fn settings(password: Option<&str>) -> PgSettings {
    PgSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        user: "grafana".into(),
        password: password.map(str::to_owned),
        tls: None,
        connections: 4,
    }
}

fn serve(settings: &PgSettings, limits: Limits) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    for id in 1..=20 {
        recorder.incident(&incident(id, 1));
    }
    recorder.flush(at(100)).unwrap();
    let engine = engine(&recorder, limits);
    let server = PgServer::start(&engine, settings).unwrap();
    Served { server, _engine: engine, _directory: directory }
}

impl Served {
    fn psql(&self, password: &str, options: &str) -> Command {
        self.psql_as("grafana", password, options)
    }

    fn psql_as(&self, user: &str, password: &str, options: &str) -> Command {
        let address = self.server.address();
        let mut command = Command::new("psql");
        command
            .arg(format!(
                "host={} port={} user={user} dbname=faultline connect_timeout=10 {options}",
                address.ip(),
                address.port()
            ))
            .args(["-X", "-A", "-t", "-v", "VERBOSITY=verbose"])
            .env("PGPASSWORD", password)
            .env_remove("PGSSLMODE")
            .stdin(Stdio::null());
        command
    }

    /// What a statement of the simple protocol prints.
    fn ask(&self, sql: &str) -> Result<String, String> {
        told(self.psql("secret", "").args(["-c", sql]).output().unwrap())
    }

    fn in_background(&self, sql: &str) -> Child {
        self.psql("secret", "")
            .args(["-c", sql])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

fn told(output: Output) -> Result<String, String> {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && !error.contains("ERROR") {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(error)
    }
}

#[test]
fn psql_comes_in_with_the_password_alone() {
    if !there_is_psql() {
        return;
    }
    let served = serve(&settings(Some("secret")), Limits::default());
    assert_eq!(served.ask("SELECT count(*) AS n FROM incidents"), Ok("20".into()));
    let wrong = told(served.psql("wrong", "").args(["-c", "SELECT 1"]).output().unwrap());
    let failed = "authentication failed for user \"grafana\"";
    assert!(wrong.as_ref().is_err_and(|e| e.contains(failed)), "{wrong:?}");
    let mut stranger = served.psql_as("postgres", "secret", "");
    let stranger = told(stranger.args(["-c", "SELECT 1"]).output().unwrap());
    assert!(stranger.is_err_and(|e| e.contains("authentication failed")));
    let empty = told(served.psql("", "").args(["-w", "-c", "SELECT 1"]).output().unwrap());
    assert!(empty.is_err());
}

#[test]
fn psql_can_write_nothing_and_read_no_file() {
    if !there_is_psql() {
        return;
    }
    let served = serve(&settings(Some("secret")), Limits::default());
    let target = served._directory.path().join("stolen");
    let copy = format!("COPY (SELECT 1 AS x) TO '{}'", target.display());
    for sql in [
        "INSERT INTO revisions SELECT * FROM revisions",
        "CREATE TABLE t (a int)",
        "CREATE TABLE t AS SELECT 1 AS a",
        "CREATE EXTERNAL TABLE t (a text) STORED AS CSV LOCATION '/etc/passwd'",
        "DROP VIEW incidents",
        "COPY incidents FROM PROGRAM 'id'",
        "SELECT 1 AS a INTO t",
        "EXPLAIN ANALYZE INSERT INTO revisions SELECT * FROM revisions",
        "SELECT 1 AS a; DELETE FROM incidents",
        &copy,
    ] {
        let error = served.ask(sql).expect_err(sql);
        assert!(error.contains("25006") && error.contains("read-only"), "{sql}: {error}");
    }
    for sql in ["SELECT * FROM '/etc/passwd'", "SELECT * FROM \"/etc/passwd\""] {
        let error = served.ask(sql).expect_err(sql);
        assert!(error.contains("ERROR") && !error.contains("root:"), "{error}");
    }
    for sql in ["INSERT INTO incidents SELECT * FROM incidents", "COPY incidents TO '/tmp/x'"] {
        let error = served.psql("secret", "").args(["-c", sql]).output().unwrap();
        assert!(String::from_utf8_lossy(&error.stderr).contains("25006"));
    }
    assert!(!target.exists());
    assert_eq!(served.ask("SELECT count(*) AS n FROM revisions"), Ok("20".into()));
}

#[test]
fn heavy_statements_end_with_an_error_while_others_go_on() {
    if !there_is_psql() {
        return;
    }
    let limits =
        Limits { rows: 1_000, memory_bytes: 32 << 20, time: Duration::from_secs(3), statements: 4 };
    let served = serve(&settings(Some("secret")), limits);
    let time = served.in_background(
        "SELECT count(*) AS n FROM generate_series(1, 100000) a \
         CROSS JOIN generate_series(1, 10000000) b",
    );
    let memory = served.in_background(
        "SELECT count(*) AS n FROM (SELECT DISTINCT (value * 7919) % 90000049 AS v \
         FROM generate_series(1, 90000000)) t",
    );
    for _ in 0..3 {
        assert_eq!(served.ask("SELECT count(*) AS n FROM incidents"), Ok("20".into()));
    }
    let window = served.ask(
        "SELECT max(s) AS s, max(length(v)) AS l FROM (SELECT v, count(*) OVER () AS s FROM \
         (SELECT repeat('x', 900) || value::text AS v FROM generate_series(1, 300000)) a) t",
    );
    let window = window.unwrap_err();
    assert!(window.contains("53200") && window.contains("needs more memory"), "{window}");
    let rows = served.ask("SELECT value AS v FROM generate_series(1, 5000)").unwrap_err();
    assert!(rows.contains("54000") && rows.contains("HINT"), "{rows}");
    let time = told(time.wait_with_output().unwrap()).unwrap_err();
    assert!(time.contains("57014"), "{time}");
    let memory = told(memory.wait_with_output().unwrap()).unwrap_err();
    assert!(memory.contains("53200") || memory.contains("57014"), "{memory}");
    let own = served.ask(
        "SET statement_timeout = '200ms'; SELECT count(*) AS n FROM \
        generate_series(1, 100000) a CROSS JOIN generate_series(1, 10000000) b",
    );
    assert!(own.unwrap_err().contains("200 ms"));
    assert_eq!(served.ask("SELECT count(*) AS n FROM incidents"), Ok("20".into()));
}

#[test]
fn connections_are_bounded_and_told_so() {
    if !there_is_psql() {
        return;
    }
    let one = PgSettings { connections: 1, ..settings(Some("secret")) };
    let served = serve(&one, Limits::default());
    // Whoever is there has the room, whatever it says.
    let holding = std::net::TcpStream::connect(served.server.address()).unwrap();
    let refused = served.ask("SELECT 1 AS x").unwrap_err();
    assert!(refused.contains("too many connections"), "{refused}");
    drop(holding);
    let free = (0..20).any(|_| served.ask("SELECT 1 AS x") == Ok("1".into()));
    assert!(free, "the room is not given back");
}

#[test]
fn psql_finds_its_way() {
    if !there_is_psql() {
        return;
    }
    let served = serve(&settings(None), Limits::default());
    for command in ["\\dt", "\\dn", "\\l", "\\d incidents"] {
        let said = told(served.psql("", "").args(["-c", command]).output().unwrap());
        assert!(said.is_ok(), "{command}: {said:?}");
    }
    let values = served.ask("BEGIN; SELECT title FROM incidents LIMIT 1; COMMIT").unwrap();
    assert!(values.contains("checkout is slow"), "{values}");
}

#[test]
fn the_extended_protocol_takes_parameters_and_answers_in_binary() {
    let served = serve(&settings(Some("secret")), Limits::default());
    let address = served.server.address();
    let options = format!(
        "host={} port={} user=grafana password=secret dbname=faultline",
        address.ip(),
        address.port()
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&options, tokio_postgres::NoTls).await.unwrap();
        let talk = tokio::spawn(connection);
        let sql = "SELECT title, revision, impact, muted, opened_at FROM incidents \
                   WHERE incident_id = $1 AND revision >= $2";
        let statement = client.prepare(sql).await.unwrap();
        let kinds: Vec<&str> = statement.columns().iter().map(|c| c.type_().name()).collect();
        assert_eq!(kinds, ["text", "int8", "float8", "bool", "timestamptz"]);
        let rows = client.query(&statement, &[&"0000000000000001", &1_i64]).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].get::<_, &str>(0), "checkout is slow");
        assert_eq!(rows[0].get::<_, i64>(1), 1);
        assert_eq!(rows[0].get::<_, f64>(2), 42.0);
        assert!(!rows[0].get::<_, bool>(3));
        let none = client.query(&statement, &[&"ffffffffffffffff", &1_i64]).await.unwrap();
        assert!(none.is_empty());
        let refused = client.prepare("DELETE FROM incidents WHERE incident_id = $1").await;
        let code = refused.err().and_then(|error| error.code().cloned());
        assert_eq!(code.map(|code| code.code().to_owned()), Some("25006".into()));
        assert!(client.prepare("SELECT 1; SELECT 2").await.is_err());
        assert_eq!(client.query("SHOW timezone", &[]).await.unwrap()[0].get::<_, &str>(0), "UTC");
        drop(client);
        drop(talk.await);
    });
}

#[test]
fn with_tls_nothing_is_spoken_in_clear_text() {
    if !there_is_psql() || Command::new("openssl").arg("version").output().is_err() {
        println!("psql or openssl is not installed: skipped");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(path("key.pem"))
        .arg("-out")
        .arg(path("certificate.pem"))
        .output()
        .unwrap();
    assert!(made.status.success());
    let tls = TlsFiles { certificate: path("certificate.pem"), key: path("key.pem") };
    let with_tls = PgSettings { tls: Some(tls), ..settings(Some("secret")) };
    let served = serve(&with_tls, Limits::default());
    let by = |options: &str| {
        told(served.psql("secret", options).args(["-c", "SELECT 1 AS x"]).output().unwrap())
    };
    let trusted = format!("sslmode=verify-full sslrootcert={}", path("certificate.pem").display());
    assert_eq!(by(&trusted), Ok("1".into()));
    assert_eq!(by("sslmode=require"), Ok("1".into()));
    assert!(by("sslmode=disable").unwrap_err().contains("TLS"));
    // A certificate that cannot be used is no reason to speak without one.
    std::fs::write(path("key.pem"), "nonsense").unwrap();
    assert!(PgServer::start(&served._engine, &with_tls).is_err());
}
