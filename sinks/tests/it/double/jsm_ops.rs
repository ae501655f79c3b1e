//! A double of Jira Service Management's integration events API, by Atlassian's documentation.
//!
//! Enforced: `GenieKey` (401), a message of 1 to 130 characters, alias of at most 512, description
//! of at most 15,000, notes of at most 25,000, at most 20 tags of 50 characters, priorities P1 to P5
//! (422); a create for an open alias is counted and makes no second alert; after a close it makes a
//! new one; by alias only with `identifierType=alias`; unknown aliases are 404; success is 202.

#![expect(clippy::indexing_slicing, reason = "JSON of a test; a missing key is null")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, Response};
use axum::routing::any;
use serde_json::{Value, json};

use super::{Asked, Fault, Schedule, Server, after, answer, before};

pub(crate) const KEY: &str = "0123-4567";
/// What our integration is called there.
pub(super) const INTEGRATION: &str = "faultline API";

/// An alert.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alert {
    pub(crate) fields: Value,
    pub(crate) id: String,
    pub(crate) open: bool,
    pub(crate) count: usize,
    pub(crate) notes: Vec<Note>,
    /// When it last changed, was acknowledged, was closed.
    pub(super) changed: String,
    pub(super) acked: Option<String>,
    pub(super) closed: Option<String>,
    pub(super) owner: String,
    pub(super) snoozed_until: Option<String>,
    /// What was done: when, and by whom.
    pub(super) activity: Vec<(String, String)>,
}

/// A note.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note {
    pub(super) id: String,
    pub(crate) note: String,
    pub(super) owner: String,
    pub(super) at: String,
}

/// What the site holds.
#[derive(Debug, Default)]
pub(crate) struct Ops {
    pub(crate) alerts: Vec<Alert>,
    pub(crate) faults: Schedule,
    pub(crate) requests: usize,
    /// Notes and activity come oldest first.
    pub(crate) oldest_first: bool,
    /// As whom our integration acts, if not under its own name: who made its key.
    pub(crate) acts_as: Option<&'static str>,
    /// Seconds since the site began: its own clock.
    clock: u32,
}

impl Ops {
    /// The site's time, a second later each time it is asked.
    fn tick(&mut self) -> String {
        self.clock += 1;
        format!("2026-03-17T02:{:02}:{:02}.000Z", self.clock / 60, self.clock % 60)
    }

    /// Time goes by.
    pub(crate) fn pass(&mut self, secs: u32) {
        self.clock += secs;
    }

    fn us(&self) -> &'static str {
        self.acts_as.unwrap_or(INTEGRATION)
    }

    /// Somebody does something to the alert at a place.
    fn touch(&mut self, place: usize, who: &str) -> (String, &mut Alert) {
        let at = self.tick();
        let alert = self.alerts.get_mut(place).expect("there is an alert");
        alert.changed.clone_from(&at);
        alert.activity.push((at.clone(), who.to_owned()));
        (at, alert)
    }

    /// A person acknowledges the alert at a place, and owns it from then on.
    pub(crate) fn acknowledge(&mut self, place: usize, who: &str) {
        let (at, alert) = self.touch(place, who);
        (alert.acked, alert.owner) = (Some(at), who.to_owned());
    }

    /// Somebody gives the alert at a place to somebody; to nobody if the name is empty.
    pub(crate) fn assign(&mut self, place: usize, who: &str, to: &str) {
        let (_, alert) = self.touch(place, who);
        alert.owner = to.to_owned();
    }

    /// Somebody snoozes the alert at a place, or ends that.
    pub(crate) fn snooze(&mut self, place: usize, who: &str, until: Option<&str>) {
        let (_, alert) = self.touch(place, who);
        alert.snoozed_until = until.map(str::to_owned);
    }

    /// A person, or a policy (`system`), closes the alert at a place.
    pub(crate) fn close(&mut self, place: usize, who: &str) {
        let (at, alert) = self.touch(place, who);
        (alert.closed, alert.open) = (Some(at), false);
    }

    /// Somebody writes a note to the alert at a place.
    pub(crate) fn say(&mut self, place: usize, who: &str, note: &str) {
        let (at, alert) = self.touch(place, who);
        let id = format!("17048694433120000{:02}", alert.notes.len());
        let (note, owner) = (note.to_owned(), who.to_owned());
        alert.notes.push(Note { id, note, owner, at });
    }

    fn place(&self, alias: &str) -> Option<usize> {
        self.alerts.iter().rposition(|alert| alert.open && alert.fields["alias"] == alias)
    }

    fn open(&mut self, alias: &str) -> Option<&mut Alert> {
        let place = self.place(alias)?;
        self.alerts.get_mut(place)
    }
}

/// A running site.
pub(crate) struct JsmOps {
    ops: Arc<Mutex<Ops>>,
    pub(crate) server: Server,
}

impl JsmOps {
    pub(crate) fn start() -> Self {
        let ops = Arc::new(Mutex::new(Ops::default()));
        let router = Router::new()
            .route("/v2/{*path}", any(handle))
            .route("/api/{*path}", any(super::jsm_ops_rest::handle))
            .with_state(Arc::clone(&ops));
        Self { ops, server: Server::start(router) }
    }

    pub(crate) fn ops(&self) -> MutexGuard<'_, Ops> {
        self.ops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.ops().faults.plan(faults);
    }

    /// The only alert.
    pub(crate) fn alert(&self) -> Alert {
        let ops = self.ops();
        assert_eq!(ops.alerts.len(), 1, "{:#?}", ops.alerts);
        ops.alerts.first().cloned().expect("one alert")
    }
}

async fn handle(
    State(ops): State<Arc<Mutex<Ops>>>,
    method: Method,
    Path(path): Path<String>,
    Query(params): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let lock = || ops.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = {
        let mut ops = lock();
        ops.requests += 1;
        ops.faults.next(if method == Method::GET { Asked::Read } else { Asked::Write })
    };
    if let Some(early) = before(fault).await {
        return early;
    }
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    if given != Some(format!("GenieKey {KEY}").as_str()) {
        return answer(401, r#"{"message":"Could not authenticate"}"#);
    }
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let parts: Vec<&str> = path.split('/').collect();
    let by_alias = params.get("identifierType").is_some_and(|kind| kind == "alias");
    let status = route(&mut lock(), method.as_str(), &parts, by_alias, &body);
    let text = if status < 300 { "Request will be processed" } else { "refused" };
    let good = answer(status, &json!({"result": text, "message": text}).to_string());
    after(fault, good).await
}

fn route(ops: &mut Ops, method: &str, parts: &[&str], by_alias: bool, body: &Value) -> u16 {
    match (method, parts) {
        ("POST", ["alerts"]) => create(ops, body),
        (_, ["alerts", alias, what]) => {
            let found = by_alias.then(|| ops.place(alias)).flatten();
            let Some(place) = found else { return 404 };
            let note = body["note"].as_str().unwrap_or_default().to_owned();
            if note.chars().count() > 25_000 {
                return 422;
            }
            match (method, *what) {
                ("POST", "close") => ops.close(place, ops.us()),
                ("POST", "notes") if note.is_empty() => return 422,
                ("POST", "notes") => {}
                ("PUT", "priority") => {
                    let (_, alert) = ops.touch(place, ops.us());
                    alert.fields["priority"] = body["priority"].clone();
                }
                _ => return 405,
            }
            if !note.is_empty() {
                ops.say(place, ops.us(), &note);
            }
            202
        }
        _ => 404,
    }
}

fn create(ops: &mut Ops, body: &Value) -> u16 {
    let text = |field: &str| body[field].as_str().unwrap_or_default().chars().count();
    let tags = body["tags"].as_array().cloned().unwrap_or_default();
    let priority = body["priority"].as_str().unwrap_or("P3");
    if !(1..=130).contains(&text("message"))
        || text("alias") > 512
        || text("description") > 15_000
        || tags.len() > 20
        || !matches!(priority, "P1" | "P2" | "P3" | "P4" | "P5")
    {
        return 422;
    }
    let alias = body["alias"].as_str().unwrap_or_default().to_owned();
    match ops.open(&alias) {
        Some(alert) => alert.count += 1,
        None => {
            let id = format!("4513b7ea-3b91-438f-b7e4-{:012}", ops.alerts.len());
            let fields = body.clone();
            ops.alerts.push(Alert { id, fields, open: true, count: 1, ..Alert::default() });
            ops.touch(ops.alerts.len() - 1, ops.us());
        }
    }
    202
}
