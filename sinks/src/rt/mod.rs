//! Request Tracker 5: one ticket per incident, by its REST 2.0.
//!
//! RT knows no "create unless there is one", so every delivery looks up by our custom field first,
//! and there is one writer per sink. Should two tickets of one incident be there all the same, the
//! younger are merged into the oldest; what people made of it (a copy has its fields) stays theirs.
//! A revision's comment carries its number in its subject and is looked for before it is written;
//! statuses change under the ticket's entity tag, so that what a person does in between wins.

mod api;
mod fields;
mod listen;
mod merged;

use std::collections::BTreeSet;

use model::incident::Ticket as Linked;
use model::name::Name;
use model::time::Timestamp;

use crate::config::secret::Secret;
use crate::config::{RtConfig, sink_name};
use crate::delivery::decide::{ended_as_none, is_over};
use crate::exchange::Stop;
use crate::heard::Heard;
use crate::render::news;
use crate::render::template::Target;
use crate::render::told::Told;
use crate::render::words::{self, Title, Words};
use crate::sink::{Delivery, Outcome, Sink, Trouble, Wait};
use api::{Api, Named, Put, Ticket};
use fields::Standing;
use listen::Ear;

/// How often a change is tried anew because somebody else was faster.
const CHANGED_MAX: u32 = 3;

/// Who owns what nobody owns.
const NOBODY: &str = "Nobody";

impl Named {
    /// Whose name it is; empty for nobody's.
    fn name(&self) -> &str {
        if self.id == NOBODY { "" } else { &self.id }
    }
}

/// Tickets in Request Tracker.
pub struct RequestTracker {
    name: Name,
    config: RtConfig,
    api: Api,
    ear: Ear,
    words: Words,
    /// Queues that are known to hold our custom field.
    queues_checked: BTreeSet<String>,
}

impl RequestTracker {
    pub(crate) fn new(config: &RtConfig, secret: &Secret) -> Self {
        Self {
            name: sink_name(&config.name),
            api: Api::new(config, secret),
            ear: Ear::default(),
            words: Words::new(&config.templates, Target::Ticket, config.console_url.as_deref()),
            config: config.clone(),
            queues_checked: BTreeSet::new(),
        }
    }

    fn say(&mut self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let queue = fields::queue_of(&self.config, request.incident).to_owned();
        self.check_queue(queue, request.now)?;
        let (ticket, note) = self.find(request)?;
        match ticket {
            Some(ticket) if self.is_rejected_for_good(request, &ticket) => {
                self.create(request, Some(ticket.id), note)
            }
            Some(ticket) => self.update(request, &ticket, note),
            // Nobody opens a ticket to say that there is nothing.
            None if ended_as_none(request.incident.state) => {
                Ok(Outcome::Unchanged { ticket: None })
            }
            None => match self.host(request)? {
                Some(host) => self.tell_host(request, &host),
                None => self.create(request, None, note),
            },
        }
    }

    /// The ticket of another incident that a person made ours part of: there is no ticket of ours any
    /// more, and nobody wants a second one.
    fn host(&self, request: &Delivery<'_>) -> Result<Option<Ticket>, Stop> {
        let Some(id) = known_id(request) else { return Ok(None) };
        let found = self.api.get(id, request.now)?;
        Ok(found.filter(|found| found.id != id))
    }

    /// Until it is heard that they are one, or when they cannot be: the news as a comment there. Nothing
    /// else of that ticket is ours to change.
    fn tell_host(&self, request: &Delivery<'_>, host: &Ticket) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident);
        let mut notes = Vec::new();
        let owner = host.owner.name();
        let said = (&told, owner);
        let comment = news::comment(request, &self.name, said, &self.words, &mut notes);
        let ticket = request.known.and_then(|known| known.ticket.clone());
        let Some(comment) = comment else { return Ok(Outcome::Unchanged { ticket }) };
        let subject = fields::comment_subject(request.incident);
        let in_doubt = request.in_doubt_since.is_some();
        if !(in_doubt && self.api.has_comment(host.id, &subject, request.now)?) {
            let text = format!("About incident {}:\n{comment}", request.incident.id);
            self.api.comment(host.id, &subject, &text, request.now)?;
        }
        Ok(Outcome::Delivered { ticket, title: None, note: words::note(&notes) })
    }

    fn check_queue(&mut self, queue: String, now: Timestamp) -> Result<(), Stop> {
        if !self.queues_checked.contains(&queue) {
            self.api.check_queue(&queue, now)?;
            self.queues_checked.insert(queue);
        }
        Ok(())
    }

    /// The incident's ticket; else, if somebody took our id from it, the one that we know.
    fn find(&self, request: &Delivery<'_>) -> Result<(Option<Ticket>, Option<String>), Stop> {
        let mut found = self.api.find(request.incident.id, request.now)?;
        // What a person copied has our id, but it is theirs.
        let own = self.own(request, &found)?;
        let alone =
            |ticket: &Ticket| fields::standing(&self.config, &ticket.status) == Standing::LeftAlone;
        let is_ours = |ticket: &&Ticket| own.contains(&ticket.id);
        let rejected = found.iter().filter(is_ours).find(|ticket| alone(ticket)).cloned();
        found.retain(|ticket| !alone(ticket));
        let Some(place) = found.iter().position(|ticket| own.contains(&ticket.id)) else {
            return Ok((rejected.or(self.known(request)?), copied(found.len())));
        };
        let oldest = found.remove(place);
        let (ours, theirs): (Vec<_>, Vec<_>) =
            found.iter().map(|ticket| ticket.id).partition(|id| own.contains(id));
        for double in &ours {
            self.api.merge(*double, oldest.id, request.now)?;
        }
        let merged = (!ours.is_empty())
            .then(|| format!("{} more tickets of it were merged into the oldest", ours.len()));
        let notes: Vec<String> = merged.into_iter().chain(copied(theirs.len())).collect();
        Ok((Some(oldest), words::note(&notes)))
    }

    /// Which of the tickets are ours: the one that we know, if it is alone; else RT is asked who made
    /// them.
    fn own(&self, request: &Delivery<'_>, found: &[Ticket]) -> Result<BTreeSet<u64>, Stop> {
        let ids: Vec<u64> = found.iter().map(|ticket| ticket.id).collect();
        match ids.as_slice() {
            [] => Ok(BTreeSet::new()),
            [one] if Some(*one) == known_id(request) => Ok(BTreeSet::from([*one])),
            several => {
                let own = self.api.own(several, request.now)?;
                Ok(own.into_iter().map(|ticket| ticket.id).collect())
            }
        }
    }

    fn known(&self, request: &Delivery<'_>) -> Result<Option<Ticket>, Stop> {
        let Some(id) = known_id(request) else { return Ok(None) };
        let ticket = self.api.get(id, request.now)?;
        // A person made it part of another ticket, an incident's or one of their own: that one is not ours
        // to change. Only where our own ticket stands may our id be missing.
        let ours = request.incident.id.to_string();
        let is_ours = |ticket: &Ticket| match self.api.value(ticket) {
            Some(value) => value == ours,
            None => ticket.id == id,
        };
        Ok(ticket.filter(is_ours))
    }

    /// A rejected ticket is nobody's to reopen; an incident that is active again gets a new one.
    fn is_rejected_for_good(&self, request: &Delivery<'_>, ticket: &Ticket) -> bool {
        let ended = request.known.is_some_and(|known| is_over(known.told.state));
        fields::standing(&self.config, &ticket.status) == Standing::LeftAlone
            && ended
            && !is_over(request.incident.state)
    }

    /// Creates the ticket. When the incident is over already, it is resolved in the same delivery.
    fn create(
        &self,
        request: &Delivery<'_>,
        former: Option<u64>,
        note: Option<String>,
    ) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident);
        let mut notes: Vec<String> = note.into_iter().collect();
        let title = self.words.title(request.incident, &told, &mut notes);
        let text = self.words.body(request.incident, &told, &mut notes);
        let said = (title.clone(), text);
        let body = fields::creation(&self.config, request.incident, said, former);
        let note = words::note(&notes);
        let id = self.api.create(body, request.now)?;
        if is_over(request.incident.state) {
            let made = self.api.get(id, request.now)?.ok_or(Stop::again("ticket vanished"))?;
            return self.update(request, &made, note);
        }
        Ok(Outcome::Delivered { ticket: Some(self.linked(id)), title: Some(title), note })
    }

    /// First the fields, then the comment: a comment of this revision says that all of it is there.
    fn update(
        &self,
        request: &Delivery<'_>,
        ticket: &Ticket,
        note: Option<String>,
    ) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident);
        let linked = Some(self.linked(ticket.id));
        let left_alone = fields::standing(&self.config, &ticket.status) == Standing::LeftAlone;
        let owner = ticket.owner.name();
        let mut notes = Vec::new();
        let said = (&told, owner);
        let comment = news::comment(request, &self.name, said, &self.words, &mut notes)
            .filter(|_| !left_alone);
        let title = self.words.retitle(request, &told, &mut notes);
        let subject = fields::comment_subject(request.incident);
        let in_doubt = request.in_doubt_since.is_some();
        if in_doubt
            && comment.is_some()
            && self.api.has_comment(ticket.id, &subject, request.now)?
        {
            return Ok(Outcome::Delivered { ticket: linked, title: title.told(), note });
        }
        let changed = self.change(request, ticket, &title)?;
        if let Some(comment) = &comment {
            self.api.comment(ticket.id, &subject, comment, request.now)?;
        }
        let before = request.known.map(|known| known.told.state);
        // A state that people decided there is known to them: nothing was sent, but it is told.
        let stepped = before.is_none_or(|before| is_over(before) != is_over(told.state));
        if changed || comment.is_some() || note.is_some() || stepped {
            notes.extend(note);
            let note = words::note(&notes);
            return Ok(Outcome::Delivered { ticket: linked, title: title.told(), note });
        }
        Ok(Outcome::Unchanged { ticket: linked })
    }

    /// Changes the fields; tells whether there was anything to change.
    fn change(&self, request: &Delivery<'_>, ticket: &Ticket, title: &Title) -> Result<bool, Stop> {
        if fields::patch(&self.config, request, ticket, title).is_empty()
            && self.api.value(ticket).is_some()
        {
            return Ok(false);
        }
        for _ in 0..CHANGED_MAX {
            let Some(fresh) = self.api.get(ticket.id, request.now)? else {
                return Err(Stop::again("ticket vanished"));
            };
            let mut body = fields::patch(&self.config, request, &fresh, title);
            if self.api.value(&fresh).is_none() {
                let id = request.incident.id.to_string();
                let field = serde_json::json!({ &self.config.custom_field: id });
                body.insert(String::from("CustomFields"), field);
            }
            if body.is_empty() {
                return Ok(false);
            }
            let wanted = body.get("Status").and_then(|status| status.as_str().map(str::to_owned));
            match self.api.put(&fresh, body, request.now)? {
                Put::Changed => {}
                Put::Done(words) => {
                    self.verify(ticket.id, wanted.as_deref(), words, request.now)?;
                    return Ok(true);
                }
            }
        }
        Err(Stop::again("others change the ticket all the time"))
    }

    /// RT says yes also to a status that it did not set.
    fn verify(
        &self,
        id: u64,
        wanted: Option<&str>,
        words: String,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let Some(wanted) = wanted else { return Ok(()) };
        let Some(ticket) = self.api.get(id, now)? else {
            return Err(Stop::again("ticket vanished"));
        };
        let as_wanted = fields::standing(&self.config, &ticket.status)
            == fields::standing(&self.config, wanted);
        if as_wanted {
            return Ok(());
        }
        Err(Stop::Refuse(Trouble::Rejected { status: 200, detail: words }))
    }

    fn linked(&self, id: u64) -> Linked {
        Linked {
            sink: self.name.clone(),
            id: id.to_string().into(),
            number: Some(format!("#{id}").into()),
            url: Some(self.api.link(id).into()),
        }
    }
}

/// The number of the ticket that we know.
fn known_id(request: &Delivery<'_>) -> Option<u64> {
    request.known?.ticket.as_ref()?.id.parse().ok()
}

/// Says that people made tickets with its id, if any did.
fn copied(count: usize) -> Option<String> {
    (count > 0).then(|| format!("{count} tickets that people made have its id, too"))
}

impl Sink for RequestTracker {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        self.say(request).unwrap_or_else(Outcome::from)
    }

    fn listen(&mut self, cursor: Option<&str>, now: Timestamp) -> Result<Heard, (Wait, Trouble)> {
        self.ear.listen(&self.api, &self.config, &self.name, cursor, now).map_err(Stop::unheard)
    }
}
