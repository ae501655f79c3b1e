//! The API as a client sees it: real requests over loopback.

mod access;
mod hooks;
mod session;
mod single_sign_on;
mod streams;

use model::command::{Act, Decision};
use model::id::{CellId, IncidentId};
use model::incident::IncidentState;
use model::matcher::{MatchOp, Matcher};
use model::time::Timestamp;
use serde_json::Value;

use super::health::Condition;
use super::metrics::{Metric, Stage};
use super::router::Endpoint;
use super::testing::{incident, read_until, serve};
use super::view::{Applied, Filter, IncidentView, ViewLimits};
use super::{HttpState, openapi};

fn concrete(path: &str) -> String {
    path.replace("{id}", "0000000000000001").replace("{name}", "app.js").replace("{sink}", "chat")
}

fn silence(id: &str) -> Act {
    let matcher = Matcher { label: "a".into(), op: MatchOp::Equal, value: "b".to_owned() };
    Act {
        id: id.into(),
        author: "ann".into(),
        via: "api".into(),
        at: Timestamp::EPOCH,
        reason: String::new(),
        decision: Decision::Silence {
            matchers: vec![matcher],
            starts_at: Timestamp::EPOCH,
            ends_at: Timestamp::from_millis(1),
        },
    }
}

#[tokio::test]
async fn every_route_answers_as_its_row_says() {
    let state = HttpState::default();
    state.incidents.apply(&incident(1, 1, IncidentState::Open));
    state.drift.set(serde_json::json!({}));
    state.desk.learn(&CellId("default".into()), &silence("0000000000000001"));
    state.health.set(Stage::Console, Condition::StateRestored, true);
    let server = serve(state).await;
    for row in Endpoint::all().map(Endpoint::row) {
        // Nobody can sign in here; how they do elsewhere is `session`'s and `single_sign_on`'s.
        let is_sign_in = row.path.starts_with("/login");
        if row.method != "get" || row.media == "text/event-stream" || is_sign_in {
            continue;
        }
        let (status, head, _) = server.get(&concrete(row.path)).await;
        assert_eq!(status, 200, "{}", row.path);
        assert!(head.contains(&format!("content-type: {}", row.media)), "{}: {head}", row.path);
    }
}

#[test]
fn the_openapi_document_has_every_route_and_no_other() {
    let document = openapi::build();
    let paths = document["paths"].as_object().unwrap();
    let rows: Vec<_> = Endpoint::all().map(Endpoint::row).collect();
    for row in &rows {
        let operation = &paths[row.path][row.method];
        assert!(
            operation["summary"].as_str().is_some_and(|text| text.ends_with('.')),
            "{}",
            row.path
        );
        for name in row.path.split('{').skip(1).filter_map(|part| part.split('}').next()) {
            assert!(row.params.iter().any(|p| p.name == name && p.place == "path"), "{}", row.path);
        }
    }
    let documented: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(documented, rows.len());
}

#[tokio::test]
async fn another_sites_name_is_misdirected_but_probes_are_not() {
    let server = serve(HttpState::default()).await;
    for path in ["/", "/api/v1/incidents", "/metrics", "/nothing"] {
        let (status, _, body) = server.ask("GET", path, "evil.example", "", "").await;
        assert_eq!(status, 421, "{path}");
        assert!(body.contains("http.host_names"), "{body}");
    }
    let (status, ..) = server.ask("GET", "/livez", "pod-7.example", "", "").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = serve(HttpState::default()).await;
    for path in ["/", "/nothing", "/api/v1/incidents/x", "/assets/app.js"] {
        let (_, head, _) = server.get(path).await;
        for header in ["content-security-policy: default-src 'none'", "nosniff", "no-referrer"] {
            assert!(head.contains(header), "{path}: {head}");
        }
    }
}

#[tokio::test]
async fn the_list_is_filtered_bounded_and_newest_first() {
    let server = serve(HttpState::default()).await;
    for id in 1..=5 {
        let state = if id == 3 { IncidentState::Resolved } else { IncidentState::Open };
        server.state.incidents.apply(&incident(id, 1, state));
    }
    let ids = |body: &Value| -> Vec<String> {
        let rows = body["incidents"].as_array().unwrap();
        rows.iter().map(|row| row["title"].as_str().unwrap().to_owned()).collect()
    };
    let (_, body) = server.json("/api/v1/incidents?state=open&limit=2").await;
    assert_eq!(ids(&body), ["incident 5", "incident 4"]);
    assert_eq!(body["matching"], 4);
    assert_eq!(body["counts"]["resolved"], 1);
    let (_, body) = server.json("/api/v1/incidents?service=service-3").await;
    assert_eq!(ids(&body), ["incident 3"]);
    let (_, body) = server.json("/api/v1/incidents?since=2026-03-17T02:07:05.000Z").await;
    assert_eq!(ids(&body), ["incident 5", "incident 4"]);
}

#[tokio::test]
async fn wrong_requests_are_told_what_to_do() {
    let server = serve(HttpState::default()).await;
    for (path, expected, hint) in [
        ("/api/v1/incidents?state=broken", 400, "withdrawn"),
        ("/api/v1/incidents?since=yesterday", 400, "RFC 3339"),
        ("/api/v1/incidents?limit=0", 400, "1 to 1000"),
        ("/api/v1/incidents?colour=red", 400, "since"),
        ("/api/v1/incidents/x7", 400, "16 hexadecimal digits"),
        ("/api/v1/incidents/0000000000000007", 404, "lists those that are"),
        ("/api/v1/topology/drift", 404, "imported"),
        ("/api/v2/nothing", 404, "openapi"),
    ] {
        let (status, body) = server.json(path).await;
        assert_eq!(status, expected, "{path}");
        assert!(body["error"]["action"].as_str().unwrap().contains(hint), "{path}: {body}");
    }
    let (status, ..) = server.ask("DELETE", "/api/v1/incidents", "localhost", "", "").await;
    assert_eq!(status, 405);
}

#[tokio::test]
async fn an_incident_can_be_read_at_each_revision() {
    let server = serve(HttpState::default()).await;
    for revision in 1..=3 {
        server.state.incidents.apply(&incident(1, revision, IncidentState::Open));
    }
    let (_, newest) = server.json("/api/v1/incidents/0000000000000001").await;
    assert_eq!(newest, serde_json::to_value(incident(1, 3, IncidentState::Open)).unwrap());
    let (_, second) = server.json("/api/v1/incidents/0000000000000001?revision=2").await;
    assert_eq!(second["revision"], 2);
    let (_, all) = server.json("/api/v1/incidents/0000000000000001/revisions").await;
    assert_eq!(all["revisions"].as_array().unwrap().len(), 3);
    let (status, _) = server.json("/api/v1/incidents/0000000000000001?revision=9").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_new_revision_reaches_a_listener_and_a_close_ends_the_stream() {
    let server = serve(HttpState::default()).await;
    let request = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned();
    let (mut stream, _) = server.raw(request, Some("event: heartbeat")).await;
    server.state.incidents.apply(&incident(1, 7, IncidentState::Open));
    server.state.incidents.apply(&incident(1, 7, IncidentState::Open));
    server.state.incidents.close();
    // The last chunk of a chunked body is empty.
    let rest = tokio::task::spawn_blocking(move || read_until(&mut stream, Some("\r\n0\r\n\r\n")));
    let text = rest.await.unwrap();
    assert_eq!(text.matches("id: 0000000000000001/7").count(), 1, "{text}");
}

#[tokio::test]
async fn readiness_names_its_reasons() {
    let server = serve(HttpState::default()).await;
    server.state.health.expect(Stage::Observe);
    server.state.metrics.set(Metric::Lag, Stage::Observe, 42);
    let (status, body) = server.json("/readyz?verbose").await;
    assert_eq!(status, 503);
    assert_eq!(body["checks"][0]["condition"], "partitions_known");
    assert_eq!(body["lag"]["observe"]["records"], 42);
    for condition in Condition::ALL {
        server.state.health.set(Stage::Observe, condition, true);
    }
    assert_eq!(server.json("/readyz").await.0, 200);
    let (_, _, text) = server.get("/metrics").await;
    assert!(text.contains("faultline_lag_records{stage=\"observe\"} 42\n"), "{text}");
    assert!(text.contains("faultline_health{condition=\"ready\"} 1\n"));
}

#[test]
fn older_revisions_and_repeats_change_nothing() {
    let view = IncidentView::default();
    assert_eq!(view.apply(&incident(1, 2, IncidentState::Open)), Applied::Newer);
    assert_eq!(view.apply(&incident(1, 2, IncidentState::Resolved)), Applied::Stale);
    assert_eq!(view.apply(&incident(1, 1, IncidentState::Suspected)), Applied::Stale);
    assert_eq!(view.newest(IncidentId(1)).unwrap().summary.state, IncidentState::Open);
    assert_eq!(view.revisions(IncidentId(1)).len(), 1);
}

#[test]
fn bounds_hold_and_active_incidents_stay() {
    let limits = ViewLimits { incidents: 3, revisions: 2, history_bytes: 1 << 20 };
    let view = IncidentView::new(limits);
    view.apply(&incident(1, 1, IncidentState::Open));
    for id in 2..=9 {
        view.apply(&incident(id, 1, IncidentState::Resolved));
    }
    let (count, found) = view.list(&Filter::default(), 100);
    assert_eq!((count, view.evicted()), (3, 6));
    assert!(found.iter().any(|r| r.summary.id == IncidentId(1)), "the open one stays");
    for revision in 2..=9 {
        view.apply(&incident(1, revision, IncidentState::Open));
    }
    let held: Vec<u32> = view.revisions(IncidentId(1)).iter().map(|r| r.summary.revision).collect();
    assert_eq!(held, [8, 9]);
    let tight = IncidentView::new(ViewLimits { history_bytes: 0, ..limits });
    tight.apply(&incident(1, 1, IncidentState::Open));
    tight.apply(&incident(1, 2, IncidentState::Open));
    assert_eq!(tight.revisions(IncidentId(1)).len(), 1, "the newest is held whatever its size");
}

#[test]
fn event_time_only_moves_forward() {
    let view = IncidentView::default();
    assert_eq!(view.now(), None);
    view.observe_time(Timestamp::from_millis(5));
    view.observe_time(Timestamp::from_millis(3));
    assert_eq!(view.now(), Some(Timestamp::from_millis(5)));
}

#[tokio::test]
async fn sql_takes_no_forms_and_says_where_there_is_no_history() {
    let server = serve(HttpState::default()).await;
    let ask = |kind: &str, body: &str| {
        let (head, body) = (format!("Content-Type: {kind}\r\n"), body.to_owned());
        let server = &server;
        async move { server.ask("POST", "/api/v1/sql", "localhost", &head, &body).await }
    };
    for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(ask(form, "SELECT 1").await.0, 415, "{form}: any page could send it");
    }
    assert_eq!(ask("application/json", "{}").await.0, 400);
    let (status, _, body) = ask("application/json", "{\"query\": \"SELECT 1\"}").await;
    assert_eq!(status, 501);
    assert!(body.contains("history:"), "{body}");
}
