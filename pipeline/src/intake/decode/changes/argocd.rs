//! Argo CD notifications: the application as such, under `app`, as our template sends it.

use model::change::{ChangeEvent, ChangeKind, ChangeOutcome};
use model::name::Name;
use model::time::Timestamp;
use serde_json::Value;

use super::Attempt;
use super::content::{change, entitle, link};
use crate::intake::decode::fields::{at, first_text, name, text, time};
use crate::intake::decode::limits::CONTENT_PATHS_MAX;

pub(super) fn decode(value: &Value, arrival: Timestamp) -> Attempt {
    let app = value.get("app").or_else(|| value.get("application")).unwrap_or(value);
    let state = at(app, &["status", "operationState"])?;
    Some(decode_operation(app, state, arrival))
}

fn decode_operation(
    app: &Value,
    state: &Value,
    arrival: Timestamp,
) -> Result<ChangeEvent, &'static str> {
    let outcome = match text(state, &["phase"]) {
        Some("Succeeded") => ChangeOutcome::Succeeded,
        Some("Failed" | "Error") => ChangeOutcome::Failed,
        Some("Running") => ChangeOutcome::Started,
        _ => return Err("an Argo CD operation without a result"),
    };
    let application =
        text(app, &["metadata", "name"]).ok_or("an Argo CD application without a name")?;
    let revision =
        first_text(state, &[&["syncResult", "revision"], &["operation", "sync", "revision"]]);
    let started = time(state, &["startedAt"]);
    let stamp = text(state, &["startedAt"]).unwrap_or_default();
    let main = format!("argocd:{application}:{}:{stamp}", revision.unwrap_or_default());
    let is_final = outcome != ChangeOutcome::Started;
    let id = if is_final { main.clone() } else { format!("{main}:started") };
    let moment = time(state, &["finishedAt"]).or(started).unwrap_or(arrival);
    let mut out = change(&id, ChangeKind::Deploy, moment);
    out.outcome = outcome;
    out.started_at = started.filter(|_| is_final);
    out.version = revision.map(name);
    out.environment = text(app, &["spec", "destination", "namespace"]).map(name);
    out.author = text(state, &["operation", "initiatedBy", "username"]).map(name);
    out.content.text = name(text(state, &["message"]).unwrap_or_default());
    add_resources(&mut out, state);
    if out.targets.is_empty() {
        out.targets.push(name(application));
    }
    link(&mut out, &main);
    link(&mut out, revision.unwrap_or_default());
    entitle(&mut out, None, application);
    Ok(out)
}

/// Workloads and services are targets; everything that was synced is content.
fn add_resources(out: &mut ChangeEvent, state: &Value) {
    let resources = at(state, &["syncResult", "resources"]).and_then(Value::as_array);
    for resource in resources.into_iter().flatten().take(CONTENT_PATHS_MAX) {
        let (Some(kind), Some(item)) = (text(resource, &["kind"]), text(resource, &["name"]))
        else {
            continue;
        };
        out.content.paths.push(name(&format!("{kind}/{item}")));
        let target: Name = name(item);
        let runs =
            matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "Rollout" | "Service");
        if runs && !out.targets.contains(&target) {
            out.targets.push(target);
        }
    }
}
