//! What changed, who did it, what it touched: from the loosely named members of a payload.

use model::change::{ChangeContent, ChangeEvent, ChangeKind, ChangeOutcome};
use model::name::Name;
use model::time::Timestamp;
use serde_json::Value;

use crate::intake::decode::fields::{first_text, name, names, scalar, text};
use crate::intake::decode::limits::{CONTENT_BYTES_MAX, CONTENT_PATHS_MAX, cut, cut_bytes};

/// Longest title. Unit: characters.
const TITLE_CHARS_MAX: usize = 200;

/// A change with nothing but its id, kind and time.
pub(super) fn change(id: &str, kind: ChangeKind, at: Timestamp) -> ChangeEvent {
    ChangeEvent {
        id: name(id),
        kind,
        at,
        started_at: None,
        targets: Vec::new(),
        environment: None,
        title: Name::default(),
        author: None,
        version: None,
        outcome: ChangeOutcome::Unknown,
        content: ChangeContent::default(),
        links: Vec::new(),
        url: None,
    }
}

/// Fills what a payload's own members say; what is filled already stays.
pub(super) fn fill(change: &mut ChangeEvent, data: &Value) {
    for key in ["service", "services", "target", "targets", "component", "components"] {
        for target in names(data.get(key)) {
            if !change.targets.contains(&target) {
                change.targets.push(target);
            }
        }
    }
    let said = |keys: &[&[&str]]| first_text(data, keys).map(name);
    let set = |slot: &mut Option<Name>, value: Option<Name>| {
        if slot.is_none() {
            *slot = value;
        }
    };
    set(&mut change.author, said(&[&["author"], &["actor"], &["user"], &["triggered_by"]]));
    set(&mut change.version, said(&[&["to_version"], &["version"], &["new_version"]]));
    set(&mut change.environment, said(&[&["environment"], &["env"]]));
    set(&mut change.url, said(&[&["url"], &["link"], &["html_url"]]));
    if change.started_at.is_none() {
        change.started_at = crate::intake::decode::fields::time(data, &["started_at"]);
    }
    change.content.paths = paths(data);
    change.content.text = content(data);
}

/// Adds the id of another event of the same change.
pub(super) fn link(change: &mut ChangeEvent, id: &str) {
    let id = name(id);
    if !id.is_empty() && id != change.id && !change.links.contains(&id) {
        change.links.push(id);
    }
}

/// Gives the change a title: the first line of its message, else kind, target and version.
pub(super) fn entitle(change: &mut ChangeEvent, message: Option<&str>, subject: &str) {
    let line = message.and_then(|text| text.lines().next()).map(str::trim).unwrap_or_default();
    let title = if line.is_empty() {
        let what = change.targets.first().map_or(subject, Name::as_str);
        let what = if change.kind == ChangeKind::FeatureFlag { subject } else { what };
        let version = change.version.as_deref().unwrap_or_default();
        format!("{} {what} {version}", change.kind.label()).trim().to_owned()
    } else {
        line.to_owned()
    };
    change.title = cut(&title, TITLE_CHARS_MAX).into();
}

fn paths(data: &Value) -> Vec<Name> {
    let keys = ["files_changed", "files", "paths", "changed_files", "keys", "key"];
    keys.iter().flat_map(|key| names(data.get(key))).take(CONTENT_PATHS_MAX).collect()
}

/// Message and diff; without them the plain members, one a line.
fn content(data: &Value) -> Name {
    let message = first_text(data, &[&["message"], &["summary"], &["description"], &["title"]]);
    let diff = first_text(data, &[&["diff"], &["patch"]]);
    let mut out = String::new();
    for part in [message, diff].into_iter().flatten() {
        out.push_str(cut_bytes(part, CONTENT_BYTES_MAX));
        out.push('\n');
    }
    if diff.is_none() {
        for (key, value) in data.as_object().into_iter().flatten() {
            if let Some(text) = scalar(value).filter(|_| !is_said(key)) {
                out.push_str(&format!("{key}: {}\n", cut(&text, TITLE_CHARS_MAX)));
            }
            if out.len() > CONTENT_BYTES_MAX {
                break;
            }
        }
    }
    cut_bytes(out.trim_end(), CONTENT_BYTES_MAX).into()
}

/// Members that stand elsewhere in the change already.
fn is_said(key: &str) -> bool {
    matches!(
        key,
        "message"
            | "summary"
            | "description"
            | "title"
            | "service"
            | "author"
            | "actor"
            | "user"
            | "environment"
            | "url"
            | "change_id"
            | "started_at"
            | "commit_sha"
    )
}

/// How it went, by the word of its source.
pub(super) fn outcome(word: &str) -> ChangeOutcome {
    match word.to_ascii_lowercase().as_str() {
        "success" | "succeeded" | "successful" | "completed" | "synced" => ChangeOutcome::Succeeded,
        "failure" | "failed" | "error" => ChangeOutcome::Failed,
        "started" | "running" | "in_progress" | "pending" => ChangeOutcome::Started,
        _ => ChangeOutcome::Unknown,
    }
}

/// The last part of an id that is a path or a package url: the name of what it is about.
pub(super) fn tail(id: &str) -> &str {
    let id = id.split(['@', '?', '#']).next().unwrap_or(id);
    id.rsplit('/').find(|part| !part.is_empty()).unwrap_or(id)
}

/// The version of a package url, `pkg:type/name@version`.
pub(super) fn purl_version(purl: &str) -> Option<&str> {
    let purl = purl.split(['?', '#']).next()?;
    purl.strip_prefix("pkg:")?.rsplit_once('@').map(|(_, version)| version)
}

/// The message of a payload, for its title.
pub(super) fn message(data: &Value) -> Option<&str> {
    text(data, &["message"]).or_else(|| first_text(data, &[&["title"], &["summary"]]))
}
