//! What each form of change is read as.

use model::change::{ChangeEvent, ChangeKind, ChangeOutcome};
use serde_json::{Value, json};

use super::TRIED;
use crate::intake::decode::{DecodeError, DecodeLimits, Decoded, Decoder, Payload, TopicKind};

fn decode_with(headers: &[(&str, &str)], value: &Value) -> Result<Decoded, DecodeError> {
    let body = value.to_string();
    let headers: Vec<(String, Vec<u8>)> =
        headers.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
    let payload = Payload {
        kind: TopicKind::Changes,
        timestamp_ms: 1_773_712_800_000,
        key: None,
        headers: &headers,
        value: body.as_bytes(),
    };
    Decoder::new(DecodeLimits::default()).decode(&payload)
}

fn change(value: &Value) -> ChangeEvent {
    match decode_with(&[], value) {
        Ok(Decoded::Changes(mut changes)) => changes.remove(0),
        other => panic!("{other:?}"),
    }
}

fn targets(change: &ChangeEvent) -> Vec<&str> {
    change.targets.iter().map(|name| name.as_str()).collect()
}

#[test]
fn a_cdevents_upgrade_names_service_version_and_its_other_steps() {
    let upgrade = change(&json!({"specversion": "1.0", "id": "r-1-step-2", "source": "/s",
        "type": "dev.cdevents.service.upgraded.0.9.1", "time": "2026-03-17T02:00:00Z",
        "data": {"context": {"chainId": "r-1"},
                 "subject": {"id": "ns/cart", "content": {"environment": {"id": "prod"},
                             "artifactId": "pkg:oci/cart@v2?arch=x"}}}}));
    assert_eq!(targets(&upgrade), ["cart"]);
    assert_eq!(upgrade.version.as_deref(), Some("v2"));
    assert_eq!(upgrade.environment.as_deref(), Some("prod"));
    assert_eq!(upgrade.kind, ChangeKind::Deploy);
    assert_eq!(upgrade.links, ["r-1".into()]);
    assert_eq!(upgrade.title.as_str(), "deploy cart v2");
}

#[test]
fn binary_mode_takes_its_attributes_from_headers_and_flags_name_their_service() {
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", "flag-1"),
        ("ce_type", "dev.faultline.change.featureflag.changed.0.1.0"),
        ("ce_subject", "new_cart"),
        ("ce_time", "2026-03-17T02:00:00Z"),
    ];
    let data = json!({"customData": {"service": "cart", "change": "off->on", "actor": "ann"}});
    let Ok(Decoded::Changes(changes)) = decode_with(&headers, &data) else { panic!("no change") };
    let flag = &changes[0];
    assert_eq!((flag.kind, targets(flag)), (ChangeKind::FeatureFlag, vec!["cart"]));
    assert_eq!(flag.title.as_str(), "feature flag new_cart");
    assert!(flag.content.text.contains("off->on"));
    assert_eq!(flag.author.as_deref(), Some("ann"));
}

#[test]
fn a_commit_has_content_and_no_target_and_builds_are_nothing() {
    let event = |kind: &str| {
        json!({"specversion": "1.0", "id": "c", "source": "/s", "type": kind, "data": {
            "subject": {"id": "abc"},
            "customData": {"message": "Fix it\n\nlong", "files_changed": ["a.go"], "diff": "+x"}}})
    };
    let commit = change(&event("dev.cdevents.change.merged.0.3.0"));
    assert!(commit.targets.is_empty());
    assert_eq!(commit.title.as_str(), "Fix it");
    assert_eq!(commit.content.paths, ["a.go".into()]);
    assert!(commit.content.text.ends_with("+x"));
    let build = decode_with(&[], &event("dev.cdevents.pipelinerun.finished.0.3.0"));
    assert!(matches!(build, Ok(Decoded::Nothing(_))));
}

#[test]
fn github_statuses_of_one_deployment_are_one_change() {
    let event = |status: Value| {
        json!({"repository": {"full_name": "acme/cart", "name": "cart"}, "sender": {"login": "ann"},
               "deployment": {"id": 7, "sha": "abc", "environment": "prod", "task": "deploy",
                              "created_at": "2026-03-17T02:00:00Z", "payload": {}},
               "deployment_status": status})
    };
    let done = change(&event(json!({"state": "success", "created_at": "2026-03-17T02:03:00Z"})));
    let begun = change(&event(Value::Null));
    assert_eq!(done.id.as_str(), "github:acme/cart:deployment:7");
    assert_eq!(done.outcome, ChangeOutcome::Succeeded);
    assert_eq!(done.at.to_rfc3339(), "2026-03-17T02:03:00.000Z");
    assert_eq!(targets(&done), ["cart"]);
    assert!(begun.links.contains(&done.id));
    for state in ["queued", "pending", "inactive"] {
        let quiet = decode_with(&[], &event(json!({"state": state})));
        assert!(matches!(quiet, Ok(Decoded::Nothing(_))), "{state}");
    }
}

#[test]
fn gitlab_argo_cd_and_flux_are_read() {
    let gitlab = change(&json!({"object_kind": "deployment", "status": "success",
        "status_changed_at": "2026-03-17 04:00:00 +0200", "deployment_id": 15, "environment": "prod",
        "project": {"name": "cart", "path_with_namespace": "acme/cart"}, "short_sha": "279484c0"}));
    assert_eq!(gitlab.at.to_rfc3339(), "2026-03-17T02:00:00.000Z");
    assert_eq!(targets(&gitlab), ["cart"]);
    let argo = change(&json!({"app": {"metadata": {"name": "shop"}, "status": {"operationState": {
        "phase": "Succeeded", "startedAt": "2026-03-17T02:00:00Z", "finishedAt": "2026-03-17T02:01:00Z",
        "syncResult": {"revision": "abc", "resources": [
            {"kind": "Deployment", "name": "cart"}, {"kind": "ConfigMap", "name": "cart-config"}]}}}}}));
    assert_eq!(targets(&argo), ["cart"]);
    assert_eq!(argo.content.paths.len(), 2);
    let flux = change(
        &json!({"involvedObject": {"kind": "HelmRelease", "name": "cart", "namespace": "d"},
        "reason": "UpgradeFailed", "severity": "error", "message": "timed out",
        "timestamp": "2026-03-17T02:00:00Z", "metadata": {"helm.toolkit.fluxcd.io/revision": "1.2.3"}}),
    );
    assert_eq!((flux.outcome, targets(&flux)), (ChangeOutcome::Failed, vec!["cart"]));
}

#[test]
fn what_is_no_change_is_said_so() {
    let unknown = decode_with(&[], &json!({"hello": "world"}));
    assert_eq!(unknown.unwrap_err(), DecodeError::UnknownForm { tried: TRIED });
}
