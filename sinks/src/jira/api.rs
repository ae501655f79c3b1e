//! Jira Cloud's REST v3, as far as we use it.
//!
//! Its search is eventually consistent: an issue that was just made may not be found yet. What is
//! deliberately absent: what the fields mean ([`super::fields`]).

use model::id::IncidentId;
use model::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::secret::Secret;
use crate::config::{JiraConfig, timeout};
use crate::exchange::{Stop, encoded, parse};
use crate::heard::incident_id;
use crate::http::Answer;
use crate::rest::Rest;

/// The issue property that says which revision an issue has.
const PROPERTY: &str = "faultline";
/// How many issues of one incident are looked at: enough to notice doubles.
const LOOKED_AT_MAX: u32 = 10;

/// Comments of one answer.
const COMMENTS_PAGE: usize = 50;
/// Requests for the comments of one issue.
const COMMENT_REQUESTS_MAX: usize = 20;

/// An issue, as far as we look at it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Issue {
    pub(super) id: String,
    pub(super) key: String,
    #[serde(default)]
    pub(super) fields: Fields,
    #[serde(default)]
    properties: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    pub(super) summary: String,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    pub(super) status: Option<Status>,
    pub(super) priority: Option<Named>,
    pub(super) assignee: Option<Person>,
    #[serde(default)]
    pub(super) updated: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    pub(super) name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    pub(super) id: String,
    #[serde(rename = "statusCategory", default)]
    pub(super) category: Category,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Category {
    /// `new`, `indeterminate`, `done`.
    #[serde(default)]
    pub(super) key: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Person {
    #[serde(rename = "accountId", default)]
    pub(super) account_id: String,
    #[serde(rename = "displayName", default)]
    pub(super) display_name: String,
}

#[derive(Deserialize)]
struct Comments {
    #[serde(default)]
    comments: Vec<Comment>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) id: String,
    #[serde(default)]
    pub(super) author: Person,
    #[serde(default)]
    pub(super) body: Value,
    #[serde(default)]
    pub(super) created: String,
}

/// What was changed, of several issues.
#[derive(Debug, Deserialize)]
pub(super) struct Changes {
    #[serde(rename = "issueChangeLogs", default)]
    pub(super) issues: Vec<Changelog>,
    #[serde(rename = "nextPageToken", default)]
    pub(super) next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Changelog {
    #[serde(rename = "issueId")]
    pub(super) issue: String,
    #[serde(rename = "changeHistories", default)]
    pub(super) histories: Vec<History>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct History {
    pub(super) id: String,
    #[serde(default)]
    pub(super) author: Person,
    /// Text as everywhere, or a number: the documentation shows seconds, where it says text.
    #[serde(default)]
    pub(super) created: Value,
    #[serde(default)]
    pub(super) items: Vec<Change>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    pub(super) field: String,
    #[serde(rename = "fieldId", default)]
    pub(super) field_id: Option<String>,
    #[serde(default)]
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) to: Option<String>,
    #[serde(rename = "toString", default)]
    pub(super) to_text: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Transition {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    pub(super) to: Status,
}

/// A page of a search.
#[derive(Deserialize)]
pub(super) struct Found {
    pub(super) issues: Vec<Issue>,
    /// Where the next page is, if there is one.
    #[serde(rename = "nextPageToken", default)]
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct Transitions {
    transitions: Vec<Transition>,
}

#[derive(Deserialize)]
struct ServerInfo {
    #[serde(rename = "serverTime")]
    server_time: String,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "errorMessages", default)]
    messages: Vec<String>,
    #[serde(default)]
    errors: std::collections::BTreeMap<String, String>,
}

/// A client of one site.
pub(super) struct Api {
    pub(super) rest: Rest,
}

impl Api {
    pub(super) fn new(config: &JiraConfig, secret: &Secret) -> Self {
        let authorization = config.auth.header("Bearer", secret);
        Self { rest: Rest::new(&config.url, authorization, timeout(config.timeout_ms), detail) }
    }

    /// A page of the issues that match, with the fields that we look at.
    pub(super) fn search(
        &self,
        jql: &str,
        fields: &[&str],
        limit: u32,
        page: Option<&str>,
        now: Timestamp,
    ) -> Result<Found, Stop> {
        let mut body = json!({
            "jql": jql, "fields": fields, "properties": [PROPERTY], "maxResults": limit,
        });
        if let (Some(page), Some(body)) = (page, body.as_object_mut()) {
            body.insert(String::from("nextPageToken"), page.into());
        }
        parse(&self.rest.post("/rest/api/3/search/jql", &body, now)?)
    }

    /// The issues with a label of ours, oldest first.
    pub(super) fn find(
        &self,
        project: &str,
        label: &str,
        now: Timestamp,
    ) -> Result<Vec<Issue>, Stop> {
        let jql = format!("project = \"{project}\" AND labels = \"{label}\" ORDER BY created ASC");
        let fields = ["summary", "labels", "status", "priority", "assignee"];
        let found = self.search(&jql, &fields, LOOKED_AT_MAX, None, now)?.issues;
        let ours = |issue: &Issue| issue.fields.labels.iter().any(|have| have == label);
        if !found.iter().all(ours) {
            return Err(Stop::again("other issues than asked"));
        }
        Ok(found)
    }

    /// One issue by its id or key, as it is; `None` when there is none. What was said and done
    /// there is not in it: it may be too much for one answer.
    pub(super) fn get(&self, id: &str, now: Timestamp) -> Result<Option<Issue>, Stop> {
        let path = format!(
            "/rest/api/3/issue/{}?fields=summary,labels,status,priority,assignee\
             &properties={PROPERTY}",
            encoded(id)
        );
        let Some(answer) = self.rest.get_if_there(&path, now)? else { return Ok(None) };
        parse(&answer).map(Some)
    }

    /// The comments of an issue since a moment, newest first, and how many could not be read: those
    /// beyond the last request count as one. None of an issue that is not there.
    pub(super) fn comments(
        &self,
        id: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(Vec<Comment>, usize), Stop> {
        let (mut all, mut after, mut limit, mut unread) = (Vec::new(), 0, COMMENTS_PAGE, 0);
        // One before here is too large.
        let mut narrow_to = 0;
        for _ in 0..COMMENT_REQUESTS_MAX {
            let path = format!(
                "/rest/api/3/issue/{}/comment?orderBy=-created&startAt={after}&maxResults={limit}",
                encoded(id)
            );
            let read = self.rest.get_if_there(&path, now);
            let page =
                match read.and_then(|answer| answer.as_ref().map(parse::<Comments>).transpose()) {
                    Ok(page) => page.map(|page| page.comments).unwrap_or_default(),
                    Err(stop) if stop.is_too_large() => {
                        // Smaller pages find the one that is too large.
                        if limit == 1 {
                            (after, unread, limit) = (after + 1, unread + 1, COMMENTS_PAGE);
                        } else {
                            (narrow_to, limit) = (after + limit, (limit / 7).max(1));
                        }
                        continue;
                    }
                    Err(stop) => return Err(stop),
                };
            let older = |comment: &Comment| time(&comment.created).is_some_and(|at| at < since);
            let last = page.len() < limit || page.last().is_some_and(older);
            after += page.len();
            all.extend(page);
            if last {
                return Ok((all, unread));
            }
            if after >= narrow_to {
                limit = COMMENTS_PAGE;
            }
        }
        Ok((all, unread + 1))
    }

    /// A page of the changes of issues, oldest first: of these fields, or of all if none is named. Changes of
    /// links are not of a field that could be named: they may come without its id.
    pub(super) fn changes(
        &self,
        ids: &[&str],
        fields: &[&str],
        limit: u32,
        page: Option<&str>,
        now: Timestamp,
    ) -> Result<Changes, Stop> {
        let mut body = json!({ "issueIdsOrKeys": ids, "maxResults": limit });
        if let Some(body) = body.as_object_mut() {
            if !fields.is_empty() {
                body.insert(String::from("fieldIds"), json!(fields));
            }
            if let Some(page) = page {
                body.insert(String::from("nextPageToken"), page.into());
            }
        }
        parse(&self.rest.post("/rest/api/3/changelog/bulkfetch", &body, now)?)
    }

    pub(super) fn create(&self, body: &Value, now: Timestamp) -> Result<Issue, Stop> {
        parse(&self.rest.post("/rest/api/3/issue", body, now)?)
    }

    pub(super) fn edit(&self, key: &str, fields: &Value, now: Timestamp) -> Result<(), Stop> {
        let path = format!("/rest/api/3/issue/{}", encoded(key));
        self.rest.put(&path, &json!({ "fields": fields }), now).map(|_| ())
    }

    pub(super) fn comment(&self, key: &str, body: &Value, now: Timestamp) -> Result<(), Stop> {
        let path = format!("/rest/api/3/issue/{}/comment", encoded(key));
        self.rest.post(&path, body, now).map(|_| ())
    }

    pub(super) fn transitions(&self, key: &str, now: Timestamp) -> Result<Vec<Transition>, Stop> {
        let path = format!("/rest/api/3/issue/{}/transitions", encoded(key));
        Ok(parse::<Transitions>(&self.rest.get(&path, now)?)?.transitions)
    }

    pub(super) fn transit(&self, key: &str, body: &Value, now: Timestamp) -> Result<(), Stop> {
        let path = format!("/rest/api/3/issue/{}/transitions", encoded(key));
        self.rest.post(&path, body, now).map(|_| ())
    }

    /// Writes down which revision an issue has.
    pub(super) fn mark(&self, key: &str, mark: &Value, now: Timestamp) -> Result<(), Stop> {
        let path = format!("/rest/api/3/issue/{}/properties/{PROPERTY}", encoded(key));
        self.rest.put(&path, mark, now).map(|_| ())
    }

    /// Who we are.
    pub(super) fn myself(&self, now: Timestamp) -> Result<Person, Stop> {
        parse(&self.rest.get("/rest/api/3/myself", now)?)
    }

    /// All statuses with their categories.
    pub(super) fn statuses(&self, now: Timestamp) -> Result<Vec<Status>, Stop> {
        parse(&self.rest.get("/rest/api/3/status", now)?)
    }

    /// The site's clock.
    pub(super) fn clock(&self, now: Timestamp) -> Result<Timestamp, Stop> {
        let info: ServerInfo = parse(&self.rest.get("/rest/api/3/serverInfo", now)?)?;
        time(&info.server_time).ok_or(Stop::again("a time that cannot be read"))
    }

    /// The page of an issue.
    pub(super) fn link(&self, key: &str) -> String {
        format!("{}/browse/{key}", self.rest.base())
    }
}

impl Issue {
    /// What our property says.
    pub(super) fn mark(&self) -> Option<&Value> {
        self.properties.get(PROPERTY)
    }

    /// Whose issue it is, by our property: a copy that a person made has our labels, but not it.
    pub(super) fn incident(&self) -> Option<IncidentId> {
        self.mark()?.get("incident")?.as_str().and_then(incident_id)
    }
}

impl History {
    pub(super) fn at(&self) -> Option<Timestamp> {
        match &self.created {
            Value::String(text) => time(text),
            // Seconds have ten digits until the year 2286, milliseconds more than those since 2001.
            other => other.as_i64().map(|number| match number.abs() {
                0..10_000_000_000 => Timestamp::from_millis(number.saturating_mul(1_000)),
                _ => Timestamp::from_millis(number),
            }),
        }
    }
}

/// Jira writes its offset without a colon: `2026-03-17T02:07:00.000+0000`.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    if let Some(at) = Timestamp::parse_rfc3339(text) {
        return Some(at);
    }
    let (head, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    Timestamp::parse_rfc3339(&format!("{head}:{minutes}"))
}

fn detail(answer: &Answer) -> String {
    let Ok(failure) = serde_json::from_slice::<Failure>(&answer.body) else { return String::new() };
    let fields = failure.errors.iter().map(|(field, problem)| format!("{field}: {problem}"));
    let all: Vec<String> = failure.messages.into_iter().chain(fields).collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_offset_are_read() {
        let at = Timestamp::parse_rfc3339("2026-03-17T02:07:00Z");
        assert!(at.is_some());
        assert_eq!(time("2026-03-17T03:07:00.000+0100"), at);
        assert_eq!(time("2026-03-17T02:07:00.000Z"), at);
        assert_eq!(time("soon"), None);
        assert_eq!(time(""), None);
    }
}
