//! A real Request Tracker behind a gate that loses the answer to each write of an update, a resolve and a
//! reopening. Needs `FAULTLINE_TEST_RT`, the directory that `tests/rt.sh` has set up.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use model::id::IncidentId;
use model::incident::{Incident, IncidentState};
use model::time::Nanos;
use serde_json::{Value, json};

use crate::double::Fault;
use crate::double::rt::{FIELD, QUEUE};
use crate::double::served::{Reply, Request, Served, Service};
use crate::fixture::{at, with_service};
use crate::world::{Crash, Setup, World};

/// Kills at each write of a delivery.
const KILLS: u32 = 6;
/// More than any delivery writes.
const WRITES_MAX: usize = 5;

/// The gate: everything passes, until the schedule of faults says otherwise.
struct Gate {
    url: String,
    agent: ureq::Agent,
}

impl Gate {
    fn before(directory: &Path) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Self { url: read(directory, "url"), agent: config.new_agent() }
    }

    fn pass(&self, request: &Request) -> Result<Reply, ureq::Error> {
        let mut forwarded = ureq::http::Request::builder()
            .method(request.method.as_str())
            .uri(format!("{}{}?{}", self.url, request.path, request.raw_query));
        for name in ["authorization", "content-type", "accept", "if-match"] {
            if let Some(value) = request.headers.get(name) {
                forwarded = forwarded.header(name, value);
            }
        }
        let mut answer = self.agent.run(forwarded.body(request.body.clone())?)?;
        let etag = answer.headers().get("etag").and_then(|value| value.to_str().ok());
        let etag = etag.map(ToOwned::to_owned);
        let body = answer.body_mut().read_json().unwrap_or(Value::Null);
        Ok(Reply { status: answer.status().as_u16(), body, etag })
    }
}

impl Service for Gate {
    fn serve(&mut self, request: &Request) -> (u16, Value) {
        let reply = self.reply(request);
        (reply.status, reply.body)
    }

    fn reply(&mut self, request: &Request) -> Reply {
        let unreachable = |error: ureq::Error| Reply {
            status: 502,
            body: json!({"message": error.to_string()}),
            etag: None,
        };
        self.pass(request).unwrap_or_else(unreachable)
    }
}

fn read(directory: &Path, file: &str) -> String {
    let path = directory.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.trim().to_owned()
}

fn directory() -> Option<PathBuf> {
    let directory = std::env::var_os("FAULTLINE_TEST_RT").map(PathBuf::from);
    if directory.is_none() {
        // Past the harness, which shows nothing of a test that passes.
        let said = std::io::stderr().write_all(b"SKIPPED: no Request Tracker; `tests/run.sh rt`\n");
        said.expect("standard error is open");
    }
    directory
}

fn world(directory: &Path) -> (Served<Gate>, World) {
    let gate = Served::start(Gate::before(directory));
    let json = format!(
        r#"{{"rt": {{"name": "rt", "url": "{}", "timeout_ms": 30000, "queue": "{QUEUE}",
            "custom_field": "{FIELD}", "auth": {{"bearer": {{"token": "SECRET0"}}}}}}}}"#,
        gate.server.url(),
    );
    let world = World::new(&Setup { json, secrets: vec![read(directory, "token")] });
    (gate, world)
}

/// An incident that no run before had.
fn fresh(count: u64) -> IncidentId {
    // A name of a temporary file is as good as random.
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let name = file.path().display().to_string();
    IncidentId(model::id::stable_hash(&[name.as_bytes(), &count.to_be_bytes()]))
}

/// New, changed, resolved, reopened, changed, resolved and so on.
fn turn(id: IncidentId, revision: u32) -> Incident {
    let mut incident = with_service(revision, &format!("service-{revision}"));
    incident.id = id;
    if revision.is_multiple_of(3) {
        incident.state = IncidentState::Resolved;
        incident.resolved_at = Some(incident.updated_at);
    }
    incident
}

/// What it holds of an incident: the tickets' numbers and statuses.
fn tickets(gate: &Served<Gate>, token: &str, id: IncidentId) -> Vec<(String, String)> {
    let query = format!("query=CF.%7B{FIELD}%7D%20%3D%20%27{id}%27&fields=Status");
    let page = ask(gate, token, "/REST/2.0/tickets", &query);
    let text = |item: &Value, field: &str| {
        item.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    items.iter().map(|item| (text(item, "id"), text(item, "Status"))).collect()
}

/// The subjects of a ticket's comments.
fn comments(
    gate: &Served<Gate>,
    token: &str,
    ticket: &str,
    id: IncidentId,
    until: u32,
) -> Vec<usize> {
    let counted = |revision: u32| {
        let query = format!(
            "query=ObjectType%20%3D%20%27RT%3A%3ATicket%27%20AND%20TicketId%20%3D%20{ticket}%20AND%20\
             Type%20%3D%20%27Comment%27%20AND%20Subject%20%3D%20%27faultline%20{id}%20revision%20{revision}%27"
        );
        let page = ask(gate, token, "/REST/2.0/transactions", &query);
        page.get("items").and_then(Value::as_array).map_or(0, Vec::len)
    };
    (2..=until).map(counted).collect()
}

fn ask(gate: &Served<Gate>, token: &str, path: &str, query: &str) -> Value {
    let headers = [(String::from("authorization"), format!("token {token}"))].into_iter().collect();
    let request = Request {
        method: String::from("GET"),
        path: path.to_owned(),
        raw_query: query.to_owned(),
        query: std::collections::BTreeMap::new(),
        headers,
        body: Vec::new(),
    };
    let reply = gate.lock().service.reply(&request);
    assert_eq!(reply.status, 200, "{path} {}", reply.body);
    reply.body
}

#[test]
fn killed_between_call_and_answer_of_updates_and_resolves_there_is_one_ticket_with_the_newest_news()
{
    let Some(directory) = directory() else { return };
    let token = read(&directory, "token");
    for passing in 0..WRITES_MAX {
        let (gate, mut world) = world(&directory);
        let id = fresh(passing as u64);
        let mut now = at(100);
        let mut killed = 0;
        world.publish(&turn(id, 1), now);
        now = world.drain(now);
        for revision in 2..=KILLS + 1 {
            now = now + Nanos::from_secs(60);
            world.publish(&turn(id, revision), now);
            let pass = vec![Fault::Pass; passing];
            gate.lock().faults.plan_for_writes(&pass);
            gate.lock().faults.plan_for_writes(&[Fault::DoneThenCut]);
            world.crash(Crash::AfterAnswer, now);
            killed += usize::from(gate.lock().faults.is_spent());
            gate.lock().faults.clear();
            now = world.drain(now);
        }
        let found = tickets(&gate, &token, id);
        let [(ticket, status)] = found.as_slice() else { panic!("{passing}: {found:?}") };
        assert_eq!(status, "open", "{passing}: the last revision is a reopening");
        let said = comments(&gate, &token, ticket, id, KILLS + 1);
        assert_eq!(said, vec![1; KILLS as usize], "{passing}: each revision is told once");
        assert!(passing > 0 || killed == KILLS as usize, "{killed} kills");
        if killed == 0 {
            return;
        }
    }
}
