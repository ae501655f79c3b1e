//! PagerDuty: one alert per incident, by the Events API v2.
//!
//! `dedup_key` is the incident's id, so whatever is said again after a crash meets the same alert.
//! A resolved key opens a new alert when the incident is active again, as PagerDuty documents it.
//! An acknowledgement of people is passed on; PagerDuty has no event that takes one back.

mod events;

use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde_json::Value;

use crate::config::secret::Secret;
use crate::config::{PagerDutyConfig, sink_name, timeout};
use crate::exchange::{Exchange, Stop};
use crate::render::template::Target;
use crate::render::told::Told;
use crate::render::words::{Words, note};
use crate::sink::{Delivery, Outcome, Sink, Trouble, Wait};
use events::{Action, plan};

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
}

impl PagerDuty {
    pub(crate) fn new(config: &PagerDutyConfig, routing_key: Secret) -> Self {
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
        }
    }

    fn say(&self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident);
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
        Ok(Outcome::Delivered { ticket: None, note: note(&notes) })
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
}
