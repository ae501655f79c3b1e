//! One ticket per incident in Request Tracker, whatever people and other writers do to it.

use model::command::{Act, Command, Decision};
use model::id::IncidentId;
use model::incident::{Incident, IncidentState, Priority};
use sinks::delivery::outbox::DoneResult;
use sinks::sink::Trouble;

use crate::double::rt::{PERSON, QUEUE, TOKEN, Ticket, Tracker, Who};
use crate::double::served::Served;
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Setup, World};

const INCIDENT: &str = "00000000000000ab";

pub(crate) fn sink_config(double: &Served<Tracker>) -> Setup {
    let json = format!(
        r#"{{"rt": {{"name": "rt", "url": "{}", "timeout_ms": 300, "queue": "{QUEUE}",
            "auth": {{"bearer": {{"token": "SECRET0"}}}},
            "services": {{"payment": {{"owner": "storage"}}}},
            "console_url": "https://faultline.example"}}}}"#,
        double.server.url(),
    );
    Setup { json, secrets: vec![TOKEN.to_owned()] }
}

fn world() -> (Served<Tracker>, World) {
    let double = Served::start(Tracker::default());
    let world = World::new(&sink_config(&double));
    (double, world)
}

/// Says a revision; what came of it.
fn tell(world: &mut World, incident: &Incident, secs: i64) -> Vec<DoneResult> {
    world.publish(incident, at(secs));
    world.run(at(secs)).into_iter().map(|done| done.result).collect()
}

fn ticket(double: &Served<Tracker>, id: u64) -> Ticket {
    let tracker = &double.lock().service;
    tracker.tickets.iter().find(|ticket| ticket.id == id).cloned().expect("it is there")
}

#[test]
fn a_new_incident_becomes_one_ticket_with_everything_a_person_needs() {
    let (double, mut world) = world();
    tell(&mut world, &incident(1), 10);
    let made = ticket(&double, 1);
    assert_eq!(made.subject, "P2 Checkout is slow and fails");
    assert_eq!((made.status.as_str(), made.priority.as_str()), ("new", "80"));
    assert_eq!((made.field.as_deref(), made.owner.as_str()), (Some(INCIDENT), "storage"));
    assert!(made.content.contains("config change on payment"), "{}", made.content);
    let [Command::LinkTicket { ticket: linked, .. }] = world.commands.as_slice() else {
        panic!("{:?}", world.commands);
    };
    assert_eq!(linked.number.as_deref(), Some("#1"));
    let page = format!("{}/Ticket/Display.html?id=1", double.server.url());
    assert_eq!(linked.url.as_deref(), Some(page.as_str()));
}

#[test]
fn news_are_comments_and_the_status_follows_the_incident() {
    let (double, mut world) = world();
    tell(&mut world, &incident(1), 10);
    let mut worse = with_service(2, "cart");
    worse.priority = Priority::P1;
    tell(&mut world, &worse, 50);
    let told = ticket(&double, 1);
    assert_eq!(told.subject, "P1 Checkout is slow and fails");
    assert_eq!((told.status.as_str(), told.priority.as_str()), ("new", "100"));
    tell(&mut world, &in_state(3, IncidentState::Resolved), 100);
    assert_eq!(ticket(&double, 1).status, "resolved");
    tell(&mut world, &incident(4), 200);
    assert_eq!(ticket(&double, 1).status, "open");
    let comments = double.lock().service.comments(1);
    let begins =
        ["faultline, revision 2:", "Resolved: its causes are quiet", "faultline, revision 4:"];
    assert_eq!(comments.len(), begins.len(), "{comments:#?}");
    for (comment, begin) in comments.iter().zip(begins) {
        assert!(comment.starts_with(begin), "{comments:#?}");
    }
}

#[test]
fn of_two_tickets_that_we_made_the_younger_becomes_part_of_the_oldest() {
    let (double, mut world) = world();
    tell(&mut world, &incident(1), 10);
    double.lock().service.make_double(INCIDENT, Who::Us);
    let said = tell(&mut world, &with_service(2, "cart"), 50);
    assert_eq!(ticket(&double, 2).merged_into, Some(1));
    assert_eq!(double.lock().service.comments(1).len(), 1);
    let DoneResult::Said(Some(note)) = &said[0] else { panic!("{said:?}") };
    assert!(note.contains("merged into the oldest"), "{note}");
}

#[test]
fn a_copy_that_a_person_made_is_neither_merged_nor_written() {
    let (double, mut world) = world();
    tell(&mut world, &incident(1), 10);
    double.lock().service.make_double(INCIDENT, Who::Person);
    let said = tell(&mut world, &in_state(2, IncidentState::Resolved), 50);
    let copy = ticket(&double, 2);
    assert_eq!((copy.merged_into, copy.status.as_str()), (None, "new"));
    assert_eq!(ticket(&double, 1).status, "resolved");
    let DoneResult::Said(Some(note)) = &said[0] else { panic!("{said:?}") };
    assert!(note.contains("people made"), "{note}");
}

#[test]
fn what_a_person_does_at_the_same_moment_is_looked_at_first() {
    let (double, mut world) = world();
    tell(&mut world, &incident(1), 10);
    // Between our look at the ticket and our change of it.
    double.lock().service.meanwhile = Some("rejected");
    tell(&mut world, &in_state(2, IncidentState::Resolved), 50);
    assert_eq!(double.lock().service.meanwhile, None, "it happened");
    assert_eq!(ticket(&double, 1).status, "rejected");
}

#[test]
fn a_step_that_the_lifecycle_does_not_have_is_refused_in_its_words() {
    let (double, mut world) = world();
    double.lock().service.no_step.push(("new", "resolved"));
    tell(&mut world, &incident(1), 10);
    let said = tell(&mut world, &in_state(2, IncidentState::Resolved), 50);
    let [DoneResult::Refused(Trouble::Rejected { status: 200, detail })] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert!(detail.contains("can't change status from 'new' to 'resolved'"), "{detail}");
}

#[test]
fn no_ticket_is_made_where_it_could_not_be_found_again() {
    let (double, mut world) = world();
    double.lock().service.has_field = false;
    let said = tell(&mut world, &incident(1), 10);
    assert!(matches!(said.as_slice(), [DoneResult::Later(_, Trouble::Setup(_))]), "{said:?}");
    assert_eq!(double.lock().service.tickets.len(), 0);
    double.lock().service.has_field = true;
    world.drain(at(20));
    assert_eq!(ticket(&double, 1).field.as_deref(), Some(INCIDENT));
}

#[test]
fn an_incident_that_returns_after_its_ticket_was_rejected_gets_a_new_one_that_refers_to_it() {
    let (double, mut world) = world();
    tell(&mut world, &incident(1), 10);
    double.lock().service.move_to(1, "rejected");
    tell(&mut world, &with_service(2, "cart"), 50);
    assert_eq!(double.lock().service.comments(1), Vec::<String>::new(), "it is left alone");
    tell(&mut world, &in_state(3, IncidentState::Resolved), 100);
    tell(&mut world, &incident(4), 200);
    assert_eq!(ticket(&double, 1).status, "rejected");
    let second = ticket(&double, 2);
    assert_eq!((second.status.as_str(), second.refers_to.as_deref()), ("new", Some("1")));
    tell(&mut world, &with_service(5, "cart"), 300);
    assert_eq!(double.lock().service.tickets.len(), 2);
}

#[test]
fn a_ticket_that_lost_its_id_is_known_by_its_number_and_gets_it_back() {
    let (double, mut world) = world();
    tell(&mut world, &incident(1), 10);
    double.lock().service.tickets[0].field = None;
    tell(&mut world, &with_service(2, "cart"), 50);
    assert_eq!(ticket(&double, 1).field.as_deref(), Some(INCIDENT));
    assert_eq!(double.lock().service.tickets.len(), 1);
}

#[test]
fn a_shaped_subject_follows_the_incident_until_a_person_writes_their_own() {
    let double = Served::start(Tracker::default());
    let mut setup = sink_config(&double);
    let templates =
        r#""templates": {"title": "{{ services_total }} services: {{ title }}"}, "queue""#;
    setup.json = setup.json.replace(r#""queue""#, templates);
    let mut world = World::new(&setup);
    tell(&mut world, &incident(1), 10);
    assert_eq!(ticket(&double, 1).subject, "2 services: Checkout is slow and fails");
    tell(&mut world, &with_service(2, "cart"), 50);
    assert_eq!(ticket(&double, 1).subject, "3 services: Checkout is slow and fails");
    // What was written is remembered over a restart, and stays when it is over.
    world.restart(at(60));
    tell(&mut world, &in_state(3, IncidentState::Resolved), 100);
    assert_eq!(ticket(&double, 1).subject, "3 services: Checkout is slow and fails");
    tell(&mut world, &incident(4), 200);
    assert_eq!(ticket(&double, 1).subject, "2 services: Checkout is slow and fails");
    double.lock().service.tickets[0].subject = String::from("the pool again");
    tell(&mut world, &with_service(5, "cart"), 300);
    assert_eq!(ticket(&double, 1).subject, "the pool again");
}

fn heard(world: &mut World, cursor: &mut Option<String>) -> Vec<Act> {
    let heard = world.listen(cursor.as_deref(), at(1_000)).expect("it answers");
    assert_eq!(heard.notes, Vec::<String>::new());
    *cursor = heard.cursor.or(cursor.take());
    heard.acts
}

#[test]
fn what_people_do_comes_back_once_in_their_name_and_what_we_do_does_not() {
    let (double, mut world) = world();
    let mut cursor = None;
    assert_eq!(heard(&mut world, &mut cursor), [], "the first time says from where to listen");
    tell(&mut world, &incident(1), 10);
    double.lock().service.make_double(INCIDENT, Who::Person);
    {
        let tracker = &mut double.lock().service;
        tracker.move_to(1, "open");
        tracker.give(1, PERSON);
        tracker.person_says(1, "the pool is too small");
        tracker.person_says(2, "of a copy");
        tracker.move_to(1, "resolved");
    }
    let acts = heard(&mut world, &mut cursor);
    let incident = incident(1).id;
    let to = Some(PERSON.into());
    assert_eq!(
        acts.iter().map(|act| act.decision.clone()).collect::<Vec<_>>(),
        [
            Decision::Acknowledge { incident },
            Decision::Assign { incident, to },
            Decision::Acknowledge { incident },
            Decision::Comment { incident },
            Decision::Resolve { incident },
        ]
    );
    assert!(acts.iter().all(|act| act.author.as_str() == PERSON && act.via.as_str() == "rt"));
    assert_eq!(acts[3].reason, "the pool is too small");
    tell(&mut world, &with_service(2, "cart"), 100);
    assert_eq!(heard(&mut world, &mut cursor), [], "our comment is none, and nothing comes twice");
}

/// Two incidents, each with its ticket: the other one is number 2.
fn two_tickets(world: &mut World) -> Incident {
    tell(world, &incident(1), 10);
    let mut other = incident(1);
    other.id = IncidentId(0xcd);
    tell(world, &other, 20);
    other
}

#[test]
fn tickets_that_a_person_merged_are_a_merge_of_their_incidents_told_once() {
    let (double, mut world) = world();
    let mut cursor = None;
    assert_eq!(heard(&mut world, &mut cursor), []);
    let other = two_tickets(&mut world);
    double.lock().service.person_says(1, "the same as #2");
    double.lock().service.person_merges(1, 2);
    let acts = heard(&mut world, &mut cursor);
    let [said, merged] = acts.as_slice() else { panic!("{acts:?}") };
    // What was said before it became part of the other is heard, too.
    assert_eq!(said.decision, Decision::Comment { incident: incident(1).id });
    let (from, into) = (incident(1).id, other.id);
    assert_eq!(merged.decision, Decision::Merge { incident: from, into });
    assert_eq!((merged.author.as_str(), merged.via.as_str()), (PERSON, "rt"));
    assert_eq!(merged.reason, "ticket #1 was merged into #2");
    assert!(merged.id.ends_with(":merge"), "{}", merged.id);
    assert_eq!(heard(&mut world, &mut cursor), [], "nothing comes twice");
    // After a crash before the cursor was kept it comes under the same id.
    let mut again = Some(String::from("0"));
    world.restart(at(900));
    assert!(heard(&mut world, &mut again).contains(merged));
}

#[test]
fn a_ticket_that_became_part_of_another_gets_no_successor_and_its_news_are_told_there() {
    let (double, mut world) = world();
    two_tickets(&mut world);
    double.lock().service.person_merges(1, 2);
    tell(&mut world, &with_service(2, "cart"), 100);
    assert_eq!(double.lock().service.tickets.len(), 2, "nobody wants a third");
    let comments = double.lock().service.comments(2);
    let [told] = comments.as_slice() else { panic!("{comments:?}") };
    assert!(told.starts_with(&format!("About incident {INCIDENT}:")), "{told}");
    assert!(told.contains("Now also affected: cart."), "{told}");
    assert_eq!(ticket(&double, 2).field.as_deref(), Some("00000000000000cd"));
    tell(&mut world, &in_state(3, IncidentState::Merged), 200);
    let service = &double.lock().service;
    assert_eq!(
        (service.tickets.len(), service.comments(2).len()),
        (2, 1),
        "its end says nothing new"
    );
    assert_eq!(service.tickets[1].status, "new");
}

#[test]
fn a_ticket_of_ours_that_became_part_of_a_persons_own_is_no_merge_and_leaves_that_one_theirs() {
    let (double, mut world) = world();
    let mut cursor = None;
    assert_eq!(heard(&mut world, &mut cursor), []);
    tell(&mut world, &incident(1), 10);
    double.lock().service.make_double("", Who::Person);
    double.lock().service.tickets[1].field = None;
    double.lock().service.person_merges(1, 2);
    assert_eq!(heard(&mut world, &mut cursor), []);
    tell(&mut world, &with_service(2, "cart"), 100);
    assert_eq!(double.lock().service.tickets.len(), 2);
    tell(&mut world, &in_state(3, IncidentState::Resolved), 200);
    assert_eq!(double.lock().service.tickets.len(), 2, "nobody wants a third");
    let theirs = ticket(&double, 2);
    assert_eq!((theirs.field.as_deref(), theirs.status.as_str()), (None, "new"));
    assert_eq!(theirs.subject, "a double", "it is not ours to change");
    let comments = double.lock().service.comments(2);
    assert!(comments[0].contains("Now also affected: cart."), "{comments:?}");
}
