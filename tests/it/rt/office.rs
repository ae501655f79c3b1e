//! The real Request Tracker as a person sees it: tickets, and what a person does to them.

#![expect(clippy::indexing_slicing, reason = "what a real server answers; a test may panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tests::workspace;

/// A Request Tracker that `tests/rt.sh` has set up.
pub(super) struct Office {
    directory: PathBuf,
}

/// Whose account.
#[derive(Clone, Copy)]
pub(super) enum Who {
    Faultline,
    Person,
}

/// A ticket, as a person reads it.
pub(super) struct Ticket {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) subject: String,
    pub(super) priority: String,
    /// The words of its comments, oldest first.
    pub(super) comments: Vec<String>,
}

impl Office {
    pub(super) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    fn read(&self, file: &str) -> String {
        let path = self.directory.join(file);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// `127.0.0.1:port`.
    pub(super) fn address(&self) -> String {
        self.read("url").trim_start_matches("http://").to_owned()
    }

    /// Where the token of faultline's account is.
    pub(super) fn token_file(&self) -> PathBuf {
        self.directory.join("token")
    }

    /// Starts or stops the server itself.
    pub(super) fn server(&self, what: &str) {
        let done = Command::new(workspace().join("tests/rt.sh"))
            .arg(what)
            .arg(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("tests/rt.sh runs");
        assert!(done.success(), "tests/rt.sh {what}");
    }

    fn authorization(&self, who: Who) -> String {
        let file = match who {
            Who::Faultline => "token",
            Who::Person => "person_token",
        };
        format!("token {}", self.read(file).trim())
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = format!("{}/REST/2.0/{path}", self.read("url"));
        let mut answer = ureq::get(&url)
            .query_pairs(query.iter().copied())
            .header("authorization", self.authorization(Who::Person))
            .call()
            .unwrap_or_else(|e| panic!("{path}: {e}"));
        answer.body_mut().read_json().expect("RT answers in JSON")
    }

    fn send(&self, path: &str, body: &Value, method: Method) {
        self.send_as(Who::Person, path, body, method);
    }

    fn send_as(&self, who: Who, path: &str, body: &Value, method: Method) {
        let url = format!("{}/REST/2.0/{path}", self.read("url"));
        let request = match method {
            Method::Put => ureq::put(&url),
            Method::Post => ureq::post(&url),
        };
        let sent = request
            .header("authorization", self.authorization(who))
            .header("content-type", "application/json")
            .send(body.to_string());
        sent.unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// All tickets of an incident, double ones and rejected ones too.
    pub(super) fn tickets(&self, incident: &str) -> Vec<Ticket> {
        let query = format!("CF.{{FaultlineId}} = '{incident}'");
        let fields = "Subject,Status,Priority";
        let page = self.get("tickets", &[("query", &query), ("fields", fields)]);
        let text = |item: &Value, field: &str| match &item[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let read = |item: &Value| {
            let id = text(item, "id");
            Ticket {
                comments: self.comments(&id),
                id,
                status: text(item, "Status"),
                subject: text(item, "Subject"),
                priority: text(item, "Priority"),
            }
        };
        page["items"].as_array().expect("a list").iter().map(read).collect()
    }

    /// How many tickets an incident has.
    pub(super) fn tickets_of(&self, incident: &str) -> usize {
        let query = format!("CF.{{FaultlineId}} = '{incident}'");
        self.get("tickets", &[("query", &query)])["items"].as_array().map_or(0, Vec::len)
    }

    /// A second ticket of an incident, as two writers would make it, or a person who copies one.
    pub(super) fn make_double(&self, incident: &str, who: Who) {
        let body = json!({
            "Queue": "Incidents", "Subject": "a double", "Content": "a double",
            "ContentType": "text/plain", "CustomFields": {"FaultlineId": incident},
        });
        self.send_as(who, "ticket", &body, Method::Post);
    }

    /// The only ticket of an incident.
    pub(super) fn ticket(&self, incident: &str) -> Ticket {
        let mut all = self.tickets(incident);
        assert_eq!(all.len(), 1, "tickets of incident {incident}");
        all.remove(0)
    }

    fn comments(&self, id: &str) -> Vec<String> {
        let query = format!("ObjectType = 'RT::Ticket' AND TicketId = {id} AND Type = 'Comment'");
        let page =
            self.get("transactions", &[("query", &query), ("orderby", "id"), ("per_page", "100")]);
        let items = page["items"].as_array().expect("a list");
        items.iter().map(|item| self.comment(item["id"].as_str().unwrap_or_default())).collect()
    }

    fn comment(&self, transaction: &str) -> String {
        let path = format!("transaction/{transaction}/attachments");
        let page = self.get(&path, &[("fields", "Content")]);
        page["items"][0]["Content"].as_str().unwrap_or_default().to_owned()
    }

    /// How many tickets faultline's account ever made, whatever became of them.
    pub(super) fn ever_made(&self) -> usize {
        let query = "ObjectType = 'RT::Ticket' AND Type = 'Create' AND Creator = 'faultline'";
        let mut count = 0;
        for page in 1..=100 {
            let page = page.to_string();
            let asked = [("query", query), ("per_page", "100"), ("page", page.as_str())];
            let found = self.get("transactions", &asked)["items"].as_array().map_or(0, Vec::len);
            count += found;
            if found < 100 {
                break;
            }
        }
        count
    }

    /// A person sets fields of a ticket.
    pub(super) fn set(&self, id: &str, fields: &Value) {
        self.send(&format!("ticket/{id}"), fields, Method::Put);
    }

    /// A person takes a ticket.
    pub(super) fn take(&self, id: &str) {
        self.send(&format!("ticket/{id}/take"), &json!({}), Method::Put);
    }

    /// A person comments on a ticket.
    pub(super) fn say(&self, id: &str, text: &str) {
        let body = json!({"Content": text, "ContentType": "text/plain"});
        self.send(&format!("ticket/{id}/comment"), &body, Method::Post);
    }
}

#[derive(Clone, Copy)]
enum Method {
    Put,
    Post,
}
