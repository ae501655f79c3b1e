//! GitHub's webhooks `deployment`, `deployment_status` and `push`.
//!
//! A deployment and its statuses are one change: its final status carries the change's id, the
//! others link to it. `inactive` is no rollback: GitHub marks the previous deployment so.

use model::change::{ChangeEvent, ChangeKind, ChangeOutcome};
use model::time::Timestamp;
use serde_json::Value;

use super::Attempt;
use super::content::{change, entitle, fill, link};
use crate::intake::decode::fields::{at, first_text, name, names, text, time};

pub(super) fn decode(value: &Value, arrival: Timestamp) -> Attempt {
    let repository = text(value, &["repository", "full_name"])?;
    if let Some(deployment) = value.get("deployment").filter(|d| d.is_object()) {
        return Some(decode_deployment(value, deployment, repository, arrival));
    }
    if value.get("commits").is_some() && value.get("after").is_some() {
        return Some(decode_push(value, repository, arrival));
    }
    value.get("sender").map(|_| Err("a GitHub event that is about no deployment"))
}

fn decode_deployment(
    value: &Value,
    deployment: &Value,
    repository: &str,
    arrival: Timestamp,
) -> Result<ChangeEvent, &'static str> {
    let status = value.get("deployment_status").filter(|status| status.is_object());
    let outcome = match status.and_then(|status| text(status, &["state"])) {
        None | Some("in_progress") => ChangeOutcome::Started,
        Some("success") => ChangeOutcome::Succeeded,
        Some("failure" | "error") => ChangeOutcome::Failed,
        Some(_) => return Err("a GitHub deployment status that changes nothing"),
    };
    let number = deployment.get("id").map(Value::to_string).unwrap_or_default();
    let main = format!("github:{repository}:deployment:{number}");
    let is_final = outcome != ChangeOutcome::Started;
    let id = if is_final { main.clone() } else { format!("{main}:started") };
    let created = time(deployment, &["created_at"]);
    let moment = status.and_then(|status| time(status, &["created_at"])).or(created);
    let kind = match text(deployment, &["task"]) {
        Some(task) if task.contains("rollback") => ChangeKind::Rollback,
        Some(task) if task.contains("migrat") => ChangeKind::Migration,
        _ => ChangeKind::Deploy,
    };
    let mut out = change(&id, kind, moment.unwrap_or(arrival));
    out.outcome = outcome;
    out.started_at = created.filter(|_| is_final);
    out.environment = text(deployment, &["environment"]).map(name);
    out.version = first_text(deployment, &[&["payload", "version"], &["sha"], &["ref"]]).map(name);
    out.author =
        first_text(value, &[&["deployment", "creator", "login"], &["sender", "login"]]).map(name);
    out.url = first_text(
        value,
        &[
            &["deployment_status", "log_url"],
            &["deployment_status", "target_url"],
            &["workflow_run", "html_url"],
            &["repository", "html_url"],
        ],
    )
    .map(name);
    fill(&mut out, deployment.get("payload").unwrap_or(&Value::Null));
    if out.targets.is_empty() {
        out.targets.extend(text(value, &["repository", "name"]).map(name));
    }
    if let Some(sha) = text(deployment, &["sha"]) {
        link(&mut out, sha);
    }
    link(&mut out, &main);
    entitle(&mut out, text(deployment, &["description"]), repository);
    Ok(out)
}

fn decode_push(
    value: &Value,
    repository: &str,
    arrival: Timestamp,
) -> Result<ChangeEvent, &'static str> {
    let main = text(value, &["repository", "default_branch"]).unwrap_or("main");
    if text(value, &["ref"]).is_none_or(|r| r.strip_prefix("refs/heads/") != Some(main)) {
        return Err("a GitHub push to another branch than the default one");
    }
    let head = text(value, &["after"]).unwrap_or_default();
    let moment = time(value, &["head_commit", "timestamp"]).unwrap_or(arrival);
    let mut out = change(&format!("github:{repository}:commit:{head}"), ChangeKind::Commit, moment);
    out.outcome = ChangeOutcome::Succeeded;
    out.author = first_text(value, &[&["pusher", "name"], &["sender", "login"]]).map(name);
    out.url = text(value, &["compare"]).map(name);
    out.version = Some(name(head));
    let commits = value.get("commits").and_then(Value::as_array);
    for commit in commits.into_iter().flatten().take(100) {
        for key in ["added", "modified", "removed"] {
            out.content.paths.extend(names(commit.get(key)));
        }
    }
    out.content.paths.truncate(crate::intake::decode::limits::CONTENT_PATHS_MAX);
    let message = at(value, &["head_commit"]).and_then(|commit| text(commit, &["message"]));
    out.content.text = name(message.unwrap_or_default());
    link(&mut out, head);
    entitle(&mut out, message, repository);
    Ok(out)
}
