//! Flux' notification controller: one event of an object that was reconciled.

use model::change::{ChangeEvent, ChangeKind, ChangeOutcome};
use model::time::Timestamp;
use serde_json::Value;

use super::Attempt;
use super::content::{change, entitle, link};
use crate::intake::decode::fields::{first_text, name, text, time};

pub(super) fn decode(value: &Value, arrival: Timestamp) -> Attempt {
    let object = value.get("involvedObject")?;
    let reason = text(value, &["reason"])?;
    Some(decode_event(value, object, reason, arrival))
}

fn decode_event(
    value: &Value,
    object: &Value,
    reason: &str,
    arrival: Timestamp,
) -> Result<ChangeEvent, &'static str> {
    let is_error = text(value, &["severity"]) == Some("error") || reason.ends_with("Failed");
    let is_done = reason.ends_with("Succeeded");
    let kind = match (reason.starts_with("Rollback"), is_error || is_done) {
        (_, false) => return Err("a Flux event that changes nothing"),
        (true, true) => ChangeKind::Rollback,
        (false, true) => ChangeKind::Deploy,
    };
    let item = text(object, &["name"]).ok_or("a Flux event without an object")?;
    let revision = revision(value).ok_or("a Flux event without a revision")?;
    let object_kind = text(object, &["kind"]).unwrap_or_default();
    let namespace = text(object, &["namespace"]).unwrap_or_default();
    let moment = time(value, &["timestamp"]).unwrap_or(arrival);
    let id = format!("flux:{object_kind}/{namespace}/{item}:{revision}:{reason}");
    let mut out = change(&id, kind, moment);
    out.outcome = if is_error { ChangeOutcome::Failed } else { ChangeOutcome::Succeeded };
    out.targets.push(name(item));
    out.version = Some(name(revision));
    out.environment =
        first_text(value, &[&["metadata", "environment"], &["metadata", "cluster"]]).map(name);
    out.content.text = name(text(value, &["message"]).unwrap_or_default());
    // `main@sha1:abc` names the commit behind the `@`.
    link(&mut out, revision.rsplit(['@', ':']).next().unwrap_or_default());
    entitle(&mut out, None, item);
    Ok(out)
}

/// The value of the metadata key that ends in `revision`.
fn revision(value: &Value) -> Option<&str> {
    let metadata = value.get("metadata")?.as_object()?;
    let found = metadata.iter().find(|(key, _)| key.ends_with("revision"));
    found.and_then(|(_, revision)| revision.as_str())
}
