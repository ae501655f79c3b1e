//! One issue per incident in Jira, whatever breaks where, and back.

use model::command::{Command, Decision};
use model::id::IncidentId;
use model::incident::IncidentState;
use model::time::Timestamp;
use sinks::heard::More;

use crate::double::Fault;
use crate::double::jira::{Jira, PERSON, TOKEN, USER};
use crate::fixture::{at, in_state, incident, with_service};
use crate::world::{Crash, Setup, World};

pub(crate) fn sink_config(double: &Jira, token: &str) -> Setup {
    let json = format!(
        r#"{{"jira": {{"name": "jira", "url": "{}", "timeout_ms": 300,
            "auth": {{"basic": {{"user": "{USER}", "password": "SECRET0"}}}},
            "project": "OPS", "priorities": ["Highest", "High", "Medium", "Low"],
            "console_url": "https://faultline.example",
            "services": {{"payment": {{"component": "Payments"}}}}}}}}"#,
        double.server.url(),
    );
    Setup { json, secrets: vec![token.to_owned()] }
}

fn world() -> (Jira, World) {
    let double = Jira::start();
    let world = World::new(&sink_config(&double, TOKEN));
    (double, world)
}

#[test]
fn a_new_incident_becomes_one_issue_with_everything_a_person_needs() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let issue = double.issue();
    assert_eq!(issue.fields["summary"], "P2 Checkout is slow and fails");
    assert_eq!(issue.fields["priority"]["name"], "High");
    assert_eq!(issue.fields["components"][0]["name"], "Payments");
    assert_eq!(issue.fields["labels"][1], "faultline-00000000000000ab");
    assert!(issue.fields["description"].to_string().contains("config change on payment"));
    assert_eq!(issue.properties["faultline"]["revision"], 1);
    let [Command::LinkTicket { ticket, .. }] = world.commands.as_slice() else {
        panic!("{:?}", world.commands);
    };
    assert_eq!(ticket.number.as_deref(), Some("OPS-1"));
    assert!(ticket.url.as_deref().is_some_and(|url| url.ends_with("/browse/OPS-1")));
}

#[test]
fn news_are_comments_and_statuses_follow_the_workflow_there_and_back() {
    let (double, mut world) = world();
    for (revision, secs) in [(incident(1), 10), (with_service(2, "cart"), 50)] {
        world.publish(&revision, at(secs));
        world.run(at(secs));
    }
    assert_eq!(double.issue().comments.len(), 1);
    world.publish(&in_state(3, IncidentState::Resolved), at(100));
    world.run(at(100));
    assert_eq!((double.issue().status.as_str(), double.issue().comments.len()), ("6", 2));
    world.publish(&incident(4), at(150));
    world.run(at(150));
    assert_eq!(double.issue().status, "3");
}

#[test]
fn no_issue_twice_whatever_breaks_where_although_the_search_lags() {
    for fault in [
        Fault::DoneThenError,
        Fault::DoneThenCut,
        Fault::DoneThenHang,
        Fault::DoneThenHuge,
        Fault::Malformed,
        Fault::Status(500),
        Fault::Throttled { retry_after: Some(2), reset: None },
    ] {
        let (double, mut world) = world();
        double.site().index_lags = true;
        double.fail(&[Fault::Pass, fault]);
        world.publish(&incident(1), at(10));
        world.run(at(10));
        // Too early: the search does not show what was perhaps made.
        world.run(at(20));
        double.site().index();
        world.drain(at(30));
        assert_eq!(double.issue().properties["faultline"]["revision"], 1, "{fault:?}");
        assert_eq!(world.outbox.queued(), 0, "{fault:?}");
    }
}

#[test]
fn a_crash_between_call_and_answer_makes_no_second_issue() {
    let (double, mut world) = world();
    double.site().index_lags = true;
    world.publish(&incident(1), at(10));
    world.crash(Crash::AfterAnswer, at(10));
    world.run(at(12));
    assert_eq!(double.site().issues.len(), 1, "it waits for the index");
    double.site().index();
    world.drain(at(30));
    double.issue();
}

#[test]
fn an_attempt_that_did_nothing_is_made_again_when_the_index_had_its_time() {
    let (double, mut world) = world();
    world.publish(&incident(1), at(10));
    world.crash(Crash::AfterIntent, at(10));
    let ended = world.drain(at(11));
    double.issue();
    assert!(ended >= at(71), "not before the index had its time: {ended}");
}

fn acts(world: &mut World, cursor: &mut Option<String>, now: Timestamp) -> Vec<Decision> {
    let heard = world.listen(cursor.as_deref(), now).expect("the site answers");
    cursor.clone_from(&heard.cursor.or_else(|| cursor.clone()));
    heard.acts.into_iter().map(|act| act.decision).collect()
}

#[test]
fn what_people_do_comes_back_once_and_what_we_do_does_not() {
    let (double, mut world) = world();
    let mut cursor = None;
    assert_eq!(acts(&mut world, &mut cursor, at(1)), []);
    world.publish(&incident(1), at(10));
    world.run(at(10));
    let incident = incident(1).id;
    double.site().move_to("3");
    double.site().assign(PERSON, "An operator");
    double.site().say("rolling back");
    double.site().move_to("6");
    assert_eq!(
        acts(&mut world, &mut cursor, at(60)),
        [
            Decision::Acknowledge { incident },
            Decision::Assign { incident, to: Some("An operator".into()) },
            Decision::Acknowledge { incident },
            Decision::Comment { incident },
            Decision::Resolve { incident },
        ]
    );
    world.publish(&with_service(2, "cart"), at(100));
    world.run(at(100));
    assert_eq!(acts(&mut world, &mut cursor, at(120)), [], "once, and not our own");
    assert_eq!(double.issue().status, "6", "what a person resolved stays");
    double.site().move_to("3");
    assert_eq!(acts(&mut world, &mut cursor, at(180)), [Decision::Reopen { incident }]);
}

#[test]
fn wrong_credentials_wait_and_lose_nothing() {
    let double = Jira::start();
    let mut world = World::new(&sink_config(&double, "wrong"));
    world.publish(&incident(1), at(10));
    world.run(at(10));
    assert_eq!((world.outbox.queued(), double.site().issues.len()), (1, 0));
}

/// A site with so many issues of ours, of which nothing was heard yet.
fn many(count: u64) -> (Jira, World, Option<String>) {
    let double = Jira::start();
    let mut setup = sink_config(&double, TOKEN);
    // Hundreds of requests: a busy machine may be slow with one.
    setup.json = setup.json.replace(r#""timeout_ms": 300"#, r#""timeout_ms": 30000"#);
    let mut world = World::new(&setup);
    let mut cursor = None;
    assert_eq!(acts(&mut world, &mut cursor, at(1)), []);
    for id in 0..count {
        let mut one = incident(1);
        one.id = IncidentId(0xab + id);
        world.publish(&one, at(10));
        world.run(at(10));
    }
    (double, world, cursor)
}

/// Listens until there is no more. No answer takes more than a few requests.
fn all_acts(double: &Jira, world: &mut World, cursor: &mut Option<String>) -> Vec<Decision> {
    let mut all = Vec::new();
    for _ in 0..100 {
        let asked = double.site().requests.len();
        let heard = world.listen(cursor.as_deref(), at(60)).expect("the site answers");
        let asked = double.site().requests.len() - asked;
        assert!(asked <= 12, "{asked} requests in one answer");
        cursor.clone_from(&heard.cursor.or_else(|| cursor.clone()));
        all.extend(heard.acts.into_iter().map(|act| act.decision));
        if heard.more == More::No {
            return all;
        }
    }
    panic!("it does not end");
}

#[test]
fn what_was_heard_before_an_error_is_heard_again() {
    let (double, mut world, mut cursor) = many(3);
    for place in 0..3 {
        double.site().say_on(place, "seen");
    }
    // A look: clock, search, own account, statuses, changes, and the comments of three issues. What
    // it went through is not asked for again.
    for passed in [7, 3, 2, 1, 0] {
        let faults = [vec![Fault::Pass; passed], vec![Fault::Status(503)]].concat();
        double.fail(&faults);
        assert!(world.listen(cursor.as_deref(), at(60)).is_err(), "{passed}");
        double.site().faults.clear();
    }
    assert_eq!(all_acts(&double, &mut world, &mut cursor).len(), 3);
    assert_eq!(all_acts(&double, &mut world, &mut cursor), []);
}

#[test]
fn issues_of_several_pages_are_all_heard_a_few_requests_at_a_time() {
    let (double, mut world, mut cursor) = many(120);
    for place in 0..120 {
        double.site().say_on(place, "seen");
    }
    assert_eq!(all_acts(&double, &mut world, &mut cursor).len(), 120);
    double.site().say_on(77, "and more");
    let again = all_acts(&double, &mut world, &mut cursor);
    assert_eq!(again, [Decision::Comment { incident: IncidentId(0xab + 77) }]);
    let asked = double.site().requests.len();
    assert_eq!(all_acts(&double, &mut world, &mut cursor), []);
    assert!(double.site().requests.len() - asked <= 4, "what did not change is not read again");
}

#[test]
fn an_outage_that_answers_with_pages_for_people_loses_nothing() {
    let (double, mut world, mut cursor) = many(3);
    for place in 0..3 {
        double.site().say_on(place, "seen");
    }
    // Until the changes; from then on nothing answers as promised.
    double.fail(&[vec![Fault::Pass; 4], vec![Fault::Malformed; 20]].concat());
    for _ in 0..10 {
        assert!(world.listen(cursor.as_deref(), at(60)).is_err());
    }
    double.site().faults.clear();
    assert_eq!(all_acts(&double, &mut world, &mut cursor).len(), 3);
}

#[test]
fn two_issues_that_cannot_be_read_are_passed_over_and_the_third_is_heard() {
    let (double, mut world, mut cursor) = many(3);
    for place in 0..3 {
        double.site().say_on(place, "seen");
    }
    let (good, bad) = (Fault::Pass, Fault::Redirect);
    // Clock, search, own account, statuses, changes, comments; then clock, changes, comments.
    for faults in [
        &[good, good, good, good, good, bad] as &[Fault],
        &[good, good, bad],
        &[good, good, bad, good, bad],
        &[good, good, bad, good, bad],
    ] {
        double.fail(faults);
        assert!(world.listen(cursor.as_deref(), at(60)).is_err(), "{faults:?}");
        assert!(double.site().faults.is_spent(), "{faults:?}");
    }
    double.fail(&[good, good, bad, good, bad]);
    let heard = world.listen(cursor.as_deref(), at(60)).expect("both are given up");
    assert_eq!((heard.acts.len(), heard.notes.len()), (1, 2), "{:?}", heard.notes);
    assert_eq!(heard.acts[0].decision, Decision::Comment { incident: IncidentId(0xab + 1) });
    cursor.clone_from(&heard.cursor);
    assert_eq!(all_acts(&double, &mut world, &mut cursor), []);
}

#[test]
fn a_look_that_takes_long_does_not_lose_what_is_on_its_later_pages() {
    let (double, mut world, mut cursor) = many(60);
    for place in 0..60 {
        double.site().say_on(place, "seen");
    }
    // Each answer takes a minute: no page is turned by the look that turned the one before.
    let (mut heard_of, mut now) = (0, 60);
    for answers in 1.. {
        assert!(answers < 100, "it does not end");
        let heard = world.listen(cursor.as_deref(), at(now)).expect("the site answers");
        heard_of += heard.acts.len();
        cursor.clone_from(&heard.cursor.or_else(|| cursor.clone()));
        if heard.more == More::No {
            break;
        }
        double.site().pass(60);
        now += 61;
    }
    assert_eq!(heard_of, 60);
    assert_eq!(all_acts(&double, &mut world, &mut cursor), []);
}

#[test]
fn hundreds_of_comments_around_one_that_is_too_large_are_all_heard() {
    let (double, mut world, cursor) = many(1);
    for count in 0..400 {
        let text = if count == 200 { "x".repeat(300_000) } else { format!("number {count}") };
        double.site().say_on(0, &text);
    }
    let heard = world.listen(cursor.as_deref(), at(600)).expect("the site answers");
    assert_eq!((heard.acts.len(), heard.notes.len()), (399, 1), "{:?}", heard.notes);
}

#[test]
fn more_comments_than_are_read_are_not_left_out_without_a_word() {
    let (double, mut world, cursor) = many(1);
    for count in 0..1_001 {
        double.site().say_on(0, &format!("number {count}"));
    }
    let heard = world.listen(cursor.as_deref(), at(1_200)).expect("the site answers");
    assert_eq!((heard.acts.len(), heard.notes.len()), (1_000, 1), "{:?}", heard.notes);
}

#[test]
fn one_comment_that_is_too_large_is_passed_over_and_the_others_are_heard() {
    let (double, mut world, mut cursor) = many(2);
    double.site().say_on(0, "before");
    double.site().say_on(0, &"x".repeat(300_000));
    double.site().say_on(0, "after");
    double.site().say_on(1, "elsewhere");
    let heard = world.listen(cursor.as_deref(), at(60)).expect("the site answers");
    assert_eq!(heard.acts.len(), 3);
    assert!(heard.notes.iter().any(|note| note.contains("OPS-1")), "{:?}", heard.notes);
    cursor.clone_from(&heard.cursor);
    double.site().say_on(1, "later");
    assert_eq!(all_acts(&double, &mut world, &mut cursor).len(), 1);
}

#[test]
fn a_copy_that_a_person_made_is_neither_heard_nor_written() {
    let (double, mut world) = world();
    let mut cursor = None;
    assert_eq!(acts(&mut world, &mut cursor, at(1)), []);
    world.publish(&incident(1), at(10));
    world.run(at(10));
    double.site().copy();
    double.site().say_on(1, "on the copy");
    assert_eq!(all_acts(&double, &mut world, &mut cursor), []);
    // Our memory of the issue is lost, and it is looked for by its label.
    world.records.clear();
    world.restart(at(50));
    world.publish(&with_service(2, "cart"), at(100));
    world.drain(at(100));
    let site = double.site();
    assert_eq!(site.issues.len(), 2, "no third one");
    assert_eq!(site.issues[1].properties, serde_json::json!({}));
}

#[test]
fn the_index_has_its_minute_after_we_stopped_waiting() {
    let double = Jira::start();
    let mut setup = sink_config(&double, TOKEN);
    setup.json = setup.json.replace(r#""timeout_ms": 300"#, r#""timeout_ms": 60000"#);
    let mut world = World::new(&setup);
    double.site().index_lags = true;
    // The search, and then the issue, as late as they may be.
    double.fail(&[Fault::Pass, Fault::DoneThenError]);
    world.publish(&incident(1), at(10));
    world.run(at(10));
    world.run(at(75));
    assert_eq!(double.site().issues.len(), 1, "no second one");
    assert_eq!(world.outbox.next_deadline(at(75)), Some(at(10 + 60 + 60 + 60)));
    double.site().index();
    world.drain(at(190));
    double.issue();
}

#[test]
fn waiting_for_the_index_is_no_failure() {
    let (double, mut world) = world();
    double.site().index_lags = true;
    world.publish(&incident(1), at(10));
    world.crash(Crash::AfterAnswer, at(10));
    world.run(at(12));
    assert_eq!(world.outbox.stats().failed, 0);
    // The new process does not know when the old one asked: its minute begins with it.
    assert_eq!(world.outbox.next_deadline(at(12)), Some(at(72)), "once, when it had its time");
}
