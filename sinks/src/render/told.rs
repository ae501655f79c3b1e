//! What was said of an incident, in a bounded form, and the news between two such.
//!
//! It is part of the `Delivered` record, so that after a restart a sink still says only what
//! changed. All text in it is encoded. What is deliberately absent: anything that changes with
//! every revision without telling a person something new (sums of evidence, exact counts).

use std::collections::BTreeSet;

use model::alert::AlertStatus;
use model::hypothesis::{CauseKind, Hypothesis};
use model::incident::{Incident, IncidentState, Priority};
use model::people::Refused;
use serde::{Deserialize, Serialize};

use super::untrusted::Untrusted;

/// Longest title. Unit: characters. (ServiceNow's `short_description` holds 160.)
pub const TITLE_CHARS_MAX: usize = 120;
/// Longest name of a service or owner. Unit: characters.
pub const NAME_CHARS_MAX: usize = 80;
/// Longest id of a change that is kept. Unit: characters.
const ID_CHARS_MAX: usize = 200;
/// Longest link that is kept. Unit: characters.
const LINK_CHARS_MAX: usize = 1_000;
/// Longest account of what was refused, and why. Unit: characters.
const REFUSED_CHARS_MAX: usize = 160;
/// Most services that are listed by name.
pub const SERVICES_MAX: usize = 40;

/// What a sink has said of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// State.
    pub state: IncidentState,
    /// Priority.
    pub priority: Priority,
    /// Title.
    pub title: String,
    /// The first hypothesis, if there is one that blames something.
    pub cause: Option<Cause>,
    /// The first services in order of their names; at most 40.
    pub services: Vec<String>,
    /// How many services there are.
    pub services_total: usize,
    /// Alerts that fire.
    pub alerts_firing: usize,
    /// Alerts.
    pub alerts_total: usize,
    /// Who owns the cause.
    pub owner: Option<String>,
    /// How often it was reopened.
    pub reopened: u32,
    /// Who works on it.
    #[serde(default)]
    pub acknowledged: Option<String>,
    /// To whom it was given.
    #[serde(default)]
    pub assignee: Option<String>,
    /// The id of the change that the first hypothesis blames.
    #[serde(default)]
    pub change: Option<String>,
    /// The link of its first ticket.
    #[serde(default)]
    pub ticket: Option<String>,
    /// What people wanted at a destination and did not get; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
}

/// What a person wanted at a destination and did not get, as it was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The act's id.
    pub act: String,
    /// The sink where they wanted it.
    pub via: String,
    /// Who, what, and why not.
    pub text: String,
}

/// The first hypothesis, as it was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// In words, without the probability.
    pub text: String,
    /// Unit: percent.
    pub percent: u8,
}

/// Probability has to move by this much to be news. Unit: percentage points.
const PERCENT_STEP: u8 = 15;

impl Told {
    /// What there is to say of an incident.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        let name = |text: &str| Untrusted(text).line(NAME_CHARS_MAX);
        let firing = |status: AlertStatus| status == AlertStatus::Firing;
        Self {
            state: incident.state,
            priority: incident.priority,
            title: Untrusted(&incident.title).line(TITLE_CHARS_MAX),
            cause: incident.hypotheses.first().and_then(Cause::of),
            services: incident.services.iter().take(SERVICES_MAX).map(|s| name(s)).collect(),
            services_total: incident.services.len(),
            alerts_firing: incident.alerts.iter().filter(|alert| firing(alert.status)).count(),
            alerts_total: incident.alerts.len(),
            owner: incident.owner.as_deref().map(name),
            reopened: incident.lineage.reopened,
            acknowledged: incident.people.acknowledged.as_ref().map(|said| name(&said.author)),
            assignee: incident.people.assignee.as_deref().map(name),
            change: incident
                .hypotheses
                .first()
                .and_then(|first| first.change.as_ref())
                .map(|change| Untrusted(&change.id).data(ID_CHARS_MAX)),
            ticket: Self::ticket_of(incident),
            refused: incident.people.refused.iter().map(Refusal::of).collect(),
        }
    }

    /// The same without what was refused to people elsewhere: it is told to those who wanted it.
    #[must_use]
    pub fn without_refusals_elsewhere(&self, sink: &str) -> Self {
        let mut told = self.clone();
        told.refused.retain(|refusal| refusal.via == sink);
        told
    }

    /// The link of an incident's first ticket that has one.
    #[must_use]
    pub fn ticket_of(incident: &Incident) -> Option<String> {
        let linked = incident.tickets.iter().find_map(|ticket| ticket.url.as_deref());
        linked.map(|url| Untrusted(url).data(LINK_CHARS_MAX))
    }

    /// What was refused to people at one sink.
    #[must_use]
    pub fn refused_at(&self, sink: &str) -> Vec<&str> {
        let there = self.refused.iter().filter(|refusal| refusal.via == sink);
        there.map(|refusal| refusal.text.as_str()).collect()
    }

    /// What this says that `before` did not: one line each, new words only, in a fixed order.
    /// Empty when a person would learn nothing.
    #[must_use]
    pub fn news(&self, before: &Self) -> Vec<String> {
        let mut news = Vec::new();
        if self.state != before.state {
            news.push(state_news(self.state, before.state));
        }
        if self.priority != before.priority {
            news.push(format!("Priority is now {:?}.", self.priority));
        }
        news.extend(self.cause_news(before));
        news.extend(self.service_news(before));
        if self.owner != before.owner {
            news.extend(self.owner.as_ref().map(|owner| format!("Owner: {owner}.")));
        }
        news.extend(self.people_news(before));
        if self.alerts_are_news(before) {
            news.push(self.alerts_line());
        }
        let fresh = |refusal: &&Refusal| before.refused.iter().all(|old| old.act != refusal.act);
        news.extend(self.refused.iter().filter(fresh).map(|refusal| refusal.text.clone()));
        news
    }

    /// `12 of 40 alerts are firing.`
    #[must_use]
    pub fn alerts_line(&self) -> String {
        format!("{} of {} alerts are firing.", self.alerts_firing, self.alerts_total)
    }

    fn people_news(&self, before: &Self) -> Vec<String> {
        let mut news = Vec::new();
        if self.acknowledged != before.acknowledged {
            news.push(match &self.acknowledged {
                Some(author) => format!("Acknowledged by {author}."),
                None => String::from("The acknowledgement was taken back."),
            });
        }
        if self.assignee != before.assignee {
            news.push(match &self.assignee {
                Some(assignee) => format!("Assigned to {assignee}."),
                None => String::from("Assigned to nobody now."),
            });
        }
        news
    }

    fn cause_news(&self, before: &Self) -> Option<String> {
        match (&self.cause, &before.cause) {
            (Some(now), Some(then)) if now.text == then.text => {
                let moved = now.percent.abs_diff(then.percent) >= PERCENT_STEP;
                moved.then(|| format!("The most likely cause is now at {} %.", now.percent))
            }
            (Some(now), _) => {
                Some(format!("Most likely cause now: {} ({} %).", now.text, now.percent))
            }
            (None, Some(_)) => Some(String::from("No cause inside the system is likely now.")),
            (None, None) => None,
        }
    }

    fn service_news(&self, before: &Self) -> Option<String> {
        let known: BTreeSet<&String> = before.services.iter().collect();
        let fresh: Vec<&str> = self
            .services
            .iter()
            .filter(|service| !known.contains(service))
            .map(String::as_str)
            .collect();
        // When the first forty stay the same, only the number can tell.
        let more = self.services_total > before.services_total;
        match (fresh.is_empty(), more) {
            (false, true) => Some(format!("Now also affected: {}.", fresh.join(", "))),
            (true, true) => Some(format!("Now {} services are affected.", self.services_total)),
            (false, false) => Some(format!("Affected as well: {}.", fresh.join(", "))),
            (true, false) => None,
        }
    }

    /// The number of firing alerts is news when it doubled, halved, or became zero.
    fn alerts_are_news(&self, before: &Self) -> bool {
        let magnitude = |count: usize| count.checked_ilog2();
        magnitude(self.alerts_firing) != magnitude(before.alerts_firing)
            && (self.alerts_firing == 0
                || self.alerts_firing >= before.alerts_firing.saturating_mul(2)
                || self.alerts_firing.saturating_mul(2) <= before.alerts_firing)
    }
}

impl Refusal {
    fn of(refused: &Refused) -> Self {
        let name = |text: &str| Untrusted(text).line(NAME_CHARS_MAX);
        let (author, wanted) =
            (name(&refused.said.author), Untrusted(&refused.wanted).line(REFUSED_CHARS_MAX));
        let why = Untrusted(&refused.why).line(REFUSED_CHARS_MAX);
        Self {
            act: Untrusted(&refused.said.act).data(ID_CHARS_MAX),
            via: Untrusted(&refused.said.via).data(NAME_CHARS_MAX),
            text: format!("Not carried out here: {author} {wanted}. Why: {why}."),
        }
    }
}

impl Cause {
    /// `None` for the hypothesis that blames nothing inside the system.
    #[must_use]
    pub fn of(hypothesis: &Hypothesis) -> Option<Self> {
        if hypothesis.kind == CauseKind::None {
            return None;
        }
        let place = Untrusted(&hypothesis.entity.id).line(NAME_CHARS_MAX);
        let text = match &hypothesis.change {
            Some(change) => {
                let title = Untrusted(&change.title).line(NAME_CHARS_MAX);
                let at = change.at.to_hms();
                format!("{} on {place} at {at} UTC: {title}", change.kind.label())
            }
            None => format!("{} of {place}", cause_label(hypothesis.kind)),
        };
        Some(Self { text, percent: percent(hypothesis.probability) })
    }
}

/// How people say a kind of cause, before `of <entity>`.
fn cause_label(kind: CauseKind) -> &'static str {
    match kind {
        CauseKind::Change => "a change",
        CauseKind::Code => "code or data",
        CauseKind::Resource => "exhausted resources",
        CauseKind::Unavailable => "unavailability",
        CauseKind::Network => "the network",
        CauseKind::External => "failure outside of the system:",
        CauseKind::Traffic => "overload",
        CauseKind::None => "nothing",
    }
}

/// Whole percent, 0 to 100; not-a-number is 0.
#[must_use]
pub fn percent(probability: f64) -> u8 {
    // `as` saturates and maps NaN to 0; the clamp keeps it inside of 0..=100.
    (probability.clamp(0.0, 1.0) * 100.0).round() as u8
}

fn state_news(now: IncidentState, before: IncidentState) -> String {
    let text = match (now, before) {
        (IncidentState::Open, IncidentState::Suspected) => "Confirmed: it is an incident.",
        (IncidentState::Open, _) => "Reopened: its causes are active again.",
        (IncidentState::Resolved, _) => "Resolved: its causes are quiet.",
        (IncidentState::Merged, _) => "It became part of another incident.",
        (IncidentState::Withdrawn, _) => "Withdrawn: later data took its evidence back.",
        (IncidentState::Suspected, _) => "The evidence has become weaker: it is only suspected.",
    };
    text.to_owned()
}
