//! A double of a Workflow's webhook in Microsoft Teams, by its documentation.
//!
//! Enforced: the signature of the address, 28 KB counted as Teams does (two bytes a character
//! unless the request names UTF-8), one Adaptive Card of at most version 1.5 with elements and
//! actions that cards know, 202 without a body worth reading.

use serde_json::{Value, json};

use super::served::{Request, Service};

pub(crate) const SIGNATURE: &str = "Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OWFiY2RlZg";

/// A channel.
#[derive(Debug, Default)]
pub(crate) struct Teams {
    pub(crate) cards: Vec<Value>,
    /// Rules that a request broke.
    pub(crate) broken: Vec<String>,
}

impl Service for Teams {
    fn serve(&mut self, request: &Request) -> (u16, Value) {
        if request.query.get("sig").map(String::as_str) != Some(SIGNATURE) {
            return (401, json!({"error": {"code": "DirectApiAuthorizationRequired"}}));
        }
        match card(request) {
            Ok(card) => {
                self.cards.push(card);
                (202, json!({}))
            }
            Err((status, why)) => {
                self.broken.push(why.to_owned());
                (status, json!({"error": {"code": "InvalidRequest", "message": why}}))
            }
        }
    }
}

fn card(request: &Request) -> Result<Value, (u16, &'static str)> {
    let named = request.header("content-type").to_ascii_lowercase().contains("charset=utf-8");
    let size = request.body.len() * if named { 1 } else { 2 };
    if size > 28 * 1024 {
        return Err((413, "larger than 28 KB"));
    }
    let message = request.json().ok_or((400, "not json"))?;
    let card = message.pointer("/attachments/0/content").ok_or((400, "no card"))?;
    let kind = text(&message, "/attachments/0/contentType");
    if text(&message, "/type") != "message"
        || kind != "application/vnd.microsoft.card.adaptive"
        || text(card, "/type") != "AdaptiveCard"
        || !["1.2", "1.3", "1.4", "1.5"].contains(&text(card, "/version"))
    {
        return Err((400, "not an Adaptive Card"));
    }
    let body = card.get("body").and_then(Value::as_array).ok_or((400, "body"))?;
    let known = ["TextBlock", "RichTextBlock", "FactSet", "Container", "ColumnSet"];
    if body.is_empty() || !body.iter().all(|part| known.contains(&text(part, "/type"))) {
        return Err((400, "an element that cards do not know"));
    }
    let actions = card.get("actions").and_then(Value::as_array);
    for action in actions.into_iter().flatten() {
        if text(action, "/type") != "Action.OpenUrl" || !text(action, "/url").starts_with("http") {
            return Err((400, "an action that Workflows do not know"));
        }
    }
    Ok(card.clone())
}

fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default()
}
