//! A double of Request Tracker 5's REST 2.0, after what a real one (5.0.3) answers.
//!
//! Enforced: a token (401); a queue that is there (400, 403), JSON as what is sent (415), a type for
//! the content of a comment (400); TicketSQL, pages of at most 100, only the fields that are asked
//! for; searches find no deleted tickets and none that became part of another; the entity tag is the
//! newest transaction's number, and a wrong `If-Match` is 412; statuses and steps that the lifecycle
//! does not have are told in the words of a 200; custom fields that the queue does not have are left
//! out without a word; subjects are cut at 200 characters. What RT only forgives (a subject of
//! several lines or none, fields that it does not know) is kept in `broken`.

#![expect(clippy::indexing_slicing, reason = "JSON of a test; a missing key is null")]

mod records;

use serde_json::{Map, Value, json};

use super::served::{Request, Service};
use super::ticket_sql::Query;
pub(crate) use records::{Ticket, Tracker, Who};

pub(crate) const TOKEN: &str = "1-14-0123456789abcdef0123456789abcdef";
pub(crate) const QUEUE: &str = "Incidents";
pub(crate) const FIELD: &str = "FaultlineId";
/// Our account, and a person's.
const OURS: &str = "faultline";
pub(crate) const PERSON: &str = "operator";
const NOBODY: &str = "Nobody";
/// The accounts and their numbers.
const USERS: [(&str, &str); 4] = [("6", NOBODY), ("22", OURS), ("33", PERSON), ("34", "storage")];
const STATUSES: [&str; 6] = ["new", "open", "stalled", "resolved", "rejected", "deleted"];
const FIELDS: [&str; 8] =
    ["Queue", "Subject", "Content", "ContentType", "Priority", "CustomFields", "Owner", "RefersTo"];
const SUBJECT_CHARS_MAX: usize = 200;

type Done = Result<(u16, Value), (u16, String)>;

impl Service for Tracker {
    fn serve(&mut self, request: &Request) -> (u16, Value) {
        self.route(request)
            .unwrap_or_else(|(status, message)| (status, json!({ "message": message })))
    }

    fn etag(&self, request: &Request) -> Option<String> {
        let id = request.path.strip_prefix("/REST/2.0/ticket/")?.parse().ok()?;
        self.tag(id)
    }
}

impl Tracker {
    fn route(&mut self, request: &Request) -> Done {
        if request.header("authorization") != format!("token {TOKEN}") {
            return Err((401, String::from("Unauthorized")));
        }
        let path =
            request.path.strip_prefix("/REST/2.0/").ok_or((404, String::from("Not Found")))?;
        let parts: Vec<&str> = path.split('/').collect();
        if request.method == "GET" {
            return self.read(&parts, request);
        }
        if request.header("content-type") != "application/json" {
            return Err((415, String::from("Unsupported Media Type")));
        }
        let body = request.json().ok_or((400, String::from("malformed JSON")))?;
        let body = body.as_object().ok_or((400, String::from("JSON object must be a HASH")))?;
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["ticket"]) => self.create(body, OURS),
            ("POST", ["ticket", id, "comment"]) => self.comment(id, body),
            ("PUT", ["ticket", id]) => self.put(id, body, request.header("if-match")),
            _ => Err((404, String::from("Not Found"))),
        }
    }

    fn read(&mut self, parts: &[&str], request: &Request) -> Done {
        let found = match parts {
            ["queue", name] if *name == QUEUE => self.queue(),
            ["ticket", id] => {
                let id = self.place(id).ok_or((404, String::from("Not Found")))?;
                let shown = ticket(&self.tickets[id]);
                let id = self.tickets[id].id;
                if let Some(status) = self.meanwhile.take() {
                    self.set_status(id, status, PERSON);
                }
                shown
            }
            ["tickets"] => self.tickets_asked(request)?,
            ["transactions"] => self.transactions_asked(request)?,
            ["transaction", id, "attachments"] => self.attachments(id, request),
            ["user", id] => {
                let user = USERS.iter().find(|(number, name)| id == number || id == name);
                let (_, name) = user.ok_or((404, String::from("Not Found")))?;
                json!({ "Name": name })
            }
            _ => return Err((404, String::from("Not Found"))),
        };
        Ok((200, found))
    }

    fn queue(&self) -> Value {
        let fields = if self.has_field { vec![json!({"id": "2", "name": FIELD})] } else { vec![] };
        json!({"id": 3, "Name": QUEUE, "Lifecycle": "default", "TicketCustomFields": fields})
    }

    fn tickets_asked(&self, request: &Request) -> Result<Value, (u16, String)> {
        let query = asked(request)?;
        let mut found = Vec::new();
        // As RT has it: what became part of another is found only by who asks for effective numbers.
        let text = request.query.get("query").map_or("", String::as_str);
        let all = text.contains("EffectiveId");
        for one in self.tickets.iter().filter(|one| all || one.merged_into.is_none()) {
            let field = |name: &str| match name {
                "id" => Some(one.id.to_string()),
                "Queue" => Some(one.queue.clone()),
                "EffectiveId" => Some(one.merged_into.unwrap_or(one.id).to_string()),
                "Creator" => Some(as_asked(&one.creator)),
                _ => (name == format!("CF.{{{FIELD}}}"))
                    .then(|| one.field.clone().unwrap_or_default()),
            };
            // Every ticket is asked: a field that there is not is an error also where nothing matches.
            if query.matches(&field).map_err(|error| (400, error))? && one.status != "deleted" {
                found.push(ticket(one));
            }
        }
        Ok(page(found, request))
    }

    fn transactions_asked(&self, request: &Request) -> Result<Value, (u16, String)> {
        let query = asked(request)?;
        let mut found = Vec::new();
        for one in &self.transactions {
            let field = |name: &str| match name {
                "id" => Some(one.id.to_string()),
                "ObjectType" => Some(String::from("RT::Ticket")),
                "TicketId" => Some(one.ticket.to_string()),
                "TicketQueue" => Some(QUEUE.to_owned()),
                "Creator" => Some(as_asked(&one.creator)),
                "Type" => Some(one.kind.to_owned()),
                "Subject" => Some(one.subject.clone()),
                _ => None,
            };
            if query.matches(&field).map_err(|error| (400, error))? {
                let at = one.id % 3_600;
                found.push(json!({
                    "type": "transaction", "id": one.id.to_string(),
                    "ObjectId": one.ticket.to_string(), "Type": one.kind, "Field": one.field,
                    "OldValue": one.old, "NewValue": one.new,
                    "Created": format!("2026-03-17T02:{:02}:{:02}Z", at / 60, at % 60),
                    "Creator": {"type": "user", "id": one.creator},
                }));
            }
        }
        Ok(page(found, request))
    }

    fn attachments(&self, id: &str, request: &Request) -> Value {
        let all = self.transactions.iter();
        let words = all.filter(|one| one.id.to_string() == id && !one.content.is_empty());
        let shown = words.map(|one| {
            json!({"type": "attachment", "id": id, "ContentType": "text/plain",
                   "ContentLength": one.content.len().to_string(), "Content": one.content})
        });
        page(shown.collect(), request)
    }

    fn create(&mut self, body: &Map<String, Value>, creator: &str) -> Done {
        let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
        let queue = text("Queue").to_owned();
        if queue.is_empty() {
            return Err((400, String::from("Could not create ticket. Queue not set")));
        }
        if queue != QUEUE {
            let denied = format!("No permission to create tickets in the queue '{queue}'");
            return Err((403, denied));
        }
        self.note_what_is_forgiven(body);
        let id = self.tickets.len() as u64 + 1;
        let owner = text("Owner");
        let known = USERS.iter().any(|(_, name)| *name == owner);
        self.tickets.push(Ticket {
            id,
            queue,
            subject: text("Subject").chars().take(SUBJECT_CHARS_MAX).collect(),
            content: text("Content").to_owned(),
            status: String::from("new"),
            priority: body.get("Priority").and_then(Value::as_str).unwrap_or("0").to_owned(),
            owner: if known { owner } else { NOBODY }.to_owned(),
            creator: creator.to_owned(),
            field: self.field_of(body),
            refers_to: body.get("RefersTo").and_then(Value::as_str).map(ToOwned::to_owned),
            merged_into: None,
        });
        self.log(id, "Create", creator);
        Ok((201, json!({"type": "ticket", "id": id.to_string()})))
    }

    /// What RT takes without a word, although nobody means it.
    fn note_what_is_forgiven(&mut self, body: &Map<String, Value>) {
        let unknown = body.keys().filter(|field| !FIELDS.contains(&field.as_str()));
        self.broken.extend(unknown.map(|field| format!("{field} is no field")));
        let subject = body.get("Subject").and_then(Value::as_str).unwrap_or_default();
        if subject.is_empty() || subject.contains(['\r', '\n']) {
            self.broken.push(format!("subject: {subject:?}"));
        }
        if subject.chars().count() > SUBJECT_CHARS_MAX {
            self.broken.push(String::from("a subject that is cut"));
        }
    }

    fn field_of(&self, body: &Map<String, Value>) -> Option<String> {
        let value = body.get("CustomFields")?.get(FIELD)?.as_str()?;
        self.has_field.then(|| value.to_owned())
    }

    fn comment(&mut self, id: &str, body: &Map<String, Value>) -> Done {
        let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
        if !text("Content").is_empty() && text("ContentType").is_empty() {
            let missing = "ContentType is a required field for application/json";
            return Err((400, missing.to_owned()));
        }
        let place = self.place(id).ok_or((400, String::from("Permission Denied")))?;
        let id = self.tickets[place].id;
        self.say(id, OURS, text("Subject"), text("Content"));
        Ok((201, json!(["Comments added"])))
    }

    fn put(&mut self, id: &str, body: &Map<String, Value>, condition: &str) -> Done {
        let place = self.place(id).ok_or((404, String::from("Not Found")))?;
        let id = self.tickets[place].id;
        if !condition.is_empty() && self.tag(id).as_deref() != Some(condition) {
            return Err((412, String::from("Precondition Failed")));
        }
        let mut words = Vec::new();
        for (field, value) in body {
            let value = value.as_str().unwrap_or_default();
            match field.as_str() {
                "Status" => words.extend(self.set_status(id, value, OURS)),
                "Subject" => {
                    let cut = value.chars().take(SUBJECT_CHARS_MAX).collect();
                    self.tickets[place].subject = cut;
                    self.log(id, "Set", OURS);
                }
                "Priority" => {
                    value.clone_into(&mut self.tickets[place].priority);
                    self.log(id, "Set", OURS);
                }
                "CustomFields" => {
                    self.tickets[place].field = self.field_of(body);
                    self.log(id, "CustomField", OURS);
                }
                "MergeInto" => {
                    self.merge(id, value.parse().unwrap_or(id), OURS);
                    words.push(String::from("Merge Successful"));
                }
                other => self.broken.push(format!("{other} is no field")),
            }
        }
        Ok((200, json!(words)))
    }
}

fn asked(request: &Request) -> Result<Query, (u16, String)> {
    let query = request.query.get("query").map_or("", String::as_str);
    Query::parse(query).map_err(|error| (400, error))
}

/// We are the one who asks.
fn as_asked(creator: &str) -> String {
    if creator == OURS { String::from("__CurrentUser__") } else { creator.to_owned() }
}

fn ticket(ticket: &Ticket) -> Value {
    json!({
        "type": "ticket", "id": ticket.id.to_string(), "Subject": ticket.subject,
        "Status": ticket.status, "Priority": ticket.priority,
        "Owner": {"type": "user", "id": ticket.owner},
        "CustomFields": [{"type": "customfield", "name": FIELD,
            "values": ticket.field.iter().collect::<Vec<_>>()}],
    })
}

/// The page that is asked for, with the fields that are asked for.
fn page(mut all: Vec<Value>, request: &Request) -> Value {
    let parameter = |name: &str| request.query.get(name).map_or("", String::as_str);
    if parameter("order") == "DESC" {
        all.reverse();
    }
    let per_page = parameter("per_page").parse().ok().filter(|n| *n > 0).unwrap_or(20).min(100);
    let page = parameter("page").parse().ok().filter(|n| *n > 0).unwrap_or(1_usize);
    let wanted: Vec<&str> = parameter("fields").split(',').chain(["type", "id"]).collect();
    let mut items: Vec<Value> =
        all.into_iter().skip((page - 1) * per_page).take(per_page).collect();
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.retain(|field, _| wanted.contains(&field.as_str()));
    }
    json!({"count": items.len(), "page": page, "per_page": per_page, "items": items})
}
