//! The Table API of ServiceNow's incident table, as far as we use it.
//!
//! What is deliberately absent: what the fields mean ([`super::fields`]).

use model::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use ureq::http::Method;

use crate::config::secret::Secret;
use crate::config::{ServiceNowConfig, timeout};
use crate::exchange::{Stop, parse};
use crate::http::Answer;
use crate::rest::Rest;
use crate::sink::{Trouble, Wait};

/// The fields that we read.
const FIELDS: &str = "sys_id,number,state,correlation_id,correlation_display,sys_created_on,\
                      short_description,impact,urgency,caused_by,\
                      assigned_to.user_name,assigned_to.name,assignment_group.name";

/// The incident table.
const TABLE: &str = "/api/now/table/incident";

/// How many tickets of one correlation id are looked at: enough to notice duplicates.
const LOOKED_AT_MAX: &str = "10";

/// The fields of a request.
pub(super) type Body = Map<String, Value>;

/// A ticket as the API shows it; all values are text.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Record {
    pub(super) sys_id: String,
    #[serde(default)]
    pub(super) number: String,
    #[serde(default)]
    pub(super) state: TicketState,
    #[serde(default)]
    pub(super) correlation_id: String,
    #[serde(default)]
    pub(super) correlation_display: String,
    #[serde(default)]
    pub(super) sys_created_on: String,
    #[serde(default)]
    pub(super) short_description: String,
    #[serde(default)]
    pub(super) impact: String,
    #[serde(default)]
    pub(super) urgency: String,
    /// Empty, or a reference: text or an object, as the instance likes.
    #[serde(default)]
    pub(super) caused_by: Value,
    #[serde(rename = "assigned_to.user_name", default)]
    person: String,
    #[serde(rename = "assigned_to.name", default)]
    person_name: String,
    #[serde(rename = "assignment_group.name", default)]
    group: String,
}

impl Record {
    /// To whom it is given, by the name that acts have: a person, else a group, else nobody.
    pub(super) fn owner(&self) -> &str {
        let all = [&self.person, &self.person_name, &self.group];
        all.into_iter().find(|name| !name.is_empty()).map_or("", String::as_str)
    }
}

/// The states of the incident table, as it is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) enum TicketState {
    /// New, in progress, on hold, or a state of the instance's own.
    #[default]
    Active,
    /// 6.
    Resolved,
    /// 7: nobody reopens it.
    Closed,
    /// 8: a person said that it is none.
    Cancelled,
}

impl From<String> for TicketState {
    fn from(value: String) -> Self {
        match value.as_str() {
            "6" => Self::Resolved,
            "7" => Self::Closed,
            "8" => Self::Cancelled,
            _ => Self::Active,
        }
    }
}

/// What a look-up found.
pub(super) struct Found {
    /// The oldest that is not closed or cancelled; else the oldest.
    pub(super) record: Option<Record>,
    /// How many more of the same standing there are.
    pub(super) duplicates: usize,
}

#[derive(Deserialize)]
struct Many {
    result: Vec<Record>,
}

#[derive(Deserialize)]
struct One {
    result: Record,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureError,
}

#[derive(Deserialize)]
struct FailureError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    detail: Option<String>,
}

/// A client of one instance.
pub(super) struct Api {
    pub(super) rest: Rest,
}

impl Api {
    pub(super) fn new(config: &ServiceNowConfig, secret: &Secret) -> Self {
        let authorization = config.auth.header("Bearer", secret);
        Self { rest: Rest::new(&config.url, authorization, timeout(config.timeout_ms), detail) }
    }

    /// Looks up by correlation id: hexadecimal digits only, so nothing has to be escaped.
    ///
    /// An instance may ignore a query that it does not understand and answer with any tickets.
    /// Such an answer does not say that there is none, so nothing is created on it.
    pub(super) fn find(&self, correlation_id: &str, now: Timestamp) -> Result<Found, Stop> {
        let url = format!(
            "{TABLE}?sysparm_query=correlation_id={correlation_id}%5EORDERBYsys_created_on\
             &sysparm_fields={FIELDS}&sysparm_limit={LOOKED_AT_MAX}"
        );
        let answer = self.send(Method::GET, &url, None, now)?;
        let mut records: Vec<Record> = parse::<Many>(&answer)?.result;
        let any = !records.is_empty();
        records.retain(|record| record.correlation_id == correlation_id);
        if any && records.is_empty() {
            return Err(Stop::Retry(Wait::Backoff, Trouble::Malformed("other tickets than asked")));
        }
        records.sort_by(|a, b| (&a.sys_created_on, &a.sys_id).cmp(&(&b.sys_created_on, &b.sys_id)));
        let live = |record: &Record| match record.state {
            TicketState::Active | TicketState::Resolved => true,
            TicketState::Closed | TicketState::Cancelled => false,
        };
        let duplicates = records.iter().filter(|record| live(record)).count().saturating_sub(1);
        let place = records.iter().position(live).unwrap_or(0);
        Ok(Found { record: records.into_iter().nth(place), duplicates })
    }

    /// One ticket by its id; `None` when there is none.
    pub(super) fn get(&self, sys_id: &str, now: Timestamp) -> Result<Option<Record>, Stop> {
        if !is_sys_id(sys_id) {
            return Ok(None);
        }
        let url = format!("{TABLE}/{sys_id}?sysparm_fields={FIELDS}");
        match self.send(Method::GET, &url, None, now) {
            Ok(answer) => Ok(Some(parse::<One>(&answer)?.result)),
            Err(Stop::Refuse(Trouble::Rejected { status: 404, .. })) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    /// Creates a ticket.
    pub(super) fn create(&self, body: &Body, now: Timestamp) -> Result<Record, Stop> {
        let url = format!("{TABLE}?sysparm_fields={FIELDS}");
        let answer = self.send(Method::POST, &url, Some(body), now)?;
        let record = parse::<One>(&answer)?.result;
        if is_sys_id(&record.sys_id) {
            return Ok(record);
        }
        Err(Stop::Retry(Wait::Backoff, Trouble::Malformed("no sys_id")))
    }

    /// Changes fields of a ticket.
    pub(super) fn patch(&self, sys_id: &str, body: &Body, now: Timestamp) -> Result<(), Stop> {
        let url = format!("{TABLE}/{sys_id}?sysparm_fields=sys_id");
        let answer = self.send(Method::PATCH, &url, Some(body), now)?;
        parse::<One>(&answer).map(|_| ())
    }

    /// The page of a ticket.
    pub(super) fn link(&self, sys_id: &str) -> String {
        format!("{}/nav_to.do?uri=incident.do?sys_id={sys_id}", self.rest.base())
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Body>,
        now: Timestamp,
    ) -> Result<Answer, Stop> {
        let body = body.map(|body| Value::Object(body.clone()));
        let patched = method == Method::PATCH;
        let rule = |answer: &Answer| is_rule(answer, patched);
        self.rest.exchange_under_rules(method, path, body.as_ref(), now, &rule)
    }
}

/// Whether an id may stand in a path.
pub(super) fn is_sys_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn failure(answer: &Answer) -> Option<FailureError> {
    serde_json::from_slice::<Failure>(&answer.body).ok().map(|failure| failure.error)
}

/// A 403 is about this ticket, not about our credentials, when a ticket that we could read cannot
/// be changed, or when a data policy is named.
fn is_rule(answer: &Answer, patched: bool) -> bool {
    let named = |error: FailureError| {
        error.message.contains("Data Policy")
            || error.detail.is_some_and(|detail| detail.contains("Data Policy"))
    };
    patched || failure(answer).is_some_and(named)
}

fn detail(answer: &Answer) -> String {
    let Some(error) = failure(answer) else { return String::new() };
    format!("{}: {}", error.message, error.detail.unwrap_or_default())
}
