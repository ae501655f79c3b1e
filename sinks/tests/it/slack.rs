//! One message per incident, changed in place; what changed goes into its thread.

use model::incident::IncidentState;
use model::people::Said;
use serde_json::Value;
use sinks::delivery::outbox::DoneResult;

use crate::double::Fault;
use crate::double::served::Served;
use crate::double::slack::{CHANNEL, Message, Slack, TOKEN};
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Crash, Setup, World};

pub(crate) fn sink_config(double: &Served<Slack>) -> Setup {
    with_templates(double, "")
}

fn with_templates(double: &Served<Slack>, more: &str) -> Setup {
    let json = format!(
        r#"{{"slack": {{"name": "chat", "url": "{}", "timeout_ms": 1000, "token": "SECRET0",
            "channel": "{CHANNEL}", "console_url": "https://faultline.example"{more}}}}}"#,
        double.server.url()
    );
    Setup { json, secrets: vec![TOKEN.to_owned()] }
}

fn world() -> (Served<Slack>, World) {
    let double = Served::start(Slack::default());
    let world = World::new(&sink_config(&double));
    (double, world)
}

fn text<'a>(message: &'a Message, place: &str) -> &'a str {
    text_of(&message.body, place)
}

fn text_of<'a>(value: &'a Value, place: &str) -> &'a str {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

fn said_by(author: &str) -> Said {
    let act = "a1".into();
    Said { act, author: author.into(), via: "chat".into(), at: at(50), text: String::new() }
}

fn messages(double: &Served<Slack>) -> Vec<Message> {
    double.lock().service.messages.clone()
}

#[test]
fn an_incident_is_one_message_and_its_thread_says_what_changed() {
    let (double, mut world) = world();
    for (revision, now) in [
        (incident(1), at(10)),
        (with_service(2, "cart"), at(100)),
        (in_state(3, IncidentState::Resolved), at(200)),
        (incident(4), at(300)),
    ] {
        world.publish(&revision, now);
        world.run(now);
    }
    let all = messages(&double);
    let [root, cart, resolved, reopened] = all.as_slice() else { panic!("{all:#?}") };
    assert_eq!(root.edits, 3);
    assert_eq!(text(root, "/blocks/0/text/text"), "P2 Checkout is slow and fails");
    assert!([cart, resolved, reopened].iter().all(|m| m.thread.as_ref() == Some(&root.ts)));
    assert_eq!(text(cart, "/blocks/0/text/text"), "Now also affected: cart.");
    assert_eq!(text(resolved, "/blocks/0/text/text"), "Resolved: its causes are quiet.");
    assert_eq!(text(reopened, "/blocks/0/text/text"), "Reopened: its causes are active again.");
    for field in ["/link_names", "/unfurl_links", "/unfurl_media"] {
        assert_eq!(cart.body.pointer(field), Some(&Value::Bool(false)), "{field}");
    }
    let ticket = world.records.values().find_map(|value| {
        serde_json::from_slice::<Value>(value).ok()?.pointer("/ticket/url").cloned()
    });
    let link = ticket.expect("the message is linked");
    assert!(link.as_str().is_some_and(|l| l.starts_with("https://example.slack.com/archives/")));
}

#[test]
fn with_a_hook_a_message_has_buttons_for_what_can_be_decided_now() {
    let double = Served::start(Slack::default());
    let buttons = |more: &str| {
        double.lock().service.messages.clear();
        let mut world = World::new(&with_templates(&double, more));
        let mut seen = Vec::new();
        let mut taken = incident(2);
        taken.people.acknowledged = Some(said_by("ann"));
        for (revision, now) in
            [(incident(1), 10), (taken, 100), (in_state(3, IncidentState::Resolved), 200)]
        {
            world.publish(&revision, at(now));
            world.run(at(now));
            let all = messages(&double);
            let blocks = all[0].body.pointer("/blocks").and_then(Value::as_array).cloned();
            let actions = blocks.unwrap_or_default().into_iter().find(|b| b["type"] == "actions");
            let elements = actions.and_then(|block| block["elements"].as_array().cloned());
            let words = elements.unwrap_or_default();
            assert!(words.iter().all(|button| button["value"] == "00000000000000ab"));
            seen.push(words.iter().map(|b| text_of(b, "/text/text")).collect::<Vec<_>>().join(" "));
        }
        seen
    };
    assert_eq!(buttons(""), ["", "", ""], "nobody would hear a press");
    let hook = r#", "hook": {"secrets": [{"env": "SLACK_SIGNING_SECRET"}]}"#;
    assert_eq!(buttons(hook), ["Acknowledge Resolve", "Resolve", ""]);
}

#[test]
fn what_slack_answers_with_ok_false_is_told_in_words_that_help() {
    for (error, hint) in [
        ("not_in_channel", "not_in_channel: invite the app to the channel (/invite)"),
        ("missing_scope", "missing_scope: give the app the scope chat:write"),
        ("is_archived", "is_archived: the channel is archived"),
    ] {
        let (double, mut world) = world();
        double.lock().service.errors.push(error);
        world.publish(&incident(1), at(10));
        let done = world.run(at(10));
        let [done] = done.as_slice() else { panic!("{done:?}") };
        let DoneResult::Later(_, trouble) = &done.result else { panic!("{done:?}") };
        assert!(trouble.to_string().contains(hint), "{trouble}");
        world.drain(at(10));
        assert_eq!(messages(&double).len(), 1, "an operator healed it and nothing is lost");
    }
    let (double, mut world) = world();
    double.lock().service.errors.push("invalid_blocks");
    world.publish(&incident(1), at(10));
    let done = world.run(at(10));
    assert!(
        matches!(done.as_slice(), [done] if matches!(&done.result, DoneResult::Refused(_))),
        "{done:?}"
    );
}

#[test]
fn a_message_that_people_deleted_is_written_anew_unless_the_story_is_over() {
    for (next, expected) in
        [(with_service(2, "cart"), 1), (in_state(2, IncidentState::Resolved), 0)]
    {
        let (double, mut world) = world();
        world.publish(&incident(1), at(10));
        world.run(at(10));
        double.lock().service.messages.clear();
        world.publish(&next, at(100));
        world.drain(at(100));
        assert_eq!(messages(&double).len(), expected);
    }
}

#[test]
fn a_message_that_may_no_longer_be_changed_goes_on_in_its_thread() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    double.lock().service.errors.push("edit_window_closed");
    world.publish(&with_service(2, "cart"), at(100));
    let done = world.run(at(100));
    assert!(
        matches!(done.as_slice(), [done] if matches!(&done.result,
            DoneResult::Said(Some(note)) if note.contains("can no longer be changed"))),
        "{done:?}"
    );
    assert_eq!(messages(&double).len(), 2);
}

#[test]
fn a_lost_answer_is_looked_for_over_all_pages_and_without_the_scope_it_is_noted() {
    for may_read in [true, false] {
        let (double, mut world) = world();
        world.publish(&incident(1), at(10));
        world.crash(Crash::AfterAnswer, at(10));
        for id in 1..=4 {
            let mut other = incident(1);
            other.id = model::id::IncidentId(id);
            world.publish(&other, at(10));
        }
        double.lock().service.may_read = may_read;
        double.lock().service.page = 2;
        let done = world.run(at(10));
        let noted = done.iter().any(|done| {
            matches!(&done.result, DoneResult::Said(Some(note)) if note.contains("channels:history"))
        });
        assert_eq!(noted, !may_read);
        let expected = if may_read { 5 } else { 6 };
        assert_eq!(messages(&double).len(), expected);
    }
}

#[test]
fn a_template_may_use_slacks_markup_and_what_it_prints_may_not() {
    let double = Served::start(Slack::default());
    let more = r#", "templates": {"title": "{{ priority }}: {{ title }}",
        "body": "*{{ owner }}* is on it, see <https://wiki.example/{{ id }}|the runbook>\n{{ title }}"}"#;
    let mut world = World::new(&with_templates(&double, more));
    let mut hostile = incident(1);
    hostile.title = String::from("<!channel> *now* & <https://evil.example|here>");
    world.publish(&hostile, at(10));
    world.run(at(10));
    let all = messages(&double);
    let body = text(&all[0], "/blocks/1/text/text");
    let (ours, theirs) = body.split_once('\n').expect("two lines");
    assert_eq!(
        ours,
        "*team-payments* is on it, see <https://wiki.example/00000000000000ab|the runbook>"
    );
    assert!(!theirs.contains(['<', '>', '*']), "{theirs}");
    assert_eq!(all[0].body.pointer("/blocks/1/text/verbatim"), Some(&Value::Bool(true)));
    assert!(text(&all[0], "/blocks/0/text/text").starts_with("P2: "));
}

#[test]
fn slack_asks_for_quiet_by_status_or_by_error() {
    let (double, mut world) = world();
    double.lock().service.errors.push("ratelimited");
    double.lock().faults.plan(&[Fault::Pass]);
    world.publish(&incident(1), at(10));
    let done = world.run(at(10));
    assert!(
        matches!(done.as_slice(), [done] if matches!(&done.result,
            DoneResult::Later(_, sinks::sink::Trouble::Throttled))),
        "{done:?}"
    );
}
