//! People's templates: every sink that writes words takes them, and none loses a page to one.

use serde_json::{Value, json};
use sinks::delivery::outbox::DoneResult;

use super::suite::is_inert;
use super::{Destination, ROWS, Row, Shown};
use crate::fixture::{at, incident};
use crate::injection::{CORPUS, poisoned};
use crate::world::{Setup, World};

/// A world whose sink has these templates.
fn shaped(double: &dyn Destination, title: &str, body: &str) -> World {
    let setup = double.setup();
    let mut config: Value = serde_json::from_str(&setup.json).expect("a configuration");
    let settings = config.as_object_mut().and_then(|config| config.values_mut().next());
    let settings = settings.and_then(Value::as_object_mut).expect("the settings of one sink");
    settings.insert(String::from("templates"), json!({"title": title, "body": body}));
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
