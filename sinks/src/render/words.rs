//! The title and the text of a sink: people's templates, else our own words.

use model::incident::Incident;

use super::facts::Later;
use super::template::{Target, Templates, TemplatesConfig};
use super::ticket::{console_link, description, short_description};
use super::told::Told;
use crate::config::Check;
use crate::delivery::decide::is_over;
use crate::delivery::record::Delivered;
use crate::sink::Delivery;

/// The words of one sink.
pub(crate) struct Words {
    templates: Option<Templates>,
    console: Option<String>,
}

/// A record's title: as we wrote it last, and as we would write it now.
pub(crate) struct Title {
    pub(crate) now: String,
    /// `None`: nothing was written, or what there is stays.
    before: Option<String>,
    /// The incident is over.
    stays: bool,
}

impl Title {
    /// What is to be remembered of it; `None`: as before.
    pub(crate) fn told(self) -> Option<String> {
        (!self.stays).then_some(self.now)
    }

    /// What to write over the record's own title: ours, if it changed and nobody changed theirs.
    pub(crate) fn change(&self, theirs: &str) -> Option<&str> {
        let before = self.before.as_deref()?;
        (self.now != before && theirs == before).then_some(&self.now)
    }
}

/// Which texts a destination has a place for besides title and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// News and the end: all of them.
    All,
    /// The end alone: each revision is told anew, whole.
    EndOnly,
    /// None: each revision is told anew, whole, and the end has no words.
    None,
}

/// Says to `check` what is wrong with templates.
pub(crate) fn check_templates(
    check: &mut Check,
    config: &TemplatesConfig,
    target: Target,
    places: Places,
) {
    const UNUSED: &str = "expected none: this sink tells each revision anew by title and body, and has no \
                          place for it; take it away";
    if config.update.is_some() && places != Places::All {
        check.wrong("templates.update", UNUSED);
    }
    if config.resolved.is_some() && places == Places::None {
        check.wrong("templates.resolved", UNUSED);
    }
    for (field, problem) in Templates::compile(config, target).err().unwrap_or_default() {
        check.wrong(&format!("templates.{field}"), problem);
    }
}

impl Words {
    /// The check has told what is wrong with the templates.
    pub(crate) fn new(config: &TemplatesConfig, target: Target, console: Option<&str>) -> Self {
        let templates = Templates::compile(config, target).ok();
        Self { templates, console: console.map(ToOwned::to_owned) }
    }

    /// The incident's page in the console, if it has an address.
    pub(crate) fn link(&self, incident: &Incident) -> Option<String> {
        self.console.as_deref().map(|base| console_link(base, incident))
    }

    /// The title; ours if the template fails, which `notes` tell.
    pub(crate) fn title(
        &self,
        incident: &Incident,
        told: &Told,
        notes: &mut Vec<String>,
    ) -> String {
        let url = self.link(incident);
        let shaped = self.templates.as_ref().and_then(|all| all.title(incident, told, url));
        taken("title", shaped, notes)
            .filter(|title| !title.is_empty())
            .unwrap_or_else(|| short_description(told))
    }

    /// The title of a record that is there. When the incident is over it stays: what it was is what
    /// people look for later.
    pub(crate) fn retitle(
        &self,
        request: &Delivery<'_>,
        told: &Told,
        notes: &mut Vec<String>,
    ) -> Title {
        let known = request.known.filter(|_| !is_over(told.state));
        let wrote =
            |known: &Delivered| known.title.clone().unwrap_or(short_description(&known.told));
        let now = self.title(request.incident, told, notes);
        Title { now, before: known.map(wrote), stays: is_over(told.state) }
    }

    /// The text of a template, if there is one and it can be rendered.
    pub(crate) fn shaped_body(
        &self,
        incident: &Incident,
        told: &Told,
        notes: &mut Vec<String>,
    ) -> Option<String> {
        let url = self.link(incident);
        let shaped = self.templates.as_ref().and_then(|all| all.body(incident, told, url));
        taken("body", shaped, notes).filter(|body| !body.is_empty())
    }

    /// What a later revision adds, if there is a template for it that can be rendered.
    pub(crate) fn update(
        &self,
        incident: &Incident,
        told: &Told,
        later: Later<'_>,
        notes: &mut Vec<String>,
    ) -> Option<String> {
        let url = self.link(incident);
        let shaped = self.templates.as_ref().and_then(|all| all.update(incident, told, url, later));
        taken("update", shaped, notes).filter(|text| !text.is_empty())
    }

    /// What is said at the end, if there is a template for it that can be rendered.
    pub(crate) fn resolved(
        &self,
        incident: &Incident,
        told: &Told,
        later: Later<'_>,
        notes: &mut Vec<String>,
    ) -> Option<String> {
        let url = self.link(incident);
        let shaped =
            self.templates.as_ref().and_then(|all| all.resolved(incident, told, url, later));
        taken("resolved", shaped, notes).filter(|text| !text.is_empty())
    }

    /// The text: the template's, else ours.
    pub(crate) fn body(&self, incident: &Incident, told: &Told, notes: &mut Vec<String>) -> String {
        self.shaped_body(incident, told, notes)
            .unwrap_or_else(|| description(incident, told, self.console.as_deref()))
    }
}

fn taken(
    field: &str,
    shaped: Option<Result<String, String>>,
    notes: &mut Vec<String>,
) -> Option<String> {
    match shaped? {
        Ok(text) => Some(text),
        Err(problem) => {
            notes.push(format!("templates.{field} failed, our own words were said: {problem}"));
            None
        }
    }
}

/// Notes as one text for people.
pub(crate) fn note(notes: &[String]) -> Option<String> {
    (!notes.is_empty()).then(|| notes.join("; "))
}
