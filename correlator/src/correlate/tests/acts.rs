//! Acts of people: what they decide holds, whatever the evidence says.

use model::alert::Severity::{Critical, Warning};
use model::change::ChangeKind::Config;
use model::command::{CauseRef, Decision};
use model::hypothesis::EvidenceTerm;
use model::id::IncidentId;
use model::incident::{Incident, IncidentState, TimelineKind};
use model::journal::JournalEntry;
use model::matcher::{MatchOp, Matcher};
use model::name::Name;

use super::dsl::{Ending, Say, Story, at};
use crate::correlate::ChangeReason;

const SHOP: &str = "front>checkout checkout>payment front>ads front>catalog checkout>mail";

fn shop(secs: i64) -> Story {
    Story::new(SHOP, secs)
}

/// Payment is slow for ten minutes.
fn slow_payment(secs: i64) -> Story {
    shop(secs).slow("payment", 600, 1200, &["checkout", "front"])
}

fn play(story: &Story, says: &[(i64, Say)]) -> Ending {
    let (journal, ending) = Ending::with_people(&story.journal(), says);
    assert_eq!(Ending::of(&journal).revisions, ending.revisions, "a replay is the real thing");
    ending
}

fn only(ending: &Ending) -> &Incident {
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
    ending.last.values().next().unwrap()
}

fn matcher(label: &str, value: &str) -> Matcher {
    Matcher { label: label.into(), op: MatchOp::Equal, value: value.into() }
}

fn silence(label: &str, value: &str, from: i64, to: i64) -> Decision {
    let matchers = vec![matcher(label, value)];
    Decision::Silence { matchers, starts_at: at(from), ends_at: at(to) }
}

fn states(ending: &Ending, id: IncidentId) -> Vec<IncidentState> {
    let own = ending.revisions.iter().filter(|(incident, _)| incident.id == id);
    let mut states: Vec<IncidentState> = own.map(|(incident, _)| incident.state).collect();
    states.dedup();
    states
}

#[test]
fn what_people_say_makes_a_revision_and_stays() {
    let ending = play(
        &slow_payment(3600),
        &[
            (700, |told| Decision::Acknowledge { incident: told.of("payment") }),
            (701, |told| Decision::Assign { incident: told.of("payment"), to: Some("bob".into()) }),
            (702, |told| Decision::Comment { incident: told.of("payment") }),
            (703, |told| Decision::Snooze { incident: told.of("payment"), until: at(900) }),
        ],
    );
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    let decided: Vec<u32> = ending
        .revisions
        .iter()
        .filter(|(_, reason)| *reason == ChangeReason::Decided)
        .map(|(incident, _)| incident.revision)
        .collect();
    assert!(decided.len() >= 5, "four acts, and the end of the snooze: {decided:?}");
    let snoozed =
        |(incident, _): &&(Incident, ChangeReason)| incident.people.snoozed_until == Some(at(900));
    let last_snoozed = ending.revisions.iter().rfind(snoozed).unwrap();
    assert!(last_snoozed.0.updated_at < at(900));
    let last = only(&ending);
    assert_eq!(last.people.acknowledged.as_ref().unwrap().author.as_str(), "ann");
    assert_eq!(last.people.assignee.as_deref(), Some("bob"));
    assert_eq!(last.people.comments[0].text, "because");
    assert_eq!(last.people.snoozed_until, None, "it is over");
    let lines: Vec<&str> = last
        .timeline
        .iter()
        .filter(|line| line.kind == TimelineKind::Decision)
        .map(|line| line.text.as_str())
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0], "ann acknowledged it: because");
}

#[test]
fn what_is_taken_back_is_gone_and_one_act_counts_once() {
    let ending = play(
        &slow_payment(2400),
        &[
            (700, |told| Decision::Acknowledge { incident: told.of("payment") }),
            (701, |told| Decision::Unacknowledge { incident: told.of("payment") }),
            (702, |told| Decision::Snooze { incident: told.of("payment"), until: at(9000) }),
            (703, |told| Decision::Unsnooze { incident: told.of("payment") }),
        ],
    );
    let last = only(&ending);
    assert_eq!((last.people.acknowledged.clone(), last.people.snoozed_until), (None, None));
    let says: [(i64, Say); 1] = [(700, |told| Decision::Comment { incident: told.of("payment") })];
    let (journal, once) = Ending::with_people(&slow_payment(2400).journal(), &says);
    let twice: Vec<JournalEntry> = journal.iter().flat_map(|e| [e.clone(), e.clone()]).collect();
    assert_eq!(Ending::of(&twice).revisions, once.revisions);
}

#[test]
fn a_resolved_incident_stays_so_although_its_symptoms_go_on() {
    let ending = play(
        &slow_payment(3600),
        &[(800, |told| Decision::Resolve { incident: told.of("payment") })],
    );
    let last = only(&ending);
    assert_eq!(states(&ending, last.id), [IncidentState::Open, IncidentState::Resolved]);
    assert_eq!(last.resolved_at, Some(at(800)));
    assert_eq!(last.people.state_held.as_ref().unwrap().author.as_str(), "ann");
    assert!(last.narrative.contains("ann called it over"), "{}", last.narrative);
    let after = ending.revisions.iter().filter(|(i, _)| i.updated_at > at(800)).count();
    assert!(after <= 2, "numbers of what is over are not told every time: {after}");
}

#[test]
fn an_alert_that_begins_after_it_was_resolved_opens_it_again() {
    let story = slow_payment(3600).fires(900, "HighErrors service=payment", Critical);
    let ending = play(&story, &[(800, |told| Decision::Resolve { incident: told.of("payment") })]);
    let last = only(&ending);
    let expected = [
        IncidentState::Open,
        IncidentState::Resolved,
        IncidentState::Open,
        IncidentState::Resolved,
    ];
    assert!(states(&ending, last.id).starts_with(&expected[..3]), "{:?}", states(&ending, last.id));
    assert_eq!(last.people.state_held, None);
}

#[test]
fn a_reopened_incident_stays_open_until_a_person_resolves_it() {
    let says: [(i64, Say); 2] = [
        (1000, |told| Decision::Reopen { incident: told.of("payment") }),
        (7000, |told| Decision::Resolve { incident: told.of("payment") }),
    ];
    let held = play(&slow_payment(7800), &says[..1]);
    let last = held.revisions.last().unwrap();
    assert_eq!(last.0.state, IncidentState::Open, "its causes were quiet for an hour and a half");
    let ended = play(&slow_payment(7800), &says);
    let last = only(&ended);
    assert_eq!(last.state, IncidentState::Resolved);
    assert_eq!(last.resolved_at, Some(at(7000)));
}

#[test]
fn what_comes_back_joins_the_incident_that_a_person_holds_open() {
    let story = slow_payment(7800).slow("payment", 5000, 5600, &["checkout", "front"]);
    let ending = play(&story, &[(1000, |told| Decision::Reopen { incident: told.of("payment") })]);
    let ids: std::collections::BTreeSet<IncidentId> =
        ending.revisions.iter().map(|(incident, _)| incident.id).collect();
    assert_eq!(ids.len(), 1);
}

#[test]
fn a_closed_incident_takes_comments_and_verdicts_and_can_be_reopened() {
    let ending = play(
        &slow_payment(7800),
        &[
            (5000, |told| Decision::Comment { incident: told.of("payment") }),
            (5001, |told| Decision::ConfirmCause {
                incident: told.of("payment"),
                cause: CauseRef { service: Some("mail".into()), change: None },
            }),
            (5002, |told| Decision::Reopen { incident: told.of("payment") }),
        ],
    );
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    let (last, _) = ending.revisions.last().unwrap();
    assert_eq!(last.state, IncidentState::Open);
    assert_eq!(last.people.comments.len(), 1);
    assert_eq!(last.hypotheses[0].entity.service.as_str(), "mail");
}

#[test]
fn an_unknown_incident_is_refused_in_words() {
    let story = slow_payment(1500).act(700, Decision::Acknowledge { incident: IncidentId(7) });
    let ending = story.run();
    assert!(ending.refused[0].contains("check the id"), "{:?}", ending.refused);
}

#[test]
fn a_confirmed_cause_ranks_first_and_a_rejected_one_does_not() {
    let says: [(i64, Say); 2] = [
        (800, |told| {
            let incident = told.of("payment");
            Decision::RejectCause { incident, cause: told.first_cause(incident) }
        }),
        (900, |told| Decision::ConfirmCause {
            incident: told.of("payment"),
            cause: CauseRef { service: Some("checkout".into()), change: None },
        }),
    ];
    let rejected = play(&slow_payment(2400), &says[..1]);
    assert_ne!(only(&rejected).hypotheses[0].entity.service.as_str(), "payment");
    let confirmed = play(&slow_payment(2400), &says);
    let last = only(&confirmed);
    let first = &last.hypotheses[0];
    assert_eq!(first.entity.service.as_str(), "checkout");
    assert!(first.probability > 0.9, "{}", first.probability);
    assert!(last.title.starts_with("checkout"), "{}", last.title);
    let said = first.evidence.iter().find(|row| row.term == EvidenceTerm::Person).unwrap();
    assert_eq!(said.text, "ann said that this was the cause: because");
    for hypothesis in &last.hypotheses {
        let sum: f64 = hypothesis.evidence.iter().map(|row| row.nats).sum();
        assert!((sum - hypothesis.log_odds).abs() < 1e-3, "the ledger adds up");
    }
    let sum: f64 = last.hypotheses.iter().map(|h| h.probability).sum();
    assert!((sum - 1.0).abs() < 1e-9);
}

#[test]
fn a_change_that_nobody_knows_is_no_cause() {
    let ending = play(
        &slow_payment(2400),
        &[(800, |told| Decision::ConfirmCause {
            incident: told.of("payment"),
            cause: CauseRef { service: Some("payment".into()), change: Some("cfg-9".into()) },
        })],
    );
    assert!(ending.refused[0].contains("cfg-9"), "{:?}", ending.refused);
}

#[test]
fn a_service_that_nobody_knows_is_no_cause() {
    let ending = play(
        &slow_payment(2400),
        &[
            (800, |told| Decision::ConfirmCause {
                incident: told.of("payment"),
                cause: CauseRef { service: Some("paymnet".into()), change: None },
            }),
            (810, |told| Decision::RejectCause {
                incident: told.of("payment"),
                cause: CauseRef { service: Some("paymnet".into()), change: None },
            }),
        ],
    );
    assert_eq!(ending.refused.len(), 2);
    assert!(ending.refused[0].contains("\"paymnet\" is neither"), "{:?}", ending.refused);
    let last = only(&ending);
    assert!(last.title.starts_with("payment"), "{}", last.title);
    assert!(last.hypotheses.iter().all(|h| h.entity.service.as_str() != "paymnet"));
}

#[test]
fn a_change_blames_its_targets_although_no_map_has_them() {
    let story = slow_payment(2400).change(100, "cfg", Config, "vault", "vault sealed");
    let ending = play(
        &story,
        &[(800, |told| Decision::ConfirmCause {
            incident: told.of("payment"),
            cause: CauseRef { service: Some("vault".into()), change: Some("cfg".into()) },
        })],
    );
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    assert_eq!(only(&ending).hypotheses[0].entity.service.as_str(), "vault");
}

#[test]
fn what_is_over_keeps_the_priority_that_it_had_while_it_was_open() {
    let story = slow_payment(3600).fires(640, "HighErrors service=payment", Critical).resolves(
        1260,
        "HighErrors service=payment",
        Critical,
    );
    let says: [(i64, Say); 1] = [(800, |told| Decision::Resolve { incident: told.of("payment") })];
    for says in [&says[..0], &says] {
        let ending = play(&story, says);
        let last = only(&ending);
        assert_eq!(last.state, IncidentState::Resolved);
        let open = ending.revisions.iter().rfind(|(i, _)| i.state == IncidentState::Open);
        assert_eq!(last.priority, open.unwrap().0.priority);
    }
}

#[test]
fn what_only_a_person_held_open_keeps_its_priority_too() {
    let ending = play(
        &shop(3600).fires(600, "DiskFull service=payment", Warning),
        &[
            (700, |told| Decision::Resolve { incident: told.of("payment") }),
            (800, |told| Decision::Reopen { incident: told.of("payment") }),
            (900, |told| Decision::Resolve { incident: told.of("payment") }),
        ],
    );
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    let open = ending.revisions.iter().rfind(|(i, _)| i.state == IncidentState::Open);
    let over = ending.revisions.iter().rfind(|(i, _)| i.state == IncidentState::Resolved);
    assert_eq!(over.unwrap().0.priority, open.unwrap().0.priority);
}

#[test]
fn a_change_that_only_a_person_blames_is_named_with_its_title() {
    let story = slow_payment(2400).change(100, "cfg", Config, "mail", "mail pool 5");
    let ending = play(
        &story,
        &[(800, |told| Decision::ConfirmCause {
            incident: told.of("payment"),
            cause: CauseRef { service: Some("mail".into()), change: Some("cfg".into()) },
        })],
    );
    let first = &only(&ending).hypotheses[0];
    assert_eq!(first.change.as_ref().unwrap().title.as_str(), "mail pool 5");
}

#[test]
fn later_rankings_learn_from_verdicts_a_little() {
    let story = slow_payment(9000).slow("payment", 6000, 6600, &["checkout", "front"]);
    let plain = story.run();
    let taught = play(
        &story,
        &[(2000, |told| Decision::ConfirmCause {
            incident: told.of("payment"),
            cause: CauseRef { service: Some("payment".into()), change: None },
        })],
    );
    let second = |ending: &Ending| {
        let found = ending.last.values().find(|incident| incident.onset_at > at(5000));
        found.unwrap().clone()
    };
    let row = |ending: &Ending| {
        let incident = second(ending);
        let first = incident.hypotheses.iter().find(|h| h.entity.service.as_str() == "payment");
        let mut rows = first.unwrap().evidence.iter();
        rows.find(|row| row.term == EvidenceTerm::Feedback).cloned()
    };
    assert_eq!(row(&plain), None, "nobody said anything");
    let learned = row(&taught).unwrap();
    assert!((learned.nats - 0.693).abs() < 0.01, "ln 2 for the first word: {}", learned.nats);
    assert_eq!(learned.text, "people confirmed payment as the cause once in the last 90 days");
}

/// Two faults far apart, then a person says that they are one; a third thing must not undo it.
#[test]
fn merged_incidents_are_one_and_stay_so() {
    let story = Story::new("front>cart web>stock", 3000)
        .errors("cart", 600, 1400, &["front"])
        .errors("stock", 620, 1400, &["web"]);
    assert_eq!(story.run().last.len(), 2);
    let ending = play(
        &story,
        &[
            (800, |told| Decision::Comment { incident: told.of("stock") }),
            (810, |told| Decision::Merge { incident: told.of("stock"), into: told.of("cart") }),
            (900, |told| Decision::Acknowledge { incident: told.of("stock") }),
        ],
    );
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    let last = only(&ending);
    let names: Vec<&str> = last.services.iter().map(Name::as_str).collect();
    assert_eq!(names, ["cart", "stock"]);
    assert_eq!(last.people.comments.len(), 1, "what was said of it came along");
    let gone = last.lineage.merged_from[0];
    let (part, _) = ending.revisions.iter().rev().find(|(i, _)| i.id == gone).unwrap();
    assert_eq!((part.state, part.lineage.merged_into), (IncidentState::Merged, Some(last.id)));
}

#[test]
fn an_act_on_what_was_merged_is_about_what_it_became_part_of() {
    let story = Story::new("front>cart web>stock", 3000)
        .errors("cart", 600, 1400, &["front"])
        .errors("stock", 620, 1400, &["web"]);
    let says: [(i64, Say); 1] =
        [(810, |told| Decision::Merge { incident: told.of("stock"), into: told.of("cart") })];
    let (mut journal, ending) = Ending::with_people(&story.journal(), &says);
    let last = only(&ending).clone();
    let gone = last.lineage.merged_from[0];
    let act = super::dsl::said(1000, "later", Decision::Acknowledge { incident: gone });
    let record = model::journal::JournalRecord::Command(model::command::Command::Act(act));
    journal.push(JournalEntry { arrival: at(1000), position: None, record });
    journal.sort_by_key(|entry| entry.arrival);
    let ending = Ending::of(&journal);
    assert!(ending.last[&last.id].people.acknowledged.is_some());
}

#[test]
fn what_a_person_split_off_stays_apart() {
    let ending = play(
        &shop(3000).errors("payment", 600, 1400, &["checkout", "front"]).fires(
            640,
            "Slow service=checkout",
            Warning,
        ),
        &[(800, |told| Decision::Split {
            incident: told.of("payment"),
            services: vec!["checkout".into()],
        })],
    );
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    assert_eq!(ending.last.len(), 2, "{}", ending.drawn());
    let part = ending.last.values().find(|i| i.lineage.split_from.is_some()).unwrap();
    assert_eq!(part.services, [Name::from("checkout")]);
    assert_eq!(part.alerts.len(), 1, "its alert went with it");
}

#[test]
fn a_split_of_everything_or_of_strangers_is_refused() {
    let ending = play(
        &slow_payment(2400),
        &[
            (800, |told| Decision::Split {
                incident: told.of("payment"),
                services: vec!["ads".into()],
            }),
            (801, |told| Decision::Split {
                incident: told.of("payment"),
                services: vec!["payment".into()],
            }),
        ],
    );
    assert!(ending.refused[0].contains("ads is not among"), "{:?}", ending.refused);
    assert!(ending.refused[1].contains("leave at least one"), "{:?}", ending.refused);
}

#[test]
fn a_silenced_alert_opens_nothing_until_the_silence_ends() {
    let story = |silenced: bool| {
        let story = shop(2400)
            .fires(600, "Down service=ads", Critical)
            .fires_late(600, 900, "Down service=ads", Critical)
            .fires_late(600, 1300, "Down service=ads", Critical);
        if silenced { story.act(500, silence("alertname", "Down", 500, 1200)) } else { story }
    };
    let loud = story(false).run();
    assert_eq!(loud.revisions[0].0.opened_at, at(600));
    let muted = story(true).run();
    assert!(muted.revisions[0].0.opened_at >= at(1200), "{}", muted.drawn());
}

#[test]
fn an_expired_silence_covers_nothing_more() {
    let story = shop(2400)
        .act(500, silence("service", "ads", 500, 9000))
        .fires(600, "Down service=ads", Critical)
        .act(700, Decision::Expire { target: "act-0".into() })
        .fires(800, "Down service=ads", Critical)
        .act(900, Decision::Expire { target: "act-0".into() });
    let ending = story.run();
    assert!(ending.revisions[0].0.opened_at >= at(700));
    assert!(ending.refused[0].contains("act-0"), "it ended already: {:?}", ending.refused);
}

#[test]
fn a_silence_over_an_open_incident_mutes_it_and_does_not_undo_it() {
    let story = shop(2400)
        .fires(600, "Down service=ads", Critical)
        .act(700, silence("service", "ads", 650, 1200))
        .fires_late(600, 900, "Down service=ads", Critical);
    let ending = story.run();
    let last = ending.revisions.iter().find(|(_, reason)| *reason == ChangeReason::Decided);
    let (muted, _) = last.unwrap();
    assert_eq!(muted.state, IncidentState::Open);
    assert_eq!(muted.people.muted_by, [Name::from("act-1")]);
    assert_eq!(muted.alerts[0].muted_by.as_deref(), Some("act-1"));
    assert!(ending.revisions.iter().all(|(i, _)| i.state != IncidentState::Withdrawn));
    let end = ending.last.values().next().unwrap();
    assert!(end.people.muted_by.is_empty(), "the silence is over, it still fires");
}

#[test]
fn a_muted_alert_is_listed_where_an_incident_is_anyway() {
    let story = slow_payment(2400).act(500, silence("alertname", "Noise", 500, 3000)).fires(
        700,
        "Noise service=payment",
        Critical,
    );
    let ending = story.run();
    assert_eq!(only(&ending).alerts.len(), 1);
    let listed = ending.revisions.iter().find(|(incident, _)| !incident.alerts.is_empty());
    let (listed, _) = listed.unwrap();
    assert!(listed.people.muted_by.is_empty(), "its symptoms are not covered");
    assert_eq!(listed.alerts[0].muted_by.as_deref(), Some("act-0"));
}

#[test]
fn what_is_worked_on_pages_nobody_and_blames_nobody() {
    let story = shop(3000)
        .act(
            500,
            Decision::Maintenance {
                services: vec!["payment".into()],
                starts_at: at(550),
                ends_at: at(1500),
            },
        )
        .errors("payment", 600, 1400, &["checkout", "front"])
        .fires(700, "Down service=payment", Critical)
        .resolves(1450, "Down service=payment", Critical);
    assert_eq!(story.run().revisions.len(), 0, "{}", story.run().drawn());
}

#[test]
fn an_inhibited_alert_is_quiet_while_its_source_fires() {
    let rule = Decision::Inhibit {
        source: vec![matcher("alertname", "NodeDown")],
        target: vec![Matcher { label: "alertname".into(), op: MatchOp::Regex, value: ".*".into() }],
        equal: vec!["zone".into()],
    };
    let refused = shop(1000).act(400, rule).run();
    assert!(refused.refused[0].contains("everything"), "{:?}", refused.refused);
    let rule = Decision::Inhibit {
        source: vec![matcher("alertname", "NodeDown")],
        target: vec![matcher("team", "shop")],
        equal: vec!["zone".into()],
    };
    let story = shop(2400)
        .act(400, rule)
        .fires(600, "NodeDown zone=a service=catalog team=shop", Critical)
        .fires(650, "Slow zone=a service=ads team=shop", Critical)
        .fires(660, "Slow zone=b service=mail team=shop", Critical);
    let ending = story.run();
    let told: std::collections::BTreeSet<&str> = ending
        .revisions
        .iter()
        .flat_map(|(incident, _)| incident.services.iter().map(Name::as_str))
        .collect();
    assert_eq!(told.into_iter().collect::<Vec<_>>(), ["catalog", "mail"]);
}

#[test]
fn alerts_with_the_same_key_are_one_incident() {
    let story =
        || {
            Story::new("front>cart web>stock", 1500)
                .fires(600, "Down service=cart", Critical)
                .fires(640, "Full service=stock", Critical)
        };
    assert_eq!(story().run().last.len(), 2);
    let ending = story().grouped("r:eu-1").run();
    assert_eq!(only(&ending).alerts.len(), 2);
}

/// A fault, held open by an alert that goes on; then another fault of the same service. The open incident
/// lets go of the service, but not of the alert that has ended.
#[test]
fn an_alert_that_has_ended_stays_listed_where_it_was() {
    let story = shop(3000)
        .errors("ads", 600, 700, &["front"])
        .fires(610, "Burn service=ads", Critical)
        .fires(620, "Down service=ads", Critical)
        .resolves(720, "Down service=ads", Critical)
        .errors("ads", 1800, 2100, &["front"]);
    let ending = story.run();
    let listed: Vec<&str> = ending
        .last
        .values()
        .flat_map(|incident| incident.alerts.iter().map(|alert| alert.name.as_str()))
        .collect();
    assert_eq!(ending.last.len(), 2, "{}", ending.drawn());
    assert!(listed.contains(&"Down") && listed.contains(&"Burn"), "{listed:?}");
}

#[test]
fn an_alert_that_fires_anew_is_heard_in_one_live_incident() {
    let story = shop(3000)
        .errors("ads", 600, 700, &["front"])
        .fires(610, "Burn service=ads", Critical)
        .fires(620, "Down service=ads", Critical)
        .resolves(720, "Down service=ads", Critical)
        .errors("ads", 1800, 2100, &["front"])
        .fires(1850, "Down service=ads", Critical);
    let ending = story.run();
    assert_eq!(ending.last.len(), 2, "{}", ending.drawn());
    let hears = |incident: &&Incident| {
        incident.state == IncidentState::Open
            && incident.alerts.iter().any(|alert| *alert.name == *"Down")
    };
    assert_eq!(ending.last.values().filter(hears).count(), 1, "{}", ending.drawn());
}

#[test]
fn three_parts_of_one_incident_stay_three() {
    let alerts = |name: &str| format!("Slow service={name}");
    let story = (640..2000).step_by(100).fold(
        shop(3000).errors("payment", 600, 2000, &["checkout", "front"]),
        |story, secs| {
            story.fires_late(640, secs, &alerts("checkout"), Warning).fires_late(
                640,
                secs,
                &alerts("mail"),
                Warning,
            )
        },
    );
    let whole = story.run();
    assert!(only(&whole).services.len() >= 3, "{}", whole.drawn());
    let ending = play(
        &story,
        &[
            (800, |told| Decision::Split {
                incident: told.of("payment"),
                services: vec!["checkout".into()],
            }),
            (900, |told| Decision::Split {
                incident: told.of("payment"),
                services: vec!["mail".into()],
            }),
        ],
    );
    assert!(ending.refused.is_empty(), "{:?}", ending.refused);
    assert_eq!(ending.last.len(), 3, "{}", ending.drawn());
}
