//! Words: an act as a line of the timeline.

use model::command::{Act, CauseRef, Decision};
use model::incident::{TimelineEntry, TimelineKind};
use model::people::{Refused, Said};
use model::time::Timestamp;

/// Characters of a reason that a line quotes.
const QUOTED_MAX: usize = 200;
/// Characters of a name or id in a refusal.
const NAME_MAX: usize = 100;

/// Ways in that say nothing about where: our own.
const OWN: [&str; 3] = ["api", "cli", "console"];

/// What was decided, by whom and why, at an instant of the story.
pub(in crate::correlate) fn line(act: &Act, at: Timestamp) -> TimelineEntry {
    let author = &act.author;
    let via = if is_own(&act.via) { String::new() } else { format!(" in {}", act.via) };
    let why: String = act.reason.trim().chars().take(QUOTED_MAX).collect();
    let why = if why.is_empty() { why } else { format!(": {why}") };
    let text = format!("{author}{via} {}{why}", did(&act.decision));
    TimelineEntry { at, kind: TimelineKind::Decision, service: None, text }
}

/// Whether a way in is one of our own, where whoever asks is answered.
pub(in crate::correlate) fn is_own(via: &str) -> bool {
    OWN.contains(&via)
}

/// What could not be carried out, in bounded words: nothing of it was checked.
pub(in crate::correlate) fn refusal(act: &Act, at: Timestamp, why: &str) -> Refused {
    let short = |text: &str, chars_max: usize| text.chars().take(chars_max).collect::<String>();
    let said = Said {
        act: short(&act.id, NAME_MAX).into(),
        author: short(&act.author, NAME_MAX).into(),
        via: short(&act.via, NAME_MAX).into(),
        at,
        text: short(&act.reason, QUOTED_MAX),
    };
    Refused { said, wanted: short(&did(&act.decision), QUOTED_MAX), why: short(why, QUOTED_MAX) }
}

/// The same as a line of the timeline.
pub(in crate::correlate) fn refused_line(refused: &Refused) -> TimelineEntry {
    let Refused { said, wanted, why } = refused;
    let text = format!("not carried out: {} in {} {wanted}; {why}", said.author, said.via);
    TimelineEntry { at: said.at, kind: TimelineKind::Decision, service: None, text }
}

fn did(decision: &Decision) -> String {
    match decision {
        Decision::Acknowledge { .. } => String::from("acknowledged it"),
        Decision::Unacknowledge { .. } => String::from("took the acknowledgement back"),
        Decision::Snooze { until, .. } => format!("snoozed it until {} UTC", until.to_hms()),
        Decision::Unsnooze { .. } => String::from("ended the snooze"),
        Decision::Assign { to: Some(to), .. } => format!("assigned it to {to}"),
        Decision::Assign { to: None, .. } => String::from("took the assignment back"),
        Decision::Comment { .. } => String::from("commented"),
        Decision::Resolve { .. } => String::from("resolved it"),
        Decision::Reopen { .. } => String::from("keeps it open"),
        Decision::Merge { incident, into } => format!("merged {incident} into {into}"),
        Decision::Split { services, .. } => {
            let names: Vec<&str> = services.iter().map(|name| name.as_str()).collect();
            format!("split {} off", names.join(", "))
        }
        Decision::ConfirmCause { cause, .. } => format!("confirmed {} as the cause", named(cause)),
        Decision::RejectCause { cause, .. } => format!("rejected {} as the cause", named(cause)),
        Decision::Silence { .. } => String::from("silenced alerts"),
        Decision::Expire { target } => format!("ended {target}"),
        Decision::Maintenance { .. } => String::from("began maintenance"),
        Decision::Inhibit { .. } => String::from("made an inhibition"),
        Decision::Uninhibit { target } => format!("removed the inhibition {target}"),
    }
}

fn named(cause: &CauseRef) -> String {
    match (&cause.service, &cause.change) {
        (Some(service), Some(change)) => format!("change {change} at {service}"),
        (Some(service), None) => service.to_string(),
        (None, _) => String::from("nothing inside the system"),
    }
}
