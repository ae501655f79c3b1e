//! Hooks as a destination meets them: real requests over loopback, and what the journal has then.

use std::sync::Mutex;

use model::incident::Ticket;
use serde_json::json;
use sinks::config::{SinkConfig, build_hook};

use super::*;
use crate::control::desk::{ActClock, Desk, Journal};
use crate::http::hooks::Hooks;
use crate::http::testing::with_people;

const SECRET: &str = "a-secret-of-some-length";

/// A journal of two cells, in memory.
#[derive(Default)]
struct Book(Mutex<Vec<(CellId, Act, Timestamp)>>, Vec<CellId>);

impl Journal for Book {
    fn cells(&self) -> &[CellId] {
        &self.1
    }

    fn append(&self, cell: &CellId, acts: &[Act], arrival: Timestamp) -> Result<(), String> {
        let row = |act: &Act| (cell.clone(), act.clone(), arrival);
        self.0.lock().unwrap().extend(acts.iter().map(row));
        Ok(())
    }
}

fn sink(text: &str, file: &std::path::Path) -> SinkConfig {
    let text = text.replace("HOOK", &json!({"secrets": [{"file": file}]}).to_string());
    serde_json::from_str(&text).unwrap()
}

/// A guarded server: `bridge` takes acts, `rt` rings; incident 1 is of the second cell.
fn state() -> (HttpState, std::sync::Arc<Book>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SECRET).unwrap();
    let bridge = r#"{"webhook": {"name": "bridge", "url": "http://h", "secrets": [{"env": "X"}],
        "hook": HOOK}}"#;
    let rt = r#"{"rt": {"name": "rt", "url": "http://h", "queue": "Incidents",
        "auth": {"bearer": {"token": {"env": "X"}}}, "hook": HOOK}}"#;
    let hooks = [bridge, rt].map(|text| build_hook(&sink(text, file.path())).unwrap().unwrap());
    let cells = vec![CellId("default".into()), CellId("staging".into())];
    let book = std::sync::Arc::new(Book(Mutex::default(), cells));
    let mut one = incident(1, 1, IncidentState::Open);
    one.cell = CellId("staging".into());
    let ticket = Ticket { sink: "rt".into(), id: "7".into(), number: None, url: None };
    one.tickets.push(ticket);
    let state = HttpState {
        desk: std::sync::Arc::new(Desk::new(book.clone(), ActClock::Wall)),
        hooks: std::sync::Arc::new(Hooks::new(hooks)),
        ..with_people()
    };
    state.incidents.apply(&one);
    state.incidents.caught_up();
    (state, book)
}

const TOKEN: &str = "Authorization: Bearer a-secret-of-some-length\r\n";

fn act(id: &str, incident: &str) -> String {
    json!({"id": id, "incident": incident, "decision": "acknowledge", "author": "ann"}).to_string()
}

#[tokio::test]
async fn an_act_is_in_the_journal_of_its_cell_once_under_its_sinks_name() {
    let (state, book) = state();
    let server = serve(state).await;
    let body = act("c-1", "0000000000000001");
    for _ in 0..2 {
        let (status, _, text) =
            server.ask("POST", "/hooks/bridge", "localhost", TOKEN, &body).await;
        assert_eq!(
            (status, text.as_str()),
            (200, r#"{"acts":["bridge:c-1:0000000000000001:acknowledge"]}"#)
        );
    }
    let acts = book.0.lock().unwrap().clone();
    let [(cell, act, _)] = acts.as_slice() else { panic!("{acts:?}") };
    assert_eq!(*cell, CellId("staging".into()));
    assert_eq!((act.author.as_str(), act.via.as_str()), ("ann", "bridge"));
    assert_eq!(act.decision, Decision::Acknowledge { incident: IncidentId(1) });
}

#[tokio::test]
async fn who_does_not_know_the_secret_learns_nothing_and_does_nothing() {
    let (state, book) = state();
    let bell = state.hooks.bell("rt").unwrap();
    let server = serve(state).await;
    let body = act("c-1", "0000000000000001");
    let role = "Authorization: Bearer the-token-of-the-admin\r\n";
    let mut answers = Vec::new();
    for path in ["/hooks/bridge", "/hooks/rt", "/hooks/no-such-sink"] {
        for headers in ["", role, "Authorization: Basic a-secret-of-some-length\r\n"] {
            answers.push(server.ask("POST", path, "localhost", headers, &body).await);
        }
    }
    assert!(answers.iter().all(|answer| answer.0 == 401), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.2 == answers[0].2), "{answers:?}");
    assert!(book.0.lock().unwrap().is_empty() && !bell.was_rung());
    let (_, _, text) = server.ask("GET", "/metrics", "localhost", role, "").await;
    assert!(text.contains("faultline_requests_refused_total{stage=\"console\"} 9\n"), "{text}");
    // A host name that is not ours is refused before anything is read.
    let (status, ..) = server.ask("POST", "/hooks/rt", "evil.example", TOKEN, "").await;
    assert_eq!(status, 421);
    let large = "x".repeat((256 << 10) + 1);
    let (status, ..) = server.ask("POST", "/hooks/rt", "localhost", TOKEN, &large).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn a_sink_that_asks_is_rung_and_a_form_that_is_wrong_says_what_is() {
    let (state, book) = state();
    let bell = state.hooks.bell("rt").unwrap();
    assert!(state.hooks.bell("bridge").is_none());
    assert_eq!(state.incidents.with_ticket("rt", "7"), Some(IncidentId(1)));
    assert_eq!(state.incidents.with_ticket("rt", "8"), None);
    let server = serve(state).await;
    let (status, ..) = server.ask("POST", "/hooks/rt", "localhost", TOKEN, "ticket 7").await;
    assert_eq!(status, 200);
    assert!(bell.was_rung() && !bell.was_rung());
    let body = act("c-1", "INC1");
    let (status, _, text) = server.ask("POST", "/hooks/bridge", "localhost", TOKEN, &body).await;
    assert_eq!(status, 400);
    assert!(text.contains("`incident` is no id"), "{text}");
    assert!(book.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_act_arrives_by_our_clock_and_was_not_decided_later() {
    let (state, book) = state();
    let server = serve(state).await;
    let early = Timestamp::parse_rfc3339("2020-01-01T00:00:00Z").unwrap();
    for (id, at) in [("c-1", "2150-01-01T00:00:00Z"), ("c-2", "2020-01-01T00:00:00Z")] {
        let mut body: serde_json::Value = serde_json::from_str(&act(id, ONE)).unwrap();
        body["at"] = json!(at);
        let body = body.to_string();
        let (status, ..) = server.ask("POST", "/hooks/bridge", "localhost", TOKEN, &body).await;
        assert_eq!(status, 200);
    }
    let rows = book.0.lock().unwrap().clone();
    let [(_, late, arrived), (_, old, later)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(late.at, *arrived);
    assert!(old.at == early && arrived <= later, "{rows:?}");
    assert!(later.0.abs_diff(crate::clock::now().0) < 60_000_000_000, "{rows:?}");
}

const ONE: &str = "0000000000000001";

#[tokio::test]
async fn before_the_incidents_are_read_a_sender_is_asked_to_come_again() {
    let (mut state, book) = state();
    let read = std::mem::take(&mut state.incidents);
    let server = serve(state.clone()).await;
    let body = act("c-1", ONE);
    let (status, head, text) = server.ask("POST", "/hooks/bridge", "localhost", TOKEN, &body).await;
    assert_eq!(status, 503, "{text}");
    assert!(head.to_ascii_lowercase().contains("retry-after: 5"), "{head}");
    // A stranger does not learn it, and a ring needs no incident.
    let (status, ..) = server.ask("POST", "/hooks/bridge", "localhost", "", &body).await;
    assert_eq!(status, 401);
    let (status, ..) = server.ask("POST", "/hooks/rt", "localhost", TOKEN, "").await;
    assert_eq!(status, 200);
    assert!(book.0.lock().unwrap().is_empty());
    // Once they are read, one that is not among them is not ours.
    let server = serve(HttpState { incidents: read, ..state }).await;
    let body = act("c-1", "0000000000000002");
    let (status, _, text) = server.ask("POST", "/hooks/bridge", "localhost", TOKEN, &body).await;
    assert_eq!((status, text.as_str()), (200, r#"{"acts":[]}"#));
    assert!(book.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_act_under_a_known_id_is_told_apart_and_a_refused_one_is_not_listed() {
    let (state, book) = state();
    let server = serve(state.clone()).await;
    let comment = |id: &str, text: &str, more: &str| {
        format!(
            r#"{{"id": "{id}", "incident": "{ONE}", "decision": "comment", "author": "ann", "text": "{text}"{more}}}"#
        )
    };
    let ask = async |body: String| {
        let (status, _, text) =
            server.ask("POST", "/hooks/bridge", "localhost", TOKEN, &body).await;
        (status, text)
    };
    let (first, text) = ask(comment("c-1", "looking", "")).await;
    assert!(first == 200 && text.contains("bridge:c-1:"), "{text}");
    let (again, other) = ask(comment("c-1", "looking", r#", "at": "2026-03-17T02:07:00Z""#)).await;
    assert_eq!((again, other), (200, text), "the same act, sent again");
    let (status, text) = ask(comment("c-1", "found it", "")).await;
    assert_eq!(status, 409);
    assert!(text.contains("id_taken"), "{text}");
    // It lies before 1970: it never will be taken, and is not said to be.
    let refused = ask(comment("c-2", "long ago", r#", "at": "1960-01-01T00:00:00Z""#)).await;
    assert_eq!(refused, (200, String::from(r#"{"acts":[]}"#)));
    let rows = book.0.lock().unwrap().clone();
    assert_eq!(rows.len(), 1, "{rows:?}");
    // Nor is one that the journal has and the fold did not carry out.
    state.desk.refuse(&rows[0].0, &rows[0].1, "it has no room");
    let refused = ask(comment("c-1", "looking", "")).await;
    assert_eq!(refused, (200, String::from(r#"{"acts":[]}"#)));
}

#[tokio::test]
async fn an_act_about_an_incident_that_has_left_the_list_is_taken_all_the_same() {
    let (mut state, book) = state();
    let view = crate::http::view::IncidentView::new(crate::http::view::ViewLimits {
        incidents: 1,
        ..crate::http::view::ViewLimits::default()
    });
    for id in 1..=3 {
        let mut one = incident(id, 1, IncidentState::Open);
        one.cell = CellId("staging".into());
        let number = id.to_string();
        let ticket =
            Ticket { sink: "rt".into(), id: number.as_str().into(), number: None, url: None };
        one.tickets.push(ticket);
        view.apply(&one);
    }
    view.caught_up();
    assert!(view.newest(IncidentId(1)).is_none(), "it has left");
    assert_eq!(view.with_ticket("rt", "1"), Some(IncidentId(1)));
    state.incidents = std::sync::Arc::new(view);
    let server = serve(state).await;
    let body = act("c-1", "0000000000000001");
    let (status, _, text) = server.ask("POST", "/hooks/bridge", "localhost", TOKEN, &body).await;
    assert_eq!(status, 200);
    assert!(text.contains("bridge:"), "{text}");
    let journal = book.0.lock().unwrap();
    let [(cell, taken, _)] = journal.as_slice() else { panic!("{journal:?}") };
    assert_eq!(&*cell.0, "staging");
    assert_eq!(taken.decision.incident(), Some(IncidentId(1)));
}
