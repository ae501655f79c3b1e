//! Microsoft Teams: one Adaptive Card for each revision that tells a person something new, to the
//! webhook of a Workflow.
//!
//! A Workflow takes no key and changes no message: after an answer that was lost a card may come
//! twice. The address holds a signature, so it is a secret.

mod card;

use model::name::Name;

use crate::config::secret::Secret;
use crate::config::{TeamsConfig, sink_name, timeout};
use crate::delivery::decide::is_over;
use crate::exchange::{Exchange, Stop};
use crate::render::news::Fresh;
use crate::render::template::Target;
use crate::render::told::Told;
use crate::render::words::{Words, note};
use crate::sink::{Delivery, Outcome, Sink};

/// Cards in a channel or chat of Teams.
pub struct Teams {
    name: Name,
    url: Secret,
    words: Words,
    client: Exchange,
}

impl Teams {
    pub(crate) fn new(config: &TeamsConfig, url: Secret) -> Self {
        Self {
            name: sink_name(&config.name),
            words: Words::new(&config.templates, Target::Chat, config.console_url.as_deref()),
            client: Exchange::new(timeout(config.timeout_ms), parts(&url)),
            url,
        }
    }

    fn say(&self, request: &Delivery<'_>) -> Result<Outcome, Stop> {
        let told = Told::of(request.incident);
        let doubt = request.in_doubt_since.is_some();
        let news = match request.known {
            Some(known) => told.without_refusals_elsewhere(&self.name).news(&known.told),
            // Nobody writes a card to say that there is nothing.
            None if is_over(told.state) && !doubt && request.incident.resolved_at.is_none() => {
                return Ok(Outcome::Unchanged { ticket: None });
            }
            None => Vec::new(),
        };
        if request.known.is_some() && news.is_empty() {
            return Ok(Outcome::Unchanged { ticket: None });
        }
        let mut notes = Vec::new();
        let shown = self.shown(request, &told, news, &mut notes);
        let body = card::message(request.incident, &told, &shown, &self.words, &mut notes);
        // Without the character set Teams counts two bytes for each character.
        let headers = [("content-type", "application/json; charset=utf-8")];
        self.client.bytes(self.url.expose(), &headers, body, request.now)?;
        Ok(Outcome::Delivered { ticket: None, title: None, note: note(&notes) })
    }
}

impl Teams {
    /// The news as the lines of a card: the template's, if there is one for the moment.
    fn shown(
        &self,
        request: &Delivery<'_>,
        told: &Told,
        news: Vec<String>,
        notes: &mut Vec<String>,
    ) -> Vec<String> {
        let Some(known) = request.known else { return news };
        let was = Some(known.told.state);
        let fresh = Fresh::new(request.incident, told, was, news.clone());
        let shaped = fresh.shaped(&self.words, notes);
        shaped.map_or(news, |text| text.lines().map(ToOwned::to_owned).collect())
    }
}

impl Sink for Teams {
    fn name(&self) -> &Name {
        &self.name
    }

    fn deliver(&mut self, request: &Delivery<'_>) -> Outcome {
        self.say(request).unwrap_or_else(Outcome::from)
    }
}

/// The address and those parts of it that a destination may repeat alone, the longest first.
fn parts(url: &Secret) -> Vec<Secret> {
    let whole = url.expose();
    let behind_host = whole.splitn(4, '/').nth(3).unwrap_or_default();
    let query = whole.split_once('?').map_or("", |(_, query)| query);
    let values = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    let mut parts: Vec<&str> = [whole, behind_host].into_iter().chain(values).collect();
    // Short values ("1.0") are no secrets, and words of their own elsewhere.
    parts.retain(|part| part.len() >= 8);
    parts.into_iter().map(Secret::new).collect()
}
