//! Silences, maintenance windows and inhibitions from a terminal.

use std::io::{self, Write as _};

use anyhow::Result;
use model::time::Timestamp;
use serde_json::{Value, json};

use super::{at, common, each, merged, told};
use crate::cli::control::{
    DecideArgs, EndArgs, Inhibitions, ListArgs, Maintenance, Silences, TimesArgs,
};
use crate::remote::Remote;
use crate::remote::send::{Write, escaped};
use crate::span;
use crate::tell;

pub(super) fn silences(command: &Silences) -> Result<()> {
    match command {
        Silences::List(args) => list(args, "silences"),
        Silences::Add { matchers, times, by } => {
            add("silences", by, &merged(interval(times), &json!({ "matchers": matchers })))
        }
        Silences::Expire(args) => end(args, "silences"),
    }
}

pub(super) fn maintenance(command: &Maintenance) -> Result<()> {
    match command {
        Maintenance::List(args) => list(args, "maintenance"),
        Maintenance::Add { services, times, by } => {
            add("maintenance", by, &merged(interval(times), &json!({ "services": services })))
        }
        Maintenance::End(args) => end(args, "maintenance"),
    }
}

pub(super) fn inhibitions(command: &Inhibitions) -> Result<()> {
    match command {
        Inhibitions::List(args) => list(args, "inhibitions"),
        Inhibitions::Add { source, target, equal, cell, by } => {
            let fields =
                json!({ "source": source, "target": target, "equal": equal, "cell": cell });
            add("inhibitions", by, &fields)
        }
        Inhibitions::Remove(args) => end(args, "inhibitions"),
    }
}

fn interval(times: &TimesArgs) -> Value {
    let (start, cell) = (&times.start, &times.cell);
    match &times.end {
        Some(end) => json!({ "starts_at": start, "cell": cell, "ends_at": end }),
        None => json!({ "starts_at": start, "cell": cell, "duration": times.duration }),
    }
}

fn add(what: &str, by: &DecideArgs, fields: &Value) -> Result<()> {
    let remote = Remote::new(&by.remote)?;
    let body = merged(common(&remote, by)?, fields);
    let answer = remote.send(&format!("/api/v1/{what}"), Write::Post(&body))?;
    told(&answer, by, at(&answer, "/act/id").unwrap_or_default(), "asked for")
}

fn end(args: &EndArgs, what: &str) -> Result<()> {
    let remote = Remote::new(&args.by.remote)?;
    let common = common(&remote, &args.by)?;
    let text = |name: &str| escaped(at(&common, name).unwrap_or_default());
    each(&args.ids, args.by.json, |id| {
        let path = format!(
            "/api/v1/{what}/{}?author={}&reason={}&via=cli",
            escaped(id),
            text("/author"),
            text("/reason")
        );
        let answer = remote.send(&path, Write::Delete)?;
        let target = at(&answer, "/act/decision/target").unwrap_or(id);
        told(&answer, &args.by, target, "asked to end")
    })
}

fn list(args: &ListArgs, what: &str) -> Result<()> {
    let states = if args.expired { "pending,active,expired" } else { "pending,active" };
    let answer: Value =
        Remote::new(&args.remote)?.json(&format!("/api/v1/{what}?state={states}"))?;
    let rows = answer.get(what).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let now = at(&answer, "/now").and_then(Timestamp::parse_rfc3339);
    let mut out = io::stdout().lock();
    if rows.is_empty() && !args.json {
        writeln!(out, "none")?;
    }
    for row in rows {
        if args.json {
            writeln!(out, "{row}")?;
        } else {
            writeln!(out, "{}", tell::clean(&line(row, now)))?;
        }
    }
    Ok(())
}

/// One line: id, state, until when, what, who, why.
fn line(row: &Value, now: Option<Timestamp>) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let services = row["services"].as_array().map_or(&[][..], Vec::as_slice);
    let services: Vec<&str> = services.iter().filter_map(Value::as_str).collect();
    let what = if services.is_empty() { text("text") } else { services.join(", ") };
    let id: String = text("id").chars().take(8).collect();
    let reason = text("reason");
    let why = if reason.is_empty() { reason } else { format!(": {reason}") };
    format!("{id:<8} {:<7} {:<14} {what} | {}{why}", text("state"), when(row, now), text("author"))
}

fn when(row: &Value, now: Option<Timestamp>) -> String {
    let time = |name: &str| row[name].as_str().and_then(Timestamp::parse_rfc3339);
    match (row["state"].as_str(), time("starts_at"), time("ends_at"), now) {
        (Some("pending"), Some(start), _, Some(now)) => format!("in {}", span::show(start - now)),
        (Some("active"), _, Some(end), Some(now)) => format!("{} left", span::show(end - now)),
        (Some("active"), _, None, _) => "no end".to_owned(),
        (_, _, Some(end), _) => end.to_rfc3339().get(..16).unwrap_or_default().replace('T', " "),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_stands_how_long_and_who_said_so() {
        let now = Timestamp::parse_rfc3339("2026-03-17T02:00:00Z");
        let row = json!({
            "id": "3f0e2c9a-1111", "state": "active", "ends_at": "2026-03-17T03:30:00Z",
            "starts_at": "2026-03-17T01:00:00Z", "text": "{service=\"payment\"}", "author": "ann",
            "reason": "disk swap",
        });
        let shown = line(&row, now);
        assert_eq!(shown, "3f0e2c9a active  1h 30m left    {service=\"payment\"} | ann: disk swap");
        let row = json!({
            "id": "3f", "state": "pending", "starts_at": "2026-03-17T02:45:00Z",
            "services": ["cart", "payment"], "author": "bob", "reason": "",
        });
        assert_eq!(line(&row, now), "3f       pending in 45m         cart, payment | bob");
    }
}
