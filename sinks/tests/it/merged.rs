//! Records that people called the same are a merge of their incidents, by whom and once.

use model::command::{Act, Decision};
use model::id::IncidentId;
use model::incident::IncidentState;

use crate::double::jira::{Jira, PERSON, TOKEN};
use crate::double::servicenow::{PASSWORD, ServiceNow};
use crate::fixture::{at, in_state, incident};
use crate::world::World;

const OTHER: IncidentId = IncidentId(0xcd);

/// Both incidents have their record.
fn publish_both(world: &mut World) {
    for (id, secs) in [(incident(1).id, 10), (OTHER, 20)] {
        let mut one = incident(1);
        one.id = id;
        world.publish(&one, at(secs));
        world.run(at(secs));
    }
}

fn heard(world: &mut World, cursor: &mut Option<String>, secs: i64) -> Vec<Act> {
    let heard = world.listen(cursor.as_deref(), at(secs)).expect("it answers");
    assert_eq!(heard.notes, Vec::<String>::new());
    *cursor = heard.cursor.or(cursor.take());
    heard.acts
}

/// One act: `ab` is part of `cd`.
fn is_the_merge(acts: &[Act], author: &str) {
    let [act] = acts else { panic!("{acts:?}") };
    let wanted = Decision::Merge { incident: incident(1).id, into: OTHER };
    assert_eq!((&act.decision, act.author.as_str()), (&wanted, author));
    assert!(!act.reason.is_empty() && act.id.ends_with(":merge"), "{act:?}");
}

fn jira(change: impl Fn(String) -> String) -> (Jira, World, Option<String>) {
    let double = Jira::start();
    let mut setup = crate::jira::sink_config(&double, TOKEN);
    setup.json = change(setup.json);
    let mut world = World::new(&setup);
    let mut cursor = None;
    assert_eq!(heard(&mut world, &mut cursor, 1), []);
    publish_both(&mut world);
    (double, world, cursor)
}

#[test]
fn an_issue_that_is_linked_as_a_duplicate_is_part_of_the_other_ones_incident() {
    let (double, mut world, mut cursor) = jira(|json| json);
    double.site().link(0, "Duplicate", 1);
    is_the_merge(&heard(&mut world, &mut cursor, 60), PERSON);
    assert_eq!(heard(&mut world, &mut cursor, 90), [], "once");
    // Its end is told in its own issue; the other goes on.
    world.publish(&in_state(2, IncidentState::Merged), at(200));
    world.drain(at(200));
    let site = double.site();
    assert_eq!(
        site.issues.iter().map(|issue| issue.status.as_str()).collect::<Vec<_>>(),
        ["6", "1"]
    );
}

#[test]
fn other_links_and_links_to_issues_that_are_not_ours_merge_nothing() {
    let (double, mut world, mut cursor) = jira(|json| json);
    double.site().link(0, "Blocks", 1);
    double.site().copy();
    double.site().link(1, "Duplicate", 2);
    assert_eq!(heard(&mut world, &mut cursor, 60), []);
}

#[test]
fn the_type_of_link_is_the_sites_own_and_may_be_left_out() {
    let named = |name: &str| {
        let key = format!(r#""duplicate_link": "{name}", "project""#);
        jira(move |json| json.replace(r#""project""#, &key))
    };
    let (double, mut world, mut cursor) = named("Dublette");
    double.site().link(0, "Duplicate", 1);
    assert_eq!(heard(&mut world, &mut cursor, 60), []);
    double.site().link(0, "Dublette", 1);
    is_the_merge(&heard(&mut world, &mut cursor, 90), PERSON);
    let (double, mut world, mut cursor) = named("");
    double.site().link(0, "Duplicate", 1);
    double.site().requests.clear();
    assert_eq!(heard(&mut world, &mut cursor, 60), []);
    assert_eq!(issues_read(&double), 0, "nobody looks at links");
}

/// Issues that were asked for one by one.
fn issues_read(double: &Jira) -> usize {
    let is_issue = |request: &&String| {
        request.strip_prefix("GET issue/").is_some_and(|rest| !rest.contains('/'))
    };
    double.site().requests.iter().filter(is_issue).count()
}

#[test]
fn many_links_are_looked_at_a_few_in_an_answer_until_all_are() {
    let (double, mut world, mut cursor) = jira(|json| json);
    for _ in 0..7 {
        double.site().link(0, "Blocks", 1);
    }
    double.site().link(0, "Duplicate", 1);
    let (mut acts, mut answers) = (Vec::new(), 0);
    while answers < 10 {
        double.site().requests.clear();
        let heard = world.listen(cursor.as_deref(), at(60)).expect("it answers");
        assert!((1..=10).contains(&issues_read(&double)), "{:?}", double.site().requests);
        acts.extend(heard.acts);
        answers += 1;
        if heard.cursor.is_some() {
            cursor = heard.cursor;
            break;
        }
    }
    assert!((3..10).contains(&answers), "{answers}");
    assert!(acts.iter().any(|act| act.id.ends_with(":merge")), "{acts:?}");
    assert_eq!(heard(&mut world, &mut cursor, 90), [], "all were heard");
}

fn servicenow() -> (ServiceNow, World, Option<String>) {
    let double = ServiceNow::start();
    let mut world = World::new(&crate::servicenow::sink_config(&double, PASSWORD));
    let mut cursor = None;
    assert_eq!(heard(&mut world, &mut cursor, 1), []);
    publish_both(&mut world);
    (double, world, cursor)
}

#[test]
fn a_ticket_that_was_made_a_child_of_another_of_ours_is_part_of_its_incident() {
    let (double, mut world, mut cursor) = servicenow();
    let parent = format!("{:032x}", 2);
    double.table().change_at(0, "operator", &[("parent_incident", &parent)]);
    is_the_merge(&heard(&mut world, &mut cursor, 60), "operator");
    assert_eq!(heard(&mut world, &mut cursor, 90), [], "once");
}

#[test]
fn a_parent_that_is_not_ours_or_is_taken_away_merges_nothing() {
    let (double, mut world, mut cursor) = servicenow();
    for parent in [format!("{:032x}", 9), String::new()] {
        double.table().change_at(0, "operator", &[("parent_incident", &parent)]);
    }
    // A ticket that a person made, with an incident's id and without our mark.
    double.table().change_at(1, "operator", &[("correlation_display", "a copy")]);
    double.table().change_at(0, "operator", &[("parent_incident", &format!("{:032x}", 2))]);
    assert_eq!(heard(&mut world, &mut cursor, 60), []);
}
