//! Jira and Jira Service Management: one issue per incident, by REST v3.
//!
//! Every delivery looks up by our label first. Jira's search finds a new issue only after a while,
//! so when an earlier attempt may have made one, nothing is made before that while is over. The
//! issue property `faultline` says which revision an issue has; it is written last.

mod adf;
mod api;
mod fields;
mod links;
mod listen;

use std::collections::BTreeMap;

use model::id::IncidentId;
use model::incident::Ticket;
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde_json::{Value, json};

use crate::config::secret::Secret;
use crate::config::{JiraConfig, sink_name, timeout};
use crate::delivery::decide::{ended_as_none, is_over};
use crate::exchange::Stop;
use crate::heard::Heard;
use crate::render::news;
use crate::render::template::Target;
use crate::render::told::Told;
use crate::render::words::{self, Words};
use crate::sink::{Delivery, Outcome, Sink, Trouble, Wait};
use adf::document;
use api::{Api, Issue};
use fields::Step;
use listen::Ear;

/// How long a new issue may stay unfound.
const INDEX_LAG: Nanos = Nanos::from_secs(60);
/// Attempts to create that are remembered.
const ATTEMPTS_MAX: usize = 10_000;

/// How far clocks may differ.
const CLOCKS_APART_MAX: Nanos = Nanos::from_secs(3_600);

/// Issues in Jira.
pub struct Jira {
    name: Name,
    config: JiraConfig,
    api: Api,
    ear: Ear,
    words: Words,
    /// When at the latest an issue was perhaps made, without our knowing.
    attempts: BTreeMap<IncidentId, Timestamp>,
    /// When the first delivery of this process was: attempts before it may be as late.
    began: Option<Timestamp>,
}

impl Jira {
    pub(crate) fn new(config: &JiraConfig, secret: &Secret) -> Self {
        Self {
            name: sink_name(&config.name),
            api: Api::new(config, secret),
            ear: Ear::default(),
            words: Words::new(&config.templates, Target::Ticket, config.console_url.as_deref()),
            config: config.clone(),
            attempts: BTreeMap::new(),
            began: None,
        }
    }

    fn say(&mut self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        self.began.get_or_insert(request.now);
        match self.find(request)? {
            (Some(issue), note) => self.update(request, &issue, note),
            // Nobody opens an issue to say that there is nothing.
            (None, _) => match self.index_lags_until(request) {
                Some(until) => Err(Stop::Retry(
                    Wait::Incident(until - request.now),
                    Trouble::Unsure("an issue that was perhaps made is not found yet"),
                )),
                None if ended_as_none(request.incident.state) => {
                    Ok(Outcome::Unchanged { ticket: None })
                }
                None => self.create(request),
            },
        }
    }

    /// The incident's issue, oldest first; else the one that we know, if somebody took our label
    /// off. A deleted one is none.
    fn find(&self, request: &Delivery<'_>) -> Result<(Option<Issue>, Option<String>), Stop> {
        // An issue that we know is read at once: no index is in between.
        let known = request.known.and_then(|known| known.ticket.as_ref());
        if let Some(ticket) = known
            && let Some(issue) = self.api.get(&ticket.id, request.now)?
        {
            return Ok((Some(issue), None));
        }
        let label = fields::label(request.incident);
        let mut found = self.api.find(&self.config.project, &label, request.now)?;
        // A copy that a person made has our label, too.
        found.retain(|issue| issue.incident() == Some(request.incident.id));
        if found.is_empty() {
            return Ok((None, None));
        }
        let note = (found.len() > 1)
            .then(|| format!("{} more issues have its label; the oldest is used", found.len() - 1));
        Ok((Some(found.remove(0)), note))
    }

    /// Until when the search may not show an issue that an earlier attempt perhaps made.
    fn index_lags_until(&self, request: &Delivery<'_>) -> Option<Timestamp> {
        let here = self.attempts.get(&request.incident.id).copied();
        let before = request.in_doubt_since.and(self.began);
        here.or(before).map(|at| at + INDEX_LAG).filter(|until| request.now < *until)
    }

    /// Notes that an issue was perhaps made by a delivery that began `now`. What is older than the
    /// index needs is forgotten.
    fn note_attempt(&mut self, incident: IncidentId, now: Timestamp) {
        self.attempts.retain(|_, at| now < *at + INDEX_LAG);
        if self.attempts.len() >= ATTEMPTS_MAX {
            let oldest = self.attempts.iter().min_by_key(|(_, at)| **at).map(|(id, _)| *id);
            oldest.and_then(|id| self.attempts.remove(&id));
        }
        // It may have waited for the search, and then for the answer that did not come.
        let waited = timeout(self.config.timeout_ms).as_nanos();
        let waited = Nanos(i64::try_from(waited).unwrap_or(i64::MAX));
        self.attempts.insert(incident, now + waited + waited);
    }

    fn create(&mut self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident);
        let mut notes = Vec::new();
        let title = self.words.title(request.incident, &told, &mut notes);
        let text = self.words.body(request.incident, &told, &mut notes);
        let body = fields::creation(&self.config, request.incident, (&title, &text));
        let note = words::note(&notes);
        let made = self.api.create(&body, request.now);
        if made.as_ref().is_err_and(Stop::may_be_done) {
            self.note_attempt(request.incident.id, request.now);
        }
        let made = made?;
        self.attempts.remove(&request.incident.id);
        if is_over(request.incident.state) {
            let issue = self.api.get(&made.id, request.now)?;
            let issue = issue.ok_or(Stop::again("issue vanished"))?;
            return self.update(request, &issue, note);
        }
        Ok(Outcome::Delivered { ticket: Some(self.ticket(&made)), title: Some(title), note })
    }

    fn update(
        &self,
        request: &Delivery<'_>,
        issue: &Issue,
        note: Option<String>,
    ) -> Result<Outcome, Stop> {
        let (incident, now) = (request.incident, request.now);
        let ticket = Some(self.ticket(issue));
        let told = Told::of(incident);
        let mut notes = Vec::new();
        let title = self.words.retitle(request, &told, &mut notes);
        if fields::has_it(issue, incident) {
            // The answer was lost, not the title.
            return Ok(Outcome::Delivered { ticket, title: title.told(), note });
        }
        let step = fields::step(request, issue);
        let edits = fields::edits(&self.config, request, issue, &title);
        let owner = issue.fields.assignee.as_ref().map_or("", |person| &person.display_name);
        let said = (&told, owner);
        let comment = news::comment(request, &self.name, said, &self.words, &mut notes);
        let stepped =
            request.known.is_some_and(|known| is_over(known.told.state) != is_over(told.state));
        if step == Step::Stay && edits.is_none() && comment.is_none() && !stepped {
            return Ok(match note {
                Some(_) => Outcome::Delivered { ticket, title: None, note },
                None => Outcome::Unchanged { ticket },
            });
        }
        notes.extend(self.take(step, issue, now)?.or(note));
        if let Some(edits) = &edits {
            self.api.edit(&issue.key, edits, now)?;
        }
        if let Some(comment) = &comment {
            self.comment(request, issue, comment)?;
        }
        self.api.mark(&issue.key, &fields::mark(incident, incident.state), now)?;
        Ok(Outcome::Delivered { ticket, title: title.told(), note: words::note(&notes) })
    }

    /// Moves the issue to where it belongs; says so if the workflow offers no way.
    fn take(&self, step: Step, issue: &Issue, now: Timestamp) -> Result<Option<String>, Stop> {
        if step == Step::Stay {
            return Ok(None);
        }
        let offered = self.api.transitions(&issue.key, now)?;
        let Some(transition) = fields::transition(&self.config, step, &offered) else {
            return Ok(Some(String::from(
                "its status stays: the workflow offers no fitting transition from it",
            )));
        };
        let mut body = json!({"transition": {"id": transition.id}});
        if let (Step::Resolve, Some(name), Some(body)) =
            (step, &self.config.resolution, body.as_object_mut())
        {
            body.insert(String::from("fields"), json!({"resolution": {"name": name}}));
        }
        self.api.transit(&issue.key, &body, now).map(|()| None)
    }

    /// Writes a comment, unless an earlier attempt has.
    fn comment(&self, request: &Delivery<'_>, issue: &Issue, text: &str) -> Result<(), Stop> {
        let body: Value = document(text);
        if let Some(since) = request.in_doubt_since {
            // The site's clock may be behind ours.
            let since = since + Nanos(-CLOCKS_APART_MAX.0);
            let (comments, _) = self.api.comments(&issue.id, since, request.now)?;
            let words = adf::words(&body);
            if comments.iter().any(|comment| adf::words(&comment.body) == words) {
                return Ok(());
            }
        }
        self.api.comment(&issue.key, &json!({ "body": body }), request.now)
    }

    fn ticket(&self, issue: &Issue) -> Ticket {
        Ticket {
            sink: self.name.clone(),
            id: issue.id.as_str().into(),
            number: Some(issue.key.as_str().into()),
            url: Some(self.api.link(&issue.key).into()),
        }
    }
}

impl Sink for Jira {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        self.say(request).unwrap_or_else(Outcome::from)
    }

    fn listen(&mut self, cursor: Option<&str>, now: Timestamp) -> Result<Heard, (Wait, Trouble)> {
        self.ear.listen(&self.api, &self.name, &self.config, cursor, now).map_err(Stop::unheard)
    }
}
