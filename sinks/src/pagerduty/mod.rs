//! PagerDuty: one alert per incident, by the Events API v2.
//!
//! `dedup_key` is the incident's id, so whatever is said again after a crash meets the same alert.
//! A resolved key opens a new alert when the incident is active again, as PagerDuty documents it.
//! An acknowledgement of people is passed on; PagerDuty has no event that takes one back. With a token for the
//! REST API, what people do in PagerDuty comes back.

mod events;
mod listen;

use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde_json::Value;

use crate::config::secret::Secret;
use crate::config::{PagerDutyConfig, PagerDutyRest, sink_name, timeout};
use crate::exchange::{Exchange, Stop};
use crate::heard::Heard;
use crate::http::Answer;
use crate::render::template::Target;
use crate::render::told::Told;
use crate::render::words::{Words, note};
use crate::rest::Rest;
use crate::sink::{Delivery, Outcome, Sink, Trouble, Wait};
use events::{Action, plan};
use listen::{Desk, Ear};

/// How long PagerDuty wants to be left alone after a 429 that names no time ("minutes").
const QUIET: Nanos = Nanos::from_secs(60);

/// Alerts in PagerDuty.
pub struct PagerDuty {
    name: Name,
    enqueue: String,
    change_enqueue: String,
    change_events: bool,
    routing_key: Secret,
    words: Words,
    client: Exchange,
    listening: Option<Listening>,
}

/// What it takes to hear what people do.
struct Listening {
    rest: Rest,
    service: String,
    ear: Ear,
}

impl Listening {
    fn new(config: &PagerDutyRest, token: &Secret, timeout_ms: u64) -> Self {
        let authorization = Secret::new(&format!("Token token={}", token.expose()));
        let rest = Rest::new(&config.url, authorization, timeout(timeout_ms), detail);
        Self { rest, service: config.service_id.clone(), ear: Ear::default() }
    }
}

impl PagerDuty {
    /// `token` is that of the REST API, if it is configured.
    pub(crate) fn new(
        config: &PagerDutyConfig,
        routing_key: Secret,
        token: Option<&Secret>,
    ) -> Self {
        let listening = config.rest_api.as_ref().zip(token);
        let base = config.url.trim_end_matches('/');
        let console = config.console_url.as_deref();
        Self {
            name: sink_name(&config.name),
            enqueue: format!("{base}/v2/enqueue"),
            change_enqueue: format!("{base}/v2/change/enqueue"),
            change_events: config.change_events,
            words: Words::new(&config.templates, Target::Plain, console),
            client: Exchange::new(timeout(config.timeout_ms), vec![routing_key.clone()]),
            routing_key,
            listening: listening
                .map(|(rest, token)| Listening::new(rest, token, config.timeout_ms)),
        }
    }

    fn say(&self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident).without_refusals_elsewhere(&self.name);
        let mut notes = Vec::new();
        let actions = plan(request, &told, self.change_events);
        if actions.is_empty() {
            return Ok(Outcome::Unchanged { ticket: None });
        }
        for action in actions {
            let body = match action {
                Action::Change => events::change(request.incident, &told, &self.words),
                _ => events::alert(action, request.incident, &told, &self.words, &mut notes),
            };
            match (self.send(action, body, request.now), action) {
                (Ok(()), _) => {}
                // The page is out; a change that PagerDuty does not take is no reason to repeat it.
                (Err(Stop::Refuse(trouble)), Action::Change) => {
                    notes.push(format!("the change event was not taken: {trouble}"));
                }
                (Err(stop), _) => return Err(stop),
            }
        }
        Ok(Outcome::Delivered { ticket: None, title: None, note: note(&notes) })
    }

    fn send(&self, action: Action, mut body: Value, now: Timestamp) -> Result<(), Stop> {
        let url = match action {
            Action::Change => &self.change_enqueue,
            Action::Trigger | Action::Acknowledge | Action::Resolve => &self.enqueue,
        };
        if let Some(fields) = body.as_object_mut() {
            fields.insert(String::from("routing_key"), Value::from(self.routing_key.expose()));
        }
        let headers = [("content-type", "application/json")];
        match self.client.json(url, &headers, &body, now) {
            Ok(_) => Ok(()),
            Err(Stop::Retry(Wait::Backoff, Trouble::Throttled)) => {
                Err(Stop::Retry(Wait::Told(QUIET), Trouble::Throttled))
            }
            Err(stop) => Err(stop),
        }
    }
}

impl Sink for PagerDuty {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        self.say(request).unwrap_or_else(Outcome::from)
    }

    fn listen(&mut self, cursor: Option<&str>, now: Timestamp) -> Result<Heard, (Wait, Trouble)> {
        let Some(Listening { rest, service, ear }) = &mut self.listening else {
            return Ok(Heard::default());
        };
        let desk = Desk { rest, service, sink: &self.name };
        ear.listen(&desk, cursor, now).map_err(Stop::unheard)
    }
}

/// What the REST API says of a refusal.
fn detail(answer: &Answer) -> String {
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    value.pointer("/error/message").and_then(Value::as_str).unwrap_or_default().to_owned()
}
