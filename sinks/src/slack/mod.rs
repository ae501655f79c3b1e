//! Slack: one message per incident, changed in place, and a thread that says what changed.
//!
//! Slack takes no key that would make a repeated post harmless. Our messages carry metadata, so
//! that after an answer that was lost the channel is read before anything is said again; without
//! the scope to read it, a message may come twice, and a note says so.

mod api;
mod blocks;

use model::id::IncidentId;
use model::incident::{Incident, IncidentState, Ticket};
use model::name::Name;
use serde_json::{Value, json};

use crate::config::secret::Secret;
use crate::config::{SlackConfig, sink_name};
use crate::delivery::decide::is_over;
use crate::exchange::Stop;
use crate::render::news::Fresh;
use crate::render::template::Target;
use crate::render::told::Told;
use crate::render::words::{Words, note};
use crate::sink::{Delivery, Outcome, Sink};
use api::{Api, Message};
use blocks::Buttons;

/// Messages in a channel of Slack.
pub struct Slack {
    name: Name,
    channel: String,
    words: Words,
    buttons: Buttons,
    api: Api,
}

/// Where the message of an incident is, and how we know.
enum Place {
    /// We wrote it, or found it again.
    Known(Message),
    /// There is none.
    Nowhere,
}

impl Slack {
    pub(crate) fn new(config: &SlackConfig, token: &Secret) -> Self {
        Self {
            name: sink_name(&config.name),
            channel: config.channel.clone(),
            words: Words::new(&config.templates, Target::Mrkdwn, config.console_url.as_deref()),
            buttons: if config.hook.is_some() { Buttons::Shown } else { Buttons::None },
            api: Api::new(config, token),
        }
    }

    fn say(&self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let mut notes = Vec::new();
        match self.find(request, &mut notes)? {
            Place::Known(message) => self.update(request, message, notes),
            Place::Nowhere if is_no_news(request.incident.state) => {
                Ok(Outcome::Unchanged { ticket: None })
            }
            Place::Nowhere => self.create(request, notes),
        }
    }

    fn find(&self, request: &Delivery<'_>, notes: &mut Vec<String>) -> Result<Place, Stop> {
        let known = request.known.and_then(|known| known.ticket.as_ref());
        if let Some(message) = known.and_then(|ticket| Message::parse(&ticket.id)) {
            return Ok(Place::Known(message));
        }
        let Some(since) = request.in_doubt_since else { return Ok(Place::Nowhere) };
        let found = self.api.find(&self.channel, since, request.now, |metadata| {
            is_of(metadata, request.incident.id)
        });
        match found {
            Ok(Some(message)) => Ok(Place::Known(message)),
            Ok(None) => Ok(Place::Nowhere),
            Err(stop) if api::may_not_read(&stop) => {
                notes.push(String::from(
                    "the channel cannot be read (scope channels:history): it may be there twice",
                ));
                Ok(Place::Nowhere)
            }
            Err(stop) => Err(stop),
        }
    }

    fn create(&self, request: &Delivery<'_>, mut notes: Vec<String>) -> Result<Outcome, Stop> {
        let body = self.message(request.incident, &mut notes);
        let message = self.api.post(&self.channel, None, body, request.now)?;
        let url = self.api.permalink(&message, request.now);
        let ticket = Some(self.ticket(&message, url));
        Ok(Outcome::Delivered { ticket, title: None, note: note(&notes) })
    }

    /// The message first: changing it twice is harmless. Then the thread, if there are news.
    fn update(
        &self,
        request: &Delivery<'_>,
        message: Message,
        mut notes: Vec<String>,
    ) -> Result<Outcome, Stop> {
        let body = self.message(request.incident, &mut notes);
        match self.api.update(&message, body, request.now) {
            Ok(()) => {}
            Err(stop) if api::is_gone(&stop) && is_over(request.incident.state) => {
                return Ok(Outcome::Unchanged { ticket: None });
            }
            Err(stop) if api::is_gone(&stop) => return self.create(request, notes),
            Err(stop) if api::is_frozen(&stop) => {
                notes.push(String::from("the message can no longer be changed; see its thread"));
            }
            Err(stop) => return Err(stop),
        }
        if let Some(news) = self.news(request, &mut notes)
            && !self.was_replied(request, &message)?
        {
            self.api.post(&self.channel, Some(&message), news, request.now)?;
        }
        let known = request.known.and_then(|known| known.ticket.clone());
        let url = match known.and_then(|ticket| ticket.url) {
            Some(url) => Some(url),
            None => self.api.permalink(&message, request.now),
        };
        Ok(Outcome::Delivered {
            ticket: Some(self.ticket(&message, url)),
            title: None,
            note: note(&notes),
        })
    }

    /// Whether the thread has this revision's news: an earlier attempt came through.
    fn was_replied(&self, request: &Delivery<'_>, message: &Message) -> Result<bool, Stop> {
        if request.in_doubt_since.is_none() {
            return Ok(false);
        }
        let revision = request.incident.revision;
        let has_it = |metadata: &Value| {
            is_of(metadata, request.incident.id) && metadata_revision(metadata) == Some(revision)
        };
        match self.api.find_reply(message, request.now, has_it) {
            Err(stop) if api::may_not_read(&stop) => Ok(false),
            found => found,
        }
    }

    fn news(&self, request: &Delivery<'_>, notes: &mut Vec<String>) -> Option<Value> {
        let known = &request.known?.told;
        let told = Told::of(request.incident);
        let news = told.without_refusals_elsewhere(&self.name).news(known);
        if news.is_empty() {
            return None;
        }
        let fresh = Fresh::new(request.incident, &told, Some(known.state), news.clone());
        let mut body = match fresh.shaped(&self.words, notes) {
            Some(shaped) => blocks::shaped_reply(&shaped, &news),
            None => blocks::reply(&news),
        };
        mark(&mut body, request.incident);
        Some(body)
    }

    fn message(&self, incident: &Incident, notes: &mut Vec<String>) -> Value {
        let told = Told::of(incident);
        let mut body = blocks::message(incident, &told, &self.words, self.buttons, notes);
        mark(&mut body, incident);
        body
    }

    fn ticket(&self, message: &Message, url: Option<Name>) -> Ticket {
        Ticket { sink: self.name.clone(), id: message.id().into(), number: None, url }
    }
}

impl Sink for Slack {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        self.say(request).unwrap_or_else(Outcome::from)
    }
}

/// Nobody writes a message to say that there is nothing.
fn is_no_news(state: IncidentState) -> bool {
    matches!(state, IncidentState::Withdrawn | IncidentState::Merged)
}

/// What our messages carry to be found again.
const EVENT_TYPE: &str = "faultline_incident";

fn mark(body: &mut Value, incident: &Incident) {
    let metadata = json!({
        "event_type": EVENT_TYPE,
        "event_payload": { "incident": incident.id.to_string(), "revision": incident.revision },
    });
    if let Some(fields) = body.as_object_mut() {
        fields.insert(String::from("metadata"), metadata);
    }
}

fn is_of(metadata: &Value, incident: IncidentId) -> bool {
    let text = |place: &str| metadata.pointer(place).and_then(Value::as_str);
    text("/event_type") == Some(EVENT_TYPE)
        && text("/event_payload/incident") == Some(incident.to_string().as_str())
}

fn metadata_revision(metadata: &Value) -> Option<u32> {
    let revision = metadata.pointer("/event_payload/revision")?.as_u64()?;
    u32::try_from(revision).ok()
}
