//! Jira Service Management Operations: one alert per incident, by its alias.
//!
//! The alias is the incident's id: a create for an open alert of that alias is counted there as a
//! repeat and makes no second one, so it needs no look-up. The API is asynchronous (202); requests of
//! one alias are worked off in order. After a close, a create with the same alias opens a new alert,
//! which is what an incident that is active again should do. All our notes begin with the same words, so
//! that what we wrote is told apart from what people did, which the REST API tells.

mod desk;
mod listen;
mod standing;

use model::incident::Incident;
use model::name::Name;
use model::time::Timestamp;
use serde_json::{Value, json};

use crate::config::secret::Secret;
use crate::config::{JsmOpsConfig, sink_name, timeout};
use crate::delivery::decide::is_over;
use crate::exchange::Stop;
use crate::heard::Heard;
use crate::http::Answer;
use crate::render::news::{Fresh, lines};
use crate::render::template::Target;
use crate::render::told::Told;
use crate::render::untrusted::Untrusted;
use crate::render::words::{self, Words};
use crate::rest::Rest;
use crate::sink::{Delivery, Outcome, Sink, Trouble, Wait};
use desk::Desk;
use listen::Ear;

/// Longest `message`. Unit: characters.
const MESSAGE_CHARS_MAX: usize = 130;
/// Longest value of an extra property. Unit: characters. (All together may have 8,000.)
const PROPERTY_CHARS_MAX: usize = 1_000;

/// Alerts in Jira Service Management.
pub struct JsmOps {
    name: Name,
    config: JsmOpsConfig,
    words: Words,
    rest: Rest,
    /// What it takes to hear what people do.
    listening: Option<(Desk, Ear)>,
}

impl JsmOps {
    /// `token` is that of the REST API, if it is configured.
    pub(crate) fn new(config: &JsmOpsConfig, key: &Secret, token: Option<&Secret>) -> Self {
        let listening = config.rest_api.as_ref().zip(token);
        let authorization = Secret::new(&format!("GenieKey {}", key.expose()));
        Self {
            name: sink_name(&config.name),
            listening: listening
                .map(|(rest, token)| (Desk::new(config, rest, token), Ear::new(&config.source))),
            rest: Rest::new(&config.url, authorization, timeout(config.timeout_ms), detail),
            words: Words::new(&config.templates, Target::Ticket, config.console_url.as_deref()),
            config: config.clone(),
        }
    }

    fn say(&self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident);
        let before = request.known.map(|known| &known.told);
        let over = is_over(told.state);
        let Some(before) = before.filter(|before| !is_over(before.state) || over) else {
            // The first page, or active again. One that is over already is closed at once.
            let mut notes = Vec::new();
            self.create(request, &told, &mut notes)?;
            if over {
                let fresh = Fresh::new(request.incident, &told, None, Vec::new());
                self.close(request, &fresh, &mut notes)?;
            }
            let note = words::note(&notes);
            return Ok(Outcome::Delivered { ticket: None, title: None, note });
        };
        let news = lines(request, &self.name, &told, before, None);
        let fresh = Fresh::new(request.incident, &told, Some(before.state), news);
        let mut notes = Vec::new();
        if over && !is_over(before.state) {
            self.close(request, &fresh, &mut notes)?;
            let note = words::note(&notes);
            return Ok(Outcome::Delivered { ticket: None, title: None, note });
        }
        let Some(news) = self.marked(request, &fresh, &mut notes).filter(|_| !over) else {
            return Ok(Outcome::Unchanged { ticket: None });
        };
        let note = words::note(&notes);
        match self.tell(request, &told, before, &news) {
            // A person closed or deleted it: their word stands, there is nobody to tell.
            Err(stop) if stop.is_rejected(404) => Ok(Outcome::Unchanged { ticket: None }),
            done => done.map(|()| Outcome::Delivered { ticket: None, title: None, note }),
        }
    }

    fn tell(
        &self,
        request: &Delivery<'_>,
        told: &Told,
        before: &Told,
        news: &str,
    ) -> Result<(), Stop> {
        if told.priority != before.priority {
            let body = json!({ "priority": told.priority.label() });
            self.rest.put(&self.path(request.incident, "priority"), &body, request.now)?;
        }
        let body = json!({ "note": news, "source": self.config.source });
        self.rest.post(&self.path(request.incident, "notes"), &body, request.now).map(|_| ())
    }

    fn create(
        &self,
        request: &Delivery<'_>,
        told: &Told,
        notes: &mut Vec<String>,
    ) -> Result<(), Stop> {
        let body = alert(&self.config, request.incident, told, &self.words, notes);
        self.rest.post("/alerts", &body, request.now).map(|_| ())
    }

    /// The news as a note. All our notes begin alike: the key of the integration is not told in the
    /// alert's log, so by this we know our own.
    fn marked(
        &self,
        request: &Delivery<'_>,
        fresh: &Fresh<'_>,
        notes: &mut Vec<String>,
    ) -> Option<String> {
        let text = fresh.note(&self.words, notes)?;
        let revision = request.incident.revision;
        Some(if is_ours(&text) { text } else { format!("{MARK}{revision}:\n{text}") })
    }

    fn close(
        &self,
        request: &Delivery<'_>,
        fresh: &Fresh<'_>,
        notes: &mut Vec<String>,
    ) -> Result<(), Stop> {
        let why = fresh.closing(&self.words, notes);
        let note = format!("{MARK}{}{CLOSED}\n{why}", request.incident.revision);
        let body = json!({ "note": note, "source": self.config.source });
        let path = self.path(request.incident, "close");
        match self.rest.post(&path, &body, request.now) {
            // A person deleted it: there is nothing to close.
            Err(stop) if stop.is_rejected(404) => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// The alias is hexadecimal digits: nothing has to be escaped.
    fn path(&self, incident: &Incident, what: &str) -> String {
        format!("/alerts/{}/{what}?identifierType=alias", incident.id)
    }
}

impl Sink for JsmOps {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        self.say(request).unwrap_or_else(Outcome::from)
    }

    fn listen(&mut self, cursor: Option<&str>, now: Timestamp) -> Result<Heard, (Wait, Trouble)> {
        let Some((desk, ear)) = &mut self.listening else { return Ok(Heard::default()) };
        ear.listen(desk, &self.name, cursor, now).map_err(Stop::unheard)
    }
}

/// How all our notes begin.
const MARK: &str = "faultline, revision ";

/// How the first line of the note of our close ends.
const CLOSED: &str = ", closed:";

/// Whether we wrote a note.
pub(crate) fn is_ours(note: &str) -> bool {
    note.starts_with(MARK)
}

/// Whether we closed the alert with this note.
fn is_our_close(note: &str) -> bool {
    is_ours(note) && note.lines().next().is_some_and(|line| line.trim_end().ends_with(CLOSED))
}

fn alert(
    config: &JsmOpsConfig,
    incident: &Incident,
    told: &Told,
    words: &Words,
    notes: &mut Vec<String>,
) -> Value {
    let teams = config.teams.iter().map(|team| json!({"type": "team", "name": team}));
    let entity = told.services.first().cloned().unwrap_or_default();
    let property = |text: &str| Untrusted(text).line(PROPERTY_CHARS_MAX);
    let mut extra = json!({
        "incident": incident.id.to_string(),
        "services": property(&told.services.join(", ")),
    });
    if let Some(extra) = extra.as_object_mut() {
        if let Some(cause) = &told.cause {
            let text = format!("{} ({} %)", cause.text, cause.percent);
            extra.insert(String::from("cause"), property(&text).into());
        }
        if let Some(link) = words.link(incident) {
            extra.insert(String::from("details"), link.into());
        }
    }
    json!({
        "message": Untrusted(&words.title(incident, told, notes)).line(MESSAGE_CHARS_MAX),
        "alias": incident.id.to_string(),
        "description": words.body(incident, told, notes),
        "responders": teams.collect::<Vec<_>>(),
        "tags": config.tags,
        "extraProperties": extra,
        "entity": entity,
        "source": config.source,
        "priority": told.priority.label(),
    })
}

fn detail(answer: &Answer) -> String {
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    value.get("message").and_then(Value::as_str).unwrap_or_default().to_owned()
}
