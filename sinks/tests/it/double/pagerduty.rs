//! A double of PagerDuty's Events API v2, by its documentation.
//!
//! Enforced: JSON of at most 512 KB, a routing key of 32 characters, the three actions,
//! `dedup_key` of at most 255 characters, `summary`, `source` and `severity` of a trigger, 202. An
//! event of a key whose alert is resolved opens a new one; acknowledgements and resolves of such
//! a key are dropped.

use serde_json::{Value, json};

use super::pagerduty_rest::Account;
use super::served::{Request, Service};

pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// An alert.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) key: String,
    pub(crate) status: &'static str,
    /// Payloads of its triggers, in order.
    pub(crate) log: Vec<Value>,
}

/// A service of PagerDuty.
#[derive(Debug, Default)]
pub(crate) struct PagerDuty {
    pub(crate) alerts: Vec<Alert>,
    pub(crate) changes: Vec<Value>,
    /// Rules that a request broke.
    pub(crate) broken: Vec<String>,
    /// What the REST API has.
    pub(crate) account: Account,
}

impl Service for PagerDuty {
    fn serve(&mut self, request: &Request) -> (u16, Value) {
        if request.method == "GET" {
            return self.account.serve(request);
        }
        let done = match request.path.as_str() {
            "/v2/enqueue" => self.enqueue(request),
            "/v2/change/enqueue" => self.change(request),
            _ => Err("no such path"),
        };
        match done {
            Ok(key) => {
                let body = json!({"status": "success", "message": "Event processed",
                                  "dedup_key": key});
                (202, body)
            }
            Err(why) => {
                self.broken.push(why.to_owned());
                let body = json!({"status": "invalid event", "message": "Event object is invalid",
                                  "errors": [why]});
                (400, body)
            }
        }
    }
}

impl PagerDuty {
    fn enqueue(&mut self, request: &Request) -> Result<String, &'static str> {
        let event = opened(request)?;
        let key = text(&event, "/dedup_key");
        let action = text(&event, "/event_action");
        if key.len() > 255 || (key.is_empty() && action != "trigger") {
            return Err("dedup_key");
        }
        let mut alerts = self.alerts.iter_mut();
        let open = alerts.rfind(|alert| alert.key == key && alert.status != "resolved");
        match (action, open) {
            ("trigger", open) => {
                let payload = event.get("payload").ok_or("payload")?;
                trigger_fits(&event, payload)?;
                match open {
                    Some(alert) => alert.log.push(payload.clone()),
                    None => self.alerts.push(Alert {
                        key: key.to_owned(),
                        status: "triggered",
                        log: vec![payload.clone()],
                    }),
                }
            }
            ("acknowledge", Some(alert)) => alert.status = "acknowledged",
            ("resolve", Some(alert)) => alert.status = "resolved",
            ("acknowledge" | "resolve", None) => {}
            _ => return Err("event_action"),
        }
        Ok(key.to_owned())
    }

    fn change(&mut self, request: &Request) -> Result<String, &'static str> {
        let event = opened(request)?;
        let summary = text(&event, "/payload/summary");
        if summary.is_empty() || summary.chars().count() > 1024 {
            return Err("summary");
        }
        self.changes.push(event);
        Ok(String::new())
    }
}

fn opened(request: &Request) -> Result<Value, &'static str> {
    if request.body.len() > 512 * 1024 {
        return Err("larger than 512 KB");
    }
    if request.method != "POST" || !request.header("content-type").starts_with("application/json") {
        return Err("not json");
    }
    let event = request.json().ok_or("not json")?;
    if text(&event, "/routing_key") != KEY {
        return Err("routing_key");
    }
    Ok(event)
}

fn trigger_fits(event: &Value, payload: &Value) -> Result<(), &'static str> {
    let summary = text(payload, "/summary");
    if summary.is_empty() || summary.chars().count() > 1024 {
        return Err("summary");
    }
    if text(payload, "/source").is_empty() {
        return Err("source");
    }
    if !["critical", "error", "warning", "info"].contains(&text(payload, "/severity")) {
        return Err("severity");
    }
    let links = event.get("links").and_then(Value::as_array);
    if links.into_iter().flatten().any(|link| !text(link, "/href").starts_with("http")) {
        return Err("links");
    }
    Ok(())
}

fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default()
}
