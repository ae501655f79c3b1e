//! People's control as a client sees it: every route with what it takes and what it refuses.

mod standing;
mod alertmanager;
mod door;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use model::command::{Act, Decision};
use model::id::{CellId, IncidentId};
use model::incident::{Incident, IncidentState};
use model::people::Said;
use model::time::Timestamp;
use serde_json::{Value, json};

use super::super::HttpState;
use super::super::router::Endpoint;
use super::super::testing::{Server, TOKEN, incident, serve, with_token};
use super::verb::Verb;
use crate::control::desk::{ActClock, Desk, Journal};

/// A journal in memory that can be made to fail.
struct Book {
    cells: Vec<CellId>,
    acts: Mutex<Vec<(CellId, Act)>>,
    fails: AtomicBool,
}

impl Book {
    fn new(cells: &[&str]) -> Arc<Self> {
        let cells = cells.iter().map(|cell| CellId((*cell).into())).collect();
        Arc::new(Self { cells, acts: Mutex::default(), fails: AtomicBool::new(false) })
    }

    fn acts(&self) -> Vec<(CellId, Act)> {
        self.acts.lock().unwrap().clone()
    }

    fn decisions(&self) -> Vec<Decision> {
        self.acts().into_iter().map(|(_, act)| act.decision).collect()
    }
}

impl Journal for Book {
    fn cells(&self) -> &[CellId] {
        &self.cells
    }

    fn append(&self, cell: &CellId, acts: &[Act], _: Timestamp) -> Result<(), String> {
        if self.fails.load(Ordering::Relaxed) {
            return Err("the log did not answer: broker down".to_owned());
        }
        self.acts.lock().unwrap().extend(acts.iter().map(|act| (cell.clone(), act.clone())));
        Ok(())
    }
}

const JSON: &str = "Content-Type: application/json\r\n";
/// Event time of the story: the newest of its incidents.
const NOW: &str = "2026-03-17T02:07:14.000Z";

fn now() -> Timestamp {
    Timestamp::parse_rfc3339(NOW).unwrap()
}

/// Incidents: 1 open, a2 open, a3 resolved, b merged into 1, c withdrawn, d of another cell.
fn incidents() -> Vec<Incident> {
    let mut merged = incident(0xb, 1, IncidentState::Merged);
    merged.lineage.merged_into = Some(full(1));
    let mut elsewhere = incident(0xd, 1, IncidentState::Open);
    elsewhere.cell = CellId("staging".into());
    let named = |id, state| {
        let mut one = incident(2, 1, state);
        one.id = full(id);
        one
    };
    let mut all = vec![
        incident(1, 3, IncidentState::Open),
        named(0xa200_0000_0000_0000, IncidentState::Open),
        named(0xa300_0000_0000_0000, IncidentState::Resolved),
        merged,
        incident(0xc, 1, IncidentState::Withdrawn),
        elsewhere,
    ];
    for one in &mut all {
        let seconds = i64::try_from(one.id.0 % 16).unwrap();
        one.updated_at = Timestamp::from_millis(1_773_713_221_000 + seconds * 1_000);
    }
    all
}

fn full(id: u64) -> IncidentId {
    IncidentId(id)
}

async fn start(book: &Arc<Book>, base: HttpState) -> Server {
    let desk = Desk::new(book.clone(), ActClock::Story);
    let state = HttpState { desk: Arc::new(desk), ..base };
    for one in incidents() {
        state.incidents.apply(&one);
    }
    serve(state).await
}

impl Server {
    async fn write(&self, method: &str, path: &str, more: &str, body: &Value) -> (u16, Value) {
        let more = format!("{JSON}{more}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, _, answer) = self.ask(method, path, "localhost", &more, &body).await;
        (status, serde_json::from_str(&answer).unwrap_or(Value::String(answer)))
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.write("POST", path, "", &body).await
    }
}

/// Whether an error says something, in the order in which people read it.
fn tells(answer: &Value, hint: &str) -> bool {
    let part = |name: &str| answer["error"][name].as_str().unwrap().to_owned();
    format!("{}; {}", part("message"), part("action")).contains(hint)
}

fn of(verb: Verb, id: &str) -> String {
    verb.path().replace("{id}", id)
}

/// A body that is right for the verb, and the decision that it must become.
fn example(verb: Verb) -> (Value, Decision) {
    let incident = full(1);
    let cause = model::command::CauseRef { service: Some("payment".into()), change: None };
    let (own, decision) = match verb {
        Verb::Acknowledge => (json!({}), Decision::Acknowledge { incident }),
        Verb::Unacknowledge => (json!({}), Decision::Unacknowledge { incident }),
        Verb::Snooze => (
            json!({ "duration": "30m" }),
            Decision::Snooze { incident, until: now() + model::time::Nanos::from_secs(1_800) },
        ),
        Verb::Unsnooze => (json!({}), Decision::Unsnooze { incident }),
        Verb::Assign => (
            json!({ "to": "team-pay" }),
            Decision::Assign { incident, to: Some("team-pay".into()) },
        ),
        Verb::Comment => (json!({}), Decision::Comment { incident }),
        Verb::Resolve => (json!({}), Decision::Resolve { incident }),
        Verb::Reopen => (json!({}), Decision::Reopen { incident }),
        Verb::Merge => (
            json!({ "into": "a2" }),
            Decision::Merge { incident, into: full(0xa200_0000_0000_0000) },
        ),
        Verb::Split => (
            json!({ "services": ["service-1"] }),
            Decision::Split { incident, services: vec!["service-1".into()] },
        ),
        Verb::ConfirmCause => (
            json!({ "cause": { "service": "payment", "change": null } }),
            Decision::ConfirmCause { incident, cause },
        ),
        Verb::RejectCause => (
            json!({ "cause": { "service": "payment", "change": null } }),
            Decision::RejectCause { incident, cause },
        ),
    };
    let mut body = json!({ "author": "ann", "reason": "seen in the logs", "via": "console" });
    body.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    (body, decision)
}

fn said() -> Said {
    Said {
        act: "x".into(),
        author: "bob".into(),
        via: "api".into(),
        at: now(),
        text: String::new(),
    }
}

#[tokio::test]
async fn every_decision_about_an_incident_becomes_one_act_of_its_cell() {
    for verb in Verb::ALL {
        let book = Book::new(&["staging", "default"]);
        let server = start(&book, HttpState::default()).await;
        let mut first = incident(1, 4, IncidentState::Open);
        first.updated_at = now();
        first.people.acknowledged = Some(said());
        first.people.snoozed_until = Some(now());
        if verb == Verb::Reopen {
            first.state = IncidentState::Resolved;
        }
        server.state.incidents.apply(&first);
        let (body, decision) = example(verb);
        let (status, answer) = server.post(&of(verb, "0000000000000001"), body).await;
        assert_eq!(status, 202, "{verb:?}: {answer}");
        let (cell, act) = book.acts().pop().expect("it is in the journal");
        assert_eq!((book.acts().len(), cell), (1, CellId("default".into())));
        assert_eq!(act.decision, decision);
        assert_eq!((&*act.author, &*act.via, act.at), ("ann", "console", now()));
        assert_eq!(act.reason, "seen in the logs");
        assert_eq!(answer["act"], serde_json::to_value(&act).unwrap());
        assert_eq!((&answer["revision"], &answer["repeated"]), (&json!(4), &json!(false)));
    }
}

#[tokio::test]
async fn what_every_decision_refuses_is_told_and_reaches_no_journal() {
    let book = Book::new(&["default", "staging"]);
    let server = start(&book, HttpState::default()).await;
    for verb in Verb::ALL {
        let (right, _) = example(verb);
        let with = |name: &str, value: Value| {
            let mut body = right.clone();
            body[name] = value;
            body
        };
        for (id, body, status, hint) in [
            ("ff", right.clone(), 404, "lists those that are"),
            ("xyz", right.clone(), 400, "16 hexadecimal digits"),
            ("a", right.clone(), 409, "more digits"),
            ("b", right.clone(), 404, "lists those that are"),
            ("000000000000000b", right.clone(), 409, "0000000000000001"),
            ("0000000000000001", with("author", json!("")), 422, "the author is missing; give it"),
            ("0000000000000001", with("author", json!(7)), 422, "JSON string"),
            ("0000000000000001", with("colour", json!("red")), 422, "openapi"),
            ("0000000000000001", with("via", json!("pigeon")), 422, "console"),
            ("0000000000000001", with("reason", json!("x".repeat(5_000))), 422, "shorten it"),
            ("0000000000000001", json!([1]), 400, "object"),
        ] {
            // What the state refuses is told before the form is judged, by 409.
            let (got, answer) = server.post(&of(verb, id), body.clone()).await;
            let state_says_no =
                got == 409 && matches!(verb, Verb::Unacknowledge | Verb::Unsnooze | Verb::Reopen);
            assert!(got == status || state_says_no, "{verb:?} {id} {body}: {got} {answer}");
            assert!(state_says_no || tells(&answer, hint), "{verb:?} {id}: {answer}");
        }
        let path = of(verb, "0000000000000001");
        let (status, _, answer) = server.ask("POST", &path, "localhost", JSON, "{oops").await;
        assert_eq!(status, 400, "{answer}");
        let text = "Content-Type: text/plain\r\n";
        let (status, ..) = server.ask("POST", &path, "localhost", text, "{}").await;
        assert_eq!(status, 415);
        let (status, ..) = server.ask("GET", &path, "localhost", "", "").await;
        assert_eq!(status, 405);
    }
    assert_eq!(book.acts(), []);
}

#[tokio::test]
async fn decisions_that_make_no_sense_as_things_stand_are_conflicts() {
    let book = Book::new(&["default", "staging"]);
    let server = start(&book, HttpState::default()).await;
    let ann = |more: Value| {
        let mut body = json!({ "author": "ann", "reason": "because" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let one = "0000000000000001";
    for (verb, id, body, status, hint) in [
        (Verb::Acknowledge, "a3", ann(json!({})), 409, "reopen it first"),
        (Verb::Snooze, "a3", ann(json!({"duration": "1h"})), 409, "reopen it first"),
        (Verb::Resolve, "a3", ann(json!({})), 409, "reopen it first"),
        (Verb::Reopen, one, ann(json!({})), 409, "nothing to reopen"),
        (Verb::Unacknowledge, one, ann(json!({})), 409, "nothing to take back"),
        (Verb::Unsnooze, one, ann(json!({})), 409, "nothing to end"),
        (Verb::Assign, "000000000000000c", ann(json!({"to": "x"})), 409, "comment"),
        (Verb::Merge, one, ann(json!({"into": one})), 422, "give two"),
        (Verb::Merge, one, ann(json!({"into": "000000000000000d"})), 409, "never cross cells"),
        (Verb::Merge, "a2", ann(json!({"into": "000000000000000b"})), 409, "merge into"),
        (Verb::Merge, one, ann(json!({})), 422, "its id"),
        (Verb::Split, one, ann(json!({"services": ["cart"]})), 409, "`services`"),
        (Verb::Split, one, ann(json!({"services": ["checkout", "service-1"]})), 409, "leave"),
        (Verb::Split, one, ann(json!({"services": []})), 422, "a service is missing; give it"),
        (Verb::Snooze, one, ann(json!({})), 422, "duration"),
        (Verb::Snooze, one, ann(json!({"duration": "soon"})), 422, "1d12h"),
        (Verb::Snooze, one, ann(json!({"until": "2020-01-01T00:00:00Z"})), 422, "give a later end"),
        (Verb::Snooze, one, ann(json!({"until": NOW, "duration": "1h"})), 422, "one of them"),
        (Verb::Assign, one, ann(json!({})), 422, "null"),
        (Verb::Comment, one, json!({"author": "ann"}), 422, "text of the comment"),
        (Verb::ConfirmCause, one, ann(json!({})), 422, "none of ours"),
        (Verb::RejectCause, one, ann(json!({"cause": "payment"})), 422, "none of ours"),
    ] {
        let (got, answer) = server.post(&of(verb, id), body.clone()).await;
        assert_eq!(got, status, "{verb:?} {id} {body}: {answer}");
        assert!(tells(&answer, hint), "{verb:?} {id}: {answer}");
    }
    assert_eq!(book.acts(), []);
    let (status, _) = server.post(&of(Verb::Comment, "000000000000000c"), ann(json!({}))).await;
    assert_eq!(status, 202, "a withdrawn incident takes comments");
}

#[tokio::test]
async fn asking_twice_under_one_key_does_once_and_another_decision_is_refused() {
    let book = Book::new(&["default"]);
    let server = start(&book, HttpState::default()).await;
    let path = of(Verb::Snooze, "0000000000000001");
    let body = json!({ "author": "ann", "reason": "", "duration": "30m" });
    let key = "Idempotency-Key: click-1\r\n";
    let (status, first) = server.write("POST", &path, key, &body).await;
    assert_eq!((status, &first["act"]["id"]), (202, &json!("click-1")));
    let later = Timestamp::from_millis(now().millis() + 5_000);
    server.state.incidents.observe_time(later);
    let (status, again) = server.write("POST", &path, key, &body).await;
    assert_eq!((status, &again["repeated"]), (202, &json!(true)));
    assert_eq!(again["act"], first["act"], "it is answered as it was taken");
    let other = json!({ "author": "bob", "reason": "", "duration": "30m" });
    let (status, answer) = server.write("POST", &path, key, &other).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("id_taken")));
    let bad = "Idempotency-Key: a/b\r\n";
    let (status, _) = server.write("POST", &path, bad, &body).await;
    assert_eq!(status, 400);
    assert_eq!(book.acts().len(), 1);
}

#[tokio::test]
async fn a_journal_that_does_not_answer_is_told_and_the_same_request_works_later() {
    let book = Book::new(&["default"]);
    let server = start(&book, HttpState::default()).await;
    let path = of(Verb::Acknowledge, "0000000000000001");
    let body = json!({ "author": "ann" });
    book.fails.store(true, Ordering::Relaxed);
    let key = "Idempotency-Key: k\r\n";
    let (status, answer) = server.write("POST", &path, key, &body).await;
    assert_eq!(status, 503);
    assert!(answer["error"]["action"].as_str().unwrap().contains("Idempotency-Key"), "{answer}");
    book.fails.store(false, Ordering::Relaxed);
    let (status, answer) = server.write("POST", &path, key, &body).await;
    assert_eq!((status, &answer["repeated"]), (202, &json!(false)));
    let without = serve(HttpState::default()).await;
    without.state.incidents.apply(&incident(1, 1, IncidentState::Open));
    let (status, answer) = without.post(&path, body).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("no_journal")));
}
