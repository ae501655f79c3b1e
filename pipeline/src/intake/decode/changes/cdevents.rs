//! CDEvents by their prefix `dev.cdevents.<subject>.<predicate>.` in any version, our own
//! `dev.faultline.change.<kind>.*`, and other types by the words in them.

use model::change::{ChangeEvent, ChangeKind, ChangeOutcome};
use model::name::Name;
use serde_json::Value;

use super::cloudevents::Event;
use super::content::{
    change as new_change, entitle, fill, link, message, outcome, purl_version, tail,
};
use crate::intake::decode::fields::{first_text, name, names, text};

/// The change that an event tells of.
///
/// # Errors
/// When its type tells of none (builds, tests, tickets, incidents).
pub(super) fn change(event: &Event<'_>) -> Result<ChangeEvent, &'static str> {
    let (kind, said) = kind_of(event.kind).ok_or("a CDEvents type that changes nothing")?;
    let data = event.data;
    let custom = data.get("customData").unwrap_or(data);
    let mut change = new_change(event.id, kind, event.at);
    change.outcome = said;
    fill(&mut change, custom);
    fill_from_subject(&mut change, event);
    fill_links(&mut change, data, custom);
    if let Some(word) = first_text(custom, &[&["outcome"], &["status"], &["result"]]) {
        change.outcome = match outcome(word) {
            ChangeOutcome::Unknown => change.outcome,
            known => known,
        };
    }
    let subject = if event.subject.is_empty() { tail(event.source) } else { event.subject };
    entitle(&mut change, message(custom), tail(subject));
    Ok(change)
}

/// What an event's type says; `None` for types that change nothing.
fn kind_of(kind: &str) -> Option<(ChangeKind, ChangeOutcome)> {
    let done = ChangeOutcome::Succeeded;
    if let Some(rest) = kind.strip_prefix("dev.cdevents.") {
        let mut parts = rest.split('.');
        return match (parts.next()?, parts.next()?) {
            ("service", "deployed" | "upgraded" | "published") => Some((ChangeKind::Deploy, done)),
            ("service", "rolledback") => Some((ChangeKind::Rollback, done)),
            ("service", "removed") => Some((ChangeKind::Other, done)),
            ("environment", "created" | "modified" | "deleted") => {
                Some((ChangeKind::Infrastructure, done))
            }
            ("change", "merged") => Some((ChangeKind::Commit, done)),
            _ => None,
        };
    }
    let own = kind.strip_prefix("dev.faultline.change.");
    Some((kind_by_words(&own.unwrap_or(kind).to_ascii_lowercase()), done))
}

fn kind_by_words(words: &str) -> ChangeKind {
    const WORDS: [(&str, ChangeKind); 14] = [
        ("flag", ChangeKind::FeatureFlag),
        ("rollback", ChangeKind::Rollback),
        ("rolledback", ChangeKind::Rollback),
        ("certificate", ChangeKind::Certificate),
        ("cert.", ChangeKind::Certificate),
        ("migration", ChangeKind::Migration),
        ("schema", ChangeKind::Migration),
        ("config", ChangeKind::Config),
        ("setting", ChangeKind::Config),
        ("scal", ChangeKind::Scale),
        ("deploy", ChangeKind::Deploy),
        ("release", ChangeKind::Deploy),
        ("merge", ChangeKind::Commit),
        ("infra", ChangeKind::Infrastructure),
    ];
    let found = WORDS.iter().find(|(word, _)| words.contains(word));
    found.map_or(ChangeKind::Other, |(_, kind)| *kind)
}

/// Target, environment and version from the subject of a CDEvent. A commit's subject is the
/// commit, a flag's the flag: they are no services.
fn fill_from_subject(change: &mut ChangeEvent, event: &Event<'_>) {
    let content = event.data.get("subject").and_then(|s| s.get("content")).unwrap_or(&Value::Null);
    let artifact = text(content, &["artifactId"]);
    let names_service = !matches!(
        change.kind,
        ChangeKind::Commit
            | ChangeKind::FeatureFlag
            | ChangeKind::Infrastructure
            | ChangeKind::Other
    );
    if change.targets.is_empty() && names_service {
        let id = text(event.data, &["subject", "id"]).or(Some(event.subject));
        let id = id.filter(|id| !id.is_empty()).or(artifact);
        change.targets.extend(id.map(|id| name(tail(id))));
    }
    if change.version.is_none() {
        change.version = artifact.and_then(purl_version).map(name);
    }
    let environment = text(content, &["environment", "id"]).map(tail).map(name);
    if change.environment.is_none() {
        change.environment = environment.filter(|word| word.as_str() != "unknown");
    }
}

fn fill_links(change: &mut ChangeEvent, data: &Value, custom: &Value) {
    for id in
        first_text(data, &[&["context", "chainId"]]).into_iter().chain(text(custom, &["change_id"]))
    {
        link(change, id);
    }
    let links = data.get("context").and_then(|context| context.get("links"));
    for target in links.and_then(Value::as_array).into_iter().flatten().take(100) {
        if let Some(id) = text(target, &["target", "contextId"]) {
            link(change, id);
        }
    }
    let ids: Vec<Name> =
        names(custom.get("change_ids")).into_iter().chain(names(custom.get("commits"))).collect();
    for id in ids {
        link(change, &id);
    }
}
