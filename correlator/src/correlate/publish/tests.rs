//! Records whose case is gone.

use std::collections::BTreeSet;

use std::collections::BTreeMap;

use model::alert::Severity::Critical;
use model::command::Decision;
use model::id::{CellId, IncidentId};
use model::incident::{Incident, IncidentState, Ticket, TimelineKind};
use model::time::{Nanos, Timestamp};

use super::{Around, Registry, Told};
use crate::correlate::config::CorrelateConfig;
use crate::correlate::output::Output;
use crate::correlate::people::Standing;
use crate::correlate::tests::dsl::{Story, at, said};
use crate::correlate::world::{Rules, World};

fn incident(services: &[&str], alert: &str) -> Incident {
    let story = Story::new("front>ads", 700).fires(600, alert, Critical);
    let mut incident = story.run().revisions[0].0.clone();
    incident.services = services.iter().map(|name| (*name).into()).collect();
    incident.people = model::people::People::default();
    incident
}

fn told(case: u64, incident: &Incident) -> Told {
    let mut incident = incident.clone();
    incident.revision = 0;
    Told {
        case: IncidentId(case),
        merged_from: Vec::new(),
        split_from: None,
        incident,
        settled: false,
        muted_by: None,
    }
}

struct Place {
    cell: CellId,
    config: CorrelateConfig,
    standing: Standing,
    world: World,
}

impl Place {
    fn new() -> Self {
        let config = CorrelateConfig::default();
        let world = World::new(&config);
        Self { cell: CellId("test".into()), config, standing: Standing::default(), world }
    }

    fn around(&self, now: Timestamp) -> Around<'_> {
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        Around { world: &self.world, rules, now }
    }
}

impl Registry {
    /// Compares all told cases.
    fn update(&mut self, told: Vec<Told>, around: Around<'_>) -> Vec<Output> {
        self.compare(told, BTreeMap::new(), around)
    }
}

fn last(outputs: &[Output], id: u64) -> &Incident {
    let found = outputs.iter().rev().find_map(|output| match output {
        Output::Incident { incident, .. } if incident.id == IncidentId(id) => Some(incident),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn what_lives_on_in_another_incident_is_merged_and_not_withdrawn() {
    let place = Place::new();
    let (one, other) =
        (incident(&["ads"], "Down service=ads"), incident(&["front"], "Down service=ads"));
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
    let act = said(610, "c", Decision::Comment { incident: IncidentId(1) });
    registry.act(&act, IncidentId(1), place.around(at(610))).unwrap();
    let outputs = registry.update(vec![told(2, &other)], place.around(at(620)));
    let gone = last(&outputs, 1);
    assert_eq!(gone.state, IncidentState::Merged);
    assert_eq!(gone.lineage.merged_into, Some(IncidentId(2)));
    let kept = last(&outputs, 2);
    assert_eq!(kept.lineage.merged_from, [IncidentId(1)]);
    assert_eq!(kept.people.comments.len(), 1, "what was said of it came along");
    let again = registry.update(vec![told(2, &other)], place.around(at(640)));
    assert_eq!(again.len(), 0, "its lineage is remembered");
}

#[test]
fn what_lives_on_nowhere_is_withdrawn_unless_a_person_holds_it() {
    let place = Place::new();
    let one = incident(&["ads"], "Down service=ads");
    let other = incident(&["front"], "Slow service=front");
    for held in [false, true] {
        let mut registry = Registry::default();
        registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
        if held {
            let act = said(610, "r", Decision::Reopen { incident: IncidentId(1) });
            registry.act(&act, IncidentId(1), place.around(at(610))).unwrap();
        }
        let outputs = registry.update(vec![told(2, &other)], place.around(at(620)));
        if held {
            assert_eq!(outputs.len(), 0);
        } else {
            assert_eq!(last(&outputs, 1).state, IncidentState::Withdrawn);
        }
    }
}

#[test]
fn what_comes_back_stands_for_itself_again() {
    let place = Place::new();
    let (one, other) =
        (incident(&["ads"], "Down service=ads"), incident(&["front"], "Down service=ads"));
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
    registry.update(vec![told(2, &other)], place.around(at(620)));
    let both = vec![told(1, &one), told(2, &other)];
    let outputs = registry.update(both, place.around(at(620) + Nanos::from_secs(60)));
    assert_eq!(last(&outputs, 1).lineage.merged_into, None);
    assert!(last(&outputs, 2).lineage.merged_from.is_empty());
}

fn reopen(registry: &mut Registry, id: u64, secs: i64, place: &Place) {
    let act = said(secs, "r", Decision::Reopen { incident: IncidentId(id) });
    registry.act(&act, IncidentId(id), place.around(at(secs))).unwrap();
}

#[test]
fn what_a_person_holds_open_lives_on_in_no_other() {
    let place = Place::new();
    let (one, other) =
        (incident(&["ads"], "Down service=ads"), incident(&["front"], "Down service=ads"));
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
    reopen(&mut registry, 1, 610, &place);
    let outputs = registry.update(vec![told(2, &other)], place.around(at(620)));
    assert_eq!(outputs.len(), 0);
    assert_eq!(registry.newest(IncidentId(1)).unwrap().state, IncidentState::Open);
}

#[test]
fn the_same_alert_at_another_time_is_another_thing() {
    let place = Place::new();
    let one = incident(&["ads"], "Down service=ads");
    let mut other = incident(&["front"], "Down service=ads");
    other.alerts[0].starts_at = at(300);
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
    let outputs = registry.update(vec![told(2, &other)], place.around(at(620)));
    assert_eq!(last(&outputs, 1).state, IncidentState::Withdrawn);
}

#[test]
fn what_was_held_open_is_so_in_the_incident_that_takes_it_in() {
    let place = Place::new();
    let (one, other) =
        (incident(&["ads"], "Down service=ads"), incident(&["front"], "Slow service=front"));
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
    reopen(&mut registry, 1, 610, &place);
    let mut taker = told(2, &other);
    taker.merged_from = vec![IncidentId(1)];
    taker.incident.state = IncidentState::Resolved;
    let outputs = registry.update(vec![taker], place.around(at(620)));
    assert_eq!(last(&outputs, 1).state, IncidentState::Merged);
    let kept = last(&outputs, 2);
    assert_eq!(kept.state, IncidentState::Open, "the word went with it");
    assert!(kept.people.state_held.is_some());
}

#[test]
fn a_word_about_what_never_was_an_incident_makes_it_none() {
    let place = Place::new();
    let one = incident(&["ads"], "Down service=ads");
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one)], place.around(at(600)));
    registry.update(Vec::new(), place.around(at(620)));
    let act = said(630, "c", Decision::Comment { incident: IncidentId(1) });
    registry.act(&act, IncidentId(1), place.around(at(630))).unwrap();
    assert_eq!(registry.newest(IncidentId(1)).unwrap().people.comments.len(), 1);
    assert!(registry.settled(&BTreeSet::new()).is_empty());
}

#[test]
fn numbers_wait_their_time_after_an_act_too() {
    let place = Place::new();
    let one = incident(&["ads"], "Down service=ads");
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one)], place.around(at(600)));
    let act = said(629, "c", Decision::Comment { incident: IncidentId(1) });
    registry.act(&act, IncidentId(1), place.around(at(629))).unwrap();
    let mut grown = one.clone();
    grown.blast_radius.lost_requests += 1;
    let early = registry.update(vec![told(1, &grown)], place.around(at(640)));
    assert_eq!(early.len(), 0, "the act made a revision eleven seconds ago");
    let due = registry.update(vec![told(1, &grown)], place.around(at(660)));
    assert_eq!(due.len(), 1);
}

#[test]
fn what_is_closed_takes_no_other_in() {
    let place = Place::new();
    let (one, other) =
        (incident(&["ads"], "Down service=ads"), incident(&["front"], "Slow service=front"));
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one), told(2, &other)], place.around(at(600)));
    registry.close(told(1, &one).settled(true), place.around(at(610)));
    registry.close(told(2, &other).settled(true), place.around(at(610)));
    let merge = Decision::Merge { incident: IncidentId(1), into: IncidentId(2) };
    let act = said(620, "m", merge.clone());
    let why = registry.act(&act, IncidentId(1), place.around(at(620))).unwrap_err();
    assert!(why.to_string().contains("takes nothing in"), "{why}");
    reopen(&mut registry, 2, 630, &place);
    let act = said(640, "n", merge);
    let done = registry.act(&act, IncidentId(1), place.around(at(640))).unwrap();
    assert_eq!(last(&done.outputs, 1).lineage.merged_into, Some(IncidentId(2)));
}

#[test]
fn a_ticket_that_comes_late_sets_no_clock_back() {
    let place = Place::new();
    let one = incident(&["ads"], "Down service=ads");
    let mut registry = Registry::default();
    registry.update(vec![told(1, &one)], place.around(at(600)));
    let act = said(700, "c", Decision::Comment { incident: IncidentId(1) });
    registry.act(&act, IncidentId(1), place.around(at(700))).unwrap();
    let ticket = Ticket { sink: "jira".into(), id: "1".into(), number: None, url: None };
    registry.link(IncidentId(1), ticket, at(650));
    assert_eq!(registry.newest(IncidentId(1)).unwrap().updated_at, at(700));
}

#[test]
fn what_is_active_again_is_acknowledged_by_nobody() {
    let place = Place::new();
    let one = incident(&["ads"], "Down service=ads");
    for act in ["resolve", "by itself"] {
        let mut registry = Registry::default();
        registry.update(vec![told(1, &one)], place.around(at(610)));
        let say = |registry: &mut Registry, secs: i64, id: &str, decision: Decision| {
            let act = said(secs, id, decision);
            registry.act(&act, IncidentId(1), place.around(at(secs))).unwrap();
        };
        let id = IncidentId(1);
        say(&mut registry, 620, "a", Decision::Acknowledge { incident: id });
        if act == "resolve" {
            say(&mut registry, 630, "b", Decision::Resolve { incident: id });
        } else {
            let mut over = one.clone();
            over.state = IncidentState::Resolved;
            registry.update(vec![told(1, &over)], place.around(at(630)));
        }
        let held = registry.newest(id).unwrap();
        assert_eq!(held.state, IncidentState::Resolved);
        assert!(held.people.acknowledged.is_some(), "as long as it is over");
        let mut again = one.clone();
        again.alerts[0].starts_at = at(640);
        let outputs = registry.update(vec![told(1, &again)], place.around(at(650)));
        let active = last(&outputs, 1);
        assert_eq!(active.state, one.state);
        assert_eq!(active.people.acknowledged, None, "{act}");
        let states = |incident: &Incident| {
            incident.timeline.iter().filter(|line| line.kind == TimelineKind::State).count()
        };
        if act == "resolve" {
            assert_eq!(states(active), states(&again) + 1, "{:?}", active.timeline);
        }
    }
}
