//! A double of Jira Cloud's REST v3, by Atlassian's documentation.
//!
//! Enforced: authentication (401), `POST /search/jql` is the only search and finds an issue only
//! after the index has taken it in, 400 with `errors` for a missing project, type or summary, for a
//! summary with a line end or of more than 255 characters, for labels with blanks, and for a
//! description or comment that is no document; unknown issues are 404; a transition has to be one
//! that the workflow offers; rate limits come with `RateLimit-Reason`.

#![expect(clippy::indexing_slicing, reason = "JSON of a test; a missing key is null")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Fault, Schedule, Server, after, answer, before};

pub(crate) const USER: &str = "faultline@example.org";
pub(crate) const TOKEN: &str = "correct horse battery";
/// Our account, and a person's.
const OURS: &str = "acc-faultline";
pub(crate) const PERSON: &str = "acc-operator";

/// Statuses: id, category.
const STATUSES: [(&str, &str); 3] = [("1", "new"), ("3", "indeterminate"), ("6", "done")];
/// What leads where: id, name, status.
const TRANSITIONS: [(&str, &str, &str); 3] =
    [("11", "Start", "3"), ("21", "Done", "6"), ("31", "Back", "3")];

#[derive(Clone, Debug, Default)]
pub(crate) struct Issue {
    pub(crate) id: String,
    pub(crate) fields: Value,
    pub(crate) status: String,
    pub(crate) properties: Value,
    pub(crate) comments: Vec<Value>,
    histories: Vec<Value>,
    assignee: Value,
    /// Whether the search finds it.
    indexed: bool,
}

/// What the site holds, and what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Site {
    pub(crate) issues: Vec<Issue>,
    pub(crate) faults: Schedule,
    pub(crate) requests: Vec<String>,
    /// New issues are not found by the search.
    pub(crate) index_lags: bool,
    clock: u32,
}

impl Site {
    fn tick(&mut self) -> String {
        self.clock += 1;
        format!("2026-03-17T02:{:02}:{:02}.000+0000", self.clock / 60, self.clock % 60)
    }

    /// The index takes in what is there.
    pub(crate) fn index(&mut self) {
        self.index_lags = false;
        self.issues.iter_mut().for_each(|issue| issue.indexed = true);
    }

    /// A person moves the first issue to a status.
    pub(crate) fn move_to(&mut self, status: &str) {
        self.history(PERSON, "status", status, status);
    }

    /// A person gives the first issue to somebody.
    pub(crate) fn assign(&mut self, account: &str, name: &str) {
        self.history(PERSON, "assignee", account, name);
    }

    /// A person comments on the first issue.
    pub(crate) fn say(&mut self, text: &str) {
        let at = self.tick();
        let body = json!({"type": "doc", "version": 1, "content": [
            {"type": "paragraph", "content": [{"type": "text", "text": text}]}]});
        self.comment(0, PERSON, body, &at);
    }

    fn comment(&mut self, place: usize, author: &str, body: Value, at: &str) {
        let issue = self.issues.get_mut(place).expect("there is an issue");
        let id = (issue.comments.len() + 1).to_string();
        let author = json!({"accountId": author, "displayName": author});
        issue.comments.push(json!({"id": id, "author": author, "body": body, "created": at}));
    }

    fn history(&mut self, author: &str, field: &str, to: &str, to_text: &str) {
        let at = self.tick();
        let issue = self.issues.first_mut().expect("there is an issue");
        let from = match field {
            "status" => std::mem::replace(&mut issue.status, to.to_owned()),
            _ => String::new(),
        };
        if field == "assignee" {
            issue.assignee = json!({"accountId": to, "displayName": to_text});
        }
        let id = (issue.histories.len() + 1).to_string();
        issue.histories.push(json!({
            "id": id, "author": {"accountId": author, "displayName": author}, "created": at,
            "items": [{"field": field, "from": from, "to": to, "toString": to_text}],
        }));
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.issues.iter().position(|issue| issue.id == id || key(issue) == id)
    }
}

fn key(issue: &Issue) -> String {
    format!("OPS-{}", issue.id)
}

/// A running site.
pub(crate) struct Jira {
    site: Arc<Mutex<Site>>,
    pub(crate) server: Server,
}

impl Jira {
    pub(crate) fn start() -> Self {
        let site = Arc::new(Mutex::new(Site::default()));
        let router =
            Router::new().route("/rest/api/3/{*path}", any(handle)).with_state(Arc::clone(&site));
        Self { site, server: Server::start(router) }
    }

    pub(crate) fn site(&self) -> MutexGuard<'_, Site> {
        self.site.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.site().faults.0.extend(faults);
    }

    /// The only issue.
    pub(crate) fn issue(&self) -> Issue {
        let site = self.site();
        assert_eq!(site.issues.len(), 1, "{:#?}", site.issues);
        site.issues.first().cloned().expect("one issue")
    }
}

type Done = Result<Response<Body>, (u16, Value)>;

async fn handle(
    State(site): State<Arc<Mutex<Site>>>,
    method: Method,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let lock = || site.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = {
        let mut site = lock();
        site.requests.push(format!("{method} {path}"));
        site.faults.next()
    };
    if let Some(early) = before(fault).await {
        return early;
    }
    let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{TOKEN}")));
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    if given != Some(expected.as_str()) {
        return answer(401, "{\"errorMessages\":[\"not authenticated\"],\"errors\":{}}");
    }
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let parts: Vec<&str> = path.split('/').collect();
    let done = route(&mut lock(), &method, &parts, &body);
    let good = done.unwrap_or_else(|(status, errors)| {
        answer(status, &json!({"errorMessages": [], "errors": errors}).to_string())
    });
    after(fault, good).await
}

fn route(site: &mut Site, method: &Method, parts: &[&str], body: &Value) -> Done {
    let missing = (404, json!({"issue": "Issue does not exist or you do not have permission"}));
    match (method.as_str(), parts) {
        ("POST", ["search", "jql"]) => search(site, body),
        ("GET", ["myself"]) => ok(&json!({"accountId": OURS, "displayName": "faultline"})),
        ("GET", ["serverInfo"]) => {
            let now = site.tick();
            ok(&json!({ "serverTime": now }))
        }
        ("GET", ["status"]) => {
            let all = STATUSES.map(|(id, key)| json!({"id": id, "statusCategory": {"key": key}}));
            ok(&json!(all))
        }
        ("POST", ["issue"]) => create(site, body),
        (verb, ["issue", id, rest @ ..]) => {
            let place = site.place(id).ok_or(missing)?;
            one(site, verb, place, rest, body)
        }
        _ => Err((410, json!({"api": "gone"}))),
    }
}

fn one(site: &mut Site, verb: &str, place: usize, rest: &[&str], body: &Value) -> Done {
    let at = site.tick();
    if let ("POST", ["comment"]) = (verb, rest) {
        check_document(&body["body"])?;
        site.comment(place, OURS, body["body"].clone(), &at);
        return ok(&json!({"id": "1"}));
    }
    let issue = site.issues.get_mut(place).ok_or((404, Value::Null))?;
    match (verb, rest) {
        ("GET", []) => ok(&show(issue)),
        ("PUT", []) => {
            for (field, value) in body["fields"].as_object().into_iter().flatten() {
                issue.fields[field] = value.clone();
            }
            Ok(answer(204, ""))
        }
        ("GET", ["transitions"]) => {
            let all = TRANSITIONS.map(
                |(id, name, status)| json!({"id": id, "name": name, "to": show_status(status)}),
            );
            ok(&json!({ "transitions": all }))
        }
        ("POST", ["transitions"]) => {
            let asked = body["transition"]["id"].as_str().unwrap_or_default();
            let found = TRANSITIONS.iter().find(|(id, ..)| *id == asked);
            let (.., status) = found.ok_or((400, json!({"transition": "not valid"})))?;
            issue.status = (*status).to_owned();
            Ok(answer(204, ""))
        }
        ("PUT", ["properties", name]) => {
            issue.properties = json!({ *name: body });
            Ok(answer(200, ""))
        }
        _ => Err((404, Value::Null)),
    }
}

fn search(site: &Site, body: &Value) -> Done {
    let jql = body["jql"].as_str().unwrap_or_default();
    let wanted = jql.split("labels = \"").nth(1).and_then(|rest| rest.split('"').next());
    let wanted = wanted.ok_or((400, json!({"jql": "unbounded queries are not allowed"})))?;
    let has = |issue: &&Issue| {
        let labels = issue.fields["labels"].as_array().cloned().unwrap_or_default();
        issue.indexed && labels.contains(&json!(wanted))
    };
    let found: Vec<Value> = site.issues.iter().filter(has).map(show).collect();
    ok(&json!({ "issues": found, "isLast": true }))
}

fn create(site: &mut Site, body: &Value) -> Done {
    let fields = &body["fields"];
    let mut errors: BTreeMap<&str, &str> = BTreeMap::new();
    if fields["project"]["key"] != "OPS" {
        errors.insert("project", "valid project is required");
    }
    if fields["issuetype"]["name"].as_str().is_none() {
        errors.insert("issuetype", "Specify an issue type");
    }
    let summary = fields["summary"].as_str().unwrap_or_default();
    if summary.is_empty() || summary.contains('\n') || summary.chars().count() > 255 {
        errors.insert("summary", "The summary is invalid");
    }
    let labels = fields["labels"].as_array().cloned().unwrap_or_default();
    if labels.iter().any(|label| label.as_str().is_none_or(|label| label.contains(' '))) {
        errors.insert("labels", "The label contains spaces which is invalid");
    }
    if !errors.is_empty() {
        return Err((400, json!(errors)));
    }
    check_document(&fields["description"])?;
    let properties = body["properties"].as_array().cloned().unwrap_or_default();
    let mut kept = json!({});
    for property in properties {
        kept[property["key"].as_str().unwrap_or_default()] = property["value"].clone();
    }
    let issue = Issue {
        id: (site.issues.len() + 1).to_string(),
        fields: fields.clone(),
        status: String::from("1"),
        properties: kept,
        indexed: !site.index_lags,
        ..Issue::default()
    };
    let made = json!({"id": issue.id, "key": key(&issue), "self": "http://x"});
    site.issues.push(issue);
    Ok(answer(201, &made.to_string()))
}

fn check_document(document: &Value) -> Result<(), (u16, Value)> {
    let fits = document["type"] == "doc" && document["version"] == 1;
    let text = document.to_string();
    if !fits || text.contains(r#""text":"""#) || text.len() > 32_767 {
        return Err((400, json!({"comment": "Operation value must be an Atlassian Document"})));
    }
    Ok(())
}

fn show(issue: &Issue) -> Value {
    let mut fields = issue.fields.clone();
    fields["status"] = show_status(&issue.status);
    fields["comment"] = json!({ "comments": issue.comments });
    fields["assignee"] = issue.assignee.clone();
    fields["updated"] = json!("2026-03-17T02:59:59.000+0000");
    json!({
        "id": issue.id, "key": key(issue), "fields": fields, "properties": issue.properties,
        "changelog": {"histories": issue.histories},
    })
}

fn show_status(id: &str) -> Value {
    let category = STATUSES.iter().find(|(known, _)| *known == id).map(|(_, category)| category);
    json!({"id": id, "statusCategory": {"key": category}})
}

fn ok(value: &Value) -> Done {
    Ok(answer(200, &value.to_string()))
}
