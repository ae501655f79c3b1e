//! A double of Jira Cloud's REST v3, by Atlassian's documentation.
//!
//! Enforced: authentication (401), `POST /search/jql` is the only search, has pages, and finds an
//! issue only after the index has taken it in; an issue does not show its comments and changes,
//! which have pages of their own (`/comment`, `/changelog/bulkfetch`), 400 with `errors` for a missing project, type or summary, for a
//! summary with a line end or of more than 255 characters, for labels with blanks, and for a
//! description or comment that is no document; unknown issues are 404; a transition has to be one
//! that the workflow offers; rate limits come with `RateLimit-Reason`.

#![expect(clippy::indexing_slicing, reason = "JSON of a test; a missing key is null")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Asked, Fault, Schedule, Server, after, answer, before};

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
    links: Vec<Value>,
    assignee: Value,
    updated: String,
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

    /// Time goes by.
    pub(crate) fn pass(&mut self, secs: u32) {
        self.clock += secs;
    }

    /// The index takes in what is there.
    pub(crate) fn index(&mut self) {
        self.index_lags = false;
        self.issues.iter_mut().for_each(|issue| issue.indexed = true);
    }

    /// A person copies the first issue: with fields and labels, without properties.
    pub(crate) fn copy(&mut self) {
        let at = self.tick();
        let mut copy = self.issues.first().cloned().expect("there is an issue");
        copy.id = (self.issues.len() + 1).to_string();
        (copy.properties, copy.updated) = (json!({}), at);
        self.issues.push(copy);
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
        self.say_on(0, text);
    }

    pub(crate) fn say_on(&mut self, place: usize, text: &str) {
        let at = self.tick();
        let body = json!({"type": "doc", "version": 1, "content": [
            {"type": "paragraph", "content": [{"type": "text", "text": text}]}]});
        self.comment(place, PERSON, body, &at);
    }

    fn comment(&mut self, place: usize, author: &str, body: Value, at: &str) {
        let issue = self.issues.get_mut(place).expect("there is an issue");
        let id = (issue.comments.len() + 1).to_string();
        let author = json!({"accountId": author, "displayName": author});
        issue.comments.push(json!({"id": id, "author": author, "body": body, "created": at}));
        issue.updated = at.to_owned();
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
        issue.updated.clone_from(&at);
        let id = (issue.histories.len() + 1).to_string();
        issue.histories.push(json!({
            "id": id, "author": {"accountId": author, "displayName": author}, "created": at,
            "items": [{"field": field, "fieldId": field, "from": from, "to": to, "toString": to_text}],
        }));
    }

    /// A person links one issue to another by a type of the site; both have a line in their log.
    pub(crate) fn link(&mut self, place: usize, kind: &str, to: usize) {
        let at = self.tick();
        let keys = [place, to].map(|place| key(self.issues.get(place).expect("there is an issue")));
        let [from_key, to_key] = keys;
        let ends = [(place, to, &to_key, "outwardIssue"), (to, place, &from_key, "inwardIssue")];
        for (own, other, other_key, end) in ends {
            let other_id = (other + 1).to_string();
            let issue = self.issues.get_mut(own).expect("there is an issue");
            issue.links.push(json!({
                "id": "10", "type": {"name": kind}, end: {"id": other_id, "key": other_key},
            }));
            let id = (issue.histories.len() + 1).to_string();
            let text = format!("in words of this site: {other_key}");
            issue.histories.push(json!({
                "id": id, "author": {"accountId": PERSON, "displayName": PERSON}, "created": at,
                "items": [{"field": "Link", "fieldtype": "jira", "from": null, "to": other_key,
                    "toString": text}],
            }));
            issue.updated.clone_from(&at);
        }
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
        self.site().faults.plan(faults);
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
    Query(params): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let lock = || site.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = {
        let mut site = lock();
        site.requests.push(format!("{method} {path}"));
        site.faults.next(asked(&method, &path))
    };
    if let Some(early) = before(fault).await {
        return early;
    }
    let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{TOKEN}")));
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    if given != Some(expected.as_str()) {
        return answer(401, "{\"errorMessages\":[\"not authenticated\"],\"errors\":{}}");
    }
    let body = match method {
        // What a read says in its query is looked up like what a write says in its body.
        Method::GET => json!(params),
        _ => serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let done = route(&mut lock(), &method, &parts, &body);
    let good = done.unwrap_or_else(|(status, errors)| {
        answer(status, &json!({"errorMessages": [], "errors": errors}).to_string())
    });
    after(fault, good).await
}

/// Two searches of Jira's are asked with a body.
fn asked(method: &Method, path: &str) -> Asked {
    let reads = *method == Method::GET || matches!(path, "search/jql" | "changelog/bulkfetch");
    if reads { Asked::Read } else { Asked::Write }
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
        ("POST", ["changelog", "bulkfetch"]) => changes(site, body),
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
        ("GET", ["comment"]) => {
            let number = |name: &str| body[name].as_str().and_then(|n| n.parse().ok());
            let newest_first = body["orderBy"] == "-created";
            assert!(newest_first, "the only order that is asked for");
            let (after, limit) =
                (number("startAt").unwrap_or(0), number("maxResults").unwrap_or(100));
            let page: Vec<_> = issue.comments.iter().rev().skip(after).take(limit).collect();
            ok(&json!({"comments": page, "total": issue.comments.len()}))
        }
        ("PUT", []) => {
            issue.updated = at;
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
            issue.updated = at;
            Ok(answer(204, ""))
        }
        ("PUT", ["properties", name]) => {
            issue.properties = json!({ *name: body });
            Ok(answer(200, ""))
        }
        _ => Err((404, Value::Null)),
    }
}

fn search(site: &mut Site, body: &Value) -> Done {
    let now = site.tick();
    let jql = body["jql"].as_str().unwrap_or_default();
    let wanted = jql.split("labels = \"").nth(1).and_then(|rest| rest.split('"').next());
    let wanted = wanted.ok_or((400, json!({"jql": "unbounded queries are not allowed"})))?;
    let ago = jql.split("updated >= \"-").nth(1).and_then(|rest| rest.split('m').next());
    let minutes = ago.map(|ago| ago.parse().expect("minutes"));
    let has = |issue: &&Issue| {
        let labels = issue.fields["labels"].as_array().cloned().unwrap_or_default();
        let fresh = minutes.is_none_or(|ago: usize| minute(&issue.updated) + ago >= minute(&now));
        issue.indexed && labels.contains(&json!(wanted)) && fresh
    };
    let found: Vec<Value> = site.issues.iter().filter(has).map(show).collect();
    let (page, next) = page(&found, body);
    ok(&json!({ "issues": page, "isLast": next.is_null(), "nextPageToken": next }))
}

/// The minute of a moment of this site.
fn minute(at: &str) -> usize {
    at.get(14..16).and_then(|minute| minute.parse().ok()).unwrap_or(0)
}

/// The page that is asked for, and the token of the next one.
fn page<'a>(all: &'a [Value], body: &Value) -> (&'a [Value], Value) {
    let after = body["nextPageToken"].as_str().map_or(0, |token| token.parse().expect("ours"));
    let limit = body["maxResults"].as_u64().unwrap_or(50) as usize;
    let end = (after + limit).min(all.len());
    let next = (end < all.len()).then(|| end.to_string());
    (all.get(after..end).unwrap_or_default(), json!(next))
}

/// Changes of the fields that are asked for, of several issues, page by page.
fn changes(site: &Site, body: &Value) -> Done {
    let is_in = |list: &Value, one: &Value| list.as_array().is_some_and(|all| all.contains(one));
    let asked = site.issues.iter().filter(|issue| is_in(&body["issueIdsOrKeys"], &json!(issue.id)));
    let all: Vec<Value> = asked
        .flat_map(|issue| issue.histories.iter().map(move |history| (issue, history)))
        // Changes of links have no field's id here, as on sites: whoever names fields does not get them.
        .filter(|(_, history)| {
            body["fieldIds"].is_null() || is_in(&body["fieldIds"], &history["items"][0]["fieldId"])
        })
        .map(|(issue, history)| json!({"issueId": issue.id, "changeHistories": [history]}))
        .collect();
    let (page, next) = page(&all, body);
    ok(&json!({ "issueChangeLogs": page, "nextPageToken": next }))
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
    let updated = site.tick();
    let issue = Issue {
        updated,
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
    fields["assignee"] = issue.assignee.clone();
    fields["updated"] = json!(issue.updated);
    fields["issuelinks"] = json!(issue.links);
    json!({
        "id": issue.id, "key": key(issue), "fields": fields, "properties": issue.properties,
    })
}

fn show_status(id: &str) -> Value {
    let category = STATUSES.iter().find(|(known, _)| *known == id).map(|(_, category)| category);
    json!({"id": id, "statusCategory": {"key": category}})
}

fn ok(value: &Value) -> Done {
    Ok(answer(200, &value.to_string()))
}
