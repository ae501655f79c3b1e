//! What people do to our messages in Slack: buttons that they press, and what they write in a thread.
//!
//! Slack sends the first as a form with a field `payload` (`block_actions`), the second as an event of its
//! Events API, both to the address that the app names. A press says which incident it is about; of a reply it
//! is known by the message whose thread it stands in. Who writes is an id there, not a name: to read names
//! would need one scope more. Sources: Block Kit interactivity and the Events API at docs.slack.dev.

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::name::Name;
use model::time::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::{Letter, Said, Unheard, parse};
use crate::heard::{Deed, incident_id};

/// The buttons of a message: `action_id`, and what a press of it means.
pub(crate) const ACKNOWLEDGE: &str = "faultline_acknowledge";
/// See [`ACKNOWLEDGE`].
pub(crate) const RESOLVE: &str = "faultline_resolve";

#[derive(Deserialize)]
struct Interaction {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User {
    id: String,
    username: String,
    name: String,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    action_id: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    action_ts: String,
}

#[derive(Deserialize)]
struct Outer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    challenge: String,
    #[serde(default)]
    event: Event,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    bot_id: Option<String>,
    user: String,
    channel: String,
    text: String,
    ts: String,
    thread_ts: Option<String>,
}

pub(super) fn read(sink: &Name, letter: &Letter<'_>) -> Result<Said, Unheard> {
    let is_form = (letter.header)("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if is_form {
        let pressed: Interaction = parse(payload(letter.body)?.as_bytes(), "Slack's interaction")?;
        return Ok(Said::Acts(pressed.acts(sink, letter.at)));
    }
    let outer: Outer = parse(letter.body, "an event of Slack")?;
    match outer.kind.as_str() {
        "url_verification" => Ok(Said::Echo(outer.challenge)),
        "event_callback" => Ok(Said::Acts(outer.event.act(sink, letter).into_iter().collect())),
        _ => Ok(Said::Acts(Vec::new())),
    }
}

/// The field `payload` of a form.
fn payload(body: &[u8]) -> Result<String, Unheard> {
    let unreadable = || Unheard::Unreadable(String::from("this form has no field `payload`"));
    let form = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let field = form.split('&').find_map(|pair| pair.strip_prefix("payload="));
    let field = field.ok_or_else(unreadable)?.replace('+', " ");
    Ok(percent_decode_str(&field).decode_utf8_lossy().into_owned())
}

impl Interaction {
    fn acts(&self, sink: &Name, now: Timestamp) -> Vec<Act> {
        if self.kind != "block_actions" {
            return Vec::new();
        }
        let author = [&self.user.username, &self.user.name, &self.user.id];
        let author = author.into_iter().find(|name| !name.is_empty()).map_or("", String::as_str);
        let act = |action: &Action| {
            let decision = decision(&action.action_id, incident_id(&action.value)?)?;
            let entry = format!("{}.{}", action.action_ts, self.user.id);
            let at = moment(&action.action_ts).unwrap_or(now);
            Some(Deed { via: sink, entry: &entry, author, at, reason: "" }.act(decision))
        };
        self.actions.iter().filter_map(act).collect()
    }
}

fn decision(button: &str, incident: IncidentId) -> Option<Decision> {
    match button {
        ACKNOWLEDGE => Some(Decision::Acknowledge { incident }),
        RESOLVE => Some(Decision::Resolve { incident }),
        _ => None,
    }
}

impl Event {
    /// A comment, if a person wrote it below one of our messages.
    fn act(&self, sink: &Name, letter: &Letter<'_>) -> Option<Act> {
        let is_written =
            matches!(self.subtype.as_deref(), None | Some("file_share" | "thread_broadcast"));
        let is_persons = self.kind == "message" && is_written && self.bot_id.is_none();
        let thread = self.thread_ts.as_ref().filter(|thread| **thread != self.ts)?;
        if !is_persons || self.text.trim().is_empty() {
            return None;
        }
        let incident = (letter.incident_of)(&format!("{}/{thread}", self.channel))?;
        let deed = Deed {
            via: sink,
            entry: &format!("{}.{}", self.channel, self.ts),
            author: &self.user,
            at: moment(&self.ts).unwrap_or(letter.at),
            reason: &plain(&self.text),
        };
        Some(deed.act(Decision::Comment { incident }))
    }
}

/// Slack writes three characters as entities, in this order back.
fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// `1773713230.000100`: seconds and microseconds.
fn moment(ts: &str) -> Option<Timestamp> {
    let (secs, micros) = ts.split_once('.')?;
    let (secs, micros): (i64, i64) = (secs.parse().ok()?, micros.get(..6)?.parse().ok()?);
    Some(Timestamp(secs.checked_mul(1_000_000)?.checked_add(micros)?.checked_mul(1_000)?))
}
