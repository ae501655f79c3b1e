//! Samples: incidents of any shape, and a history in a throw-away directory.

use history::recorder::{Recorder, RecorderSettings, Source};
use history::sql::answer::Sheet;
use history::sql::engine::{Engine, Limits};
use history::store::place::Place;
use model::incident::Incident;
use model::time::{Nanos, Timestamp};
use serde_json::{Value, json};

/// An instant of the sample's night, `seconds` in.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-27T02:00:00Z").unwrap() + Nanos::from_secs(seconds)
}

/// A revision of incident `id`, opened on the sample's night.
pub(crate) fn incident(id: u64, revision: u32) -> Incident {
    with_graph(id, revision, &["checkout", "payments"], &[("checkout", "payments")])
}

/// The same with a picture of these nodes and edges.
pub(crate) fn with_graph(
    id: u64,
    revision: u32,
    nodes: &[&str],
    edges: &[(&str, &str)],
) -> Incident {
    let node = |(place, id): (usize, &&str)| {
        let role = if place == 0 { "cause" } else { "observed" };
        json!({"id": id, "role": role, "entry": place == 1})
    };
    let nodes: Vec<Value> = nodes.iter().enumerate().map(node).collect();
    let edges: Vec<Value> =
        edges.iter().map(|(from, to)| json!({"from": from, "to": to})).collect();
    let entity = json!({"kind": "service", "id": "payments", "service": "payments"});
    let alert = |fingerprint: u64| {
        json!({
            "fingerprint": format!("{fingerprint:016x}"), "name": "SlowCheckout", "status": "firing",
            "flapping": false, "severity": "critical", "service": "checkout",
            "summary": "robert'); DROP TABLE incidents; --", "starts_at": at(10).to_rfc3339(),
            "ends_at": null, "reason": "first", "url": null
        })
    };
    let evidence = json!({
        "term": "error_origin", "nats": 3.5, "text": "errors begin here",
        "traces": ["0a1b2c3d4e5f60718293a4b5c6d7e8f9"], "alerts": [], "changes": ["deploy-1"]
    });
    serde_json::from_value(json!({
        "schema_version": 1, "id": format!("{id:016x}"), "revision": revision, "cell": "default",
        "state": "open", "severity": "critical", "priority": "P1", "title": "checkout is slow",
        "onset_at": at(0).to_rfc3339(), "opened_at": at(20).to_rfc3339(),
        "updated_at": at(20 + i64::from(revision) * 10).to_rfc3339(), "resolved_at": null,
        "services": ["checkout", "payments"], "alerts": [alert(1), alert(2)], "symptoms": [],
        "exemplars": ["0a1b2c3d4e5f60718293a4b5c6d7e8f9"],
        "blast_radius": {
            "observed": [{"service": "payments", "traces": 40, "hops": 0},
                         {"service": "checkout", "traces": 38, "hops": 1}],
            "predicted": [{"service": "search", "probability": 0.2, "hops": 2}],
            "entry_points": [], "impact": 42.0, "terms": [], "lost_requests": 17,
            "graph": {"nodes": nodes, "edges": edges}
        },
        "hypotheses": [{
            "rank": 1, "entity": entity, "kind": "change", "probability": 0.9, "log_odds": 3.5,
            "change": {"id": "deploy-1", "kind": "deploy", "at": at(-60).to_rfc3339(),
                       "title": "payments 2.4", "author": "kim", "url": null},
            "summary": "the deploy of payments broke it", "path": ["payments", "checkout"],
            "lacks": null, "evidence": [evidence]
        }],
        "confidence_set_size": 1, "owner": "team-pay", "tickets": [],
        "cause_items": [{"source": "backstage", "id": "component:default/payments"},
                        {"source": "servicenow", "id": "27d3"}],
        "lineage": {"merged_into": null, "merged_from": [], "split_from": null, "reopened": 0},
        "timeline": [{"at": at(-60).to_rfc3339(), "kind": "change", "service": "payments",
                      "text": "payments 2.4"}],
        "narrative": "payments was deployed, then checkout was slow."
    }))
    .unwrap()
}

/// The place of the incidents.
pub(crate) fn incidents() -> Source {
    Source { topic: "faultline.incidents".into(), partition: 0 }
}

/// Opens the history of a directory for writing.
pub(crate) fn open(directory: &std::path::Path) -> Recorder {
    let settings = RecorderSettings {
        place: Place::Directory(directory.to_owned()),
        retention_days: 30,
        flush_every: Nanos::from_secs(60),
    };
    Recorder::open(settings, at(0)).unwrap()
}

/// An engine over what a recorder shows.
pub(crate) fn engine(recorder: &Recorder, limits: Limits) -> Engine {
    Engine::new(&recorder.store(), recorder.shared(), limits).unwrap()
}

/// The rows of a query; the error's code and text if it has none.
pub(crate) fn ask(engine: &Engine, sql: &str) -> Result<Vec<Vec<Value>>, String> {
    let session = engine.session();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(Sheet::of(&session, sql));
    answer.map(|sheet| sheet.rows).map_err(|error| format!("{}: {error}", error.code))
}

/// The one number that a query gives.
pub(crate) fn count(engine: &Engine, sql: &str) -> i64 {
    let rows = ask(engine, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows[0][0].as_i64().unwrap_or_else(|| panic!("{sql}: {rows:?}"))
}
