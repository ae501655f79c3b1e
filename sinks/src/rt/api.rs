//! Request Tracker's REST 2.0, as far as we use it.
//!
//! Three habits of it matter: a custom field that a queue does not have is left out without an
//! error; a `PUT` answers 200 also when nothing could be set; and there is no "create unless there
//! is one". What is deliberately absent: what the fields mean ([`super::fields`]).

use model::id::IncidentId;
use model::time::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use ureq::http::Method;

use crate::config::secret::Secret;
use crate::config::{RtConfig, timeout};
use crate::exchange::{Stop, encoded, parse};
use crate::http::Answer;
use crate::render::untrusted::Untrusted;
use crate::rest::Rest;
use crate::sink::Trouble;

/// How many tickets of one incident are looked at: enough to notice doubles.
const LOOKED_AT_MAX: u32 = 10;

/// The fields of a request.
pub(super) type Body = Map<String, Value>;

/// A ticket, as far as we look at it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Ticket {
    #[serde(deserialize_with = "number")]
    pub(super) id: u64,
    #[serde(rename = "Status", default)]
    pub(super) status: String,
    #[serde(rename = "Subject", default)]
    pub(super) subject: String,
    #[serde(rename = "Priority", default, deserialize_with = "text")]
    pub(super) priority: String,
    #[serde(rename = "CustomFields", default)]
    custom_fields: Vec<CustomField>,
    #[serde(rename = "Owner", default)]
    pub(super) owner: Named,
    /// Changes whenever anybody does anything to the ticket.
    #[serde(skip)]
    pub(super) etag: Option<String>,
}

/// Something that is referred to by its name.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Named {
    #[serde(default, deserialize_with = "text")]
    pub(super) id: String,
}

#[derive(Clone, Debug, Deserialize)]
struct CustomField {
    #[serde(default)]
    name: String,
    #[serde(default)]
    values: Vec<Value>,
}

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Queue {
    #[serde(rename = "TicketCustomFields", default)]
    ticket_custom_fields: Vec<CustomField>,
}

#[derive(Deserialize)]
struct Made {
    #[serde(deserialize_with = "number")]
    id: u64,
}

#[derive(Deserialize)]
struct User {
    #[serde(rename = "Name")]
    name: String,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    message: String,
}

/// How conditional a change is.
pub(super) enum Put {
    /// It was made, as far as RT says; its words.
    Done(String),
    /// Somebody did something to the ticket since we read it.
    Changed,
}

/// A client of one instance.
pub(super) struct Api {
    pub(super) rest: Rest,
    custom_field: String,
}

impl Api {
    pub(super) fn new(config: &RtConfig, secret: &Secret) -> Self {
        let authorization = config.auth.header("token", secret);
        Self {
            rest: Rest::new(&config.url, authorization, timeout(config.timeout_ms), detail),
            custom_field: config.custom_field.clone(),
        }
    }

    /// Whether tickets of a queue can hold our id: else a ticket could be made, but not found.
    pub(super) fn check_queue(&self, queue: &str, now: Timestamp) -> Result<(), Stop> {
        let setup = |what| Stop::Retry(crate::sink::Wait::Backoff, Trouble::Setup(what));
        let path = format!("/REST/2.0/queue/{}", encoded(queue));
        let Some(answer) = self.rest.get_if_there(&path, now)? else {
            return Err(setup("the queue is not there, or the account has no right SeeQueue"));
        };
        let known: Queue = parse(&answer)?;
        if known.ticket_custom_fields.iter().any(|field| field.name == self.custom_field) {
            return Ok(());
        }
        Err(setup(
            "the queue has no ticket custom field of the configured name, or the account has no \
             right SeeCustomField",
        ))
    }

    /// All tickets that hold the incident's id, oldest first. The id is hexadecimal digits.
    ///
    /// An answer with other tickets does not say that there is none, so nothing is made on it.
    pub(super) fn find(&self, incident: IncidentId, now: Timestamp) -> Result<Vec<Ticket>, Stop> {
        let id = incident.to_string();
        let query = format!("CF.{{{}}} = '{id}'", self.custom_field);
        let path = format!(
            "/REST/2.0/tickets?query={}&fields=Subject,Status,Priority,CustomFields,Owner&orderby=id\
             &order=ASC&per_page={LOOKED_AT_MAX}",
            encoded(&query)
        );
        let page: Page<Ticket> = parse(&self.rest.get(&path, now)?)?;
        if page.items.iter().any(|ticket| self.value(ticket) != Some(id.as_str())) {
            return Err(Stop::again("other tickets than asked"));
        }
        Ok(page.items)
    }

    /// Those of the tickets that our own account made. A person may copy a ticket with its fields.
    pub(super) fn own(&self, ids: &[u64], now: Timestamp) -> Result<Vec<Ticket>, Stop> {
        let any: Vec<String> = ids.iter().map(|id| format!("id = {id}")).collect();
        let query = format!("Creator = '__CurrentUser__' AND ({})", any.join(" OR "));
        let path =
            format!("/REST/2.0/tickets?query={}&fields=CustomFields&per_page=100", encoded(&query));
        let page: Page<Ticket> = parse(&self.rest.get(&path, now)?)?;
        Ok(page.items)
    }

    /// The name of a user by number; the number if there is none that we may see.
    pub(super) fn user(&self, id: &str, now: Timestamp) -> Result<String, Stop> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(id.to_owned());
        }
        let path = format!("/REST/2.0/user/{id}");
        match self.rest.get(&path, now) {
            Ok(answer) => Ok(parse::<User>(&answer)?.name),
            Err(Stop::Retry(_, Trouble::Credentials(403)) | Stop::Refuse(_)) => Ok(id.to_owned()),
            Err(stop) => Err(stop),
        }
    }

    /// One ticket with its entity tag; `None` when there is none. The id of a ticket that was
    /// merged leads to the one that it became part of.
    pub(super) fn get(&self, id: u64, now: Timestamp) -> Result<Option<Ticket>, Stop> {
        let path = format!("/REST/2.0/ticket/{id}");
        let Some(answer) = self.rest.get_if_there(&path, now)? else { return Ok(None) };
        let ticket: Ticket = parse(&answer)?;
        Ok(Some(Ticket { etag: answer.etag, ..ticket }))
    }

    /// Our custom field's value.
    pub(super) fn value<'a>(&self, ticket: &'a Ticket) -> Option<&'a str> {
        let field = ticket.custom_fields.iter().find(|field| field.name == self.custom_field)?;
        field.values.first()?.as_str()
    }

    pub(super) fn create(&self, body: Body, now: Timestamp) -> Result<u64, Stop> {
        let answer = self.rest.post("/REST/2.0/ticket", &Value::Object(body), now)?;
        Ok(parse::<Made>(&answer)?.id)
    }

    /// Changes fields, unless somebody changed the ticket since it was read.
    pub(super) fn put(&self, ticket: &Ticket, body: Body, now: Timestamp) -> Result<Put, Stop> {
        let path = format!("/REST/2.0/ticket/{}", ticket.id);
        let condition = ticket.etag.as_deref().map(|etag| ("if-match", etag));
        let body = Value::Object(body);
        let sent = self.rest.exchange(Method::PUT, &path, condition.as_slice(), Some(&body), now);
        match sent {
            Ok(answer) => {
                let words: Vec<String> = parse(&answer)?;
                Ok(Put::Done(Untrusted(&words.join("; ")).line(200)))
            }
            Err(stop) if stop.is_rejected(412) => Ok(Put::Changed),
            Err(stop) => Err(stop),
        }
    }

    /// Makes one ticket part of another.
    pub(super) fn merge(&self, id: u64, into: u64, now: Timestamp) -> Result<(), Stop> {
        let mut body = Body::new();
        body.insert(String::from("MergeInto"), Value::from(into.to_string()));
        self.rest.put(&format!("/REST/2.0/ticket/{id}"), &Value::Object(body), now).map(|_| ())
    }

    /// Writes a comment: colleagues see it, requestors do not, and it changes no status.
    pub(super) fn comment(
        &self,
        id: u64,
        subject: &str,
        text: &str,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let body = serde_json::json!({
            "Subject": subject, "Content": text, "ContentType": "text/plain",
        });
        self.rest.post(&format!("/REST/2.0/ticket/{id}/comment"), &body, now).map(|_| ())
    }

    /// Whether a comment of ours with this subject is there: our own words, no quotes in them.
    pub(super) fn has_comment(&self, id: u64, subject: &str, now: Timestamp) -> Result<bool, Stop> {
        let query = format!(
            "ObjectType = 'RT::Ticket' AND TicketId = {id} AND Creator = '__CurrentUser__' AND \
             Type = 'Comment' AND Subject = '{subject}'"
        );
        let path = format!("/REST/2.0/transactions?query={}&per_page=1", encoded(&query));
        let page: Page<Made> = parse(&self.rest.get(&path, now)?)?;
        Ok(!page.items.is_empty())
    }

    /// The page of a ticket.
    pub(super) fn link(&self, id: u64) -> String {
        format!("{}/Ticket/Display.html?id={id}", self.rest.base())
    }
}

fn detail(answer: &Answer) -> String {
    let text = serde_json::from_slice::<Failure>(&answer.body).map(|failure| failure.message);
    text.unwrap_or_default()
}

/// RT writes numbers as numbers here and as text there.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    let parsed = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    parsed.ok_or_else(|| serde::de::Error::custom("expected a number"))
}

/// The same for what we only compare.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}
