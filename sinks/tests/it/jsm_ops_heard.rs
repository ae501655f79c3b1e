//! What people do to alerts in Jira Service Management's Operations comes back, once.

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::incident::IncidentState;
use sinks::heard::More;
use sinks::sink::Trouble;

use crate::double::Fault;
use crate::double::jsm_ops::{JsmOps, KEY};
use crate::double::jsm_ops_rest::{CLOUD, TOKEN, USER};
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Setup, World};

const INCIDENT: IncidentId = IncidentId(0xab);

fn setup(double: &JsmOps, token: &str) -> Setup {
    let mut setup = crate::jsm_ops::sink_config(double);
    let rest = format!(
        r#""rest_api": {{"url": "{}/api", "cloud_id": "{CLOUD}", "user": "{USER}",
            "token": "SECRET1"}}, "teams""#,
        double.server.url()
    );
    setup.json = setup.json.replace(r#""teams""#, &rest);
    setup.secrets = vec![KEY.to_owned(), token.to_owned()];
    setup
}

/// A site that was listened to once, and an alert in it.
fn world() -> (JsmOps, World, String) {
    let double = JsmOps::start();
    let mut world = World::new(&setup(&double, TOKEN));
    let cursor = world.listen(None, at(0)).expect("it answers").cursor.expect("a cursor");
    world.publish(&incident(1), at(10));
    world.run(at(10));
    (double, world, cursor)
}

/// Listens until there is no more.
fn hear(world: &mut World, cursor: &mut String) -> Vec<Act> {
    let mut acts = Vec::new();
    for _ in 0..200 {
        let heard = world.listen(Some(cursor), at(1_000)).expect("it answers");
        assert_eq!(heard.notes, Vec::<String>::new());
        acts.extend(heard.acts);
        *cursor = heard.cursor.expect("a cursor");
        if heard.more == More::No {
            return acts;
        }
    }
    panic!("it never ends");
}

fn decisions(acts: &[Act]) -> Vec<Decision> {
    acts.iter().map(|act| act.decision.clone()).collect()
}

fn given(to: &str) -> Decision {
    Decision::Assign { incident: INCIDENT, to: Some(to.into()) }
}

#[test]
fn reassigning_and_snoozing_are_heard_once_in_the_name_of_who_did_it() {
    let (double, mut world, mut cursor) = world();
    let incident = INCIDENT;
    double.ops().assign(0, "Ann Example", "Bob Example");
    let acts = hear(&mut world, &mut cursor);
    assert_eq!(decisions(&acts), [given("Bob Example")]);
    assert_eq!((acts[0].author.as_str(), acts[0].via.as_str()), ("Ann Example", "ops"));
    assert_eq!(hear(&mut world, &mut cursor), [], "nothing is heard twice");
    // By a new process too, and a later change of another kind does not tell it again.
    let mut anew = World::new(&setup(&double, TOKEN));
    double.ops().pass(300);
    double.ops().say(0, "Bob Example", "mine");
    assert_eq!(decisions(&hear(&mut anew, &mut cursor)), [Decision::Comment { incident }]);
    let until = "2026-03-17T04:00:00.000Z";
    double.ops().pass(300);
    double.ops().snooze(0, "Bob Example", Some(until));
    let acts = hear(&mut anew, &mut cursor);
    let until = model::time::Timestamp::parse_rfc3339(until).expect("a moment");
    assert_eq!(decisions(&acts), [Decision::Snooze { incident, until }]);
    double.ops().pass(300);
    double.ops().snooze(0, "Bob Example", None);
    double.ops().assign(0, "Bob Example", "");
    let acts = hear(&mut anew, &mut cursor);
    assert_eq!(
        decisions(&acts),
        [Decision::Assign { incident, to: None }, Decision::Unsnooze { incident }]
    );
}

#[test]
fn what_is_heard_again_after_a_crash_has_the_same_id_also_if_more_was_done_meanwhile() {
    let (double, mut world, cursor) = world();
    double.ops().assign(0, "Ann Example", "Bob Example");
    let (mut lost, mut cursor) = (cursor.clone(), cursor);
    let first = hear(&mut world, &mut lost);
    double.ops().say(0, "Cy Example", "taking a look");
    let mut anew = World::new(&setup(&double, TOKEN));
    let again = hear(&mut anew, &mut cursor);
    assert_eq!(again.iter().filter(|act| act.id == first[0].id).count(), 1, "{again:#?}");
    assert_eq!(again.len(), 2);
}

#[test]
fn what_was_decided_otherwise_before_the_answer_to_a_crash_has_an_id_of_its_own() {
    let (double, mut world, cursor) = world();
    let (mut lost, mut cursor) = (cursor.clone(), cursor);
    double.ops().assign(0, "Ann Example", "Bob Example");
    double.ops().snooze(0, "Ann Example", Some("2026-03-17T04:00:00.000Z"));
    let first = hear(&mut world, &mut lost);
    double.ops().assign(0, "Ann Example", "Cy Example");
    double.ops().snooze(0, "Ann Example", Some("2026-03-17T05:00:00.000Z"));
    let mut anew = World::new(&setup(&double, TOKEN));
    let second = hear(&mut anew, &mut cursor);
    assert!(first.len() == 2 && second.len() == 2, "{first:#?} {second:#?}");
    assert!(first.iter().all(|one| second.iter().all(|other| one.id != other.id)), "{second:#?}");
}

#[test]
fn what_a_policy_assigns_or_snoozes_is_nobodys_act() {
    let (double, mut world, mut cursor) = world();
    double.ops().assign(0, "system", "Bob Example");
    double.ops().snooze(0, "system", Some("2026-03-17T04:00:00.000Z"));
    assert_eq!(hear(&mut world, &mut cursor), []);
    double.ops().pass(300);
    double.ops().say(0, "Ann Example", "thanks");
    let acts = hear(&mut world, &mut cursor);
    assert_eq!(decisions(&acts), [Decision::Comment { incident: INCIDENT }]);
}

#[test]
fn what_a_person_does_is_an_act_in_their_name_and_what_we_do_is_none() {
    let (double, mut world, mut cursor) = world();
    assert_eq!(hear(&mut world, &mut cursor), [], "our own alert is none");
    {
        let mut ops = double.ops();
        ops.acknowledge(0, "Ann Example");
        ops.say(0, "Bob Example", "the pool is too small");
        ops.pass(20);
        ops.close(0, "Ann Example");
    }
    let acts = hear(&mut world, &mut cursor);
    let incident = INCIDENT;
    assert_eq!(
        decisions(&acts),
        [
            Decision::Acknowledge { incident },
            Decision::Comment { incident },
            Decision::Resolve { incident },
        ]
    );
    let authors: Vec<&str> = acts.iter().map(|act| act.author.as_str()).collect();
    assert_eq!(authors, ["Ann Example", "Bob Example", "Ann Example"]);
    assert_eq!(acts[1].reason, "the pool is too small");
    assert!(acts.iter().all(|act| act.via.as_str() == "ops"));
    assert_eq!(hear(&mut world, &mut cursor), [], "nothing is heard twice");
}

#[test]
fn what_we_and_policies_do_is_nobodys_act() {
    let (double, mut world, mut cursor) = world();
    world.publish(&with_service(2, "cart"), at(50));
    world.run(at(50));
    assert_eq!(double.alert().notes.len(), 1);
    world.publish(&in_state(3, IncidentState::Resolved), at(100));
    world.run(at(100));
    assert!(!double.alert().open);
    assert_eq!(hear(&mut world, &mut cursor), [], "we closed it");
    // Active again: a new alert, which a policy closes.
    world.publish(&incident(4), at(200));
    world.run(at(200));
    double.ops().pass(20);
    double.ops().close(1, "system");
    assert_eq!(hear(&mut world, &mut cursor), []);
}

#[test]
fn what_we_wrote_is_nobodys_act_under_whatever_name_the_site_shows_it() {
    let (double, mut world, mut cursor) = world();
    double.ops().acts_as = Some("Ann Example");
    world.publish(&with_service(2, "cart"), at(50));
    world.run(at(50));
    world.publish(&in_state(3, IncidentState::Resolved), at(100));
    world.run(at(100));
    assert_eq!((double.alert().notes.len(), double.alert().open), (2, false));
    assert_eq!(hear(&mut world, &mut cursor), []);
}

#[test]
fn an_acknowledgement_is_heard_also_where_the_activity_names_nobody() {
    let (double, mut world, mut cursor) = world();
    double.ops().acknowledge(0, "system");
    let acts = hear(&mut world, &mut cursor);
    assert_eq!(decisions(&acts), [Decision::Acknowledge { incident: INCIDENT }]);
}

#[test]
fn what_was_done_before_is_not_told_again_by_a_new_process_or_a_later_change() {
    let (double, mut world, mut cursor) = world();
    double.ops().acknowledge(0, "Ann Example");
    assert_eq!(hear(&mut world, &mut cursor).len(), 2, "she owns it as well");
    double.ops().pass(300);
    world.publish(&with_service(2, "cart"), at(500));
    world.run(at(500));
    assert_eq!(hear(&mut world, &mut cursor), []);
    double.ops().pass(300);
    double.ops().say(0, "Bob Example", "done?");
    let mut anew = World::new(&setup(&double, TOKEN));
    let acts = hear(&mut anew, &mut cursor);
    assert_eq!(decisions(&acts), [Decision::Comment { incident: INCIDENT }]);
    let again = hear(&mut world, &mut cursor);
    assert_eq!(again, acts, "whoever hears it again hears it under the same id");
}

#[test]
fn many_alerts_and_many_notes_are_all_heard_a_few_at_a_time_in_either_order() {
    for oldest_first in [false, true] {
        let (double, mut world, mut cursor) = world();
        double.ops().oldest_first = oldest_first;
        for id in 1..25 {
            let mut one = incident(1);
            one.id = IncidentId(0xab + id);
            world.publish(&one, at(20));
            world.run(at(20));
        }
        for place in 0..25 {
            double.ops().acknowledge(place, "Ann Example");
        }
        for count in 0..35 {
            double.ops().say(3, "Bob Example", &format!("note {count}"));
        }
        let mut most = 0;
        let mut acts = Vec::new();
        loop {
            let before = double.ops().requests;
            let heard = world.listen(Some(&cursor), at(1_000)).expect("it answers");
            most = most.max(double.ops().requests - before);
            acts.extend(heard.acts);
            cursor = heard.cursor.expect("a cursor");
            if heard.more == More::No {
                break;
            }
        }
        assert!(most <= 6, "{most} requests in one answer");
        let comments = acts.iter().filter(|act| matches!(act.decision, Decision::Comment { .. }));
        // Who acknowledges owns.
        assert_eq!((acts.len(), comments.count()), (85, 35), "{oldest_first}");
        assert_eq!(hear(&mut world, &mut cursor), []);
    }
}

#[test]
fn what_happens_while_a_list_is_read_is_heard_by_the_next_look() {
    let (double, mut world, mut cursor) = world();
    for id in 1..15 {
        let mut one = incident(1);
        one.id = IncidentId(0xab + id);
        world.publish(&one, at(20));
        world.run(at(20));
    }
    for place in 0..15 {
        double.ops().acknowledge(place, "Ann Example");
    }
    let first = world.listen(Some(&cursor), at(1_000)).expect("it answers");
    assert_eq!(first.more, More::Yes);
    double.ops().say(0, "Bob Example", "meanwhile");
    cursor = first.cursor.expect("a cursor");
    let mut acts = first.acts;
    acts.extend(hear(&mut world, &mut cursor));
    acts.extend(hear(&mut world, &mut cursor));
    assert_eq!(acts.len(), 31, "{:?}", decisions(&acts));
}

#[test]
fn what_was_heard_before_an_error_is_heard_again() {
    for fault in [Fault::Status(503), Fault::Malformed, Fault::DoneThenCut] {
        let (double, mut world, mut cursor) = world();
        double.ops().acknowledge(0, "Ann Example");
        for passing in 0..3 {
            double.fail(&vec![Fault::Pass; passing]);
            double.fail(&[fault]);
            assert!(world.listen(Some(&cursor), at(1_000)).is_err(), "{fault:?} {passing}");
        }
        assert_eq!(hear(&mut world, &mut cursor).len(), 2, "{fault:?}");
    }
}

#[test]
fn an_alert_whose_notes_cannot_be_read_is_passed_over_and_the_others_are_heard() {
    let (double, mut world, mut cursor) = world();
    double.ops().acknowledge(0, "Ann Example");
    double.fail(&[Fault::Pass, Fault::DoneThenHuge]);
    let heard = world.listen(Some(&cursor), at(1_000)).expect("it answers");
    assert_eq!(heard.acts, []);
    assert!(heard.notes[0].contains("cannot be read"), "{:?}", heard.notes);
    cursor = heard.cursor.expect("a cursor");
    double.ops().pass(100);
    double.ops().say(0, "Bob Example", "short");
    let acts = hear(&mut world, &mut cursor);
    let incident = INCIDENT;
    assert_eq!(
        decisions(&acts),
        [Decision::Acknowledge { incident }, Decision::Comment { incident }, given("Ann Example")],
        "what is read again with the next change is not lost"
    );
}

#[test]
fn a_person_who_closes_right_after_our_note_is_heard() {
    let (double, mut world, mut cursor) = world();
    world.publish(&with_service(2, "cart"), at(50));
    world.run(at(50));
    double.ops().close(0, "Ann Example");
    let acts = hear(&mut world, &mut cursor);
    assert_eq!(decisions(&acts), [Decision::Resolve { incident: INCIDENT }]);
}

#[test]
fn what_people_do_to_alerts_of_another_faultline_on_the_site_is_not_ours() {
    let (double, mut world, mut cursor) = world();
    let mut other = setup(&double, TOKEN);
    other.json = other.json.replace(r#""teams""#, r#""source": "faultline-b", "teams""#);
    let mut other = World::new(&other);
    let mut their_cursor = other.listen(None, at(0)).expect("it answers").cursor.expect("a cursor");
    let mut theirs = incident(1);
    theirs.id = IncidentId(0xcd);
    other.publish(&theirs, at(20));
    other.run(at(20));
    double.ops().acknowledge(0, "Ann Example");
    double.ops().acknowledge(1, "Bob Example");
    let ours = hear(&mut world, &mut cursor);
    assert_eq!(
        decisions(&ours),
        [Decision::Acknowledge { incident: INCIDENT }, given("Ann Example")]
    );
    let theirs = hear(&mut other, &mut their_cursor);
    let (incident, to) = (IncidentId(0xcd), Some("Bob Example".into()));
    assert_eq!(
        decisions(&theirs),
        [Decision::Acknowledge { incident }, Decision::Assign { incident, to }]
    );
}

#[test]
fn without_the_rest_api_nothing_is_asked_and_a_wrong_token_says_so() {
    let double = JsmOps::start();
    let mut deaf = World::new(&crate::jsm_ops::sink_config(&double));
    assert_eq!(deaf.config().listen_every(), None);
    assert_eq!(deaf.listen(None, at(0)).expect("nothing").cursor, None);
    assert_eq!(double.ops().requests, 0);
    let mut wrong = World::new(&setup(&double, "wrong"));
    assert!(wrong.config().listen_every().is_some());
    let (_, trouble) = wrong.listen(None, at(0)).expect_err("no access");
    assert_eq!(trouble, Trouble::Credentials(401));
}
