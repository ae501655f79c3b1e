//! A double of Slack's Web API, by its documentation.
//!
//! Enforced: a bot token, `ok: false` with 200, the channel's id, text with blocks, Block Kit's
//! limits (50 blocks, header 150, section 3,000, ten fields of 2,000, 13,200 together), metadata
//! of a type and an object, threads and changes of messages that are there, pages of history,
//! scopes for reading.

use serde_json::{Value, json};

use super::served::{Request, Service};

pub(crate) const TOKEN: &str = "xoxb-0123456789-abcdefghij";
pub(crate) const CHANNEL: &str = "C0123456789";

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) ts: String,
    pub(crate) thread: Option<String>,
    pub(crate) body: Value,
    pub(crate) edits: u32,
}

/// A workspace with one channel.
#[derive(Debug)]
pub(crate) struct Slack {
    pub(crate) messages: Vec<Message>,
    /// Whether the app has `channels:history`.
    pub(crate) may_read: bool,
    /// Most messages of a page, whatever is asked for.
    pub(crate) page: usize,
    /// What the next writes fail with.
    pub(crate) errors: Vec<&'static str>,
    /// Rules that a request broke.
    pub(crate) broken: Vec<String>,
    posted: u32,
}

impl Default for Slack {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            may_read: true,
            page: 200,
            errors: Vec::new(),
            broken: Vec::new(),
            posted: 0,
        }
    }
}

type Done = Result<Value, &'static str>;

impl Service for Slack {
    fn serve(&mut self, request: &Request) -> (u16, Value) {
        if request.header("authorization") != format!("Bearer {TOKEN}") {
            return (200, json!({"ok": false, "error": "invalid_auth"}));
        }
        let done = match request.path.as_str() {
            "/api/chat.postMessage" => self.write(request, Self::post),
            "/api/chat.update" => self.write(request, Self::update),
            "/api/chat.getPermalink" => self.permalink(request),
            "/api/conversations.history" => self.read(request, None),
            "/api/conversations.replies" => {
                self.read(request, Some(request.query.get("ts").cloned().unwrap_or_default()))
            }
            _ => Err("unknown_method"),
        };
        match done {
            Ok(body) => (200, body),
            Err(error) => {
                self.broken.push(error.to_owned());
                (200, json!({"ok": false, "error": error}))
            }
        }
    }
}

impl Slack {
    fn write(&mut self, request: &Request, work: fn(&mut Self, Value) -> Done) -> Done {
        if !request.header("content-type").starts_with("application/json; charset=utf-8") {
            return Err("missing_charset");
        }
        if !self.errors.is_empty() {
            return Err(self.errors.remove(0));
        }
        let body = request.json().ok_or("invalid_json")?;
        if text(&body, "/channel") != CHANNEL {
            return Err("channel_not_found");
        }
        if text(&body, "/text").is_empty() {
            return Err("no_text");
        }
        check_blocks(&body)?;
        let payload = body.pointer("/metadata/event_payload");
        if !text(&body, "/metadata/event_type").is_empty() && !payload.is_some_and(Value::is_object)
        {
            return Err("metadata_must_be_sent_with_a_payload");
        }
        work(self, body)
    }

    fn post(&mut self, body: Value) -> Done {
        let thread = body.get("thread_ts").and_then(Value::as_str).map(ToOwned::to_owned);
        if let Some(thread) = &thread
            && !self.messages.iter().any(|message| message.ts == *thread)
        {
            return Err("thread_not_found");
        }
        self.posted += 1;
        let ts = format!("{}.000100", 1_773_713_230 + self.posted);
        self.messages.push(Message { ts: ts.clone(), thread, body, edits: 0 });
        Ok(json!({"ok": true, "channel": CHANNEL, "ts": ts}))
    }

    fn update(&mut self, body: Value) -> Done {
        let ts = text(&body, "/ts").to_owned();
        let message = self.messages.iter_mut().find(|message| message.ts == ts);
        let message = message.ok_or("message_not_found")?;
        message.body = body;
        message.edits += 1;
        Ok(json!({"ok": true, "channel": CHANNEL, "ts": ts}))
    }

    fn permalink(&self, request: &Request) -> Done {
        let ts = request.query.get("message_ts").ok_or("message_not_found")?;
        let link = format!("https://example.slack.com/archives/{CHANNEL}/p{}", ts.replace('.', ""));
        Ok(json!({"ok": true, "channel": CHANNEL, "permalink": link}))
    }

    /// A page, the newest first (a thread: the oldest first).
    fn read(&self, request: &Request, thread: Option<String>) -> Done {
        if !self.may_read {
            return Err("missing_scope");
        }
        if request.query.get("channel").map(String::as_str) != Some(CHANNEL) {
            return Err("channel_not_found");
        }
        let oldest: f64 =
            request.query.get("oldest").and_then(|text| text.parse().ok()).unwrap_or(0.0);
        let with_metadata =
            request.query.get("include_all_metadata").is_some_and(|text| text == "true");
        let mut found: Vec<&Message> = self
            .messages
            .iter()
            .filter(|message| match &thread {
                Some(ts) => message.ts == *ts || message.thread.as_ref() == Some(ts),
                None => message.thread.is_none(),
            })
            .filter(|message| message.ts.parse::<f64>().is_ok_and(|ts| ts > oldest))
            .collect();
        if thread.is_none() {
            found.reverse();
        }
        let from: usize =
            request.query.get("cursor").and_then(|text| text.parse().ok()).unwrap_or(0);
        let page: Vec<Value> = found
            .iter()
            .skip(from)
            .take(self.page)
            .map(|message| {
                let metadata = message.body.get("metadata").filter(|_| with_metadata);
                json!({"type": "message", "ts": message.ts, "metadata": metadata})
            })
            .collect();
        let next = if from + self.page < found.len() {
            (from + self.page).to_string()
        } else {
            String::new()
        };
        Ok(json!({"ok": true, "messages": page, "response_metadata": {"next_cursor": next}}))
    }
}

fn check_blocks(body: &Value) -> Result<(), &'static str> {
    let blocks = body.get("blocks").and_then(Value::as_array).ok_or("no_blocks")?;
    if blocks.is_empty() || blocks.len() > 50 {
        return Err("invalid_blocks");
    }
    let mut total = 0;
    for block in blocks {
        let limit = match text(block, "/type") {
            "header" if text(block, "/text/type") == "plain_text" => 150,
            "section" | "context" => 3_000,
            "actions" => {
                total += check_buttons(block)?;
                continue;
            }
            _ => return Err("invalid_blocks"),
        };
        let none = Vec::new();
        let fields = block.get("fields").and_then(Value::as_array).unwrap_or(&none);
        let elements = block.get("elements").and_then(Value::as_array).unwrap_or(&none);
        let own = block.get("text").into_iter().map(|text| (text, limit));
        let parts = own.chain(fields.iter().map(|field| (field, 2_000)));
        let parts: Vec<_> = parts.chain(elements.iter().map(|element| (element, 2_000))).collect();
        if parts.is_empty() || fields.len() > 10 || elements.len() > 10 {
            return Err("invalid_blocks");
        }
        for (part, limit) in parts {
            let length = text(part, "/text").chars().count();
            let known = matches!(text(part, "/type"), "plain_text" | "mrkdwn");
            if !known || length == 0 || length > limit {
                return Err("invalid_blocks");
            }
            total += length;
        }
    }
    if total > 13_200 { Err("msg_blocks_too_long") } else { Ok(()) }
}

/// Buttons have an action, of which no other has the id, a text of at most 75 characters and a value of at
/// most 2,000.
fn check_buttons(block: &Value) -> Result<usize, &'static str> {
    let buttons = block.get("elements").and_then(Value::as_array).ok_or("invalid_blocks")?;
    let mut ids: Vec<&str> = buttons.iter().map(|button| text(button, "/action_id")).collect();
    ids.dedup();
    let fits = |button: &Value| {
        text(button, "/type") == "button"
            && text(button, "/text/type") == "plain_text"
            && (1..=75).contains(&text(button, "/text/text").chars().count())
            && (1..=255).contains(&text(button, "/action_id").chars().count())
            && text(button, "/value").chars().count() <= 2_000
    };
    let is_right = (1..=25).contains(&buttons.len()) && ids.len() == buttons.len();
    if !is_right || !buttons.iter().all(fits) {
        return Err("invalid_blocks");
    }
    Ok(buttons.iter().map(|button| text(button, "/text/text").chars().count()).sum())
}

fn text<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default()
}
