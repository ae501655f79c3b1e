//! What people do in PagerDuty comes back, once, and nothing of what is not theirs or not ours.

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::time::Timestamp;
use serde_json::{Value, json};
use sinks::heard::More;
use sinks::sink::{Trouble, Wait};

use crate::double::Fault;
use crate::double::pagerduty::{KEY, PagerDuty};
use crate::double::pagerduty_rest::{SERVICE, TOKEN};
use crate::double::served::Served;
use crate::fixture::at;
use crate::world::{Setup, World};

const OURS: &str = "00000000000000ab";
const INCIDENT: IncidentId = IncidentId(0xab);

/// A process that has heard nothing yet.
fn at_account(double: &Served<PagerDuty>, token: &str) -> World {
    let url = double.server.url();
    let json = format!(
        r#"{{"pagerduty": {{"name": "page", "url": "{url}", "timeout_ms": 1000, "routing_key": "SECRET0",
            "rest_api": {{"url": "{url}", "token": "SECRET1", "service_id": "{SERVICE}"}}}}}}"#
    );
    World::new(&Setup { json, secrets: vec![KEY.to_owned(), token.to_owned()] })
}

fn world() -> (Served<PagerDuty>, World) {
    let double = Served::start(PagerDuty::default());
    let world = at_account(&double, TOKEN);
    (double, world)
}

/// Something that is done `secs` after 02:07.
fn log(double: &Served<PagerDuty>, kind: &str, secs: i64, by: &str, key: &str, more: &Value) {
    let moment = at(secs).to_rfc3339();
    double.lock().service.account.log(kind, &moment, by, key, more);
}

/// Listens until there is no more, from a cursor; the acts and the cursor.
fn hear(world: &mut World, cursor: &str, now: Timestamp) -> (Vec<Act>, String) {
    let (mut acts, mut cursor) = (Vec::new(), cursor.to_owned());
    for _ in 0..100 {
        let heard = world.listen(Some(&cursor), now).expect("it is heard");
        assert_eq!(heard.notes, Vec::<String>::new());
        acts.extend(heard.acts);
        let next = heard.cursor.expect("a cursor");
        assert!(heard.more == More::No || next != cursor || !acts.is_empty(), "no step further");
        cursor = next;
        if heard.more == More::No {
            return (acts, cursor);
        }
    }
    panic!("it never ends");
}

fn decisions(acts: &[Act]) -> Vec<Decision> {
    acts.iter().map(|act| act.decision.clone()).collect()
}

#[test]
fn what_a_person_does_is_an_act_in_their_name_and_what_we_do_is_none() {
    let (double, mut world) = world();
    let start = world.listen(None, at(0)).expect("from now on").cursor.expect("a cursor");
    let end = at(4_000).to_rfc3339();
    log(&double, "trigger", 1, "service", OURS, &json!({}));
    log(&double, "acknowledge", 2, "user", OURS, &json!({}));
    log(
        &double,
        "annotate",
        3,
        "user",
        OURS,
        &json!({"channel": {"type": "note", "content": "pool?"}}),
    );
    let assignees = json!([{"id": "PUSER02", "type": "user_reference", "summary": "Bob Example"}]);
    log(&double, "assign", 4, "user", OURS, &json!({"assignees": assignees}));
    let planned = json!({"changed_actions": [{"type": "unacknowledge", "at": end}]});
    log(&double, "snooze", 5, "user", OURS, &planned);
    log(&double, "resolve", 6, "user", OURS, &json!({}));
    // We acknowledge and resolve by the Events API; PagerDuty itself notifies and lets time run out.
    log(&double, "acknowledge", 7, "service", OURS, &json!({}));
    log(&double, "resolve", 8, "service", OURS, &json!({}));
    log(&double, "notify", 9, "user", OURS, &json!({}));
    let (acts, cursor) = hear(&mut world, &start, at(30));
    let incident = INCIDENT;
    let expected = [
        Decision::Acknowledge { incident },
        Decision::Comment { incident },
        Decision::Assign { incident, to: Some("Bob Example".into()) },
        Decision::Snooze { incident, until: at(4_000) },
        Decision::Resolve { incident },
    ];
    assert_eq!(decisions(&acts), expected);
    assert!(acts.iter().all(|act| act.author.as_str() == "Ann Example" && &*act.via == "page"));
    assert_eq!((acts[1].reason.as_str(), acts[1].at), ("pool?", at(3)));
    assert_eq!(hear(&mut world, &cursor, at(60)).0, [], "the same is not told again");
}

#[test]
fn after_a_restart_the_last_minutes_come_again_under_the_same_ids() {
    let (double, mut world) = world();
    log(&double, "acknowledge", 10, "user", OURS, &json!({}));
    let (first, cursor) = hear(&mut world, &at(0).to_rfc3339(), at(30));
    let (again, _) = hear(&mut at_account(&double, TOKEN), &cursor, at(60));
    assert_eq!(first, again);
    assert_eq!(first.len(), 1);
}

#[test]
fn grouped_alerts_are_all_meant_and_other_services_and_keys_are_not() {
    let (double, mut world) = world();
    let two = vec![OURS.to_owned(), String::from("00000000000000cd"), String::from("other/key")];
    double.lock().service.account.alerts.insert(String::from("Qgroup"), two);
    log(&double, "acknowledge", 1, "user", "group", &json!({}));
    log(&double, "acknowledge", 2, "user", "of-another-tool", &json!({}));
    let elsewhere = json!({"id": "POTHER1", "type": "service_reference"});
    let theirs = json!({"service": elsewhere, "incident": {"id": "Qx", "incident_key": OURS, "service": elsewhere}});
    log(&double, "resolve", 3, "user", OURS, &theirs);
    let (acts, _) = hear(&mut world, &at(0).to_rfc3339(), at(30));
    let acknowledge = |id| Decision::Acknowledge { incident: IncidentId(id) };
    assert_eq!(decisions(&acts), [acknowledge(0xab), acknowledge(0xcd)]);
    assert_ne!(acts[0].id, acts[1].id);
}

#[test]
fn a_merge_into_another_of_ours_is_a_merge_and_no_resolve() {
    let (double, mut world) = world();
    let merge = |secs, by: &str, key: &str, into: &str| {
        double.lock().service.account.merge(&at(secs).to_rfc3339(), by, key, into);
    };
    let other = "00000000000000cd";
    merge(1, "user", OURS, other);
    // Into what another tool, or somebody by hand, opened: we do not know that incident.
    merge(2, "user", "00000000000000e1", "of-another-tool");
    // Into alerts that PagerDuty grouped: which of them is meant is not said.
    let grouped = vec![String::from("00000000000000f1"), String::from("00000000000000f2")];
    double.lock().service.account.alerts.insert(String::from("Qgroup"), grouped);
    merge(4, "user", "00000000000000f3", "group");
    // What was merged is not ours; and what no user merged is nobody's word.
    merge(5, "user", "of-another-tool", OURS);
    merge(6, "service", "00000000000000f4", other);
    log(&double, "acknowledge", 7, "user", other, &json!({}));
    let (acts, cursor) = hear(&mut world, &at(0).to_rfc3339(), at(30));
    let id = IncidentId;
    let acknowledge = Decision::Acknowledge { incident: id(0xcd) };
    let first = Decision::Merge { incident: id(0xab), into: id(0xcd) };
    assert_eq!(decisions(&acts), [first, acknowledge]);
    assert!(acts[0].author.as_str() == "Ann Example" && !acts[0].reason.is_empty());
    assert_eq!(hear(&mut world, &cursor, at(60)).0, [], "the same is not told again");
}

#[test]
fn a_merge_into_an_incident_of_another_service_is_none_of_ours() {
    let (double, mut world) = world();
    // Another installation pages there, with keys of the same form.
    let other = "00000000000000cd";
    double.lock().service.account.elsewhere.insert(format!("Q{other}"), String::from("POTHER1"));
    double.lock().service.account.merge(&at(1).to_rfc3339(), "user", OURS, other);
    assert_eq!(hear(&mut world, &at(0).to_rfc3339(), at(30)).0, []);
}

#[test]
fn a_merge_that_says_not_into_what_is_no_act_and_any_other_reason_is_an_end() {
    let (double, mut world) = world();
    let ended = |secs, reason: Value| {
        let incident = json!({"id": "Qx", "type": "incident", "incident_key": OURS, "resolve_reason": reason,
                              "service": {"id": SERVICE, "type": "service_reference"}});
        log(&double, "resolve", secs, "user", OURS, &json!({"incident": incident}));
    };
    let is_look_up = |path: &str| path.starts_with("/incidents/");
    let asked = || double.lock().requests.iter().filter(|asked| is_look_up(&asked.path)).count();
    for (secs, target) in [Value::Null, json!({}), json!({"id": ""}), json!({"id": 7}), json!("Qy")]
        .into_iter()
        .enumerate()
    {
        ended(secs as i64 + 1, json!({"type": "merge_resolve_reason", "incident": target}));
    }
    let (acts, cursor) = hear(&mut world, &at(0).to_rfc3339(), at(30));
    assert_eq!((acts.len(), asked()), (0, 0), "nothing is asked for either");
    for (secs, reason) in
        [Value::Null, json!("over"), json!({"type": null}), json!({"incident": null}), json!(7)]
            .into_iter()
            .enumerate()
    {
        ended(secs as i64 + 31, reason);
    }
    let resolve = Decision::Resolve { incident: INCIDENT };
    assert_eq!(decisions(&hear(&mut world, &cursor, at(60)).0), vec![resolve; 5]);
}

#[test]
fn many_merges_are_all_heard_some_at_a_time() {
    let (double, mut world) = world();
    for count in 0..25_i64 {
        let (key, into) = (format!("{:016x}", 0x100 + count), format!("{:016x}", 0x200 + count));
        double.lock().service.account.merge(&at(5).to_rfc3339(), "user", &key, &into);
    }
    let (acts, _) = hear(&mut world, &at(0).to_rfc3339(), at(30));
    let merges = acts.iter().filter(|act| matches!(act.decision, Decision::Merge { .. }));
    assert_eq!((merges.count(), acts.len()), (25, 25));
}

#[test]
fn what_came_before_a_failed_look_up_is_heard_with_what_came_after() {
    let (double, mut world) = world();
    log(&double, "acknowledge", 1, "user", OURS, &json!({}));
    log(&double, "resolve", 2, "user", "group", &json!({}));
    double.lock().service.account.alerts.insert(String::from("Qgroup"), vec![OURS.to_owned()]);
    double.lock().faults.plan(&[Fault::Pass, Fault::Status(503)]);
    let start = at(0).to_rfc3339();
    let told = world.listen(Some(&start), at(30));
    assert!(matches!(told, Err((_, Trouble::Unavailable(503)))), "{told:?}");
    let incident = INCIDENT;
    let both = [Decision::Acknowledge { incident }, Decision::Resolve { incident }];
    assert_eq!(decisions(&hear(&mut world, &start, at(60)).0), both);
}

#[test]
fn nothing_is_lost_where_much_happens() {
    let (double, mut world) = world();
    // More than one window holds; half of it of groups, each of which takes a request.
    for count in 0..4_500_i64 {
        log(&double, "acknowledge", 200 + count / 4, "user", OURS, &json!({}));
    }
    for count in 0..25 {
        log(&double, "acknowledge", 1_400, "user", &format!("group{count}"), &json!({}));
        let keys = vec![format!("{:016x}", 0x100 + count)];
        double.lock().service.account.alerts.insert(format!("Qgroup{count}"), keys);
    }
    let (acts, _) = hear(&mut world, &at(0).to_rfc3339(), at(2_000));
    let mut ids: Vec<&str> = acts.iter().map(|act| act.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4_525);
}

#[test]
fn an_entry_that_cannot_be_read_is_said_and_hides_no_other() {
    let (double, mut world) = world();
    log(&double, "acknowledge", 1, "user", OURS, &json!({"incident": "what?"}));
    log(&double, "resolve", 2, "user", OURS, &json!({}));
    let heard = world.listen(Some(&at(0).to_rfc3339()), at(30)).expect("it is heard");
    assert_eq!(decisions(&heard.acts), [Decision::Resolve { incident: INCIDENT }]);
    assert_eq!(heard.notes, ["1 log entries cannot be read"]);
}

#[test]
fn trouble_over_there_moves_no_cursor() {
    let (double, mut world) = world();
    log(&double, "acknowledge", 1, "user", OURS, &json!({}));
    double.lock().faults.plan(&[Fault::Status(503)]);
    let start = at(0).to_rfc3339();
    let told = world.listen(Some(&start), at(30));
    assert!(matches!(told, Err((Wait::Backoff, Trouble::Unavailable(503)))), "{told:?}");
    assert_eq!(hear(&mut world, &start, at(60)).0.len(), 1);
    let told = at_account(&double, "another-token").listen(Some(&start), at(30));
    assert!(matches!(told, Err((_, Trouble::Credentials(401)))), "{told:?}");
}
