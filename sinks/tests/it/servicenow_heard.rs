//! What people do to tickets in ServiceNow comes back, once, and what we do does not.

use model::command::Decision as Act;
use model::id::IncidentId;
use sinks::heard::More;
use sinks::sink::Trouble;

use crate::double::Fault;
use crate::double::servicenow::{PASSWORD, PERSON, ServiceNow};
use crate::fixture::{at, incident, with_service};
use crate::servicenow::{sink_config, world};
use crate::world::World;

fn acts_of(world: &mut World, cursor: &mut Option<String>) -> Vec<(String, Act)> {
    let heard = world.listen(cursor.as_deref(), at(1_000)).expect("the instance answers");
    cursor.clone_from(&heard.cursor.or_else(|| cursor.clone()));
    heard.acts.into_iter().map(|act| (act.author.to_string(), act.decision)).collect()
}

#[test]
fn what_people_do_comes_back_once_and_what_we_do_does_not() {
    let (double, mut world) = world();
    let mut cursor = None;
    assert_eq!(acts_of(&mut world, &mut cursor), [], "the first time says from where to listen");
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let id = incident(1).id;
    double.table().change("operator", &[("state", "2"), ("assigned_to", PERSON.1)]);
    double.table().change("operator", &[("work_notes", "pool was too small")]);
    double.table().change("operator", &[("state", "6")]);
    let operator = |decision| (String::from("operator"), decision);
    assert_eq!(
        acts_of(&mut world, &mut cursor),
        [
            operator(Act::Assign { incident: id, to: Some("operator".into()) }),
            operator(Act::Acknowledge { incident: id }),
            operator(Act::Acknowledge { incident: id }),
            operator(Act::Comment { incident: id }),
            operator(Act::Resolve { incident: id }),
        ]
    );
    assert_eq!(acts_of(&mut world, &mut cursor), [], "nothing is heard twice");
    // More news, our own note: no act. And the ticket stays resolved.
    world.publish(&with_service(2, "cart"), at(100));
    world.run(at(100));
    assert_eq!(acts_of(&mut world, &mut cursor), []);
    assert_eq!(double.ticket().get("state"), "6");
    double.table().change("operator", &[("state", "2")]);
    assert_eq!(acts_of(&mut world, &mut cursor), [operator(Act::Reopen { incident: id })]);
}

/// Listens until there is no more. No answer takes more than a few requests.
fn all_acts(double: &ServiceNow, world: &mut World, cursor: &mut Option<String>) -> Vec<Act> {
    let mut all = Vec::new();
    for _ in 0..100 {
        let asked = double.table().requests.len();
        let heard = world.listen(cursor.as_deref(), at(1_000)).expect("the instance answers");
        let asked = double.table().requests.len() - asked;
        assert!(asked <= 7, "{asked} requests in one answer");
        cursor.clone_from(&heard.cursor.or_else(|| cursor.clone()));
        all.extend(heard.acts.into_iter().map(|act| act.decision));
        if heard.more == More::No {
            return all;
        }
    }
    panic!("it does not end");
}

/// So many tickets, of which nothing was heard yet, each with a note of a person.
fn noted(count: u64) -> (ServiceNow, World, Option<String>) {
    let double = ServiceNow::start();
    let mut setup = sink_config(&double, PASSWORD);
    // Hundreds of requests: a busy machine may be slow with one.
    setup.json = setup.json.replace(r#""timeout_ms": 300"#, r#""timeout_ms": 30000"#);
    let mut world = World::new(&setup);
    let mut cursor = None;
    assert_eq!(acts_of(&mut world, &mut cursor), []);
    for id in 0..count {
        let mut one = incident(1);
        one.id = IncidentId(0xab + id);
        world.publish(&one, at(10));
        world.run(at(10));
    }
    for place in 0..count as usize {
        double.table().change_at(place, "operator", &[("work_notes", "seen")]);
    }
    (double, world, cursor)
}

#[test]
fn tickets_of_several_pages_are_all_heard_a_few_requests_at_a_time() {
    let (double, mut world, mut cursor) = noted(120);
    assert_eq!(all_acts(&double, &mut world, &mut cursor).len(), 120);
    assert_eq!(all_acts(&double, &mut world, &mut cursor), []);
}

#[test]
fn what_changes_on_a_page_that_was_read_is_heard_by_the_next_look() {
    let (double, mut world, mut cursor) = noted(120);
    // All of the first page of tickets, and that there is no more.
    for wanted in [50, 0] {
        let heard = world.listen(cursor.as_deref(), at(1_000)).expect("the instance answers");
        assert_eq!((heard.acts.len(), heard.more), (wanted, More::Yes));
    }
    double.table().change_at(0, "operator", &[("work_notes", "on the first page")]);
    double.table().pass(300);
    double.table().change_at(119, "operator", &[("work_notes", "on the last page")]);
    let first = all_acts(&double, &mut world, &mut cursor).len();
    let second = all_acts(&double, &mut world, &mut cursor).len();
    assert_eq!(50 + first + second, 122);
    assert_eq!(all_acts(&double, &mut world, &mut cursor), []);
}

#[test]
fn a_person_whom_we_may_not_see_is_named_by_the_number() {
    for fault in [Fault::Status(403), Fault::Status(400), Fault::Status(404)] {
        let (double, mut world, mut cursor) = noted(1);
        double.table().change_at(0, "operator", &[("assigned_to", PERSON.1)]);
        // The tickets, the audit, and the person.
        double.fail(&[Fault::Pass, Fault::Pass, fault]);
        let acts = all_acts(&double, &mut world, &mut cursor);
        let to = Some(PERSON.1.into());
        let incident = IncidentId(0xab);
        let wanted = [Act::Comment { incident }, Act::Assign { incident, to }];
        assert_eq!(acts, wanted, "{fault:?}");
    }
}

#[test]
fn what_was_heard_before_an_error_is_heard_again() {
    let (double, mut world, mut cursor) = noted(3);
    for place in 0..3 {
        double.table().change_at(place, "operator", &[("assigned_to", PERSON.1)]);
    }
    // The look: tickets, audit, the person's name.
    for passed in 0..2 {
        double.fail(&[vec![Fault::Pass; passed], vec![Fault::Status(503)]].concat());
        assert!(world.listen(cursor.as_deref(), at(1_000)).is_err(), "{passed}");
        double.table().faults.clear();
    }
    // Three notes; three assignments, and who takes a ticket works on it.
    assert_eq!(all_acts(&double, &mut world, &mut cursor).len(), 9);
    assert_eq!(all_acts(&double, &mut world, &mut cursor), []);
}

#[test]
fn an_audit_that_answers_badly_for_a_while_loses_nothing() {
    let (double, mut world, mut cursor) = noted(3);
    // The tickets are read, once; the audit is not.
    double.fail(&[vec![Fault::Pass], vec![Fault::Malformed; 60]].concat());
    for _ in 0..30 {
        match world.listen(cursor.as_deref(), at(1_000)) {
            Ok(heard) => {
                assert_eq!((heard.acts, heard.notes, heard.cursor), (vec![], vec![], None))
            }
            Err((_, trouble)) => assert!(matches!(trouble, Trouble::Malformed(_)), "{trouble}"),
        }
    }
    double.table().faults.clear();
    assert_eq!(all_acts(&double, &mut world, &mut cursor).len(), 3);
}

#[test]
fn one_note_that_is_too_large_is_passed_over_and_the_others_are_heard() {
    let (double, mut world, mut cursor) = noted(3);
    double.table().change_at(1, "operator", &[("work_notes", &"x".repeat(300_000))]);
    double.table().change_at(2, "operator", &[("work_notes", "after")]);
    assert_eq!(all_acts(&double, &mut world, &mut cursor).len(), 4);
    assert_eq!(all_acts(&double, &mut world, &mut cursor), []);
}
