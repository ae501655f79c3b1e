//! Tickets that a person merged in the real Request Tracker.

use super::{
    Act, Decision, Desk, IncidentId, IncidentState, Live, fixture, fresh_id, json, numbered,
    request_tracker,
};
use model::people::{Refused, Said};

fn merges(live: &Live, incident: IncidentId) -> Vec<Act> {
    let acts = live.acts(incident).into_iter();
    acts.filter(|act| matches!(act.decision, Decision::Merge { .. })).collect()
}

#[test]
fn two_tickets_that_a_person_merged_are_a_merge_of_their_incidents_and_make_no_third() {
    let Some(rt) = request_tracker() else { return };
    let desk = Desk::new(&rt);
    let made_before = desk.office.ever_made();
    let live = desk.start();
    let (from, into) = (fresh_id(), fresh_id() + 1);
    let (name, other) = (IncidentId(from).to_string(), IncidentId(into).to_string());
    live.tell(&numbered(from, 1, IncidentState::Open));
    live.tell(&numbered(into, 1, IncidentState::Open));
    let (ticket, host) = (desk.office.ticket(&name).id, desk.office.ticket(&other).id);

    desk.office.say(&ticket, "the same thing");
    desk.office.set(&ticket, &json!({"MergeInto": host}));
    let acts = live.wait_for("the merge", || {
        Some(merges(&live, IncidentId(from))).filter(|acts| !acts.is_empty())
    });
    let [act] = acts.as_slice() else { panic!("{acts:#?}") };
    let wanted = Decision::Merge { incident: IncidentId(from), into: IncidentId(into) };
    assert_eq!((&act.decision, &*act.author, &*act.via), (&wanted, "operator", "itsm"));
    assert_eq!(act.reason, format!("ticket #{ticket} was merged into #{host}"));
    let said = |act: &Act| act.reason == "the same thing";
    assert!(live.acts(IncidentId(from)).iter().any(said), "what was said before is heard, too");

    // Its news, until it is folded, and its end make no ticket and change nothing of the other's.
    let mut wider = numbered(from, 2, IncidentState::Open);
    wider.services.push("cart".into());
    live.tell(&wider);
    live.tell(&numbered(from, 3, IncidentState::Merged));
    let left = desk.office.ticket(&other);
    assert_eq!((left.id.as_str(), left.status.as_str()), (host.as_str(), "new"));
    let [news] = left.comments.as_slice() else { panic!("{:?}", left.comments) };
    assert!(news.starts_with(&format!("About incident {name}:")), "{news}");
    assert_eq!(desk.office.ever_made(), made_before + 2);
    live.end();

    // A restart may hear it again, under the same id: the fold knows it.
    let live = desk.start();
    desk.office.say(&host, "after the restart");
    live.wait_for("a comment after the restart", || {
        let acts = live.acts(IncidentId(into));
        acts.iter().any(|act| act.reason == "after the restart").then_some(())
    });
    assert!(merges(&live, IncidentId(from)).iter().all(|again| again.id == act.id));
    live.end();
}

#[test]
fn what_could_not_be_carried_out_is_said_in_the_ticket_once() {
    let Some(rt) = request_tracker() else { return };
    let desk = Desk::new(&rt);
    let live = desk.start();
    let id = fresh_id();
    let name = IncidentId(id).to_string();
    live.tell(&numbered(id, 1, IncidentState::Open));
    let said = Said {
        act: "itsm:1:merge".into(),
        author: "operator".into(),
        via: "itsm".into(),
        at: fixture::at(60),
        text: String::new(),
    };
    let why = String::from("incident 7 is closed and takes nothing in any more");
    let refused = Refused { said, wanted: String::from("merged it into 7"), why };
    for revision in [2, 3] {
        let mut told = numbered(id, revision, IncidentState::Open);
        told.people.refused.push(refused.clone());
        told.services.extend((revision == 3).then(|| "cart".into()));
        live.tell(&told);
    }
    let comments = desk.office.ticket(&name).comments;
    assert_eq!(
        comments,
        [
            "faultline, revision 2:\n- Not carried out here: operator merged it into 7. Why: \
             incident 7 is closed and takes nothing in any more.",
            "faultline, revision 3:\n- Now also affected: cart.",
        ]
    );
    live.end();
}
