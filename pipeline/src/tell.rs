//! Incidents as text for a terminal: one line, or one page.
//!
//! Text from outside is cleaned of control characters first: no alert can move a cursor.

use std::fmt::Write as _;

use model::hypothesis::{CauseKind, Evidence, Hypothesis};
use model::id::IncidentId;
use model::incident::Incident;
use model::people::{People, Said};

use crate::http::summary::IncidentSummary;

/// Facts for a hypothesis that are shown, the strongest.
const FOR_ROWS: usize = 3;
/// Facts against it.
const AGAINST_ROWS: usize = 1;
/// Hypotheses whose facts are shown.
const EXPLAINED: u32 = 2;
/// Hypotheses shown on a page.
const HYPOTHESES: usize = 4;
/// Comments shown on a page, the newest.
const COMMENTS: usize = 5;

/// One line: time, state, priority, title, the first hypothesis.
#[must_use]
pub fn line(incident: &Incident) -> String {
    let cause = incident.hypotheses.first().map_or_else(
        || "no hypothesis yet".to_owned(),
        |first| {
            let said = first.summary.trim_end_matches('.');
            format!("{said} ({:.0} %)", first.probability * 100.0)
        },
    );
    clean(&format!(
        "{} {} r{:<3} {:<9} {} {} | {}",
        incident.updated_at.to_hms(),
        short(incident),
        incident.revision,
        incident.state.label(),
        incident.priority.label(),
        incident.title,
        cause,
    ))
}

/// As [`line`], from a row of the API's list.
#[must_use]
pub fn row(incident: &IncidentSummary) -> String {
    clean(&format!(
        "{} {} r{:<3} {:<9} {} {} | {}{}",
        incident.updated_at.to_hms(),
        short_id(incident.id),
        incident.revision,
        incident.state.label(),
        incident.priority.label(),
        incident.title,
        cause(incident),
        hands(incident),
    ))
}

/// What people did about a row, each behind a bar; empty if nobody did anything. Not yet [`clean`].
#[must_use]
pub fn hands(incident: &IncidentSummary) -> String {
    let said = [
        incident.acknowledged.as_ref().map(|said| format!("acknowledged by {}", said.author)),
        incident.assignee.as_ref().map(|to| format!("given to {to}")),
        incident.snoozed_until.map(|until| format!("snoozed until {}", until.to_hms())),
        (!incident.muted_by.is_empty()).then(|| "muted".to_owned()),
        (incident.comments_count > 0).then(|| counted(incident.comments_count, "comment")),
    ];
    said.into_iter().flatten().map(|said| format!(" | {said}")).collect()
}

/// The first hypothesis of a row: who, which change, how likely. Not yet [`clean`].
#[must_use]
pub fn cause(incident: &IncidentSummary) -> String {
    let Some(cause) = &incident.cause else { return "no hypothesis yet".to_owned() };
    let who = match (&cause.change, cause.kind) {
        // Many a change's title begins with its service.
        (Some(change), _) if change.starts_with(&format!("{}:", cause.entity)) => {
            change.to_string()
        }
        (Some(change), _) => format!("{}: {change}", cause.entity),
        (None, CauseKind::None) => "no cause inside the system".to_owned(),
        (None, _) => cause.entity.to_string(),
    };
    format!("{who} ({:.0} %)", cause.probability * 100.0)
}

/// The first eight digits of an incident's id: enough to name it.
#[must_use]
pub fn short(incident: &Incident) -> String {
    short_id(incident.id)
}

/// The first eight digits of an id.
#[must_use]
pub fn short_id(id: IncidentId) -> String {
    id.to_string().chars().take(8).collect()
}

/// A page, in the order of a tired person's questions.
#[must_use]
pub fn page(incident: &Incident) -> String {
    let mut text = String::new();
    let _infallible = write_page(&mut text, incident);
    text
}

fn write_page(text: &mut String, incident: &Incident) -> std::fmt::Result {
    writeln!(
        text,
        "{} {}  {}  (incident {}, revision {})",
        incident.priority.label(),
        incident.state.label().to_uppercase(),
        clean(&incident.title),
        short(incident),
        incident.revision
    )?;
    writeln!(text, "\n{}\n", clean(&incident.narrative))?;
    writeln!(text, "What most likely caused it")?;
    for hypothesis in incident.hypotheses.iter().take(HYPOTHESES) {
        write_hypothesis(text, hypothesis)?;
    }
    write_reach(text, incident)?;
    writeln!(text, "\nOwner: {}", incident.owner.as_deref().map_or("not known".into(), clean))?;
    write_people(text, &incident.people)?;
    for ticket in &incident.tickets {
        let number = ticket.number.as_ref().unwrap_or(&ticket.id);
        let link = ticket.url.as_ref().map(|url| format!("  {}", clean(url))).unwrap_or_default();
        writeln!(text, "Ticket: {} in {}{link}", clean(number), clean(&ticket.sink))?;
    }
    writeln!(
        text,
        "Members: {}, {} in {}; onset {}",
        counted(incident.alerts.len(), "alert"),
        counted(incident.symptoms.len(), "symptom"),
        counted(incident.services.len(), "service"),
        incident.onset_at
    )
}

fn write_hypothesis(text: &mut String, hypothesis: &Hypothesis) -> std::fmt::Result {
    writeln!(
        text,
        "  {}. {:>3.0} %  {}",
        hypothesis.rank,
        hypothesis.probability * 100.0,
        clean(&hypothesis.summary)
    )?;
    if hypothesis.rank > EXPLAINED {
        return Ok(());
    }
    let rows = |sign: f64| hypothesis.evidence.iter().filter(move |row| row.nats * sign > 0.0);
    for evidence in rows(1.0).take(FOR_ROWS).chain(rows(-1.0).take(AGAINST_ROWS)) {
        let shown = shown_by(evidence).map(|what| format!(" [{what}]")).unwrap_or_default();
        let said = clean(&evidence.text);
        writeln!(text, "       {:>+7.1} nats  {said}{shown}", evidence.nats)?;
    }
    if hypothesis.path.len() > 1 {
        let path: Vec<String> = hypothesis.path.iter().map(|name| clean(name)).collect();
        writeln!(text, "       failure runs  {}", path.join(" -> "))?;
    }
    if let Some(lacks) = &hypothesis.lacks {
        writeln!(text, "       lacks         {}", clean(lacks))?;
    }
    Ok(())
}

/// What people decided, and the last of what they said.
fn write_people(text: &mut String, people: &People) -> std::fmt::Result {
    if let Some(said) = &people.acknowledged {
        writeln!(text, "Acknowledged: {}", voice(said))?;
    }
    if let Some(assignee) = &people.assignee {
        writeln!(text, "Assigned to: {}", clean(assignee))?;
    }
    if let Some(until) = people.snoozed_until {
        writeln!(text, "Snoozed until: {until}")?;
    }
    if let Some(said) = &people.state_held {
        writeln!(text, "State decided: {}", voice(said))?;
    }
    if !people.muted_by.is_empty() {
        let acts: Vec<String> = people.muted_by.iter().map(|act| clean(act)).collect();
        writeln!(text, "Muted by: {}", acts.join(", "))?;
    }
    for verdict in &people.verdicts {
        let service = verdict.cause.service.as_deref().unwrap_or("something outside");
        let change =
            verdict.cause.change.as_deref().map(|change| format!(" by its change {change}"));
        let word = if verdict.is_cause { "Was the cause" } else { "Was not the cause" };
        let what = clean(&format!("{service}{}", change.unwrap_or_default()));
        writeln!(text, "{word}: {what}, says {}", voice(&verdict.said))?;
    }
    let earlier = people.comments.len().saturating_sub(COMMENTS);
    if earlier > 0 {
        writeln!(text, "Comments: {earlier} earlier; --json has them")?;
    }
    for said in people.comments.iter().skip(earlier) {
        writeln!(text, "Comment: {}", voice(said))?;
    }
    Ok(())
}

/// Who said it, when, and what.
fn voice(said: &Said) -> String {
    let words = if said.text.is_empty() { String::new() } else { format!(": {}", said.text) };
    clean(&format!("{}, {}{words}", said.author, said.at))
}

/// One thing that anybody can look up to check a row.
fn shown_by(evidence: &Evidence) -> Option<String> {
    let trace = evidence.traces.first().map(|trace| format!("trace {trace}"));
    let alert = || evidence.alerts.first().map(|alert| format!("alert {alert}"));
    let change = || evidence.changes.first().map(|change| format!("change {}", clean(change)));
    trace.or_else(alert).or_else(change)
}

fn write_reach(text: &mut String, incident: &Incident) -> std::fmt::Result {
    let reach = &incident.blast_radius;
    let names =
        |names: Vec<String>| if names.is_empty() { "none".into() } else { names.join(", ") };
    let observed = reach.observed.iter().map(|row| clean(&row.service)).collect();
    let predicted = reach
        .predicted
        .iter()
        .map(|row| format!("{} ({:.0} %)", clean(&row.service), row.probability * 100.0))
        .collect();
    writeln!(text, "\nWhat it reaches (impact {:.0} of 100)", reach.impact)?;
    writeln!(text, "  observed:  {}", names(observed))?;
    writeln!(text, "  predicted: {}", names(predicted))?;
    for entry in reach.entry_points.iter().take(5) {
        writeln!(
            text,
            "  users at {} {}: {} of {} requests affected",
            clean(&entry.service),
            clean(&entry.operation),
            entry.affected,
            entry.requests
        )?;
    }
    Ok(())
}

/// A number and its noun: `1 alert`, `2 alerts`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Without control characters and direction marks: safe for a terminal.
#[must_use]
pub fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hidden(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use model::command::CauseRef;
    use model::entity::Entity;
    use model::people::Verdict;
    use model::time::Timestamp;

    use super::*;
    use crate::http::summary::LeadingCause;

    #[test]
    fn one_thing_is_no_things() {
        assert_eq!(counted(1, "alert"), "1 alert");
        assert_eq!(counted(0, "alert"), "0 alerts");
    }

    #[test]
    fn a_cause_names_its_service_once() {
        let incident = crate::http::testing::incident(1, 1, model::incident::IncidentState::Open);
        let told = |title: &str| {
            let cause = LeadingCause {
                entity: Entity::service("payment".into()),
                kind: CauseKind::Change,
                change: Some(title.into()),
                probability: 0.68,
            };
            super::cause(&IncidentSummary {
                cause: Some(cause),
                ..IncidentSummary::from(&incident)
            })
        };
        assert_eq!(told("pool 50 to 5"), "payment: pool 50 to 5 (68 %)");
        assert_eq!(told("payment: pool 50 to 5"), "payment: pool 50 to 5 (68 %)");
        assert_eq!(told("payments: pool"), "payment: payments: pool (68 %)");
    }

    #[test]
    fn a_page_says_what_people_decided_and_their_last_comments() {
        let said = |author: &str, text: &str| Said {
            act: "a".into(),
            author: author.into(),
            via: "api".into(),
            at: Timestamp::from_millis(1_000),
            text: text.to_owned(),
        };
        let cause = CauseRef { service: Some("cart".into()), change: None };
        let people = People {
            acknowledged: Some(said("ann", "on\u{1b}it")),
            assignee: Some("team-cart".into()),
            muted_by: vec!["s-1".into()],
            verdicts: vec![Verdict { said: said("bob", ""), cause, is_cause: false }],
            comments: (1..=7).map(|n| said("eve", &format!("look {n}"))).collect(),
            ..People::default()
        };
        let mut text = String::new();
        write_people(&mut text, &people).unwrap();
        let at = Timestamp::from_millis(1_000);
        let first = [
            format!("Acknowledged: ann, {at}: on it"),
            "Assigned to: team-cart".to_owned(),
            "Muted by: s-1".to_owned(),
            format!("Was not the cause: cart, says bob, {at}"),
            "Comments: 2 earlier; --json has them".to_owned(),
            format!("Comment: eve, {at}: look 3"),
        ];
        assert_eq!(text.lines().take(6).collect::<Vec<_>>(), first);
        assert_eq!(text.lines().count(), 10);
    }

    #[test]
    fn no_text_can_move_the_cursor_or_turn_the_line() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{202e}c"), "a [2Jb   c");
    }
}
