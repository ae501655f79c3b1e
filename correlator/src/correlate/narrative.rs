//! The story in plain words, for somebody who was asleep a minute ago.
//!
//! Sentences are filled from the ledger and nothing else: what cannot be pointed at is not said.

use model::entity::EntityKind;
use model::hypothesis::{EvidenceTerm, Hypothesis};
use model::incident::{Incident, IncidentState};
use model::symptom::SymptomKind;

/// What a test says, in a word or two.
pub(super) const fn symptom_word(kind: SymptomKind) -> &'static str {
    match kind {
        SymptomKind::ErrorOrigin => "errors begin",
        SymptomKind::SlowSelf => "slow",
        SymptomKind::SlowEdge => "slow connection",
        SymptomKind::LogPath => "unusual log lines",
        SymptomKind::OrphanCalls => "calls without answer",
        SymptomKind::Silence => "silent",
        SymptomKind::Metric => "metric out of range",
        SymptomKind::Complaint => "others complain",
        SymptomKind::Platform => "its platform reports trouble",
    }
}

/// One line: what is wrong, where, and how far it reaches.
pub(super) fn title(incident: &Incident) -> String {
    let what = incident.symptoms.first().map_or("trouble", |s| symptom_word(s.kind));
    let others = incident.blast_radius.observed.len().saturating_sub(1);
    let reach = match others {
        0 => String::new(),
        1 => String::from(", reaches one other service"),
        n => format!(", reaches {n} other services"),
    };
    match incident.hypotheses.first() {
        Some(first) if first.entity.kind == EntityKind::Nothing => {
            let services = incident.services.first().map_or("alerts", |name| name.as_str());
            format!("Trouble at {services}{reach}; no cause inside the system")
        }
        Some(first) => match &first.change {
            Some(change) => {
                let change = change.kind.named(&change.title);
                format!("{}: {what} after {change}{reach}", first.entity.service)
            }
            None => format!("{}: {what}{reach}", first.entity.service),
        },
        None => String::from("Trouble"),
    }
}

/// A few sentences: what is broken and for whom, the likely cause and how sure, what it reaches, who
/// owns it.
pub(super) fn narrative(incident: &Incident) -> String {
    let mut say = vec![broken(incident)];
    if let Some(first) = incident.hypotheses.first() {
        say.push(cause(first, incident));
        say.extend(why(first));
        say.extend(runner_up(incident));
    }
    say.extend(reach(incident));
    if let Some(owner) = &incident.owner {
        say.push(format!("It belongs to {owner}."));
    }
    say.extend(ending(incident));
    say.join(" ")
}

/// Whether it is over, and who says so.
fn ending(incident: &Incident) -> Option<String> {
    let is_over = incident.state == IncidentState::Resolved;
    match (&incident.people.state_held, is_over) {
        (Some(said), true) => Some(format!("{} called it over.", said.author)),
        (Some(said), false) => Some(format!("{} holds it open.", said.author)),
        (None, true) => Some(String::from("Its causes are quiet now.")),
        (None, false) => None,
    }
}

fn broken(incident: &Incident) -> String {
    let since = incident.onset_at.to_hms();
    let worst = incident.blast_radius.entry_points.iter().max_by_key(|entry| entry.affected);
    if let Some(entry) = worst {
        return format!(
            "Since {since} UTC {} of {} requests to {} ({}) failed or were slow.",
            entry.affected, entry.requests, entry.service, entry.operation
        );
    }
    let count = incident.services.len();
    match incident.services.first() {
        Some(only) if count == 1 => format!("Since {since} UTC {only} is in trouble."),
        Some(first) => {
            let more = count - 1;
            let services = if more == 1 { "service is" } else { "services are" };
            format!("Since {since} UTC {first} and {more} more {services} in trouble.")
        }
        None => {
            format!("Since {since} UTC {} alerts fire that name no service.", incident.alerts.len())
        }
    }
}

fn cause(first: &Hypothesis, incident: &Incident) -> String {
    let percent = (first.probability * 100.0).round();
    let sure = match percent {
        90.0.. => "Almost certainly",
        60.0..90.0 => "Most likely",
        _ => "Perhaps",
    };
    let doubt = if incident.confidence_set_size > 3 {
        format!(" {} causes are needed to be 90 % sure.", incident.confidence_set_size)
    } else {
        String::new()
    };
    format!("{sure} ({percent:.0} %): {}{doubt}", first.summary)
}

/// The strongest evidence for and against.
fn why(first: &Hypothesis) -> Option<String> {
    let telling = |term| !matches!(term, EvidenceTerm::Prior | EvidenceTerm::Coverage);
    let mut rows = first.evidence.iter().filter(|row| telling(row.term));
    let second = rows.clone().filter(|row| row.nats > 0.0).nth(1);
    let against = rows.find(|row| row.nats < 0.0);
    let mut text = second.map(|row| format!("Also: {}.", row.text.trim_end_matches('.')));
    if let Some(row) = against {
        let but = format!("Against it: {}.", row.text.trim_end_matches('.'));
        text = Some(text.map_or_else(|| but.clone(), |t| format!("{t} {but}")));
    }
    text
}

fn runner_up(incident: &Incident) -> Option<String> {
    let first = incident.hypotheses.first()?;
    let second = incident.hypotheses.iter().find(|h| h.entity.service != first.entity.service)?;
    if second.probability < 0.05 {
        return None;
    }
    let who = if second.entity.kind == EntityKind::Nothing {
        String::from("nothing inside the system")
    } else {
        second.entity.service.to_string()
    };
    let lacks = second.lacks.as_ref().map(|lacks| format!("; {}", lacks.trim_end_matches('.')));
    let lacks = lacks.unwrap_or_default();
    Some(format!("Next: {who} ({:.0} %){lacks}.", second.probability * 100.0))
}

fn reach(incident: &Incident) -> Option<String> {
    let radius = &incident.blast_radius;
    let others: Vec<&str> = radius
        .observed
        .iter()
        .map(|reach| reach.service.as_str())
        .filter(|name| {
            incident.hypotheses.first().is_none_or(|h| h.entity.service.as_str() != *name)
        })
        .collect();
    if others.is_empty() {
        return None;
    }
    let told = others.iter().take(4).copied().collect::<Vec<_>>().join(", ");
    let more =
        if others.len() > 4 { format!(" and {} more", others.len() - 4) } else { String::new() };
    let lost = match radius.lost_requests {
        0 => String::new(),
        n => format!("; about {n} requests were lost"),
    };
    Some(format!("It reaches {told}{more}{lost}."))
}
