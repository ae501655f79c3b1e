//! ServiceNow: one ticket per incident in the incident table, by the Table API.
//!
//! Every delivery looks up by `correlation_id` first, also when the ticket is known: a ticket is
//! created only when there is none, so a crash between the answer and our record makes no second
//! one; and `correlation_display` says which revision the ticket has, so no note is written twice.
//! What people did is left alone: a closed or cancelled ticket is not touched, and one that a
//! person resolved is not reopened by an update.
//! What people do there is read from the audit.

mod api;
mod events;
mod fields;
mod listen;
mod references;
mod times;

use model::incident::{IncidentState, Ticket};
use model::name::Name;
use model::time::Timestamp;

use crate::config::secret::Secret;
use crate::config::{ServiceNowConfig, sink_name};
use crate::delivery::decide::{ended_as_none, is_over};
use crate::exchange::Stop;
use crate::heard::Heard;
use crate::render::template::Target;
use crate::render::told::Told;
use crate::render::untrusted::Untrusted;
use crate::render::words::{Words, note};
use crate::sink::{Delivery, Outcome, Sink, Trouble, Wait};
use api::{Api, Found, Record, TicketState};
pub use events::ServiceNowEvents;
use fields::{Marker, patch};
use listen::{Ear, Of};
use references::Groups;

/// `source` of all our events.
const SOURCE: &str = "faultline";
/// Characters of an owner's name in a note.
const OWNER_CHARS_MAX: usize = 80;

/// Tickets in ServiceNow.
pub struct ServiceNow {
    name: Name,
    config: ServiceNowConfig,
    api: Api,
    ear: Ear,
    groups: Groups,
    words: Words,
}

impl ServiceNow {
    pub(crate) fn new(config: &ServiceNowConfig, secret: &Secret) -> Self {
        Self {
            name: sink_name(&config.name),
            api: Api::new(config, secret),
            words: Words::new(&config.templates, Target::Ticket, config.console_url.as_deref()),
            config: config.clone(),
            ear: Ear::new(Of::Tickets),
            groups: Groups::default(),
        }
    }

    fn say(&mut self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let found = self.find(request)?;
        let note = (found.duplicates > 0).then(|| {
            format!(
                "{} more tickets have this correlation id; the oldest is used",
                found.duplicates
            )
        });
        match found.record {
            Some(record) if reopened_after_close(request, &record) => {
                self.create(request, Some(&record))
            }
            Some(record) => self.update(request, &record, note),
            // Nobody opens a ticket to say that there is nothing.
            None if ended_as_none(request.incident.state) => {
                Ok(Outcome::Unchanged { ticket: None })
            }
            None => self.create(request, None),
        }
    }

    /// By correlation id; else, if somebody changed that, the ticket that we know.
    fn find(&self, request: &Delivery<'_>) -> Result<Found, Stop> {
        let id = request.incident.id.to_string();
        let found = self.api.find(&id, request.now)?;
        if found.record.is_some() {
            return Ok(found);
        }
        let known = request.known.and_then(|known| known.ticket.as_ref());
        match known {
            Some(ticket) => {
                let record = self.api.get(&ticket.id, request.now)?;
                Ok(Found { record, duplicates: 0 })
            }
            None => Ok(found),
        }
    }

    /// Creates the ticket. When the incident is over already, it is closed in the same delivery.
    fn create(&mut self, request: &Delivery<'_>, former: Option<&Record>) -> Result<Outcome, Stop> {
        let incident = request.incident;
        let told = Told::of(incident);
        let over = is_over(incident.state);
        // The mark says "open" until the ticket is closed: a crash in between is noticed.
        let state = if over { IncidentState::Open } else { incident.state };
        let marker = Marker { revision: incident.revision, state };
        let mut notes = Vec::new();
        let title = self.words.title(incident, &told, &mut notes);
        let text = self.words.body(incident, &told, &mut notes);
        let said = (title.as_str(), text);
        let mut body = fields::creation(&self.config, incident, said, marker, former);
        self.blame(request, None, &mut body)?;
        self.place(request, &mut body)?;
        notes.extend(self.entrust(request, &mut body)?);
        let record = self.api.create(&body, request.now)?;
        if over {
            let stays = self.words.retitle(request, &told, &mut Vec::new());
            let said = (&stays, &self.words);
            let closing =
                patch(&self.config, &self.name, request, &record, &told, said, &mut notes);
            self.api.patch(&record.sys_id, &closing, request.now)?;
        }
        let (ticket, note) = (Some(self.ticket(&record)), note(&notes));
        Ok(Outcome::Delivered { ticket, title: Some(title), note })
    }

    fn update(
        &self,
        request: &Delivery<'_>,
        record: &Record,
        doubles: Option<String>,
    ) -> Result<Outcome, Stop> {
        let ticket = Some(self.ticket(record));
        let told = Told::of(request.incident);
        let mut notes = Vec::new();
        let title = self.words.retitle(request, &told, &mut notes);
        if fields::has_it(request.incident, record) {
            // The answer was lost, not the title.
            return Ok(Outcome::Delivered { ticket, title: title.told(), note: doubles });
        }
        let said = (&title, &self.words);
        let mut body = patch(&self.config, &self.name, request, record, &told, said, &mut notes);
        if !body.is_empty() {
            self.blame(request, Some(record), &mut body)?;
        }
        if body.is_empty() {
            return Ok(match doubles {
                Some(_) => Outcome::Delivered { ticket, title: None, note: doubles },
                None => Outcome::Unchanged { ticket },
            });
        }
        notes.extend(doubles);
        let note = note(&notes);
        match self.api.patch(&record.sys_id, &body, request.now) {
            Ok(()) => Ok(Outcome::Delivered { ticket, title: title.told(), note }),
            // It was deleted between our two requests: look again, and create.
            Err(Stop::Refuse(Trouble::Rejected { status: 404, .. })) => {
                Err(Stop::Retry(Wait::Backoff, Trouble::Malformed("ticket vanished")))
            }
            Err(stop) => Err(stop),
        }
    }

    /// `caused_by`: the change request that the first hypothesis blames, if it names one and nobody
    /// has filled the field.
    fn blame(
        &self,
        request: &Delivery<'_>,
        record: Option<&Record>,
        body: &mut api::Body,
    ) -> Result<(), Stop> {
        if record.is_some_and(|record| !fields::is_empty_reference(&record.caused_by)) {
            return Ok(());
        }
        let Some(reference) = references::change_reference(request.incident) else { return Ok(()) };
        if let Some(change) = self.api.change(&reference, request.now)? {
            body.insert(String::from("caused_by"), change.into());
        }
        Ok(())
    }

    /// `cmdb_ci`, where the configuration names none: the configuration item that the map has from the CMDB, else
    /// the one that is called as the service is on the map.
    fn place(&self, request: &Delivery<'_>, body: &mut api::Body) -> Result<(), Stop> {
        if body.contains_key("cmdb_ci") || !self.config.look_up_ci {
            return Ok(());
        }
        if let Some(item) = references::cause_item(request.incident) {
            body.insert(String::from("cmdb_ci"), item.into());
            return Ok(());
        }
        let Some(name) = references::service_name(request.incident) else { return Ok(()) };
        if let Some(item) = self.api.configuration_item(name, request.now)? {
            body.insert(String::from("cmdb_ci"), item.into());
        }
        Ok(())
    }

    /// `assignment_group`, where the configuration names none for the service or its owner: the group that is
    /// called as the owner, else the one for all. Answers with what to do when there is no such group.
    fn entrust(
        &mut self,
        request: &Delivery<'_>,
        body: &mut api::Body,
    ) -> Result<Option<String>, Stop> {
        const FIELD: &str = "assignment_group";
        if body.contains_key(FIELD) {
            return Ok(None);
        }
        let mut missing = None;
        let mut group = None;
        let owner = request.incident.owner.as_deref().filter(|_| self.config.look_up_group);
        if let Some(owner) = owner {
            group = self.groups.of(&self.api, owner, request.now)?;
            let name = Untrusted(owner).data(OWNER_CHARS_MAX);
            missing = group.is_none().then(|| {
                format!(
                    "no single group {name} in sys_user_group that we may read: name its sys_id under groups"
                )
            });
        }
        if let Some(group) = group.or_else(|| self.config.assignment_group.clone()) {
            body.insert(FIELD.to_owned(), group.into());
        }
        Ok(missing)
    }

    fn ticket(&self, record: &Record) -> Ticket {
        Ticket {
            sink: self.name.clone(),
            id: record.sys_id.as_str().into(),
            number: (!record.number.is_empty()).then(|| record.number.as_str().into()),
            url: Some(self.api.link(&record.sys_id).into()),
        }
    }
}

impl Sink for ServiceNow {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        self.say(request).unwrap_or_else(Outcome::from)
    }

    fn listen(&mut self, cursor: Option<&str>, now: Timestamp) -> Result<Heard, (Wait, Trouble)> {
        let Some(own_user) = self.config.account() else { return Ok(Heard::default()) };
        self.ear.listen(&self.api, &self.name, own_user, cursor, now).map_err(Stop::unheard)
    }
}

/// A closed ticket cannot be reopened; an incident that is active again gets a new one.
fn reopened_after_close(request: &Delivery<'_>, record: &Record) -> bool {
    let ended = Marker::parse(&record.correlation_display).is_some_and(|mark| is_over(mark.state));
    record.state == TicketState::Closed && ended && !is_over(request.incident.state)
}
