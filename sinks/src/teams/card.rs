//! The Adaptive Card (1.4) of an incident. All text stands in `TextRun`s, which read no Markdown
//! and no mention; the only link is the console's, from the configuration.

use model::incident::{Incident, IncidentState, Priority};
use serde_json::{Value, json};

use crate::render::told::Told;
use crate::render::untrusted::{Untrusted, json_bytes};
use crate::render::words::Words;

/// Largest message: Teams takes 28 KB. Unit: bytes.
const MESSAGE_BYTES_MAX: usize = 25_000;
/// Longest text at first; halved until the message fits. Unit: characters.
const TEXT_CHARS_MAX: usize = 4_000;
const TITLE_CHARS_MAX: usize = 200;

/// The whole message, within the limit.
pub(super) fn message(
    incident: &Incident,
    told: &Told,
    news: &[String],
    words: &Words,
    notes: &mut Vec<String>,
) -> Vec<u8> {
    let title = Untrusted(&words.title(incident, told, notes)).line(TITLE_CHARS_MAX);
    let body = words.body(incident, told, notes);
    let link = words.link(incident);
    let mut chars_max = TEXT_CHARS_MAX;
    loop {
        let card = card(incident, &title, &cut(&body, chars_max), news, link.as_deref());
        let bytes = json_bytes(&envelope(&card));
        if bytes.len() <= MESSAGE_BYTES_MAX || chars_max < 100 {
            return bytes;
        }
        chars_max /= 2;
    }
}

fn envelope(card: &Value) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn card(
    incident: &Incident,
    title: &str,
    text: &str,
    news: &[String],
    link: Option<&str>,
) -> Value {
    let state = state(incident.state);
    let colour = colour(incident);
    let mut body = vec![paragraph(&[run(&format!("{state}: "), Some(colour)), run(title, None)])];
    if !news.is_empty() {
        let text = Untrusted(&news.join("\n")).block(12, 280);
        body.extend(text.lines().map(|line| paragraph(&[plain(line)])));
    }
    // A text run has no line ends: each line is a paragraph of its own.
    body.extend(text.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let mut block = paragraph(&[plain(line)]);
        if let Some(fields) = block.as_object_mut() {
            fields.insert(String::from("spacing"), Value::from("small"));
        }
        block
    }));
    let actions: Vec<Value> = link
        .map(|url| json!({"type": "Action.OpenUrl", "title": "Open in faultline", "url": url}))
        .into_iter()
        .collect();
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": actions,
    })
}

fn paragraph(inlines: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "inlines": inlines})
}

fn plain(text: &str) -> Value {
    json!({"type": "TextRun", "text": text})
}

fn run(text: &str, colour: Option<&str>) -> Value {
    let colour = colour.unwrap_or("default");
    json!({"type": "TextRun", "text": text, "weight": "bolder", "size": "medium", "color": colour})
}

fn state(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Suspected => "Suspected",
        IncidentState::Open => "Open",
        IncidentState::Resolved => "Resolved",
        IncidentState::Merged => "Merged",
        IncidentState::Withdrawn => "Withdrawn",
    }
}

fn colour(incident: &Incident) -> &'static str {
    match (incident.state, incident.priority) {
        (IncidentState::Open | IncidentState::Suspected, Priority::P1 | Priority::P2) => {
            "attention"
        }
        (IncidentState::Open | IncidentState::Suspected, Priority::P3 | Priority::P4) => "warning",
        (IncidentState::Resolved, _) => "good",
        (IncidentState::Merged | IncidentState::Withdrawn, _) => "default",
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max).collect();
    format!("{}\n...", kept.trim_end())
}
