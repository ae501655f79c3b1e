//! GitLab's deployment hook: start, success, failure, cancel.

use model::change::{ChangeEvent, ChangeKind, ChangeOutcome};
use model::time::Timestamp;
use serde_json::Value;

use super::Attempt;
use super::content::{change, entitle, link};
use crate::intake::decode::fields::{first_text, name, text};

pub(super) fn decode(value: &Value, arrival: Timestamp) -> Attempt {
    let kind = text(value, &["object_kind"])?;
    Some(match kind {
        "deployment" => decode_deployment(value, arrival),
        _ => Err("a GitLab event that is about no deployment"),
    })
}

fn decode_deployment(value: &Value, arrival: Timestamp) -> Result<ChangeEvent, &'static str> {
    let outcome = match text(value, &["status"]) {
        Some("running") => ChangeOutcome::Started,
        Some("success") => ChangeOutcome::Succeeded,
        Some("failed") => ChangeOutcome::Failed,
        _ => return Err("a GitLab deployment status that changes nothing"),
    };
    let project = first_text(value, &[&["project", "path_with_namespace"], &["project", "name"]]);
    let number = value.get("deployment_id").map(Value::to_string).unwrap_or_default();
    let main = format!("gitlab:{}:deployment:{number}", project.unwrap_or_default());
    let is_final = outcome != ChangeOutcome::Started;
    let id = if is_final { main.clone() } else { format!("{main}:started") };
    let moment = text(value, &["status_changed_at"]).and_then(gitlab_time).unwrap_or(arrival);
    let mut out = change(&id, ChangeKind::Deploy, moment);
    out.outcome = outcome;
    out.environment = text(value, &["environment"]).map(name);
    out.version = text(value, &["short_sha"]).map(name);
    out.author = first_text(value, &[&["user", "username"], &["user", "name"]]).map(name);
    out.url = first_text(value, &[&["deployable_url"], &["commit_url"]]).map(name);
    out.targets.extend(text(value, &["project", "name"]).map(name));
    out.content.text = name(text(value, &["commit_title"]).unwrap_or_default());
    link(&mut out, &main);
    entitle(&mut out, text(value, &["commit_title"]), project.unwrap_or_default());
    Ok(out)
}

/// `2021-04-28 21:50:00 +0200`, as GitLab writes times in hooks; RFC 3339 too.
fn gitlab_time(text: &str) -> Option<Timestamp> {
    if let Some(at) = Timestamp::parse_rfc3339(text) {
        return Some(at);
    }
    let mut parts = text.split(' ');
    let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
    let zone = match zone {
        "UTC" => "Z".to_owned(),
        _ => format!("{}:{}", zone.get(..3)?, zone.get(3..)?),
    };
    Timestamp::parse_rfc3339(&format!("{date}T{time}{zone}"))
}
