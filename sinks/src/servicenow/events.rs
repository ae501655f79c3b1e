//! ServiceNow Event Management: one event per revision that matters, by the inbound JSON API.
//!
//! `message_key` is the incident's id: the instance folds all events of one key into one alert,
//! so a repeat changes nothing. What becomes of alerts (incidents, assignment) are the instance's
//! rules. What people do to an alert is read from the audit.

use model::incident::{Incident, Priority};
use model::name::Name;
use model::time::Timestamp;
use serde_json::{Value, json};
use ureq::http::Method;

use super::api::Api;
use super::listen::{Ear, Of};
use super::{SOURCE, times};
use crate::config::secret::Secret;
use crate::config::{ServiceNowConfig, sink_name};
use crate::delivery::decide::is_over;
use crate::exchange::Stop;
use crate::heard::Heard;
use crate::render::news::{Fresh, lines};
use crate::render::template::Target;
use crate::render::ticket::capped;
use crate::render::told::Told;
use crate::render::untrusted::Untrusted;
use crate::render::words::{self, Words};
use crate::sink::{Delivery, Outcome, Sink, Trouble, Wait};

/// Longest `node`, `resource` and `metric_name`. Unit: characters.
const PLACE_CHARS_MAX: usize = 100;
/// Where events go.
const PATH: &str = "/api/global/em/jsonv2";

/// Events in ServiceNow.
pub struct ServiceNowEvents {
    name: Name,
    words: Words,
    api: Api,
    ear: Ear,
    /// The user name under which we write, if it is known.
    account: Option<String>,
}

impl ServiceNowEvents {
    pub(crate) fn new(config: &ServiceNowConfig, secret: &Secret) -> Self {
        Self {
            name: sink_name(&config.name),
            ear: Ear::new(Of::Alerts(sink_name(&config.name))),
            account: config.account().map(ToOwned::to_owned),
            words: Words::new(&config.templates, Target::Ticket, config.console_url.as_deref()),
            api: Api::new(config, secret),
        }
    }

    /// What an operator there would act on; `None`: nothing in it is.
    fn fresh<'a>(&self, request: &Delivery<'a>, told: &'a Told) -> Option<Fresh<'a>> {
        let Some(known) = request.known else {
            return Some(Fresh::new(request.incident, told, None, Vec::new()));
        };
        let news = lines(request, &self.name, told, &known.told, None);
        let was = Some(known.told.state);
        (!news.is_empty()).then(|| Fresh::new(request.incident, told, was, news))
    }
}

impl Sink for ServiceNowEvents {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        let told = Told::of(request.incident);
        let Some(fresh) = self.fresh(request, &told) else {
            return Outcome::Unchanged { ticket: None };
        };
        let mut notes = Vec::new();
        let record = event(request.incident, (&told, &fresh), &self.name, &self.words, &mut notes);
        let body = json!({ "records": [record] });
        match self.api.rest.exchange(Method::POST, PATH, &[], Some(&body), request.now) {
            Ok(_) => Outcome::Delivered { ticket: None, title: None, note: words::note(&notes) },
            Err(stop) => stop.into(),
        }
    }

    fn listen(&mut self, cursor: Option<&str>, now: Timestamp) -> Result<Heard, (Wait, Trouble)> {
        let Some(own_user) = self.account.as_deref() else { return Ok(Heard::default()) };
        self.ear.listen(&self.api, &self.name, own_user, cursor, now).map_err(Stop::unheard)
    }
}

fn event(
    incident: &Incident,
    (told, fresh): (&Told, &Fresh<'_>),
    sink: &Name,
    words: &Words,
    notes: &mut Vec<String>,
) -> Value {
    let over = is_over(incident.state);
    let cause = incident.hypotheses.first().filter(|first| !first.entity.service.is_empty());
    let node = cause.map(|first| &first.entity.service).or(incident.services.first());
    let place = |text: &str| Untrusted(text).data(PLACE_CHARS_MAX);
    let text = if over { fresh.closing(words, notes) } else { words.body(incident, told, notes) };
    let title = words.title(incident, told, notes);
    json!({
        "source": SOURCE,
        "event_class": sink.as_str(),
        // The instance binds the configuration item by this name.
        "node": node.map(|node| place(node)).unwrap_or_default(),
        "resource": cause.map(|first| place(&first.entity.id)).unwrap_or_default(),
        "metric_name": told.cause.as_ref().map(|cause| Untrusted(&cause.text).line(PLACE_CHARS_MAX)),
        "type": "incident",
        "message_key": incident.id.to_string(),
        "severity": severity(incident.priority, over),
        "time_of_event": times::written(at(incident)),
        "resolution_state": if over { "Closing" } else { "New" },
        "description": capped(&format!("{title}\n{text}")),
        // The field is text that holds JSON.
        "additional_info": additional(incident, told, sink, words).to_string(),
    })
}

/// When this revision became true.
fn at(incident: &Incident) -> Timestamp {
    incident.resolved_at.filter(|_| is_over(incident.state)).unwrap_or(incident.updated_at)
}

/// 1 critical, 2 major, 3 minor, 4 warning, 0 clear.
const fn severity(priority: Priority, over: bool) -> &'static str {
    match (over, priority) {
        (true, _) => "0",
        (false, Priority::P1) => "1",
        (false, Priority::P2) => "2",
        (false, Priority::P3) => "3",
        (false, Priority::P4) => "4",
    }
}

fn additional(incident: &Incident, told: &Told, sink: &Name, words: &Words) -> Value {
    let refused = told.refused_at(sink);
    json!({
        "incident": incident.id.to_string(),
        "revision": incident.revision.to_string(),
        "priority": format!("{:?}", incident.priority),
        "services": told.services.join(", "),
        "cause": told.cause.as_ref().map(|cause| cause.text.clone()),
        "probability_percent": told.cause.as_ref().map(|cause| cause.percent.to_string()),
        "owner": told.owner,
        "console": words.link(incident),
        "refused": (!refused.is_empty()).then(|| refused.join(" ")),
    })
}
