//! What people decide from a terminal: each command is one request to the API of a running system.

mod standing;

use std::io::{self, Write as _};

use anyhow::{Context, Result, bail};
use model::entity::EntityKind;
use model::incident::Incident;
use serde_json::{Value, json};

use crate::cli::control::{Cause, CauseArgs, Control, DecideArgs, IncidentsOf};
use crate::failure;
use crate::remote::Remote;
use crate::remote::send::{Write, escaped};
use crate::tell;

/// Takes a decision.
///
/// # Errors
/// When no running system answers, or it refuses.
pub fn control(command: &Control) -> Result<()> {
    let all = |of: &IncidentsOf, verb: &str, word: &str, fields: &Value| {
        each(&of.ids, of.by.json, |id| one(id, &of.by, verb, word, fields))
    };
    match command {
        Control::Ack(of) => all(of, "acknowledge", "acknowledged", &json!({})),
        Control::Unack(of) => all(of, "unacknowledge", "no longer acknowledged", &json!({})),
        Control::Snooze { of, duration, until } => {
            let (field, word) = match until {
                Some(until) => (json!({ "until": until }), format!("snoozed until {until}")),
                None => (json!({ "duration": duration }), format!("snoozed for {duration}")),
            };
            all(of, "snooze", &word, &field)
        }
        Control::Unsnooze(of) => all(of, "unsnooze", "awake", &json!({})),
        Control::Assign { id, to, nobody, by } => {
            let to = to.as_ref().filter(|_| !nobody);
            let word = to.map_or("given to nobody".to_owned(), |to| format!("given to {to}"));
            one(id, by, "assign", &word, &json!({ "to": to }))
        }
        Control::Comment { id, text, by } => {
            let text = text.as_ref().unwrap_or(&by.reason);
            one(id, by, "comment", "comment added", &json!({ "reason": text }))
        }
        Control::Resolve(of) => all(of, "resolve", "resolved", &json!({})),
        Control::Reopen(of) => all(of, "reopen", "reopened", &json!({})),
        Control::Merge { id, into, by } => {
            one(id, by, "merge", &format!("part of {into} now"), &json!({ "into": into }))
        }
        Control::Split { id, services, by } => {
            let word = format!("{} split off", services.join(", "));
            one(id, by, "split", &word, &json!({ "services": services }))
        }
        Control::Cause(Cause::Confirm(args)) => cause(args, "confirm-cause", "was the cause"),
        Control::Cause(Cause::Reject(args)) => cause(args, "reject-cause", "was not the cause"),
        Control::Silences(command) => standing::silences(command),
        Control::Maintenance(command) => standing::maintenance(command),
        Control::Inhibitions(command) => standing::inhibitions(command),
    }
}

/// The fields that every decision has. Where the system knows by whose token it is asked, nobody else
/// is named unless it is on purpose.
fn common(remote: &Remote, by: &DecideArgs) -> Result<Value> {
    let user = || std::env::var("USER").ok().filter(|user| !user.trim().is_empty());
    // What goes wrong here is told by the decision itself, which asks the same system.
    let is_known = by.author.is_none() && remote.name().is_ok_and(|name| name.is_some());
    if is_known {
        return Ok(json!({ "reason": by.reason, "via": "cli" }));
    }
    let author = by.author.clone().or_else(user);
    let author = author.context("who decides? give --author, or set FAULTLINE_AUTHOR")?;
    Ok(json!({ "author": author, "reason": by.reason, "via": "cli" }))
}

fn merged(mut all: Value, more: &Value) -> Value {
    if let (Some(all), Some(more)) = (all.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    all
}

/// Does the same to several: all are tried, and the first error is the command's.
fn each(ids: &[String], json: bool, mut ask: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut failed = None;
    for id in ids {
        if let Err(error) = ask(id) {
            let error = error.context(tell::clean(id));
            match &failed {
                None => failed = Some(error),
                Some(_) => eprintln!("{}", failure::told(&error, json)),
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn one(id: &str, by: &DecideArgs, verb: &str, word: &str, fields: &Value) -> Result<()> {
    let remote = Remote::new(&by.remote)?;
    let path = format!("/api/v1/incidents/{}/{verb}", escaped(id));
    let answer = remote.send(&path, Write::Post(&merged(common(&remote, by)?, fields)))?;
    told(&answer, by, at(&answer, "/incident").unwrap_or(id), word)
}

/// The text at a JSON pointer.
fn at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn told(answer: &Value, by: &DecideArgs, what: &str, word: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    if by.json {
        writeln!(out, "{answer}")?;
    } else {
        let act = &answer["act"];
        let author = act["author"].as_str().unwrap_or_default();
        writeln!(out, "{}", tell::clean(&format!("{what}: {word}, by {author}")))?;
    }
    Ok(())
}

fn cause(args: &CauseArgs, verb: &str, word: &str) -> Result<()> {
    let (service, change) = if args.none {
        (None, None)
    } else if args.service.is_some() {
        (args.service.clone(), args.change.clone())
    } else {
        of_hypothesis(args)?
    };
    let named = match (&service, &change) {
        (Some(service), Some(change)) => format!("{service} by its change {change}"),
        (Some(service), None) => service.clone(),
        _ => "something outside".to_owned(),
    };
    let fields = json!({ "cause": { "service": service, "change": change } });
    one(&args.id, &args.by, verb, &format!("{named} {word}"), &fields)
}

/// What the hypothesis with the wanted rank blames.
fn of_hypothesis(args: &CauseArgs) -> Result<(Option<String>, Option<String>)> {
    let path = format!("/api/v1/incidents/{}", escaped(&args.id));
    let incident: Incident = Remote::new(&args.by.remote)?.json(&path)?;
    let rank = args.rank.unwrap_or(1);
    let Some(hypothesis) = incident.hypotheses.iter().find(|h| h.rank == rank) else {
        bail!(
            "incident {} has {} hypotheses, none with rank {rank}; name the cause with --service",
            incident.id,
            incident.hypotheses.len()
        );
    };
    if hypothesis.entity.kind == EntityKind::Nothing {
        return Ok((None, None));
    }
    let change = hypothesis.change.as_ref().map(|change| change.id.to_string());
    Ok((Some(hypothesis.entity.service.to_string()), change))
}
