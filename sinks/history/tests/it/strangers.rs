//! The protocol byte by byte, as no well-behaved client speaks it; and the server's end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use futures_util::StreamExt;
use history::pg::server::PgServer;
use history::pg::settings::PgSettings;
use history::sql::engine::{Engine, Limits};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::sample::{at, engine, incident, open};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const HEAVY: &str = "SELECT count(*) AS n FROM generate_series(1, 100000) a \
                     CROSS JOIN generate_series(1, 10000000) b";

fn serve(password: Option<&str>, limits: Limits) -> (PgServer, Engine, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = open(directory.path());
    recorder.incident(&incident(1, 1));
    recorder.flush(at(100)).unwrap();
    let engine = engine(&recorder, limits);
    let settings = PgSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        user: "grafana".into(),
        password: password.map(str::to_owned),
        tls: None,
        connections: 16,
    };
    let server = PgServer::start(&engine, &settings).unwrap();
    (server, engine, directory)
}

/// A message of the protocol.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// A connection that has said who it is, and read the first answer.
fn knock(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = [&196_608_u32.to_be_bytes()[..], b"user\0grafana\0database\0faultline\0\0"].concat();
    let startup = message(0, &body);
    stream.write_all(&startup[1..]).unwrap();
    let mut some = [0; 4_096];
    assert!(stream.read(&mut some).unwrap() > 0);
    stream
}

/// Everything until the server closes; an abrupt end is one too.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("it was not closed; it said {:?}", String::from_utf8_lossy(&all))
        }
        _ => all,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn connect(
    address: SocketAddr,
    password: &str,
) -> (Client, tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>) {
    let mut config = Config::new();
    config.host(address.ip().to_string()).port(address.port()).user("grafana");
    config.password(password).dbname("faultline");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    (client, tokio::spawn(connection))
}

fn code(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}

#[test]
fn whoever_was_not_let_in_runs_nothing() {
    let limits = Limits { statements: 1, time: Duration::from_secs(120), ..Limits::default() };
    let (server, _engine, _directory) = serve(Some("secret"), limits);
    let query = message(b'Q', &[HEAVY.as_bytes(), b"\0"].concat());
    let bogus = message(b'p', &[&b"BOGUS\0"[..], &(-1_i32).to_be_bytes()].concat());
    let parse = message(b'P', &[b"\0", HEAVY.as_bytes(), b"\0\0\0"].concat());
    let bind = message(b'B', b"\0\0\0\0\0\0\0\0");
    let execute = message(b'E', b"\0\0\0\0\0");
    let sync = message(b'S', b"");
    let extended = [parse, bind, execute, sync].concat();
    let mut strangers = Vec::new();
    for said in [
        [&bogus[..], &query].concat(),
        [&bogus[..], &extended].concat(),
        query.clone(),
        extended,
        [message(b'X', b"nonsense"), query.clone()].concat(),
    ] {
        let mut stranger = knock(server.address());
        // It may be gone before all is said.
        let _gone = stranger.write_all(&said);
        let mut answer = [0; 4_096];
        let length = stranger.read(&mut answer).unwrap_or(0);
        assert!(length == 0 || answer[0] == b'E', "{}", String::from_utf8_lossy(&answer));
        let _gone = stranger.write_all(&query);
        strangers.push(stranger);
    }
    // The one slot is free.
    let seen = runtime().block_on(async {
        let (client, _connection) = connect(server.address(), "secret").await;
        client.batch_execute("SET statement_timeout = '20s'").await.unwrap();
        client.query("SELECT count(*) AS n FROM incidents", &[]).await.map(|rows| rows.len())
    });
    assert_eq!(seen.map_err(|error| code(&error)), Ok(1));
    for mut stranger in strangers {
        let said = rest(&mut stranger);
        // What comes after an error and before the end says nothing of a statement.
        assert!(said.first().is_none_or(|kind| b"EZ".contains(kind)), "{said:?}");
    }
}

#[test]
fn whoever_has_a_wrong_password_is_told_under_which_name() {
    let (server, _engine, _directory) = serve(Some("secret"), Limits::default());
    for user in ["grafana", "somebody else"] {
        let mut config = Config::new();
        config.host(server.address().ip().to_string()).port(server.address().port());
        config.user(user).password("wrong").dbname("faultline");
        let refused = runtime().block_on(async { config.connect(NoTls).await.map(|_| ()) });
        let refused = refused.expect_err("the password is wrong");
        assert_eq!(code(&refused), "28P01");
        let said = refused.as_db_error().map_or("", |error| error.message()).to_owned();
        assert!(said.contains(&format!("failed for user \"{user}\"")), "{said}");
    }
}

#[test]
fn a_stranger_cannot_fill_the_memory() {
    let (server, _engine, _directory) = serve(Some("secret"), Limits::default());
    let gigabyte = 0x3fff_fff0_u32.to_be_bytes();
    for kind in [b'p', b'Q'] {
        let mut stranger = knock(server.address());
        stranger.write_all(&[&[kind][..], &gigabyte].concat()).unwrap();
        let piece = vec![b'x'; 64 << 10];
        let taken = (0..256).take_while(|_| stranger.write_all(&piece).is_ok()).count();
        assert!(taken < 256, "it took {taken} pieces");
    }
    // One whose first message is that long.
    let mut stranger = TcpStream::connect(server.address()).unwrap();
    stranger.set_read_timeout(Some(PATIENCE)).unwrap();
    stranger.write_all(&[&gigabyte[..], &196_608_u32.to_be_bytes()].concat()).unwrap();
    let _gone = stranger.write_all(&vec![b'x'; 64 << 10]);
    rest(&mut stranger);
}

#[test]
fn who_does_not_read_holds_no_slot_beyond_its_time() {
    let limits = Limits { statements: 2, time: Duration::from_secs(2), ..Limits::default() };
    let (server, _engine, _directory) = serve(None, limits);
    let large = "SELECT repeat('x', 10000) AS v FROM generate_series(1, 90000)\0";
    let mut silent: Vec<TcpStream> = (0..2).map(|_| knock(server.address())).collect();
    for stream in &mut silent {
        stream.write_all(&message(b'Q', large.as_bytes())).unwrap();
        // It has begun, and is not read any further.
        stream.read_exact(&mut [0]).unwrap();
    }
    runtime().block_on(async {
        let (client, _connection) = connect(server.address(), "").await;
        // Two seconds at most, and a busy machine.
        let mut answers = Vec::new();
        for _ in 0..10 {
            match client.query("SELECT 1 AS x", &[]).await {
                Ok(_) => return,
                Err(error) => answers.push(code(&error)),
            }
        }
        panic!("no slot is free: {answers:?}");
    });
}

#[test]
fn what_pools_say_when_they_take_a_connection_back_is_answered() {
    let (server, _engine, _directory) = serve(None, Limits::default());
    runtime().block_on(async {
        let (client, _connection) = connect(server.address(), "").await;
        client.batch_execute("SET statement_timeout = '5s'").await.unwrap();
        client.batch_execute("SET application_name = 'pool'").await.unwrap();
        for said in [
            "",
            ";",
            "SELECT 1 AS x",
            "CLOSE ALL",
            "SET SESSION AUTHORIZATION DEFAULT",
            "RESET ROLE",
            "UNLISTEN *",
            "SELECT pg_advisory_unlock_all()",
            "DISCARD PLANS",
            "DISCARD SEQUENCES",
            "DISCARD TEMP",
            "ROLLBACK",
            "DEALLOCATE ALL",
        ] {
            client.simple_query(said).await.unwrap_or_else(|error| panic!("{said}: {error:?}"));
        }
        let show = async |name: &str| {
            let rows = client.simple_query(&format!("SHOW {name}")).await.unwrap();
            let row = rows.iter().find_map(|said| match said {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            row.unwrap()
        };
        assert_eq!(show("statement_timeout").await, "5s");
        client.batch_execute("DISCARD ALL").await.unwrap();
        assert_eq!(show("statement_timeout").await, "0");
        assert_eq!(show("application_name").await, "");
    });
}

/// The SQLSTATE of the first error in what a server said.
fn first_error(said: &[u8]) -> Option<String> {
    let at = said.windows(2).position(|two| two[0] == 0 && two[1] == b'C')?;
    let code = said.get(at + 2..at + 7)?;
    Some(String::from_utf8_lossy(code).into_owned())
}

#[test]
fn a_connection_keeps_so_many_prepared_statements_and_no_more() {
    let (server, _engine, _directory) = serve(None, Limits::default());
    let parse = |name: &str| message(b'P', format!("{name}\0BEGIN\0\0\0").as_bytes());
    let (sync, close) =
        (message(b'S', b""), |name: &str| message(b'C', format!("S{name}\0").as_bytes()));
    let mut ends = message(b'Q', b"DEALLOCATE ALL\0");
    ends.extend(message(b'X', b""));
    let names = |numbers: std::ops::Range<usize>, then: &dyn Fn(&str) -> Vec<u8>| {
        numbers.flat_map(|number| then(&format!("s{number}"))).collect::<Vec<u8>>()
    };
    let kept_and_closed = |name: &str| [parse(name), close(name)].concat();
    let deallocate = message(b'Q', b"DEALLOCATE ALL\0");
    for (said, expected) in [
        (names(0..1_010, &parse), Some("53400")),
        (names(0..1_010, &kept_and_closed), None),
        // A name that is used again is one name.
        ([names(0..900, &parse), names(0..900, &parse)].concat(), None),
        ([names(0..900, &parse), sync.clone(), deallocate, names(0..900, &parse)].concat(), None),
    ] {
        let mut client = knock(server.address());
        let mut writer = client.try_clone().unwrap();
        let (sync, ends) = (sync.clone(), ends.clone());
        let writing = std::thread::spawn(move || {
            // It may be gone before all is said.
            let _gone = writer.write_all(&[said, sync, ends].concat());
        });
        let said = rest(&mut client);
        writing.join().unwrap();
        assert_eq!(first_error(&said).as_deref(), expected);
    }
    runtime().block_on(async {
        let (client, _connection) = connect(server.address(), "").await;
        assert!(client.simple_query(&"SELECT 1 AS x;".repeat(100)).await.is_ok());
        let error = client.simple_query(&"SELECT 1 AS x;".repeat(101)).await.unwrap_err();
        assert_eq!(code(&error), "54001");
    });
}

#[test]
fn the_end_answers_what_runs_and_tells_the_idle() {
    let (server, _engine, _directory) = serve(None, Limits::default());
    let address = server.address();
    runtime().block_on(async {
        let (idle, idle_connection) = connect(address, "").await;
        let (client, _connection) = connect(address, "").await;
        // More than the buffers of a socket hold: when the first row is here, the last is not made.
        let sql = "SELECT repeat('x', 1000) AS v FROM generate_series(1, 20000)";
        let rows = client.simple_query_raw(sql).await.unwrap();
        let mut rows = std::pin::pin!(rows);
        let mut seen = 0;
        while seen == 0 {
            seen += usize::from(matches!(
                rows.next().await.unwrap().unwrap(),
                SimpleQueryMessage::Row(_)
            ));
        }
        let ending = std::thread::spawn(move || drop(server));
        let told = idle_connection.await.unwrap().unwrap_err();
        assert_eq!(code(&told), "57P01");
        assert!(idle.is_closed());
        while let Some(said) = rows.next().await {
            seen += usize::from(matches!(said.unwrap(), SimpleQueryMessage::Row(_)));
        }
        assert_eq!(seen, 20_000);
        ending.join().unwrap();
        assert!(TcpStream::connect(address).is_err());
    });
}

#[test]
fn what_does_not_end_within_the_grace_is_told_so() {
    let limits = Limits { time: Duration::from_secs(120), ..Limits::default() };
    let (server, _engine, _directory) = serve(None, limits);
    runtime().block_on(async {
        let (client, connection) = connect(server.address(), "").await;
        let heavy = tokio::spawn(async move { client.simple_query(HEAVY).await.map(|_| ()) });
        tokio::time::sleep(Duration::from_millis(500)).await;
        std::thread::spawn(move || drop(server));
        let error = heavy.await.unwrap().unwrap_err();
        let told = connection.await.unwrap().map_err(|error| code(&error));
        assert!(code(&error) == "57P01" || told == Err("57P01".into()), "{error:?} {told:?}");
    });
}
