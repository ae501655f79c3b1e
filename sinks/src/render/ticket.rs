//! The texts of a ticket: a line, a description, a note with the news, a closing note.
//!
//! Plain text. Every line begins with our own words or two blanks, so nothing from outside can
//! stand where a spreadsheet or mail client would read it as a formula or header.

use model::hypothesis::Hypothesis;
use model::incident::{Incident, IncidentState};
use model::name::Name;

use super::told::{Cause, NAME_CHARS_MAX, Told, percent};
use super::untrusted::Untrusted;

/// Longest description. Unit: characters. (ServiceNow's `description` holds 4,000.)
const DESCRIPTION_CHARS_MAX: usize = 3_900;
/// Longest line. Unit: characters.
const LINE_CHARS_MAX: usize = 240;
/// How many causes, evidence terms, entry points and traces are named.
const LISTED_MAX: usize = 3;

/// `P1 Checkout is slow`: one line.
#[must_use]
pub fn short_description(told: &Told) -> String {
    format!("{:?} {}", told.priority, told.title)
}

/// The incident for somebody who opens the ticket: what, why, for whom, since when, where to look.
#[must_use]
pub fn description(incident: &Incident, told: &Told, console: Option<&str>) -> String {
    let mut lines = vec![String::from("Summary:")];
    let narrative = Untrusted(&incident.narrative).block(8, LINE_CHARS_MAX * 3);
    lines.extend(narrative.lines().map(|line| format!("  {line}")));
    lines.push(String::new());
    lines.extend(cause_lines(incident));
    lines.extend(reach_lines(incident, told));
    lines.push(told.alerts_line());
    lines.extend(told.owner.as_ref().map(|owner| format!("Owner: {owner}")));
    lines.push(format!("Began: {} (UTC)", incident.onset_at));
    lines.push(format!("Found: {} (UTC)", incident.opened_at));
    if !incident.exemplars.is_empty() {
        let traces = incident.exemplars.iter().take(LISTED_MAX).map(ToString::to_string);
        lines.push(format!("Traces: {}", traces.collect::<Vec<_>>().join(", ")));
    }
    lines.push(format!(
        "Incident: {} in {}",
        incident.id,
        names(std::slice::from_ref(&incident.cell.0), 1)
    ));
    lines.extend(console.map(|base| format!("Details: {}", console_link(base, incident))));
    capped(&lines.join("\n"))
}

/// A note with news, one line each.
#[must_use]
pub fn work_note(news: &[String], revision: u32) -> String {
    let lines: Vec<String> = news.iter().map(|line| format!("- {line}")).collect();
    capped(&format!("faultline, revision {revision}:\n{}", lines.join("\n")))
}

/// Why a ticket is closed.
#[must_use]
pub fn close_notes(incident: &Incident, told: &Told) -> String {
    let why = match incident.state {
        IncidentState::Merged => match incident.lineage.merged_into {
            Some(into) => format!("Merged into incident {into}; it goes on there."),
            None => String::from("Merged into another incident; it goes on there."),
        },
        IncidentState::Withdrawn => {
            String::from("Withdrawn: later data took its evidence back. It was not an incident.")
        }
        IncidentState::Resolved | IncidentState::Open | IncidentState::Suspected => {
            match incident.resolved_at {
                Some(at) => format!("Resolved: its causes are quiet since {at} (UTC)."),
                None => String::from("Resolved: its causes are quiet."),
            }
        }
    };
    let cause = told.cause.as_ref().filter(|_| incident.state == IncidentState::Resolved);
    match cause {
        Some(cause) => format!("{why}\nMost likely cause: {} ({} %).", cause.text, cause.percent),
        None => why,
    }
}

/// The page of an incident in the console.
#[must_use]
pub fn console_link(base: &str, incident: &Incident) -> String {
    format!("{}/incidents/{}", base.trim_end_matches('/'), incident.id)
}

fn cause_lines(incident: &Incident) -> Vec<String> {
    let mut lines = Vec::new();
    let mut blamed = incident.hypotheses.iter().filter_map(|h| Some((h, Cause::of(h)?)));
    match incident.hypotheses.first().zip(blamed.next()) {
        Some((first, (hypothesis, cause))) if first.rank == hypothesis.rank => {
            lines.push(format!("Most likely cause: {} ({} %)", cause.text, cause.percent));
            lines.extend(evidence_lines(hypothesis));
        }
        Some((first, (_, cause))) => {
            let none = percent(first.probability);
            lines.push(format!("Most likely cause: nothing inside the system ({none} %)"));
            lines.push(format!("Else: {} ({} %)", cause.text, cause.percent));
        }
        None => lines.push(String::from("Most likely cause: nothing inside the system")),
    }
    for (_, cause) in blamed.take(LISTED_MAX - 1) {
        lines.push(format!("Else: {} ({} %)", cause.text, cause.percent));
    }
    lines
}

fn evidence_lines(hypothesis: &Hypothesis) -> Vec<String> {
    let line = |text: &str| format!("Evidence: {}", Untrusted(text).line(LINE_CHARS_MAX));
    hypothesis.evidence.iter().take(LISTED_MAX).map(|evidence| line(&evidence.text)).collect()
}

fn reach_lines(incident: &Incident, told: &Told) -> Vec<String> {
    let mut lines = Vec::new();
    let shown = told.services.join(", ");
    lines.push(format!("Affected ({}): {shown}", told.services_total));
    for entry in incident.blast_radius.entry_points.iter().take(LISTED_MAX) {
        let operation = Untrusted(&entry.operation).line(NAME_CHARS_MAX);
        let service = Untrusted(&entry.service).line(NAME_CHARS_MAX);
        lines.push(format!(
            "Users of {service} ({operation}): {} of {} requests affected",
            entry.affected, entry.requests
        ));
    }
    let next: Vec<Name> =
        incident.blast_radius.predicted.iter().map(|reach| reach.service.clone()).collect();
    if !next.is_empty() {
        lines.push(format!("Next, if it goes on: {}", names(&next, 10)));
    }
    lines
}

fn names(all: &[Name], listed_max: usize) -> String {
    let shown: Vec<String> =
        all.iter().take(listed_max).map(|name| Untrusted(name).line(NAME_CHARS_MAX)).collect();
    shown.join(", ")
}

/// At most 3,900 characters and three dots. Cuts at a line end, so that no half word from outside stands last.
pub(crate) fn capped(text: &str) -> String {
    let mut out = String::new();
    let mut left = DESCRIPTION_CHARS_MAX;
    for line in text.lines() {
        let length = line.chars().count() + 1;
        if length > left {
            out.push_str("...");
            break;
        }
        left -= length;
        out.push_str(line);
        out.push('\n');
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::testing::incident;

    #[test]
    fn news_are_only_what_changed_and_never_the_old_words() {
        let before = Told::of(&incident(1));
        let mut later = incident(2);
        later.priority = model::incident::Priority::P1;
        later.services.push("shipping".into());
        let after = Told::of(&later);
        assert_eq!(
            work_note(&after.news(&before), 2),
            "faultline, revision 2:\n- Priority is now P1.\n- Now also affected: shipping."
        );
        assert_eq!(after.news(&after), Vec::<String>::new(), "nothing new, nothing said");
    }

    #[test]
    fn small_moves_of_numbers_are_no_news() {
        let first = incident(1);
        let mut later = incident(2);
        if let Some(hypothesis) = later.hypotheses.first_mut() {
            hypothesis.probability -= 0.05;
        }
        assert!(Told::of(&later).news(&Told::of(&first)).is_empty());
        if let Some(hypothesis) = later.hypotheses.first_mut() {
            hypothesis.probability -= 0.30;
        }
        let news = Told::of(&later).news(&Told::of(&first));
        assert_eq!(news, ["The most likely cause is now at 46 %."]);
    }

    #[test]
    fn the_description_reads_in_the_order_of_a_tired_persons_questions() {
        let incident = incident(1);
        let told = Told::of(&incident);
        let text = description(&incident, &told, Some("https://faultline.example/"));
        let order = [
            "Summary:",
            "Most likely cause: config change on payment at 01:55:00 UTC: pool size 10 (81 %)",
            "Evidence: errors originate at payment",
            "Affected (2): checkout, payment",
            "Began: 2026-03-17T02:07:00.000Z (UTC)",
            "Details: https://faultline.example/incidents/00000000000000ab",
        ];
        let places: Vec<usize> = order
            .iter()
            .map(|part| text.find(part).unwrap_or_else(|| panic!("{part}\n{text}")))
            .collect();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn a_huge_narrative_is_cut_at_a_line_end() {
        let mut incident = incident(1);
        incident.narrative = "word ".repeat(100_000);
        let told = Told::of(&incident);
        assert!(description(&incident, &told, None).chars().count() <= DESCRIPTION_CHARS_MAX + 3);
    }
}
