//! The blocks of a message. Text from outside stands in `plain_text` alone, where Slack reads no
//! markup; our own words and links of the configuration stand in `mrkdwn`.
//!
//! Limits (Block Kit): 50 blocks, header 150 characters, section 3,000, ten fields of 2,000; all
//! together near 13,200.

use model::incident::{Incident, IncidentState};
use serde_json::{Value, json};

use crate::delivery::decide::is_over;
use crate::hook::{ACKNOWLEDGE, RESOLVE};
use crate::render::template::{mrkdwn, mrkdwn_url};
use crate::render::told::Told;
use crate::render::untrusted::Untrusted;
use crate::render::words::Words;

const HEADER_CHARS_MAX: usize = 150;
const SECTION_CHARS_MAX: usize = 2_900;
const FIELD_CHARS_MAX: usize = 600;
const FALLBACK_CHARS_MAX: usize = 300;
/// Most services and causes in words.
const SERVICES_MAX: usize = 15;

/// Whether a message has buttons: only where somebody hears of a press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buttons {
    Shown,
    None,
}

/// The message of an incident.
pub(super) fn message(
    incident: &Incident,
    told: &Told,
    words: &Words,
    buttons: Buttons,
    notes: &mut Vec<String>,
) -> Value {
    let title = words.title(incident, told, notes);
    let title = format!("{}{title}", prefix(incident.state));
    let mut blocks =
        vec![json!({"type": "header", "text": plain(&Untrusted(&title).line(HEADER_CHARS_MAX))})];
    match words.shaped_body(incident, told, notes) {
        Some(body) => blocks.push(json!({
            "type": "section",
            "text": {"type": "mrkdwn", "verbatim": true, "text": fitting(&body)},
        })),
        None => blocks.extend(built_in(incident, told)),
    }
    if buttons == Buttons::Shown {
        blocks.extend(actions(incident));
    }
    if let Some(link) = words.link(incident) {
        // `|` and `>` would end the link; a checked url has no blank.
        let link = mrkdwn_url(&link);
        blocks.push(json!({
            "type": "context",
            "elements": [{"type": "mrkdwn", "text": format!("<{link}|Open in faultline>")}],
        }));
    }
    let fallback = mrkdwn(&Untrusted(&title).line(FALLBACK_CHARS_MAX));
    json!({"text": fallback, "blocks": blocks})
}

/// What can be decided now, as buttons; `None` when it is over.
fn actions(incident: &Incident) -> Option<Value> {
    if is_over(incident.state) {
        return None;
    }
    let button = |action: &str, text: &str| {
        json!({"type": "button", "action_id": action, "text": plain(text),
               "value": incident.id.to_string()})
    };
    let is_open = incident.people.acknowledged.is_none();
    let acknowledge = is_open.then(|| button(ACKNOWLEDGE, "Acknowledge"));
    let buttons: Vec<Value> = acknowledge.into_iter().chain([button(RESOLVE, "Resolve")]).collect();
    Some(json!({"type": "actions", "elements": buttons}))
}

/// What a reply in the thread says.
pub(super) fn reply(news: &[String]) -> Value {
    let text = Untrusted(&news.join("\n")).block(20, 280);
    let fallback = mrkdwn(&Untrusted(&news.join(" ")).line(FALLBACK_CHARS_MAX));
    let blocks = json!([{"type": "section", "text": plain(&cut(&text, SECTION_CHARS_MAX))}]);
    json!({"text": fallback, "blocks": blocks})
}

/// The same in a template's words, which may hold markup of its own.
pub(super) fn shaped_reply(shaped: &str, news: &[String]) -> Value {
    let fallback = mrkdwn(&Untrusted(&news.join(" ")).line(FALLBACK_CHARS_MAX));
    let text = json!({"type": "mrkdwn", "verbatim": true, "text": fitting(shaped)});
    json!({"text": fallback, "blocks": [{"type": "section", "text": text}]})
}

fn prefix(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open => "",
        IncidentState::Suspected => "Suspected: ",
        IncidentState::Resolved => "Resolved: ",
        IncidentState::Merged => "Merged: ",
        IncidentState::Withdrawn => "Withdrawn: ",
    }
}

fn built_in(incident: &Incident, told: &Told) -> Vec<Value> {
    let mut blocks = Vec::new();
    // One paragraph: no line of a message begins with words from outside.
    let story = Untrusted(&incident.narrative).line(SECTION_CHARS_MAX);
    if !story.is_empty() {
        blocks.push(json!({"type": "section", "text": plain(&story)}));
    }
    let fields: Vec<Value> = fields(incident, told)
        .into_iter()
        .map(|(name, text)| plain(&cut(&format!("{name}: {text}"), FIELD_CHARS_MAX)))
        .collect();
    blocks.push(json!({"type": "section", "fields": fields}));
    blocks
}

/// At most ten.
fn fields(incident: &Incident, told: &Told) -> Vec<(&'static str, String)> {
    let shown = told.services.iter().take(SERVICES_MAX).cloned().collect::<Vec<_>>().join(", ");
    let cause = match &told.cause {
        Some(cause) => format!("{} ({} %)", cause.text, cause.percent),
        None => String::from("nothing inside the system"),
    };
    let mut fields = vec![
        ("Most likely cause", cause),
        ("Affected", format!("{}: {shown}", told.services_total)),
        ("Alerts", told.alerts_line()),
        ("Began", format!("{} UTC", incident.onset_at.to_hms())),
    ];
    let people = [
        ("Owner", &told.owner),
        ("Acknowledged by", &told.acknowledged),
        ("Assigned to", &told.assignee),
    ];
    for (name, text) in people {
        fields.extend(text.clone().map(|text| (name, text)));
    }
    fields
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "emoji": false, "text": text})
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(3)).collect();
    format!("{kept}...")
}

/// Whole lines as long as they fit: nothing is cut inside of its markup.
fn fitting(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if out.chars().count() + line.chars().count() + 1 > SECTION_CHARS_MAX {
            break;
        }
        out.push_str(line);
        out.push('\n');
    }
    let out = out.trim_end();
    if out.is_empty() { String::from("...") } else { out.to_owned() }
}
