//! The REST API of the same site, as far as alerts are read, by Atlassian's description of it.
//!
//! Enforced: a user with an API token (401), the site's id, `query` in the search's language, `sort` and
//! `order` by name, pages of at most 100 and not beyond 20,000 (422), alerts by their whole id (404),
//! notes and activity page by page with a link that has the key of the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::jsm_ops::{Alert, INTEGRATION, Ops};
use super::{Asked, after, answer, before};

pub(crate) const CLOUD: &str = "cd68207b-c55d-4611-ab25-72fd0c439e9f";
pub(crate) const USER: &str = "faultline@example.org";
pub(crate) const TOKEN: &str = "correct horse battery";

pub(super) async fn handle(
    State(ops): State<Arc<Mutex<Ops>>>,
    Path(path): Path<String>,
    Query(params): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response<Body> {
    let lock = || ops.lock().unwrap_or_else(PoisonError::into_inner);
    let fault = {
        let mut ops = lock();
        ops.requests += 1;
        ops.faults.next(Asked::Read)
    };
    if let Some(early) = before(fault).await {
        return early;
    }
    let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{TOKEN}")));
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    if given != Some(expected.as_str()) {
        return answer(401, r#"{"code":401,"message":"Unauthorized"}"#);
    }
    let parts: Vec<&str> = path.split('/').collect();
    let (status, body) = route(&lock(), &parts, &params);
    after(fault, answer(status, &body.to_string())).await
}

fn route(ops: &Ops, parts: &[&str], params: &BTreeMap<String, String>) -> (u16, Value) {
    let parameter = |name: &str| params.get(name).map_or("", String::as_str);
    let size = parameter("size").parse().unwrap_or(20_usize);
    if size > 100 {
        return (422, json!({"message": "size"}));
    }
    match parts {
        [CLOUD, "v1", "alerts"] => {
            let offset = parameter("offset").parse().unwrap_or(0_usize);
            let wanted = parameter("query").strip_prefix("source:\"");
            let wanted = wanted.and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
            // The search looks for words: what only begins so is found, too.
            let found = |alert: &&Alert| {
                let source = alert.fields.get("source").and_then(Value::as_str);
                source.is_some_and(|source| source.split('-').any(|word| wanted.starts_with(word)))
            };
            let is_right = !wanted.is_empty()
                && parameter("sort") == "updatedAt"
                && parameter("order") == "desc"
                && offset + size < 20_000;
            if !is_right {
                return (422, json!({"message": "query"}));
            }
            let mut all: Vec<&Alert> = ops.alerts.iter().filter(found).collect();
            all.sort_by(|a, b| b.changed.cmp(&a.changed));
            let shown = all.into_iter().skip(offset).take(size).map(show);
            (200, json!({"values": shown.collect::<Vec<_>>(), "count": ops.alerts.len()}))
        }
        [CLOUD, "v1", "alerts", id, what] => {
            let Some(alert) = ops.alerts.iter().find(|alert| alert.id == *id) else {
                return (404, json!({"message": "Alert does not exist"}));
            };
            let mut all: Vec<Value> = match *what {
                "notes" => alert
                    .notes
                    .iter()
                    .map(|note| {
                        json!({"id": note.id, "note": note.note,
                    "owner": note.owner, "createdAt": note.at})
                    })
                    .collect(),
                "logs" => alert
                    .activity
                    .iter()
                    .map(|(at, owner)| {
                        json!({"logTime": at,
                    "logType": "system", "log": "in words", "owner": owner})
                    })
                    .collect(),
                _ => return (404, json!({"message": "no such thing"})),
            };
            if !ops.oldest_first {
                all.reverse();
            }
            let from = parameter("after").parse().unwrap_or(0_usize);
            let next = (from + size < all.len())
                .then(|| format!("/v1/alerts/{id}/{what}?after={}", from + size));
            let shown: Vec<Value> = all.into_iter().skip(from).take(size).collect();
            (200, json!({"values": shown, "links": {"next": next}}))
        }
        _ => (404, json!({"message": "no such thing"})),
    }
}

fn show(alert: &Alert) -> Value {
    json!({
        "id": alert.id, "alias": alert.fields.get("alias"), "source": alert.fields.get("source"),
        "status": if alert.open { "open" } else { "closed" }, "updatedAt": alert.changed,
        "acknowledged": alert.acked.is_some(), "ackTime": alert.acked, "closeTime": alert.closed,
        "owner": alert.owner, "snoozed": alert.snoozed_until.is_some(),
        "snoozedUntil": alert.snoozed_until, "integrationName": INTEGRATION, "integrationType": "API",
        "description": alert.fields.get("description"),
    })
}
