//! People's templates: every sink that writes words takes them, and none loses a page to one.

use model::incident::IncidentState;
use serde_json::{Value, json};
use sinks::delivery::outbox::DoneResult;

use super::suite::is_inert;
use super::{Destination, ROWS, Row, Shown};
use crate::fixture::{at, in_state, incident, with_service};
use crate::injection::{CORPUS, poisoned};
use crate::world::{Setup, World};

/// A world whose sink has these templates.
fn shaped(double: &dyn Destination, title: &str, body: &str) -> World {
    with_templates(double, &json!({"title": title, "body": body}))
}

fn with_templates(double: &dyn Destination, templates: &Value) -> World {
    let setup = double.setup();
    let mut config: Value = serde_json::from_str(&setup.json).expect("a configuration");
    let settings = config.as_object_mut().and_then(|config| config.values_mut().next());
    let settings = settings.and_then(Value::as_object_mut).expect("the settings of one sink");
    settings.insert(String::from("templates"), templates.clone());
    World::new(&Setup { json: config.to_string(), secrets: setup.secrets })
}

fn each(test: impl Fn(&Row, &dyn Destination)) {
    for row in ROWS.iter().filter(|row| row.has_templates) {
        let double = (row.start)();
        test(row, &*double);
    }
}

fn says(double: &dyn Destination, words: &str) -> bool {
    double.texts().iter().any(|shown| shown.text().contains(words))
}

#[test]
fn title_and_text_are_those_of_the_templates() {
    each(|row, double| {
        let body = "Runbook of {{ cause_service }}.\n{{ services | join(', ') }}";
        let mut world = shaped(double, "Shaped {{ priority }} {{ title }}", body);
        world.publish(&incident(1), at(10));
        world.run(at(10));
        assert!(says(double, "Shaped P2 Checkout is slow and fails"), "{}", row.name);
        assert!(says(double, "Runbook of payment."), "{}: {:?}", row.name, double.texts());
        assert!(says(double, "checkout, payment"), "{}", row.name);
        assert_eq!(double.broken(), Vec::<String>::new(), "{}", row.name);
    });
}

#[test]
fn no_text_from_outside_gets_through_a_template_as_markup_or_formula() {
    for (text, forbidden) in CORPUS {
        each(|row, double| {
            let body = "{{ narrative }}\n{{ title|safe }}\n{{ owner }} {{ cell }}\n\
                        {% for service in services %}{{ service }}\n{% endfor %}";
            let mut world = shaped(double, "{{ title }}", body);
            let mut first = incident(1);
            for (revision, secs) in [(1, 10), (2, 100)] {
                world.publish(&first, at(secs));
                world.run(at(secs));
                first = poisoned(text);
                first.revision = revision + 1;
            }
            let mut fresh = poisoned(text);
            fresh.id = model::id::IncidentId(0xef);
            world.publish(&fresh, at(200));
            world.drain(at(200));
            for shown in &double.texts() {
                is_inert(row.name, shown, text, forbidden);
                if let (Shown::Words(words), true) = (shown, is_ticket(row)) {
                    assert!(!words.starts_with(['=', '+', '@']), "{}: {words:?}", row.name);
                }
            }
            assert_eq!(double.broken(), Vec::<String>::new(), "{} {text:?}", row.name);
        });
    }
}

/// Whether what it holds is exported to spreadsheets.
fn is_ticket(row: &Row) -> bool {
    ["servicenow", "servicenow_events", "rt", "jira", "jsm_ops"].contains(&row.name)
}

#[test]
fn a_huge_text_of_a_template_fits_into_every_limit() {
    each(|row, double| {
        let body = "{% for n in range(90) %}{{ narrative }} {{ title }}\n{% endfor %}";
        let mut world = shaped(double, "{{ title }} {{ title }} {{ narrative }}", body);
        let mut huge = incident(1);
        huge.title = "a <b> \u{fc} ".repeat(50_000);
        huge.narrative = "word, and more of it \u{1f525} ".repeat(50_000);
        world.publish(&huge, at(10));
        world.drain(at(10));
        assert_eq!(double.broken(), Vec::<String>::new(), "{}", row.name);
        assert_eq!(double.seen().active, Some(true), "{}", row.name);
    });
}

#[test]
fn a_template_that_fails_on_an_incident_loses_no_page_and_that_is_told() {
    each(|row, double| {
        // The samples have two alerts, this incident has one.
        let failing = "Shaped {{ 12 // (alerts_total - 1) }}";
        let mut world = shaped(double, failing, failing);
        world.publish(&incident(1), at(10));
        let done = world.run(at(10));
        let [done] = done.as_slice() else { panic!("{}: {done:?}", row.name) };
        let DoneResult::Said(Some(note)) = &done.result else { panic!("{}: {done:?}", row.name) };
        for field in ["templates.title failed", "templates.body failed", "our own words"] {
            assert!(note.contains(field), "{}: {note}", row.name);
        }
        assert!(says(double, "Checkout is slow and fails"), "{}", row.name);
        assert!(!says(double, "Shaped"), "{}", row.name);
    });
}

/// Those that have a place for what later revisions add, and for the end.
fn tells_news(row: &Row) -> bool {
    !["pagerduty", "servicenow_events"].contains(&row.name)
}

#[test]
fn what_later_revisions_add_and_the_end_are_those_of_the_templates() {
    each(|row, double| {
        if !tells_news(row) {
            return;
        }
        let update =
            "Shaped {{ event }}, {{ priority }}:{% for line in news %}\n* {{ line }}{% endfor %}";
        let resolved = "Shaped end: {{ closing }}{{ merged_into }}";
        let templates = json!({"update": update, "resolved": resolved});
        let mut world = with_templates(double, &templates);
        let steps = [
            (with_service(2, "cart"), "Shaped updated, P2:", "Now also affected: cart."),
            (
                in_state(3, IncidentState::Resolved),
                "Shaped end: Resolved: its causes are quiet since",
                "",
            ),
            (incident(4), "", ""),
        ];
        world.publish(&incident(1), at(10));
        world.run(at(10));
        assert!(!says(double, "Shaped"), "{}: the first page is not an update", row.name);
        for ((revision, first, second), secs) in steps.iter().zip([100, 200, 300]) {
            world.publish(revision, at(secs));
            world.drain(at(secs));
            assert!(
                says(double, first) && says(double, second),
                "{}: {:?}",
                row.name,
                double.texts()
            );
        }
        // A new alert there needs no note that it is back.
        let reopened = says(double, "Shaped reopened, P2:");
        assert_eq!(reopened, row.name != "jsm_ops", "{}: {:?}", row.name, double.texts());
        assert!(!says(double, "faultline, revision 2:\n- "), "{}: not our words beside", row.name);
        assert_eq!(double.broken(), Vec::<String>::new(), "{}", row.name);
    });
}

#[test]
fn a_template_of_an_update_that_fails_loses_no_news_and_that_is_told() {
    each(|row, double| {
        if !tells_news(row) {
            return;
        }
        // The samples have two alerts, this incident has one.
        let failing = json!({"update": "Shaped {{ 12 // (alerts_total - 1) }}"});
        let mut world = with_templates(double, &failing);
        world.publish(&incident(1), at(10));
        world.run(at(10));
        world.publish(&with_service(2, "cart"), at(100));
        let done = world.run(at(100));
        let [done] = done.as_slice() else { panic!("{}: {done:?}", row.name) };
        let DoneResult::Said(Some(note)) = &done.result else { panic!("{}: {done:?}", row.name) };
        assert!(note.contains("templates.update failed"), "{}: {note}", row.name);
        assert!(says(double, "Now also affected: cart."), "{}: {:?}", row.name, double.texts());
    });
}

#[test]
fn no_text_from_outside_gets_through_a_template_of_an_update() {
    for (text, forbidden) in CORPUS {
        each(|row, double| {
            if !tells_news(row) {
                return;
            }
            let words =
                "{{ title|safe }}\n{% for line in news %}{{ line }}\n{% endfor %}{{ narrative }}";
            let mut world = with_templates(double, &json!({"update": words, "resolved": words}));
            world.publish(&incident(1), at(10));
            world.run(at(10));
            let mut later = poisoned(text);
            later.revision = 2;
            world.publish(&later, at(100));
            world.drain(at(100));
            let mut ended = in_state(3, IncidentState::Resolved);
            (ended.title, ended.narrative) = (later.title.clone(), later.narrative.clone());
            world.publish(&ended, at(200));
            world.drain(at(200));
            for shown in &double.texts() {
                is_inert(row.name, shown, text, forbidden);
            }
            assert_eq!(double.broken(), Vec::<String>::new(), "{} {text:?}", row.name);
        });
    }
}
