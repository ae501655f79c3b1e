//! A double of PagerDuty's REST API, as far as log entries go, by its documentation.
//!
//! Enforced: `Authorization: Token token=...` (401), a range of time, pages of at most 100 with `more`, an
//! offset and limit of at most 10,000 together (400), newest first.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::served::Request;

pub(crate) const TOKEN: &str = "u+abcdefghijklmnopqr";
pub(crate) const SERVICE: &str = "PSERVED";

/// What the account has.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Log entries in the order in which they were made.
    pub(crate) entries: Vec<Value>,
    /// Keys of the alerts of an incident.
    pub(crate) alerts: BTreeMap<String, Vec<String>>,
    /// Keys of incidents.
    pub(crate) keys: BTreeMap<String, String>,
    /// Services of incidents that are not of ours.
    pub(crate) elsewhere: BTreeMap<String, String>,
}

impl Account {
    /// Somebody does something to the incident of a key: `by` is `user` or `service`.
    pub(crate) fn log(&mut self, kind: &str, at: &str, by: &str, key: &str, more: &Value) {
        let number = self.entries.len() + 1;
        let mut entry = json!({
            "id": format!("R{number:06}"),
            "type": format!("{kind}_log_entry"),
            "created_at": at,
            "agent": {"id": "PUSER01", "type": format!("{by}_reference"), "summary": "Ann Example"},
            "channel": {"type": "website"},
            "service": {"id": SERVICE, "type": "service_reference"},
            "incident": {"id": format!("Q{key}"), "type": "incident", "incident_key": key,
                         "service": {"id": SERVICE, "type": "service_reference"}},
        });
        let fields = entry.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        self.entries.push(entry);
    }

    /// Somebody merges the incident of a key into another: that is its end, with a reason; its alerts go on there.
    pub(crate) fn merge(&mut self, at: &str, by: &str, key: &str, into: &str) {
        let reason = json!({"type": "merge_resolve_reason",
                            "incident": {"id": format!("Q{into}"), "type": "incident_reference"}});
        let incident = json!({"id": format!("Q{key}"), "type": "incident", "incident_key": key,
                              "status": "resolved", "resolve_reason": reason,
                              "service": {"id": SERVICE, "type": "service_reference"}});
        self.log("resolve", at, by, key, &json!({"incident": incident}));
        let moved = self.alerts.remove(&format!("Q{key}")).unwrap_or_else(|| vec![key.to_owned()]);
        let there = self.alerts.entry(format!("Q{into}"));
        there.or_insert_with(|| vec![into.to_owned()]).extend(moved);
        self.keys.insert(format!("Q{into}"), into.to_owned());
    }

    pub(crate) fn serve(&self, request: &Request) -> (u16, Value) {
        if request.header("authorization") != format!("Token token={TOKEN}") {
            return (401, json!({"error": {"message": "Invalid Credentials"}}));
        }
        let alerts =
            request.path.strip_prefix("/incidents/").and_then(|p| p.strip_suffix("/alerts"));
        let whole =
            request.path.strip_prefix("/incidents/").and_then(|id| self.keys.get_key_value(id));
        match (request.path.as_str(), alerts) {
            ("/log_entries", _) => self.page(request),
            (_, None) if whole.is_some() => (
                200,
                json!({"incident": whole.map(|(id, key)| {
                    let service = self.elsewhere.get(id).map_or(SERVICE, String::as_str);
                    json!({"id": id, "incident_key": key,
                           "service": {"id": service, "type": "service_reference"}})
                })}),
            ),
            (_, Some(id)) => match self.alerts.get(id) {
                Some(keys) => {
                    let alerts: Vec<Value> =
                        keys.iter().map(|key| json!({"alert_key": key})).collect();
                    (200, json!({"alerts": alerts, "more": false}))
                }
                None => (404, json!({"error": {"message": "Not Found"}})),
            },
            _ => (404, json!({"error": {"message": "Not Found"}})),
        }
    }

    fn page(&self, request: &Request) -> (u16, Value) {
        let asked = |name: &str| request.query.get(name).map_or("", String::as_str);
        let number = |name: &str| asked(name).parse::<usize>().unwrap_or(0);
        let (offset, limit) = (number("offset"), number("limit").min(100));
        if offset + limit > 10_000 || asked("since") >= asked("until") {
            return (400, json!({"error": {"message": "Invalid Input Provided"}}));
        }
        let within = |entry: &&Value| {
            let at = entry["created_at"].as_str().unwrap_or_default();
            asked("since") <= at && at < asked("until")
        };
        let all: Vec<&Value> = self.entries.iter().filter(within).rev().collect();
        let shown: Vec<&Value> = all.iter().skip(offset).take(limit).copied().collect();
        (200, json!({"log_entries": shown, "more": offset + limit < all.len()}))
    }
}
