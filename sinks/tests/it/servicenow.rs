//! One ticket per incident, whatever breaks where.

use model::command::Command;
use model::incident::{IncidentState, Priority};
use model::people::Said;
use model::time::Nanos;
use sinks::delivery::decide::{Decision, SayReason};
use sinks::delivery::outbox::DoneResult;
use sinks::sink::Trouble;

use crate::double::Fault;
use crate::double::servicenow::{PASSWORD, ServiceNow, USER};
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Crash, Setup, World, failed};

pub(crate) fn sink_config(double: &ServiceNow, password: &str) -> Setup {
    let json = format!(
        r#"{{"servicenow": {{"name": "itsm", "url": "{}", "timeout_ms": 300,
            "auth": {{"basic": {{"user": "{USER}", "password": "SECRET0"}}}},
            "category": "software", "console_url": "https://faultline.example",
            "assignment_group": "{group}", "look_up_group": false,
            "services": {{"payment": {{"cmdb_ci": "{ci}"}}}}}}}}"#,
        double.server.url(),
        group = "a".repeat(32),
        ci = "c".repeat(32),
    );
    Setup { json, secrets: vec![password.to_owned()] }
}

pub(crate) fn world() -> (ServiceNow, World) {
    let double = ServiceNow::start();
    let world = World::new(&sink_config(&double, PASSWORD));
    (double, world)
}

#[test]
fn a_new_incident_becomes_one_ticket_with_everything_a_person_needs() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let ticket = double.ticket();
    for (field, value) in [
        ("correlation_id", "00000000000000ab"),
        ("correlation_display", "faultline revision 1 open"),
        ("short_description", "P2 Checkout is slow and fails"),
        ("impact", "2"),
        ("urgency", "1"),
        ("priority", "2"),
        ("category", "software"),
        ("cmdb_ci", "cccccccccccccccccccccccccccccccc"),
        ("assignment_group", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("state", "1"),
    ] {
        assert_eq!(ticket.get(field), value, "{field}");
    }
    assert!(ticket.get("description").contains("config change on payment"));
    let [Command::LinkTicket { incident: id, ticket: linked }] = world.commands.as_slice() else {
        panic!("{:?}", world.commands);
    };
    assert_eq!(*id, incident(1).id);
    assert_eq!(linked.number.as_deref(), Some("INC0000001"));
    assert!(linked.url.as_deref().is_some_and(|url| url.starts_with(&double.server.url())));
}

#[test]
fn a_linked_ticket_is_no_news() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let mut linked = incident(2);
    if let Some(Command::LinkTicket { ticket, .. }) = world.commands.first() {
        linked.tickets.push(ticket.clone());
    }
    world.publish(&linked, at(11));
    world.drain(at(11));
    assert_eq!(double.table().requests.len(), 2, "a look-up and a creation");
}

#[test]
fn updates_say_only_the_news_and_are_coalesced() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    for revision in 2..=20 {
        let decision = world.publish(&with_service(revision, "cart"), at(10 + i64::from(revision)));
        assert_eq!(decision, Decision::Say(SayReason::Updated, at(40)));
        assert!(world.run(at(10 + i64::from(revision))).is_empty());
    }
    let mut last = with_service(21, "cart");
    last.priority = Priority::P1;
    world.publish(&last, at(35));
    world.drain(at(35));
    let ticket = double.ticket();
    assert_eq!(
        ticket.work_notes,
        ["faultline, revision 21:\n- Priority is now P1.\n- Now also affected: cart."]
    );
    assert_eq!(ticket.get("priority"), "1");
    assert_eq!(ticket.get("short_description"), "P1 Checkout is slow and fails");
    assert_eq!(world.outbox.stats().superseded, 19);
}

#[test]
fn a_resolved_incident_resolves_its_ticket_and_a_reopened_one_reopens_it() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    world.publish(&in_state(2, IncidentState::Resolved), at(100));
    world.run(at(100));
    let ticket = double.ticket();
    assert_eq!(ticket.get("state"), "6");
    assert_eq!(ticket.get("close_code"), "Solution provided");
    assert!(ticket.get("close_notes").starts_with("Resolved: its causes are quiet"));
    world.publish(&incident(3), at(200));
    world.run(at(200));
    let ticket = double.ticket();
    assert_eq!(ticket.get("state"), "2");
    assert_eq!(
        ticket.work_notes,
        [
            "faultline, revision 2:\n- Resolved: its causes are quiet.",
            "faultline, revision 3:\n- Reopened: its causes are active again.",
        ]
    );
}

#[test]
fn withdrawn_and_merged_incidents_close_their_tickets_and_open_none() {
    for (state, note) in [
        (IncidentState::Withdrawn, "Withdrawn: later data took its evidence back."),
        (IncidentState::Merged, "Merged into incident 00000000000000cd"),
    ] {
        let (double, mut world) = world();
        world.publish(&in_state(1, state), at(10));
        world.run(at(10));
        assert_eq!(double.table().rows.len(), 0);
        world.publish(&incident(2), at(20));
        world.run(at(20));
        world.publish(&in_state(3, state), at(100));
        world.run(at(100));
        let ticket = double.ticket();
        assert_eq!(ticket.get("state"), "6");
        assert!(ticket.get("close_notes").starts_with(note), "{}", ticket.get("close_notes"));
    }
}

/// The process dies at each point of each of four deliveries; the destination loses its answer in
/// each way. There must be one ticket, in the last state, and no note twice.
#[test]
fn no_ticket_twice_whatever_breaks_where() {
    let story = [
        incident(1),
        with_service(2, "cart"),
        in_state(3, IncidentState::Resolved),
        with_service(4, "cart"),
    ];
    let faults = [
        Fault::Pass,
        Fault::Status(500),
        Fault::DoneThenError,
        Fault::DoneThenHang,
        Fault::DoneThenCut,
        Fault::DoneThenHuge,
        Fault::Malformed,
    ];
    for crash in [None, Some(Crash::AfterIntent), Some(Crash::AfterAnswer)] {
        for fault in faults {
            for place in 0..story.len() {
                let (double, mut world) = world();
                let mut now = at(100);
                for (count, revision) in story.iter().enumerate() {
                    now = now + Nanos::from_secs(60);
                    world.publish(revision, now);
                    if count == place {
                        // The look-up passes, the write meets the fault.
                        double.fail(&[Fault::Pass, fault]);
                        if let Some(crash) = crash {
                            world.crash(crash, now);
                        }
                    }
                    now = world.drain(now);
                }
                let ticket = double.ticket();
                let case = format!("{crash:?} {fault:?} {place}");
                assert_eq!(ticket.get("state"), "2", "{case}");
                assert_eq!(
                    ticket.get("correlation_display"),
                    "faultline revision 4 open",
                    "{case}"
                );
                let notes: Vec<&String> = ticket.work_notes.iter().collect();
                assert_eq!(notes.len(), 3, "{case}: {notes:#?}");
                for (note, revision) in notes.iter().zip(2..) {
                    let begin = format!("faultline, revision {revision}:");
                    assert!(note.starts_with(&begin), "{case}: {notes:#?}");
                }
            }
        }
    }
}

#[test]
fn after_an_outage_only_the_newest_revision_is_said() {
    let (double, mut world) = world();
    double.fail(&[Fault::Status(503); 200]);
    let mut now = at(10);
    for revision in 1..=50 {
        let next = with_service(revision, &format!("service-{revision}"));
        world.publish(&next, now);
        world.run(now);
        now = now + Nanos::from_secs(1);
    }
    let asked = double.table().requests.len();
    assert!(asked < 12, "backoff and breaker held in {asked} requests");
    double.table().faults.clear();
    world.drain(now);
    let ticket = double.ticket();
    assert!(ticket.get("description").contains("service-50"));
    assert!(ticket.work_notes.is_empty(), "{:?}", ticket.work_notes);
    assert_eq!(double.table().requests.iter().filter(|r| r.starts_with("POST")).count(), 1);
}

#[test]
fn an_incident_that_ended_while_its_first_request_was_lost_is_closed_there() {
    let (double, mut world) = world();
    double.fail(&[Fault::Pass, Fault::DoneThenHang]);
    world.publish(&incident(1), at(10));
    assert!(world.run(at(10)).iter().all(failed));
    world.publish(&in_state(2, IncidentState::Withdrawn), at(11));
    world.drain(at(11));
    assert_eq!(double.ticket().get("state"), "6");
}

#[test]
fn an_incident_that_ended_before_anybody_was_told_becomes_a_resolved_ticket() {
    let (double, mut world) = world();
    world.publish(&in_state(5, IncidentState::Resolved), at(100));
    double.fail(&[Fault::Pass, Fault::Pass, Fault::DoneThenError]);
    world.drain(at(100));
    let ticket = double.ticket();
    assert_eq!(ticket.get("state"), "6");
    assert_eq!(ticket.get("correlation_display"), "faultline revision 5 resolved");
}

#[test]
fn a_rate_limit_quiets_the_whole_sink_for_as_long_as_it_was_told() {
    let reset = at(100).millis() / 1_000;
    for fault in [
        Fault::Throttled { retry_after: Some(90), reset: None },
        Fault::Throttled { retry_after: None, reset: Some(reset) },
    ] {
        let (double, mut world) = world();
        double.fail(&[fault]);
        world.publish(&incident(1), at(10));
        let mut other = incident(1);
        other.id = model::id::IncidentId(0xcd);
        world.publish(&other, at(10));
        let done = world.run(at(10));
        assert_eq!(
            done.iter().map(|done| done.result.clone()).collect::<Vec<_>>(),
            [DoneResult::Later(at(100), Trouble::Throttled)]
        );
        assert_eq!(world.outbox.next_deadline(at(10)), Some(at(100)));
        assert!(world.run(at(99)).is_empty());
        assert_eq!(double.table().requests.len(), 1, "nothing more is asked in between");
        world.drain(at(100));
        assert_eq!(double.table().rows.len(), 2);
    }
}

#[test]
fn of_two_tickets_with_one_correlation_id_the_oldest_live_one_is_used_and_it_is_noted() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let mut twin = double.ticket();
    twin.fields.insert(String::from("sys_id"), "f".repeat(32));
    twin.fields.insert(String::from("sys_created_on"), String::from("2026-03-17 03:00:00"));
    double.table().rows.insert(0, twin);
    world.publish(&with_service(2, "cart"), at(100));
    let done = world.run(at(100));
    let [done] = done.as_slice() else { panic!("{done:?}") };
    assert!(
        matches!(&done.result, DoneResult::Said(Some(note)) if note.starts_with("1 more ticket")),
        "{done:?}"
    );
    let table = double.table();
    let noted: Vec<usize> = table.rows.iter().map(|row| row.work_notes.len()).collect();
    assert_eq!(noted, [0, 1], "the older one, though it is listed second");
}

#[test]
fn what_people_did_to_a_ticket_stays() {
    // A person resolved it: an update adds a note and does not reopen.
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    double.table().rows[0].fields.insert(String::from("state"), String::from("6"));
    double.table().rows[0].fields.insert(String::from("close_code"), String::from("Duplicate"));
    double.table().rows[0].fields.insert(String::from("close_notes"), String::from("by hand"));
    double.table().rows[0].fields.insert(String::from("short_description"), String::from("mine"));
    let mut next = with_service(2, "cart");
    next.priority = Priority::P1;
    world.publish(&next, at(100));
    world.run(at(100));
    let ticket = double.ticket();
    assert_eq!((ticket.get("state"), ticket.get("short_description")), ("6", "mine"));
    assert_eq!(ticket.work_notes.len(), 1);
    // A person cancelled it: nothing more is written.
    double.table().rows[0].fields.insert(String::from("state"), String::from("8"));
    world.publish(&in_state(3, IncidentState::Resolved), at(200));
    world.drain(at(200));
    assert_eq!(double.ticket().get("state"), "8");
    assert_eq!(double.ticket().work_notes.len(), 1);
}

#[test]
fn an_incident_that_returns_after_its_ticket_was_closed_gets_a_new_one_once() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    world.publish(&in_state(2, IncidentState::Resolved), at(100));
    world.run(at(100));
    double.table().rows[0].fields.insert(String::from("state"), String::from("7"));
    world.publish(&incident(3), at(900_000));
    double.fail(&[Fault::Pass, Fault::DoneThenError]);
    world.drain(at(900_000));
    world.publish(&with_service(4, "cart"), at(901_000));
    world.drain(at(901_000));
    let table = double.table();
    let shown: Vec<(&str, usize)> =
        table.rows.iter().map(|row| (row.get("state"), row.work_notes.len())).collect();
    assert_eq!(shown, [("7", 1), ("1", 1)]);
}

#[test]
fn a_ticket_that_was_deleted_is_made_anew_and_one_that_lost_its_id_is_found() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    double.table().rows[0].fields.insert(String::from("correlation_id"), String::from("x"));
    world.publish(&with_service(2, "cart"), at(100));
    world.run(at(100));
    assert_eq!(double.ticket().get("correlation_id"), "00000000000000ab");
    double.table().rows.clear();
    world.publish(&with_service(3, "shipping"), at(200));
    world.run(at(200));
    assert_eq!(double.ticket().get("number"), "INC0000002");
}

#[test]
fn an_instance_that_ignores_the_query_gets_no_ticket_on_suspicion() {
    let (double, mut world) = world();
    let mut other = incident(1);
    other.id = model::id::IncidentId(0xcd);
    world.publish(&other, at(10));
    world.run(at(10));
    double.table().ignores_queries = true;
    world.publish(&incident(1), at(20));
    let done = world.run(at(20));
    assert!(!done.is_empty() && done.iter().all(failed), "{done:?}");
    assert_eq!(double.table().rows.len(), 1);
}

#[test]
fn wrong_credentials_wait_and_lose_nothing() {
    let double = ServiceNow::start();
    let mut world = World::new(&sink_config(&double, "an old password"));
    world.publish(&incident(1), at(10));
    let done = world.run(at(10));
    assert!(
        matches!(done.as_slice(), [done] if matches!(done.result,
            DoneResult::Later(_, Trouble::Credentials(401)))),
        "{done:?}"
    );
    assert_eq!(world.outbox.queued(), 1);
    assert!(double.table().rows.is_empty());
}

#[test]
fn a_redirect_and_a_silent_server_are_not_followed_and_not_waited_for() {
    let (double, mut world) = world();
    double.fail(&[Fault::Redirect]);
    world.publish(&incident(1), at(10));
    let done = world.run(at(10));
    let [done] = done.as_slice() else { panic!("{done:?}") };
    assert_eq!(done.result, DoneResult::Refused(Trouble::Redirect(307)));
    double.fail(&[Fault::Hang]);
    world.publish(&with_service(2, "cart"), at(20));
    let done = world.run(at(20));
    let [done] = done.as_slice() else { panic!("{done:?}") };
    assert!(matches!(done.result, DoneResult::Later(_, Trouble::Timeout)), "{done:?}");
    world.drain(at(30));
    assert_eq!(double.ticket().get("state"), "1");
}

#[test]
fn a_ticket_that_a_person_resolved_is_reopened_once_when_it_comes_back() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let resolved = [("state", "6"), ("close_code", "Solved"), ("close_notes", "by hand")];
    double.table().change("operator", &resolved);
    let mut ended = in_state(2, IncidentState::Resolved);
    ended.people.state_held = Some(Said {
        act: "itsm:7:resolve".into(),
        author: "operator".into(),
        via: "itsm".into(),
        at: at(40),
        text: String::new(),
    });
    world.publish(&ended, at(50));
    world.run(at(50));
    assert_eq!(double.ticket().get("correlation_display"), "faultline revision 2 resolved");
    // It comes back: that step is ours, once. Then a person resolves it again.
    world.publish(&incident(3), at(100));
    world.run(at(100));
    assert_eq!(double.ticket().get("state"), "2");
    double.table().change("operator", &resolved);
    world.publish(&with_service(4, "cart"), at(200));
    world.run(at(200));
    assert_eq!(double.ticket().get("state"), "6");
}

#[test]
fn title_and_weight_stay_when_it_is_over() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let (priority, title) = (double.ticket().get("priority").to_owned(), double.ticket());
    let mut ended = in_state(2, IncidentState::Resolved);
    ended.priority = Priority::P4;
    ended.title = "Nothing is wrong".into();
    world.publish(&ended, at(50));
    world.run(at(50));
    let ticket = double.ticket();
    assert_eq!((ticket.get("state"), ticket.get("priority")), ("6", priority.as_str()));
    assert_eq!(ticket.get("short_description"), title.get("short_description"));
}

#[test]
fn a_person_who_reopens_a_ticket_of_an_ended_incident_is_not_overruled() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    world.publish(&in_state(2, IncidentState::Resolved), at(50));
    world.run(at(50));
    double.table().change("operator", &[("state", "2")]);
    let mut later = in_state(3, IncidentState::Resolved);
    later.services.push("cart".into());
    world.publish(&later, at(100));
    world.run(at(100));
    assert_eq!(double.ticket().get("state"), "2");
}
