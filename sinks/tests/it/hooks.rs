//! What destinations send themselves: who is believed, and what is heard.

use std::collections::BTreeMap;
use std::io::Write as _;

use hmac::{Hmac, Mac as _};
use model::command::{Act, Decision};
use model::id::IncidentId;
use model::time::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use sinks::config::{SinkConfig, build_hook, validate};
use sinks::hook::{Hears, Hook, Letter, Said, Unheard};
use tempfile::NamedTempFile;

const SECRET: &str = "a-secret-of-some-length";
const INCIDENT: IncidentId = IncidentId(0xab);
const KEY: &str = "00000000000000ab";
const NOW: i64 = 1_773_713_400;

/// A sink of a kind with a hook, and `more` of its settings; and the file of its secret.
fn config(kind: &str, more: &str, secret: &str) -> (SinkConfig, NamedTempFile) {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(secret.as_bytes()).expect("written");
    let secret = json!({"file": file.path()});
    let mut settings: Value = serde_json::from_str(more).expect("settings");
    let own = json!({"name": "desk", "url": "http://127.0.0.1:1", "hook": {"secrets": [secret]}});
    let (to, from) = (settings.as_object_mut().expect("an object"), own);
    to.extend(from.as_object().expect("an object").clone());
    (serde_json::from_value(json!({ kind: settings })).expect("a configuration"), file)
}

fn hook(kind: &str, more: &str) -> Hook {
    let (config, _file) = config(kind, more, SECRET);
    assert_eq!(validate(std::slice::from_ref(&config)), []);
    build_hook(&config).expect("it is right").expect("there is one")
}

const SLACK: &str = r#"{"token": {"env": "X"}, "channel": "C0123456789"}"#;
const PAGERDUTY: &str = r#"{"routing_key": {"env": "X"}}"#;
const JSM_OPS: &str = r#"{"api_key": {"env": "X"}}"#;
const WEBHOOK: &str = r#"{"secrets": [{"env": "X"}]}"#;
const AUTH: &str = r#""auth": {"basic": {"user": "u", "password": {"env": "X"}}}"#;

fn hmac(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn send(hook: &Hook, headers: &[(&str, String)], body: &str) -> Result<Said, Unheard> {
    send_at(NOW, hook, headers, body)
}

fn send_at(
    secs: i64,
    hook: &Hook,
    headers: &[(&str, String)],
    body: &str,
) -> Result<Said, Unheard> {
    let headers: BTreeMap<&str, &str> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let letter = Letter {
        header: &|name| headers.get(name).copied(),
        body: body.as_bytes(),
        at: Timestamp::from_millis(secs * 1_000),
        incident_of: &|ticket| (ticket == "C0123456789/1773713230.000100").then_some(INCIDENT),
    };
    hook.read(&letter)
}

fn acts(said: Result<Said, Unheard>) -> Vec<Act> {
    match said {
        Ok(Said::Acts(acts)) => acts,
        other => panic!("{other:?}"),
    }
}

type Headers = Vec<(&'static str, String)>;

fn slack_signed(body: &str, at: i64, kind: &str) -> Headers {
    vec![
        ("x-slack-request-timestamp", at.to_string()),
        ("x-slack-signature", format!("v0={}", hmac(&format!("v0:{at}:{body}")))),
        ("content-type", kind.to_owned()),
    ]
}

const FORM: &str = "application/x-www-form-urlencoded";

fn pressed(button: &str) -> String {
    let payload = json!({"type": "block_actions", "user": {"id": "U1", "username": "ann"},
        "actions": [{"type": "button", "action_id": button, "value": KEY,
                     "action_ts": "1773713390.250000"}]});
    let bytes = payload.to_string().into_bytes();
    format!("payload={}", bytes.iter().map(|b| format!("%{b:02X}")).collect::<String>())
}

#[test]
fn a_press_of_a_button_in_slack_is_an_act_and_the_same_when_it_is_sent_again() {
    let hook = hook("slack", SLACK);
    let body = pressed("faultline_acknowledge");
    let first = acts(send(&hook, &slack_signed(&body, NOW, FORM), &body));
    assert_eq!(first[0].decision, Decision::Acknowledge { incident: INCIDENT });
    assert_eq!((first[0].author.as_str(), first[0].via.as_str()), ("ann", "desk"));
    assert_eq!(first[0].at, Timestamp::from_millis(1_773_713_390_250));
    assert_eq!(acts(send(&hook, &slack_signed(&body, NOW + 60, FORM), &body)), first);
    let body = pressed("faultline_resolve");
    let resolved = acts(send(&hook, &slack_signed(&body, NOW, FORM), &body));
    assert_eq!(resolved[0].decision, Decision::Resolve { incident: INCIDENT });
    let body = pressed("a_button_of_somebody_else");
    assert_eq!(acts(send(&hook, &slack_signed(&body, NOW, FORM), &body)), []);
}

#[test]
fn what_a_person_writes_below_our_message_in_slack_is_a_comment_and_nothing_else_is() {
    let hook = hook("slack", SLACK);
    let said = |more: &[(&str, Value)]| {
        let mut event = json!({"type": "message", "channel": "C0123456789", "user": "U1",
            "text": "pool &lt;5&gt; &amp; full", "ts": "1773713395.000200",
            "thread_ts": "1773713230.000100"});
        for (name, value) in more {
            event[*name] = value.clone();
        }
        let body = json!({"type": "event_callback", "event": event}).to_string();
        acts(send(&hook, &slack_signed(&body, NOW, "application/json"), &body))
    };
    let comment = said(&[]);
    assert_eq!(comment[0].decision, Decision::Comment { incident: INCIDENT });
    assert_eq!((comment[0].author.as_str(), comment[0].reason.as_str()), ("U1", "pool <5> & full"));
    for other in [
        ("bot_id", json!("B1")),
        ("subtype", json!("message_changed")),
        ("thread_ts", json!("1773713230.000999")),
        ("thread_ts", json!("1773713395.000200")),
        ("channel", json!("C9")),
        ("text", json!("  ")),
        ("type", json!("reaction_added")),
    ] {
        assert_eq!(said(std::slice::from_ref(&other)), [], "{other:?}");
    }
    let body = r#"{"type": "url_verification", "challenge": "3eZbrw"}"#;
    let echo = send(&hook, &slack_signed(body, NOW, "application/json"), body);
    assert_eq!(echo, Ok(Said::Echo(String::from("3eZbrw"))));
}

#[test]
fn slack_is_believed_only_with_a_fresh_signature_of_this_body() {
    let hook = hook("slack", SLACK);
    let body = pressed("faultline_resolve");
    let with = |change: &dyn Fn(&mut Headers)| {
        let mut headers = slack_signed(&body, NOW, FORM);
        change(&mut headers);
        send(&hook, &headers, &body)
    };
    assert_eq!(with(&|headers| headers.clear()), Err(Unheard::Unsigned));
    assert_eq!(with(&|headers| headers[0].1 = (NOW + 1).to_string()), Err(Unheard::Unsigned));
    assert_eq!(with(&|headers| headers[1].1.replace_range(3..4, "x")), Err(Unheard::Unsigned));
    let other = slack_signed("payload=%7B%7D", NOW, FORM);
    assert_eq!(send(&hook, &other, &body), Err(Unheard::Unsigned));
    for at in [NOW - 301, NOW + 301] {
        assert_eq!(send(&hook, &slack_signed(&body, at, FORM), &body), Err(Unheard::Stale));
    }
    let signed = slack_signed("command=x", NOW, FORM);
    assert!(matches!(send(&hook, &signed, "command=x"), Err(Unheard::Unreadable(_))));
}

fn paged(kind: &str, agent: Value) -> String {
    json!({"event": {"id": "01EV", "event_type": kind, "resource_type": "incident",
        "occurred_at": "2026-03-17T02:09:00.169Z", "agent": agent,
        "data": {"id": "PGR0VU2", "type": "incident", "incident_key": KEY,
                 "assignees": [{"id": "PB", "type": "user_reference", "summary": "Bob"}]}}})
    .to_string()
}

#[test]
fn what_users_do_in_pagerduty_is_read_from_its_signed_webhooks() {
    let hook = hook("pagerduty", PAGERDUTY);
    let user = json!({"id": "PA", "type": "user_reference", "summary": "Ann"});
    let said = |kind: &str, agent: &Value| {
        let body = paged(kind, agent.clone());
        let signed = format!("v1={},v1={}", "0".repeat(64), hmac(&body));
        acts(send(&hook, &[("x-pagerduty-signature", signed)], &body))
    };
    let (incident, to) = (INCIDENT, Some("Bob".into()));
    for (kind, decision) in [
        ("incident.acknowledged", Decision::Acknowledge { incident }),
        ("incident.unacknowledged", Decision::Unacknowledge { incident }),
        ("incident.resolved", Decision::Resolve { incident }),
        ("incident.reopened", Decision::Reopen { incident }),
        ("incident.reassigned", Decision::Assign { incident, to }),
    ] {
        let acts = said(kind, &user);
        assert_eq!((&acts[0].decision, acts[0].author.as_str()), (&decision, "Ann"), "{kind}");
    }
    assert_eq!(said("incident.triggered", &user), []);
    let ours = json!({"id": "PI", "type": "integration_reference", "summary": "faultline"});
    for nobody in [ours, Value::Null] {
        assert_eq!(said("incident.resolved", &nobody), []);
    }
    // A merge is told as the end of what was merged; into which of ours, only the REST API says.
    let reason = r#""resolve_reason":{"type":"merge_resolve_reason","incident":{"id":"PGX"}},"incident_key""#;
    let merged = paged("incident.resolved", user.clone()).replace(r#""incident_key""#, reason);
    let signed = format!("v1={}", hmac(&merged));
    assert_eq!(acts(send(&hook, &[("x-pagerduty-signature", signed)], &merged)), []);
    let body = paged("incident.resolved", user);
    for signed in [String::new(), hmac(&body), format!("v1={}", hmac("{}"))] {
        let said = send(&hook, &[("x-pagerduty-signature", signed)], &body);
        assert_eq!(said, Err(Unheard::Unsigned));
    }
}

#[test]
fn what_people_do_in_jsm_operations_is_read_where_its_rest_api_is_not_asked() {
    let hook = hook("jsm_ops", JSM_OPS);
    let token = ("authorization", format!("Bearer {SECRET}"));
    let said = |action: &str, more: Value, source: &str| {
        let mut alert = json!({"alertId": "4513b7ea", "alias": KEY, "username": "ann@example.org",
            "updatedAt": 1_773_713_390_000_i64});
        alert.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body =
            json!({"action": action, "alert": alert, "source": {"name": "", "type": source}});
        acts(send(&hook, std::slice::from_ref(&token), &body.to_string()))
    };
    let (incident, to) = (INCIDENT, Some("bob@example.org".into()));
    let note = json!({"note": "on it"});
    for (action, more, decision) in [
        ("Acknowledge", json!({}), Decision::Acknowledge { incident }),
        ("Close", json!({}), Decision::Resolve { incident }),
        ("AssignOwnership", json!({"owner": "bob@example.org"}), Decision::Assign { incident, to }),
        ("AddNote", note.clone(), Decision::Comment { incident }),
    ] {
        let acts = said(action, more, "web");
        assert_eq!((&acts[0].decision, acts[0].author.as_str()), (&decision, "ann@example.org"));
    }
    assert_eq!(said("AddNote", note, "web")[0].reason, "on it");
    assert_eq!(said("Close", json!({}), "API"), [], "we do that");
    // The sample of Atlassian's documentation: nanoseconds.
    let sample = said("Close", json!({"updatedAt": 1_420_452_224_764_002_246_i64}), "web");
    assert_eq!(sample[0].at, Timestamp(1_420_452_224_764_002_246));
    let millis = said("Close", json!({"updatedAt": 1_420_452_224_764_i64}), "web");
    assert_eq!(millis[0].at, Timestamp::from_millis(1_420_452_224_764));
    assert_eq!(said("AddNote", json!({"note": "faultline, revision 3:\nx"}), "web"), []);
    assert_eq!(said("Create", json!({}), "web"), []);
    // Without a time it is the same act when it is sent again, and another body is another act.
    let at = |secs: i64, user: &str| {
        let body = json!({"action": "Close", "source": {"type": "web"},
            "alert": {"alertId": "4513b7ea", "alias": KEY, "username": user}});
        acts(send_at(secs, &hook, std::slice::from_ref(&token), &body.to_string()))
    };
    assert_eq!(at(NOW, "ann")[0].id, at(NOW + 60, "ann")[0].id);
    assert_ne!(at(NOW, "ann")[0].id, at(NOW, "bob")[0].id);
    let wrong = ("authorization", format!("Bearer {SECRET}x"));
    assert_eq!(send(&hook, &[wrong], "{}"), Err(Unheard::Unsigned));
}

#[test]
fn our_own_form_says_what_is_wrong_with_it() {
    let hook = hook("webhook", WEBHOOK);
    let token = [("authorization", format!("Bearer {SECRET}"))];
    let body = |more: Value| {
        let mut form =
            json!({"id": "chg-1", "incident": KEY, "decision": "resolve", "author": "ann"});
        form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        form.to_string()
    };
    let until = "2026-03-17T04:00:00Z";
    for (more, kind) in [
        (json!({"text": "rolled back"}), "resolve"),
        (json!({"decision": "snooze", "until": until}), "snooze"),
        (json!({"decision": "assign", "to": "team-payments"}), "assign"),
        (json!({"decision": "comment", "text": "looking"}), "comment"),
    ] {
        let acts = acts(send(&hook, &token, &body(more)));
        assert!(acts[0].id.ends_with(kind), "{acts:?}");
        assert!(acts[0].id.contains(KEY), "{acts:?}");
        assert_eq!(acts[0].decision.incident(), Some(INCIDENT));
    }
    // One id about two incidents, and ids that differ only in what an act's id may not hold, are two acts.
    let id = |more: Value| acts(send(&hook, &token, &body(more)))[0].id.clone();
    assert_ne!(id(json!({})), id(json!({"incident": "00000000000000ac"})));
    assert_eq!(id(json!({})), id(json!({"incident": "00000000000000AB"})));
    assert_ne!(id(json!({"id": "chg/1"})), id(json!({"id": "chg 1"})));
    for (more, word) in [
        (json!({"incident": "INC0010001"}), "`incident`"),
        (json!({"author": " "}), "`author`"),
        (json!({"decision": "snooze"}), "`until`"),
        (json!({"decision": "snooze", "until": "tomorrow"}), "`until`"),
        (json!({"decision": "comment"}), "`text`"),
        (json!({"decision": "explode"}), "docs/sinks.md#hooks"),
        (json!({"decison": "resolve"}), "docs/sinks.md#hooks"),
    ] {
        match send(&hook, &token, &body(more.clone())) {
            Err(Unheard::Unreadable(text)) => assert!(text.contains(word), "{more}: {text}"),
            other => panic!("{more}: {other:?}"),
        }
    }
}

#[test]
fn where_the_destination_is_asked_anyway_a_hook_only_rings() {
    let rest = r#""rest_api": {"token": {"env": "X"}, "service_id": "PABC123"}"#;
    let asked = hook("pagerduty", &format!(r#"{{"routing_key": {{"env": "X"}}, {rest}}}"#));
    assert_eq!(asked.hears(), Hears::Ring);
    let body = paged("incident.resolved", json!({"type": "user_reference"}));
    let signed = [("x-pagerduty-signature", format!("v1={}", hmac(&body)))];
    assert_eq!(send(&asked, &signed, &body), Ok(Said::Ring));
    let jira = hook("jira", &format!(r#"{{{AUTH}, "project": "OPS"}}"#));
    let signed = [("x-hub-signature", format!("sha256={}", hmac("{}")))];
    assert_eq!(send(&jira, &signed, "{}"), Ok(Said::Ring));
    assert_eq!(send(&jira, &signed, "[]"), Err(Unheard::Unsigned));
    let token = [("authorization", format!("Bearer {SECRET}"))];
    for (kind, more) in [("servicenow", ""), ("rt", r#", "queue": "Incidents""#)] {
        let rings = hook(kind, &format!("{{{AUTH}{more}}}"));
        assert_eq!(send(&rings, &token, "whatever it says"), Ok(Said::Ring), "{kind}");
        assert_eq!(send(&rings, &[], "{}"), Err(Unheard::Unsigned), "{kind}");
        let deaf = hook(kind, &format!(r#"{{{AUTH}{more}, "listen_every_s": 0}}"#));
        assert_eq!(deaf.hears(), Hears::Acts, "{kind}");
    }
}

#[test]
fn a_hook_that_cannot_work_is_refused() {
    let (short, _file) = config("slack", SLACK, "short");
    let short = build_hook(&short).expect_err("too short");
    assert_eq!(short[0].to_string(), "sinks.desk.hook.secrets: expected at least 16 bytes");
    let more = format!(r#"{{{AUTH}, "project": "OPS", "listen_every_s": 0}}"#);
    let (deaf, _file) = config("jira", &more, SECRET);
    assert_eq!(validate(&[deaf])[0].path, "sinks.desk.hook");
    let mut none = json!({"slack": serde_json::from_str::<Value>(SLACK).unwrap()});
    none["slack"]["name"] = json!("desk");
    none["slack"]["hook"] = json!({"secrets": []});
    let none: SinkConfig = serde_json::from_value(none).unwrap();
    assert_eq!(validate(&[none])[0].path, "sinks.desk.hook.secrets");
}
