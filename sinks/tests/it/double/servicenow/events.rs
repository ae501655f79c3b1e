//! Event Management's inbound events: records that have all of their fields as text, folded by
//! `message_key` into alerts. What is longer than its column is cut there, which is kept in `broken`.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde_json::{Map, Value, json};

use super::{Failure, Row, Shared, Table, audited, handle, object};
use crate::double::answer;

/// Columns that may not be empty.
const NEEDED: [&str; 6] = ["source", "node", "type", "message_key", "severity", "resolution_state"];
/// Columns and their lengths.
const LENGTHS: [(&str, usize); 8] = [
    ("source", 100),
    ("node", 100),
    ("type", 100),
    ("resource", 100),
    ("metric_name", 100),
    ("event_class", 100),
    ("message_key", 1024),
    ("description", 4000),
];

/// An alert: the events of one key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    pub(crate) severity: String,
    pub(crate) state: String,
    /// The record of `em_alert`.
    pub(super) row: Row,
    /// As they came.
    pub(crate) events: Vec<Map<String, Value>>,
}

impl Events {
    fn begin(&mut self, class: &str, key: &str) {
        if self.row.fields.is_empty() {
            for (column, value) in [
                ("sys_id", format!("{:0>32}", key)),
                ("source", String::from("faultline")),
                ("event_class", class.to_owned()),
                ("message_key", key.to_owned()),
                ("state", String::from("Open")),
                ("acknowledged", String::from("0")),
            ] {
                self.row.fields.insert(column.to_owned(), value);
            }
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state != "Closing" && self.severity != "0"
    }
}

impl Table {
    /// Somebody changes an alert: audited, where something changed.
    pub(crate) fn change_alert(&mut self, key: &str, user: &str, fields: &[(&str, &str)]) {
        let at = self.tick();
        let row = &mut self.alerts.get_mut(key).expect("there is an alert").row;
        for (field, value) in fields {
            let old = row.get(field).to_owned();
            row.fields.insert((*field).to_owned(), (*value).to_owned());
            row.fields.insert(String::from("sys_updated_on"), at.clone());
            self.audit.push(audited("em_alert", row, (field, &old, value), user, &at));
        }
    }
}

pub(super) async fn take(State(table): Shared, headers: HeaderMap, body: Bytes) -> Response<Body> {
    handle(&table, String::from("POST em"), &headers, |table| {
        let body = object(&body)?;
        let records = body.get("records").and_then(Value::as_array).cloned().unwrap_or_default();
        for record in records.iter().filter_map(Value::as_object) {
            let text = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default();
            if !is_right(&text) {
                let why = "Exception while processing event";
                return Err(Failure(400, why, "a field is not right"));
            }
            let cut = LENGTHS.iter().filter(|(field, most)| text(field).chars().count() > *most);
            table.broken.extend(cut.map(|(field, _)| format!("{field} is cut")));
            let over = text("severity") == "0" || text("resolution_state") == "Closing";
            let (class, key) = (text("event_class").to_owned(), text("message_key").to_owned());
            table.alerts.entry(key.clone()).or_default().begin(&class, &key);
            // Rules and jobs do it, not who sent the event.
            let was_closed =
                table.alerts.get(&key).is_some_and(|kept| kept.row.get("state") == "Closed");
            match (was_closed, over) {
                (false, true) => table.change_alert(&key, "system", &[("state", "Closed")]),
                (true, false) => table.change_alert(&key, "system", &[("state", "Reopen")]),
                _ => {}
            }
            let kept = table.alerts.entry(key).or_default();
            kept.severity = text("severity").to_owned();
            kept.state = text("resolution_state").to_owned();
            kept.events.push(record.clone());
        }
        Ok(answer(200, &json!({"result": {"events": records.len()}}).to_string()))
    })
    .await
}

fn is_right<'a>(text: &impl Fn(&str) -> &'a str) -> bool {
    let info: Result<Value, _> = serde_json::from_str(text("additional_info"));
    let time = text("time_of_event");
    NEEDED.iter().all(|field| !text(field).is_empty())
        && text("severity").parse::<u8>().is_ok_and(|severity| severity <= 5)
        && matches!(text("resolution_state"), "New" | "Closing")
        && time.len() == 19
        && !time.contains('T')
        && info.is_ok_and(|info| info.is_object())
}
