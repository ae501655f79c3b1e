//! What people decided elsewhere and cannot be carried out is told with the incident, once.

use model::command::{Act, Command, Decision};
use model::id::IncidentId;
use model::incident::TimelineKind;
use model::journal::{JournalEntry, JournalRecord};

use super::dsl::{Ending, Story, at, said};

/// A fault, and acts of ann about its incident, each at a second.
fn with_acts(acts: &[(i64, &dyn Fn(IncidentId) -> Act)]) -> Ending {
    let story = Story::new("front>checkout checkout>payment", 2400).slow(
        "payment",
        600,
        1200,
        &["checkout", "front"],
    );
    let mut journal = story.journal();
    let incident = *story.run().last.keys().next().unwrap();
    for (secs, act) in acts {
        let record = JournalRecord::Command(Command::Act(act(incident)));
        journal.push(JournalEntry { arrival: at(*secs), position: None, record });
    }
    journal.sort_by_key(|entry| entry.arrival);
    let ending = Ending::of(&journal);
    assert_eq!(Ending::of(&journal).revisions, ending.revisions, "a replay is the real thing");
    ending
}

/// A merge into an incident that nobody knows.
fn impossible(id: &str, via: &str, incident: IncidentId) -> Act {
    Act { via: via.into(), ..said(800, id, Decision::Merge { incident, into: IncidentId(7) }) }
}

#[test]
fn it_is_told_once_however_often_it_comes_and_is_part_of_the_story() {
    let act = |incident| impossible("itsm:5:merge", "itsm", incident);
    let ending = with_acts(&[(800, &act), (810, &act), (900, &act)]);
    assert_eq!(ending.refused.len(), 1, "{:?}", ending.refused);
    let last = ending.last.values().next().unwrap();
    let [refused] = last.people.refused.as_slice() else { panic!("{:?}", last.people.refused) };
    assert_eq!((&*refused.said.author, &*refused.said.via), ("ann", "itsm"));
    assert!(refused.wanted.starts_with("merged "), "{}", refused.wanted);
    assert!(refused.why.contains("is not known; check the id"), "{}", refused.why);
    let lines = last.timeline.iter().filter(|line| line.kind == TimelineKind::Decision);
    let lines: Vec<&str> = lines.map(|line| line.text.as_str()).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("not carried out: ann in itsm merged "), "{lines:?}");
    let revisions =
        ending.revisions.iter().filter(|(incident, _)| incident.people.refused.len() == 1);
    assert!(revisions.count() >= 1, "a revision says it at once");
}

#[test]
fn who_asks_us_directly_is_answered_and_not_told_a_second_time() {
    let act = |incident| impossible("key-1", "cli", incident);
    let ending = with_acts(&[(800, &act), (810, &act)]);
    assert_eq!(ending.refused.len(), 2, "whoever asks us is answered each time");
    assert!(ending.last.values().next().unwrap().people.refused.is_empty());
}

#[test]
fn only_the_newest_are_kept_and_all_their_texts_are_short() {
    let ids: Vec<String> = (0..15).map(|n| format!("itsm:{n}:merge")).collect();
    let long = "x".repeat(50_000);
    let acts: Vec<Box<dyn Fn(IncidentId) -> Act>> = ids
        .iter()
        .map(|id| {
            let (id, long) = (id.clone(), long.clone());
            let act = move |incident| Act {
                reason: long.clone(),
                author: long.as_str().into(),
                ..impossible(&id, "itsm", incident)
            };
            Box::new(act) as Box<dyn Fn(IncidentId) -> Act>
        })
        .collect();
    let timed: Vec<(i64, &dyn Fn(IncidentId) -> Act)> =
        acts.iter().enumerate().map(|(n, act)| (800 + n as i64, &**act)).collect();
    let ending = with_acts(&timed);
    let refused = &ending.last.values().next().unwrap().people.refused;
    assert_eq!(refused.len(), 10);
    assert_eq!(&*refused[0].said.act, "itsm:5:merge");
    let longest =
        |r: &model::people::Refused| r.said.author.len() + r.said.text.len() + r.why.len();
    assert!(refused.iter().map(longest).max() < Some(1_000));
}

#[test]
fn what_was_refused_once_is_not_told_again_when_newer_ones_took_its_place() {
    let ids: Vec<String> = (0..15).map(|n| format!("itsm:{}:merge", n % 11)).collect();
    let acts: Vec<Box<dyn Fn(IncidentId) -> Act>> = ids
        .iter()
        .map(|id| {
            let id = id.clone();
            let act = move |incident| impossible(&id, "itsm", incident);
            Box::new(act) as Box<dyn Fn(IncidentId) -> Act>
        })
        .collect();
    let timed: Vec<(i64, &dyn Fn(IncidentId) -> Act)> =
        acts.iter().enumerate().map(|(n, act)| (800 + n as i64, &**act)).collect();
    let ending = with_acts(&timed);
    assert_eq!(ending.refused.len(), 11, "each once");
    let refused = &ending.last.values().next().unwrap().people.refused;
    assert_eq!(&*refused.last().unwrap().said.act, "itsm:10:merge");
}

/// Two faults far apart, and what is said of their incidents, of which the second became part of the first.
fn merged(acts: &[&dyn Fn(IncidentId, IncidentId) -> (i64, Act)]) -> (Ending, IncidentId) {
    let story = Story::new("front>cart web>stock", 3000)
        .errors("cart", 600, 1400, &["front"])
        .errors("stock", 620, 1400, &["web"]);
    let mut journal = story.journal();
    let apart = story.run();
    let of = |service: &str| {
        let found =
            apart.last.values().find(|one| one.services.iter().any(|s| s.as_str() == service));
        found.unwrap().id
    };
    let (cart, stock) = (of("cart"), of("stock"));
    let merge =
        |_, _| (810_i64, said(810, "merge", Decision::Merge { incident: stock, into: cart }));
    let acts =
        acts.iter().copied().chain([&merge as &dyn Fn(IncidentId, IncidentId) -> (i64, Act)]);
    for (secs, act) in acts.map(|act| act(cart, stock)) {
        let record = JournalRecord::Command(Command::Act(act));
        journal.push(JournalEntry { arrival: at(secs), position: None, record });
    }
    journal.sort_by_key(|entry| entry.arrival);
    (Ending::of(&journal), cart)
}

fn in_itsm(secs: i64, id: &str, decision: Decision) -> (i64, Act) {
    (secs, Act { via: "itsm".into(), ..said(secs, id, decision) })
}

#[test]
fn a_merge_of_what_is_one_already_is_done_and_refused_by_nobody() {
    let again = |cart, stock| {
        in_itsm(1000, "itsm:1:merge", Decision::Merge { incident: stock, into: cart })
    };
    let back = |cart, stock| {
        in_itsm(1010, "itsm:2:merge", Decision::Merge { incident: cart, into: stock })
    };
    let (ending, cart) = merged(&[&again, &back]);
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    assert!(ending.last[&cart].people.refused.is_empty());
}

#[test]
fn closing_the_ticket_of_what_is_part_of_another_does_not_end_that_one() {
    let close = |_, stock| in_itsm(1000, "itsm:1:close", Decision::Resolve { incident: stock });
    let note = |_, stock| in_itsm(1010, "itsm:2:note", Decision::Comment { incident: stock });
    let (ending, cart) = merged(&[&close, &note]);
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    let last = &ending.last[&cart];
    assert!(last.people.state_held.is_none(), "{:?}", last.people.state_held);
    assert_eq!(last.people.comments.len(), 1, "what is said is heard");
    let here = |_, stock| (1000, said(1000, "here", Decision::Resolve { incident: stock }));
    let (ending, cart) = merged(&[&here]);
    assert!(ending.last[&cart].people.state_held.is_some(), "who asks us means what it became");
}

#[test]
fn what_could_not_be_carried_out_goes_along_when_incidents_become_one() {
    let bad = |_, stock| (800, impossible("itsm:1:merge", "itsm", stock));
    let (ending, cart) = merged(&[&bad]);
    let refused = &ending.last[&cart].people.refused;
    assert_eq!(refused.len(), 1, "{refused:?}");
}
