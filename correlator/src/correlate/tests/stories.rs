//! Stories: each says what happened and which incidents must come of it.

use model::alert::Severity::{Critical, Unknown, Warning};
use model::change::ChangeKind::{Certificate, Config, Deploy};
use model::command::{CauseRef, Decision};
use model::entity::{Entity, EntityKind};
use model::incident::IncidentState;
use model::symptom::SymptomKind;

use super::dsl::{Ending, Story, Told};
use crate::correlate::ChangeReason;

const SHOP: &str = "front>checkout checkout>payment front>ads front>catalog checkout>mail";

fn shop(secs: i64) -> Story {
    Story::new(SHOP, secs)
}

#[test]
fn a_config_change_that_breaks_a_service_is_named_and_decoys_lose() {
    let story = shop(2400)
        .change(60, "cert", Certificate, "front", "rotate certificate")
        .change(300, "cfg", Config, "payment", "payment pool size 50 to 5")
        .change(880, "ads-v2", Deploy, "ads", "new banner")
        .slow("payment", 900, 1500, &["checkout", "front"])
        .fires(940, "HighLatency service=checkout", Critical)
        .fires(950, "HighErrors service=front", Warning)
        .fires(960, "HighErrors service=payment", Critical)
        .resolves(1560, "HighLatency service=checkout", Critical)
        .resolves(1560, "HighErrors service=front", Warning)
        .resolves(1570, "HighErrors service=payment", Critical);
    let ending = story.run();
    assert_eq!(
        ending.drawn(),
        "+900s Resolved [checkout front payment] 3 alerts: payment after cfg"
    );
}

#[test]
fn a_quiet_system_tells_nothing() {
    let noise = shop(3000).symptom(
        Entity::service("ads".into()),
        SymptomKind::SlowSelf,
        4,
        (500, 530),
        &["front"],
    );
    assert_eq!(noise.run().revisions.len(), 0);
}

#[test]
fn metrics_alone_open_nothing() {
    let entity = Entity::service("ads".into());
    let story = shop(2000).symptom(entity, SymptomKind::Metric, 50, (500, 900), &[]);
    assert_eq!(story.run().drawn(), "");
}

#[test]
fn one_noisy_warning_is_only_suspected_and_ends_by_itself() {
    let story = shop(2000).fires(500, "DiskFull service=ads", Warning).resolves(
        700,
        "DiskFull service=ads",
        Warning,
    );
    let ending = story.run();
    assert_eq!(ending.drawn(), "+500s Resolved [ads] 1 alerts: ads");
    assert!(ending.revisions.iter().all(|(incident, _)| incident.state != IncidentState::Open));
}

#[test]
fn a_critical_alert_opens_at_once() {
    let story = shop(600).fires(505, "Down service=ads", Critical);
    let ending = story.run();
    let (first, reason) = ending.revisions.first().unwrap();
    assert_eq!(*reason, ChangeReason::Opened);
    assert_eq!(first.state, IncidentState::Open);
    assert_eq!(first.opened_at, super::dsl::at(505), "not at the end of the pane");
}

#[test]
fn two_faults_far_apart_stay_two_incidents() {
    let story = Story::new("web>cart batch>ledger", 1500)
        .errors("cart", 500, 900, &["web"])
        .errors("ledger", 520, 900, &["batch"]);
    assert_eq!(
        story.run().drawn(),
        "+500s Resolved [cart] 0 alerts: cart\n+520s Resolved [ledger] 0 alerts: ledger"
    );
}

#[test]
fn two_faults_that_meet_at_one_entry_stay_two_incidents() {
    let story = shop(1500)
        .errors("ads", 500, 900, &["front"])
        .errors("payment", 520, 900, &["checkout", "front"])
        .fires(560, "Errors service=front", Warning);
    let ending = story.run();
    let drawn = ending.drawn();
    assert_eq!(ending.last.len(), 2, "{drawn}");
}

#[test]
fn a_shared_database_bridges_what_fails_above_it() {
    let story = Story::new("a>db:db b>db:db c>db:db", 1500)
        .errors("a", 500, 900, &["a"])
        .errors("b", 500, 900, &["b"])
        .errors("c", 510, 900, &["c"]);
    let ending = story.run();
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
}

#[test]
fn alerts_alone_follow_the_dependency_to_the_deepest() {
    let story = shop(1500)
        .fires(500, "Down service=payment", Critical)
        .fires(520, "Errors service=checkout", Critical)
        .fires(530, "Errors service=front", Critical);
    assert_eq!(story.run().drawn(), "+500s Open [checkout front payment] 3 alerts: payment");
}

#[test]
fn an_alert_that_changes_its_mind_is_flapping_and_does_not_flood() {
    let mut story = shop(2000);
    for round in 0..6 {
        story = story.fires(500 + round * 40, "Flap service=ads", Warning).resolves(
            520 + round * 40,
            "Flap service=ads",
            Warning,
        );
    }
    let ending = story.run();
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
    assert!(ending.last.values().all(|incident| incident.alerts.iter().all(|a| a.flapping)));
}

#[test]
fn what_comes_back_within_the_bound_reopens_and_what_is_new_does_not() {
    let again =
        shop(2500).errors("ads", 500, 700, &["front"]).errors("ads", 1200, 1400, &["front"]).run();
    assert_eq!(again.last.len(), 1, "{}", again.drawn());
    assert!(again.last.values().all(|incident| incident.lineage.reopened == 1));
    let other = shop(2500)
        .errors("ads", 500, 700, &["front"])
        .errors("catalog", 1200, 1400, &["front"])
        .run();
    assert_eq!(other.last.len(), 2, "{}", other.drawn());
}

#[test]
fn a_gap_in_all_telemetry_is_no_sign_of_quiet() {
    let story = shop(1000).errors("ads", 500, 600, &["front"]).gap(600, 1000);
    assert_eq!(story.run().drawn(), "+500s Open [ads] 0 alerts: ads");
}

#[test]
fn a_late_alert_attaches_to_its_incident() {
    let story = shop(1800)
        .errors("ads", 500, 700, &["front"])
        .fires_late(550, 1100, "Errors service=ads", Critical)
        .resolves(1150, "Errors service=ads", Critical);
    assert_eq!(story.run().drawn(), "+500s Resolved [ads] 1 alerts: ads");
}

#[test]
fn an_outside_party_is_blamed_before_a_deploy_nearby() {
    let bank = Entity::standalone(EntityKind::External, "bank".into());
    let story = Story::new("front>payment payment>bank:ext", 1500)
        .change(480, "payment-v2", Deploy, "payment", "tidy up")
        .symptom(bank, SymptomKind::OrphanCalls, 20, (500, 900), &["payment", "front"])
        .fires(560, "Errors service=payment", Critical)
        .resolves(950, "Errors service=payment", Critical);
    let ending = story.run();
    let incident = ending.last.values().next().unwrap();
    assert!(incident.hypotheses[0].change.is_none(), "{}", ending.drawn());
    assert_eq!(incident.hypotheses[0].entity.service.as_str(), "bank");
}

#[test]
fn a_surge_of_traffic_is_nobodys_fault() {
    let story = shop(2000)
        .traffic("front", 50, 0, 500)
        .slow("catalog", 500, 800, &["front"])
        .traffic("front", 250, 500, 800)
        .fires(520, "Slow service=catalog", Warning)
        .resolves(900, "Slow service=catalog", Warning);
    let ending = story.run();
    assert!(ending.drawn().ends_with("nothing"), "{}", ending.drawn());
}

#[test]
fn alerts_that_name_no_service_make_one_incident_a_rule() {
    let story = shop(900).fires(500, "VolumeFull volume=1 zone=a", Unknown).fires(
        500,
        "VolumeFull volume=2 zone=a",
        Unknown,
    );
    let ending = story.run();
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
}

#[test]
fn the_version_that_fails_beside_the_old_one_is_named() {
    let story = shop(1500)
        .change(400, "front-v2", Deploy, "front", "new layout")
        .change(100, "ads-v2", Deploy, "ads", "new banner")
        .errors("ads", 500, 900, &["front"])
        .versions("ads", &[("v1", 100, 0), ("v2", 100, 10)], 500, 900);
    let ending = story.run();
    assert_eq!(ending.drawn(), "+500s Resolved [ads] 0 alerts: ads after ads-v2");
}

#[test]
fn a_deploy_after_the_onset_is_never_blamed() {
    let story = shop(1500).errors("ads", 500, 900, &["front"]).change(
        600,
        "ads-v2",
        Deploy,
        "ads",
        "repair the banner",
    );
    assert_eq!(story.run().drawn(), "+500s Resolved [ads] 0 alerts: ads");
}

/// A storm as the first run tells it: a slow service, its callers' timeouts, alerts from everywhere.
fn storm() -> Story {
    let calls = "edge>web edge>api web>cart web>catalog web>search api>cart api>checkout \
        checkout>payment checkout>shipping checkout>cart payment>fraud payment>ledger:db \
        cart>store:db catalog>store:db search>catalog shipping>mail web>ads web>reviews";
    let mut story = Story::new(calls, 2400)
        .change(300, "cfg", Config, "payment", "payment: pool size 50 to 5")
        .change(10, "edge-cert", Certificate, "edge", "rotate certificate")
        .change(880, "ads-v2", Deploy, "ads", "new banner")
        .slow("payment", 900, 1800, &["checkout", "api", "edge"]);
    let victims = ["payment", "checkout", "api", "edge"];
    for round in 0..75_i64 {
        for victim in victims {
            let labels = format!("Slow service={victim} pod={victim}-{round}");
            story =
                story.fires(930 + round, &labels, if round % 5 == 0 { Critical } else { Warning });
            story = story.resolves(1850 + round, &labels, Warning);
        }
    }
    story
}

#[test]
fn three_hundred_alerts_make_one_incident_with_the_right_cause() {
    let ending = storm().run();
    assert_eq!(
        ending.drawn(),
        "+900s Resolved [api checkout edge payment] 300 alerts: payment after cfg"
    );
    let ids: std::collections::BTreeSet<_> = ending.revisions.iter().map(|r| r.0.id).collect();
    assert_eq!(ids.len(), 1, "no other incident was ever told");
    assert!(ending.revisions.len() < 150, "{} revisions", ending.revisions.len());
    let text = &ending.last.values().next().unwrap().narrative;
    assert!(text.contains("payment") && text.contains("pool size"), "{text}");
}

#[test]
fn a_ticket_stays_with_its_incident() {
    use model::command::Command;
    use model::incident::Ticket;
    use model::journal::{JournalEntry, JournalRecord};
    let mut journal = shop(1500).errors("ads", 500, 700, &["front"]).journal();
    let incident = *Ending::of(&journal).last.keys().next().unwrap();
    let ticket = Ticket { sink: "itsm".into(), id: "7".into(), number: None, url: None };
    let record = JournalRecord::Command(Command::LinkTicket { incident, ticket: ticket.clone() });
    let arrival = super::dsl::at(600);
    let place = journal.partition_point(|entry| entry.arrival <= arrival);
    journal.insert(place, JournalEntry { arrival, position: None, record });
    let ending = Ending::of(&journal);
    assert_eq!(ending.last[&incident].tickets, [ticket]);
    assert!(ending.revisions.iter().any(|(_, reason)| *reason == ChangeReason::TicketLinked));
}

#[test]
fn an_incident_tells_what_the_sources_of_the_map_call_its_cause() {
    let items = [("payment", "c1", "team-pay"), ("ads", "c2", "team-ads")];
    let story = shop(2400)
        .maps(10, "servicenow", &items)
        .slow("payment", 900, 1500, &["checkout", "front"])
        .fires(960, "HighErrors service=payment", Critical);
    let told = |ending: &Ending| {
        let (last, _) = ending.revisions.last().expect("there is one").clone();
        let items = last.cause_items.iter().map(|one| format!("{}:{}", one.source, one.id));
        (items.collect::<Vec<_>>(), last.owner.map(|owner| owner.to_string()))
    };
    let (items, owner) = told(&story.run());
    assert_eq!(
        (items.as_slice(), owner.as_deref()),
        (["servicenow:c1".into()].as_slice(), Some("team-pay"))
    );
    // A person names another cause: its item is told.
    let incident = Told(&story.run()).of("payment");
    let cause = CauseRef { service: Some("ads".into()), change: None };
    let verdict = Decision::ConfirmCause { incident, cause };
    let (items, owner) = told(&story.act(1550, verdict).run());
    assert_eq!(
        (items.as_slice(), owner.as_deref()),
        (["servicenow:c2".into()].as_slice(), Some("team-ads"))
    );
}

fn slow_way(story: Story, caller: &str, callee: &str, nats: i64) -> Story {
    let way = Entity::edge(caller, callee.into());
    story.symptom(way, SymptomKind::SlowEdge, nats, (600, 900), &[])
}

#[test]
fn slow_ways_of_one_caller_are_one_incident_and_the_caller_is_to_blame() {
    let ways = ["payment", "mail", "ads", "catalog"];
    let story = Story::new("shop>payment shop>mail shop>ads shop>catalog other>ads", 1500);
    let story = ways.iter().fold(story, |story, to| slow_way(story, "shop", to, 12));
    let ending = story.run();
    assert_eq!(ending.last.len(), 1, "{}", ending.drawn());
    assert!(ending.drawn().ends_with(": shop"), "{}", ending.drawn());
}

#[test]
fn one_slow_way_of_a_busy_caller_is_its_far_end_however_much_is_known_of_it() {
    let story = Story::new("shop>payment shop>mail shop>ads shop>catalog", 1500);
    let ending = slow_way(story, "shop", "payment", 200)
        .symptom(Entity::service("shop".into()), SymptomKind::Metric, 20, (600, 900), &[])
        .run();
    assert!(ending.drawn().ends_with(": payment"), "{}", ending.drawn());
}
