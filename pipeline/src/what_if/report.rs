//! A comparison as text for people, and as one JSON object.

use std::fmt::Write as _;

use model::time::{Nanos, Timestamp};
use serde_json::{Value, json};

use super::Runs;
use super::difference::{Change, Difference, Kind, Row, What, differences};
use super::told::Told;
use crate::span;
use crate::stages::correlate::ActCounts;
use crate::tell::{clean, counted, short_id};

/// What the two runs are called.
pub struct Names<'a> {
    /// The older configuration.
    pub old: &'a str,
    /// The newer one.
    pub new: &'a str,
}

/// The comparison as JSON.
#[must_use]
pub fn json(runs: &Runs, names: &Names<'_>) -> Value {
    let all = differences(&runs.old, &runs.new);
    let [old_acts, new_acts] = runs.act_counts;
    let run = |name: &str, told: &[Told], acts: ActCounts| {
        let paged = told.iter().filter(|told| told.paged_at.is_some()).count();
        json!({
            "config": name,
            "incidents": told.len(),
            "paged": paged,
            "acts_refused": acts.refused,
        })
    };
    let at = |ms: i64| Timestamp::from_millis(ms).to_rfc3339();
    let same = all.iter().filter(|difference| difference.kind == Kind::Same).count();
    let differences: Vec<_> = all.iter().filter(|d| d.kind != Kind::Same).collect();
    json!({
        "records": runs.records,
        "acts": runs.acts,
        "from": runs.span_ms.map(|(first, _)| at(first)),
        "to": runs.span_ms.map(|(_, last)| at(last)),
        "old": run(names.old, &runs.old, old_acts),
        "new": run(names.new, &runs.new, new_acts),
        "same": same,
        "differences": differences,
    })
}

/// The comparison as text.
#[must_use]
pub fn text(runs: &Runs, names: &Names<'_>) -> String {
    let mut text = String::new();
    let _infallible = write(&mut text, runs, names);
    text
}

fn write(text: &mut String, runs: &Runs, names: &Names<'_>) -> std::fmt::Result {
    let all = differences(&runs.old, &runs.new);
    let span = runs.span_ms.map_or_else(String::new, |(first, last)| {
        let at = |ms: i64| Timestamp::from_millis(ms).to_rfc3339();
        format!(", {} to {}", at(first), at(last))
    });
    writeln!(text, "{} records{span}", runs.records)?;
    write_run(text, "old", names.old, &runs.old)?;
    write_run(text, "new", names.new, &runs.new)?;
    write_acts(text, runs)?;
    let same = all.iter().filter(|difference| difference.kind == Kind::Same).count();
    let different: Vec<_> = all.iter().filter(|d| d.kind != Kind::Same).collect();
    if different.is_empty() {
        return writeln!(text, "\nNo difference: {} told alike.", counted(same, "incident"));
    }
    for difference in &different {
        writeln!(text)?;
        write_difference(text, difference)?;
    }
    let differences = counted(different.len(), "difference");
    writeln!(text, "\n{differences}, {} told alike.", counted(same, "incident"))
}

/// What people decided holds in both runs, as far as it is about incidents that they tell.
fn write_acts(text: &mut String, runs: &Runs) -> std::fmt::Result {
    let acts = usize::try_from(runs.acts).unwrap_or(usize::MAX);
    if acts == 0 {
        return writeln!(text, "No decision of a person is among the records.");
    }
    let [old, new] = runs.act_counts;
    writeln!(
        text,
        "{} of people; not carried out, as there is no such incident: {} in the old run, {} in the new one",
        counted(acts, "decision"),
        old.refused,
        new.refused
    )
}

fn write_run(text: &mut String, which: &str, name: &str, told: &[Told]) -> std::fmt::Result {
    let paged = told.iter().filter(|told| told.paged_at.is_some()).count();
    let name = clean(name);
    writeln!(
        text,
        "{which}: {name}: {}, {paged} of them would page",
        counted(told.len(), "incident")
    )
}

fn write_difference(text: &mut String, difference: &Difference) -> std::fmt::Result {
    let word = match difference.kind {
        Kind::Appears => "APPEARS",
        Kind::Vanishes => "VANISHES",
        Kind::Merges => "MERGES",
        Kind::Splits => "SPLITS",
        Kind::Regroups => "REGROUPS",
        Kind::Changes => "CHANGES",
        Kind::Same => "SAME",
    };
    if let ([old], [new], false) =
        (&*difference.old, &*difference.new, difference.changed.is_empty())
    {
        let id = if old.id == new.id {
            short_id(old.id)
        } else {
            format!("{} (old {})", short_id(new.id), short_id(old.id))
        };
        writeln!(text, "{word:<9} {id}  {}", clean(&new.title))?;
        return difference.changed.iter().try_for_each(|change| write_change(text, change));
    }
    writeln!(text, "{word}")?;
    for (sign, rows) in [("-", &difference.old), ("+", &difference.new)] {
        rows.iter().try_for_each(|row| write_row(text, sign, row))?;
    }
    if difference.shared_members > 0 {
        writeln!(text, "    {} alerts and symptoms are in both", difference.shared_members)?;
    }
    Ok(())
}

fn write_row(text: &mut String, sign: &str, row: &Row) -> std::fmt::Result {
    let (hms, until) = (row.onset_at.to_hms(), row.resolved_at.map(Timestamp::to_hms));
    writeln!(
        text,
        "  {sign} {} {:?} {:<9} {hms} to {}  {}",
        short_id(row.id),
        row.priority,
        row.state.label(),
        until.as_deref().unwrap_or("the end "),
        clean(&row.title),
    )?;
    let cause = row.first_hypothesis.as_ref().map_or_else(
        || "no hypothesis".to_owned(),
        |first| {
            let said = clean(&first.summary);
            format!("{} ({:.0} %)", said.trim_end_matches('.'), first.probability * 100.0)
        },
    );
    let paged = row
        .paged_at
        .map_or_else(|| "pages nobody".to_owned(), |at| format!("pages at {}", at.to_hms()));
    writeln!(
        text,
        "    {paged}; {}, {} in {}; {cause}",
        counted(row.alerts_count, "alert"),
        counted(row.symptoms_count, "symptom"),
        counted(row.services.len(), "service"),
    )
}

fn write_change(text: &mut String, change: &Change) -> std::fmt::Result {
    let what = match change.what {
        What::FirstHypothesis => "first hypothesis",
        What::Priority => "priority",
        What::State => "state at the end",
        What::Owner => "owner",
        What::PagedAt => "pages",
        What::OnsetAt => "onset",
        What::ResolvedAt => "resolved",
        What::Services => "services",
    };
    let said = |side: &Option<String>| side.as_deref().map_or_else(|| "-".to_owned(), clean);
    let (old, new) = (said(&change.old), said(&change.new));
    if matches!(change.what, What::FirstHypothesis | What::Services) {
        writeln!(text, "  {what:<17} {old}\n  {:<14} -> {new}", "")
    } else {
        writeln!(text, "  {what:<17} {old} -> {new}{}", moved(change).unwrap_or_default())
    }
}

/// How much later a moment is.
fn moved(change: &Change) -> Option<String> {
    let read = |side: &Option<String>| side.as_deref().and_then(Timestamp::parse_rfc3339);
    let by_ms = read(&change.new)?.millis() - read(&change.old)?.millis();
    let word = if by_ms < 0 { "earlier" } else { "later" };
    Some(format!(" ({} {word})", span::show(Nanos::from_millis(by_ms.saturating_abs()))))
}
