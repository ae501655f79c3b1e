//! Slack's Web API, as far as we use it: `ok: false` is an error whatever the status says.
//!
//! Sources: chat.postMessage, chat.update, chat.getPermalink, conversations.history and
//! conversations.replies at docs.slack.dev.

use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde_json::Value;

use crate::config::secret::Secret;
use crate::config::{SlackConfig, timeout};
use crate::exchange::{Exchange, Stop, encoded};
use crate::http::Answer;
use crate::render::untrusted::Untrusted;
use crate::sink::{Trouble, Wait};

/// Clocks may differ by so much.
const CLOCK_SLACK: Nanos = Nanos::from_secs(300);
/// Messages of a page, and pages, that are looked through.
const PAGE: u32 = 200;
const PAGES_MAX: usize = 5;

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) channel: String,
    pub(super) ts: String,
}

impl Message {
    /// `channel/ts`.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.channel, self.ts)
    }

    pub(super) fn parse(id: &str) -> Option<Self> {
        let (channel, ts) = id.split_once('/')?;
        Some(Self { channel: channel.to_owned(), ts: ts.to_owned() })
    }
}

/// A client of one workspace.
pub(super) struct Api {
    base: String,
    authorization: String,
    client: Exchange,
}

impl Api {
    pub(super) fn new(config: &SlackConfig, token: &Secret) -> Self {
        Self {
            base: format!("{}/api", config.url.trim_end_matches('/')),
            authorization: format!("Bearer {}", token.expose()),
            client: Exchange::new(timeout(config.timeout_ms), vec![token.clone()]),
        }
    }

    /// Posts to the channel, or to the thread of a message.
    pub(super) fn post(
        &self,
        channel: &str,
        thread: Option<&Message>,
        mut body: Value,
        now: Timestamp,
    ) -> Result<Message, Stop> {
        let channel = thread.map_or(channel, |message| message.channel.as_str());
        set(&mut body, "channel", channel);
        set(&mut body, "parse", "none");
        for field in ["link_names", "unfurl_links", "unfurl_media"] {
            put(&mut body, field, Value::Bool(false));
        }
        if let Some(message) = thread {
            set(&mut body, "thread_ts", &message.ts);
        }
        let answer = self.call("chat.postMessage", Some(&body), now)?;
        message(&answer, channel).ok_or_else(|| malformed("a message without ts"))
    }

    /// Changes a message in place.
    pub(super) fn update(
        &self,
        message: &Message,
        mut body: Value,
        now: Timestamp,
    ) -> Result<(), Stop> {
        set(&mut body, "channel", &message.channel);
        set(&mut body, "ts", &message.ts);
        set(&mut body, "parse", "none");
        put(&mut body, "link_names", Value::Bool(false));
        self.call("chat.update", Some(&body), now).map(drop)
    }

    /// The link of a message. It is a help for people: no link is no reason to try again.
    pub(super) fn permalink(&self, message: &Message, now: Timestamp) -> Option<Name> {
        let query =
            format!("chat.getPermalink?channel={}&message_ts={}", message.channel, message.ts);
        let answer = self.call(&query, None, now).ok()?;
        let link = answer.get("permalink")?.as_str()?;
        link.starts_with("https://").then(|| Untrusted(link).data(1_000).into())
    }

    /// A message of the channel since a moment whose metadata fits.
    pub(super) fn find(
        &self,
        channel: &str,
        since: Timestamp,
        now: Timestamp,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Option<Message>, Stop> {
        let oldest = (since - CLOCK_SLACK).millis().div_euclid(1_000);
        let query = format!(
            "conversations.history?channel={channel}&oldest={oldest}&limit={PAGE}\
             &include_all_metadata=true"
        );
        let found = self.walk(&query, now, fits)?;
        Ok(found.map(|ts| Message { channel: channel.to_owned(), ts }))
    }

    /// Whether a thread has a reply whose metadata fits.
    pub(super) fn find_reply(
        &self,
        message: &Message,
        now: Timestamp,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<bool, Stop> {
        let Message { channel, ts } = message;
        let query = format!(
            "conversations.replies?channel={channel}&ts={ts}&limit={PAGE}&include_all_metadata=true"
        );
        // The first message of a thread is its parent, which is changed before a reply is written.
        let replied = self.walk_but(&query, now, Some(ts), fits)?;
        Ok(replied.is_some())
    }

    fn walk(
        &self,
        query: &str,
        now: Timestamp,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Option<String>, Stop> {
        self.walk_but(query, now, None, fits)
    }

    /// Goes through the pages of a list of messages; `but` is passed over.
    fn walk_but(
        &self,
        query: &str,
        now: Timestamp,
        but: Option<&str>,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Option<String>, Stop> {
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let answer = self.call(&format!("{query}{cursor}"), None, now)?;
            let messages = answer.get("messages").and_then(Value::as_array);
            for message in messages.into_iter().flatten() {
                let ts = message.get("ts").and_then(Value::as_str);
                let mine = message.get("metadata").is_some_and(&fits);
                if let Some(ts) = ts.filter(|ts| mine && but != Some(*ts)) {
                    return Ok(Some(ts.to_owned()));
                }
            }
            let next = answer.pointer("/response_metadata/next_cursor").and_then(Value::as_str);
            match next.filter(|next| !next.is_empty()) {
                Some(next) => cursor = format!("&cursor={}", encoded(next)),
                None => break,
            }
        }
        Ok(None)
    }

    /// Writes with a body in JSON; reads with a query, because Slack reads no JSON there.
    fn call(&self, method: &str, body: Option<&Value>, now: Timestamp) -> Result<Value, Stop> {
        let url = format!("{}/{method}", self.base);
        let authorization = ("authorization", self.authorization.as_str());
        let content = ("content-type", "application/json; charset=utf-8");
        let answer = match body {
            Some(body) => self.client.json(&url, &[authorization, content], body, now)?,
            None => self.client.get(&url, &[authorization], now)?,
        };
        let json: Value =
            serde_json::from_slice(&answer.body).map_err(|_| malformed("not the promised json"))?;
        match json.get("ok").and_then(Value::as_bool) {
            Some(true) => Ok(json),
            Some(false) => {
                let code = json.get("error").and_then(Value::as_str).unwrap_or("unknown error");
                Err(judge(&self.client.words(code), &answer))
            }
            None => Err(malformed("neither ok nor an error")),
        }
    }
}

fn set(body: &mut Value, field: &str, text: &str) {
    put(body, field, Value::from(text));
}

fn put(body: &mut Value, field: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

fn message(answer: &Value, channel: &str) -> Option<Message> {
    let ts = answer.get("ts")?.as_str()?;
    let channel = answer.get("channel").and_then(Value::as_str).unwrap_or(channel);
    let plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
    };
    (plain(ts) && plain(channel))
        .then(|| Message { channel: channel.to_owned(), ts: ts.to_owned() })
}

fn malformed(what: &'static str) -> Stop {
    Stop::Retry(Wait::Backoff, Trouble::Malformed(what))
}

/// What an error of Slack's means, and what an operator does about it.
fn judge(code: &str, answer: &Answer) -> Stop {
    let hint = match code {
        "ratelimited" | "rate_limited" => return Stop::Retry(answer.wait, Trouble::Throttled),
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org" => {
            return Stop::Retry(Wait::Backoff, Trouble::Unavailable(answer.status));
        }
        "not_in_channel" => "invite the app to the channel (/invite)",
        "channel_not_found" => "check `channel`; invite the app if the channel is private",
        "is_archived" => "the channel is archived; unarchive it or choose another",
        "missing_scope" => "give the app the scope chat:write, and install it again",
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "no_permission"
        | "not_allowed_token_type" => "check `token`: a bot token (xoxb-)",
        "restricted_action"
        | "restricted_action_read_only_channel"
        | "ekm_access_denied"
        | "access_denied"
        | "org_login_required"
        | "team_access_not_granted" => "the workspace forbids it; ask its administrator",
        _ => {
            let detail = code.to_owned();
            return Stop::Refuse(Trouble::Rejected { status: answer.status, detail });
        }
    };
    // An operator heals it without touching the incident: a page must not be lost to it.
    let detail = format!("{code}: {hint}");
    Stop::Retry(Wait::Backoff, Trouble::Rejected { status: answer.status, detail })
}

fn is_error(stop: &Stop, codes: &[&str]) -> bool {
    match stop {
        Stop::Retry(_, Trouble::Rejected { detail, .. })
        | Stop::Refuse(Trouble::Rejected { detail, .. }) => {
            let code = detail.split(':').next().unwrap_or_default();
            codes.contains(&code)
        }
        Stop::Retry(..) | Stop::Refuse(_) => false,
    }
}

/// The message was deleted.
pub(super) fn is_gone(stop: &Stop) -> bool {
    is_error(stop, &["message_not_found", "thread_not_found"])
}

/// The workspace allows no later change.
pub(super) fn is_frozen(stop: &Stop) -> bool {
    is_error(stop, &["edit_window_closed", "cant_update_message"])
}

/// The app may write, but not read.
pub(super) fn may_not_read(stop: &Stop) -> bool {
    is_error(stop, &["missing_scope", "no_permission"])
}
