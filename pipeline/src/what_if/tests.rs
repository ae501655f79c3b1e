//! Each kind of difference, made to happen with recordings of the simulator.

use std::slice::from_ref;

use std::sync::OnceLock;

use model::command::{Act, Command, Decision};
use model::id::CellId;
use model::incident::Priority;
use model::journal::{JournalEntry, JournalRecord};
use model::recording::{Decided, TopicRecord, topic};
use model::time::{Nanos, Timestamp};
use simulator::fault::FaultKind;
use simulator::{Scale, Scenario};

use super::difference::{Difference, Kind, What, differences};
use super::matching::groups;
use super::report::{Names, json, text};
use super::told::Told;
use super::{Runs, play};
use crate::player::final_incidents;
use crate::stages::settings::Settings;

/// A small system in which the same fault happens twice, eight minutes apart.
fn twice() -> Scenario {
    let scale = Scale {
        healthy: Nanos::from_secs(5 * 60),
        faulty: Nanos::from_secs(17 * 60),
        faults: (1, 1),
        spans: 20_000,
        ..Scale::default()
    };
    let mut scenario = simulator::random(3, scale);
    let first = scenario.faults.first_mut().unwrap();
    first.kind = FaultKind::ErrorBurst { service: 0, share: 0.6 };
    first.change_id = None;
    first.end = first.start + Nanos::from_secs(150);
    let mut second = first.clone();
    second.start = first.start + Nanos::from_secs(8 * 60);
    second.end = second.start + Nanos::from_secs(150);
    scenario.faults.push(second);
    scenario
}

fn records() -> &'static [TopicRecord] {
    static RECORDS: OnceLock<Vec<TopicRecord>> = OnceLock::new();
    RECORDS.get_or_init(|| twice().records().collect())
}

/// What two runs over one record told.
fn runs_of(old: Vec<Told>, new: Vec<Told>) -> Runs {
    Runs { records: 1, span_ms: None, acts: 0, act_counts: Default::default(), old, new }
}

fn run(old: Settings, new: Settings) -> Runs {
    play(old, new, 1, records().iter().cloned().map(Ok), |_, _| {}).unwrap()
}

/// Faults that follow each other are incidents of their own.
fn apart() -> Settings {
    let mut settings = Settings::default();
    settings.correlate.quiet_after = Nanos::from_secs(60);
    settings.correlate.reopen_within = Nanos::ZERO;
    settings
}

/// Faults that follow each other are one incident.
fn together() -> Settings {
    let mut settings = Settings::default();
    settings.correlate.quiet_after = Nanos::from_secs(60);
    settings.correlate.reopen_within = Nanos::from_secs(3600);
    settings
}

/// Nothing that could become an incident is read.
fn deaf() -> Settings {
    let mut settings = Settings::default();
    for topic in [
        &mut settings.inputs.spans,
        &mut settings.inputs.logs,
        &mut settings.inputs.metrics,
        &mut settings.inputs.alerts,
    ] {
        topic.push_str("_of_nobody");
    }
    settings
}

fn kinds(all: &[Difference]) -> Vec<Kind> {
    all.iter().map(|difference| difference.kind).collect()
}

fn shown(runs: &Runs) -> String {
    text(runs, &Names { old: "old", new: "new" })
}

#[test]
fn the_same_configuration_makes_no_difference() {
    let runs = run(together(), together());
    let all = differences(&runs.old, &runs.new);
    assert!(!all.is_empty(), "nothing happened");
    assert!(kinds(&all).iter().all(|kind| *kind == Kind::Same), "{}", shown(&runs));
    assert!(shown(&runs).contains("No difference"), "{}", shown(&runs));
}

/// A record of what a person decided about an incident, as it arrives behind all others.
fn decided(decision: Decision) -> TopicRecord {
    let timestamp_ms = records().iter().map(|record| record.timestamp_ms).max().unwrap();
    let at = Timestamp::from_millis(timestamp_ms);
    let (id, author, via) = ("a1".into(), "ann".into(), "api".into());
    let act = Act { id, author, via, at, reason: String::from("known"), decision };
    let record = JournalRecord::Command(Command::Act(act));
    let entry = JournalEntry { arrival: at, position: None, record };
    let value = serde_json::to_vec(&Decided { cell: CellId("production".into()), entry }).unwrap();
    let topic = topic::ACTS.into();
    TopicRecord { topic, timestamp_ms, key: None, headers: Vec::new(), value }
}

fn with(act: &TopicRecord) -> impl Iterator<Item = anyhow::Result<TopicRecord>> {
    records().iter().cloned().chain([act.clone()]).map(Ok)
}

#[test]
fn what_people_decided_holds_in_both_runs_where_there_is_the_incident() {
    let all = final_incidents(together(), 1, records().iter().cloned().map(Ok), |_| {}).unwrap();
    let incident = all.first().unwrap().0.id;
    let act = decided(Decision::Acknowledge { incident });
    for partitions in [1, 3] {
        let all = final_incidents(together(), partitions, with(&act), |_| {}).unwrap();
        let (told, _) = all.iter().find(|(told, _)| told.id == incident).unwrap();
        let by = told.people.acknowledged.as_ref().map(|said| said.author.as_str());
        assert_eq!(by, Some("ann"), "{partitions} partitions");
    }
    let runs = play(together(), deaf(), 1, with(&act), |_, _| {}).unwrap();
    let [old, new] = runs.act_counts;
    assert_eq!((runs.acts, old.refused, new.refused), (1, 0, 1));
    assert!(shown(&runs).contains("1 decision of people"), "{}", shown(&runs));
    assert!(shown(&runs).contains("0 in the old run, 1 in the new one"), "{}", shown(&runs));
    assert_eq!(json(&runs, &Names { old: "old", new: "new" })["new"]["acts_refused"], 1);
}

#[test]
fn incidents_that_are_no_longer_reopened_split_and_the_other_way_round_merge() {
    let runs = run(together(), apart());
    let all = differences(&runs.old, &runs.new);
    let split = all.iter().find(|difference| difference.kind == Kind::Splits);
    let split = split.unwrap_or_else(|| panic!("no split: {}", shown(&runs)));
    assert_eq!((split.old.len(), split.new.len()), (1, 2), "{}", shown(&runs));
    assert!(split.shared_members > 0);
    let back = Runs { old: runs.new, new: runs.old, ..runs };
    let all = differences(&back.old, &back.new);
    let merge = all.iter().find(|difference| difference.kind == Kind::Merges);
    let merge = merge.unwrap_or_else(|| panic!("no merge: {}", shown(&back)));
    assert_eq!((merge.old.len(), merge.new.len()), (2, 1));
    assert!(shown(&back).contains("MERGES"), "{}", shown(&back));
}

#[test]
fn what_only_one_configuration_tells_vanishes_or_appears() {
    let runs = run(together(), deaf());
    assert!(runs.new.is_empty() && !runs.old.is_empty(), "{}", shown(&runs));
    let all = differences(&runs.old, &runs.new);
    assert!(kinds(&all).iter().all(|kind| *kind == Kind::Vanishes), "{}", shown(&runs));
    let back = Runs { old: runs.new, new: runs.old, ..runs };
    let all = differences(&back.old, &back.new);
    assert!(kinds(&all).iter().all(|kind| *kind == Kind::Appears), "{}", shown(&back));
}

#[test]
fn a_longer_wait_changes_when_an_incident_is_over() {
    let mut patient = together();
    patient.correlate.quiet_after = Nanos::from_secs(150);
    let runs = run(together(), patient);
    let all = differences(&runs.old, &runs.new);
    let changed = all.iter().flat_map(|difference| &difference.changed);
    let over =
        changed.filter(|change| change.what == What::ResolvedAt || change.what == What::State);
    assert!(over.count() > 0, "{}", shown(&runs));
}

#[test]
fn without_changes_the_first_hypothesis_is_another() {
    // From 02:00 on: the change of 01:55 was sent before.
    let mut story = simulator::the_two_oh_seven();
    story.start = story.start + Nanos::from_secs(13 * 60);
    story.length = Nanos::from_secs(13 * 60);
    let mut blind = Settings::default();
    blind.inputs.changes.push_str("_of_nobody");
    blind.inputs.topology.push_str("_of_nobody");
    let records = story.records().map(Ok);
    let runs = play(Settings::default(), blind, 1, records, |_, _| {}).unwrap();
    let all = differences(&runs.old, &runs.new);
    let first = all
        .iter()
        .flat_map(|difference| &difference.changed)
        .find(|change| change.what == What::FirstHypothesis);
    let first = first.unwrap_or_else(|| panic!("{}", shown(&runs)));
    assert!(first.old.as_deref().unwrap().contains("db.pool"), "{first:?}");
    assert!(!first.new.as_deref().unwrap().contains("db.pool"), "{first:?}");
}

/// An incident that the simulator's records really make.
fn told() -> Told {
    static TOLD: OnceLock<Told> = OnceLock::new();
    let made = || {
        let runs = run(together(), together());
        runs.old.into_iter().max_by_key(Told::members).unwrap()
    };
    TOLD.get_or_init(made).clone()
}

#[test]
fn priority_times_and_owner_are_compared_and_probabilities_are_not() {
    let old = told();
    let mut new = old.clone();
    new.incident.priority =
        if old.incident.priority == Priority::P1 { Priority::P2 } else { Priority::P1 };
    new.incident.onset_at = old.incident.onset_at + Nanos::from_secs(70);
    new.incident.owner = Some("team-of-nobody".into());
    new.paged_at = None;
    for hypothesis in &mut new.incident.hypotheses {
        hypothesis.probability = 0.5;
    }
    let all = differences(from_ref(&old), from_ref(&new));
    assert_eq!(kinds(&all), [Kind::Changes]);
    let what: Vec<What> = all[0].changed.iter().map(|change| change.what).collect();
    let mut expected = vec![What::Priority, What::Owner];
    expected.extend(old.paged_at.map(|_| What::PagedAt));
    expected.push(What::OnsetAt);
    assert_eq!(what, expected);
    let runs = runs_of(vec![old], vec![new]);
    assert!(shown(&runs).contains("(1m 10s later)"), "{}", shown(&runs));
    let json = json(&runs, &Names { old: "a", new: "b" });
    assert_eq!(json["differences"][0]["kind"], "changes");
    assert_eq!(json["same"], 0);
}

#[test]
fn another_id_for_the_same_members_is_the_same_incident() {
    let old = told();
    let mut new = old.clone();
    new.incident.id = model::id::IncidentId(old.incident.id.0 ^ 1);
    assert_eq!(kinds(&differences(&[old], &[new])), [Kind::Same]);
}

#[test]
fn a_stray_shared_member_makes_no_match_but_the_same_id_without_any_does() {
    let old = told();
    assert!(old.members() > 6, "{}", old.members());
    let mut other = old.clone();
    other.incident.id = model::id::IncidentId(old.incident.id.0 ^ 1);
    // All members but one are at another time.
    let late = Nanos::from_secs(86_400);
    for alert in other.incident.alerts.iter_mut() {
        alert.starts_at = alert.starts_at + late;
    }
    for symptom in other.incident.symptoms.iter_mut().skip(1) {
        symptom.first_at = symptom.first_at + late;
        symptom.last_at = symptom.last_at + late;
    }
    assert_eq!(groups(from_ref(&old), from_ref(&other)).len(), 2);
    other.incident.id = old.incident.id;
    assert_eq!(groups(&[old], &[other]).len(), 1);
}

#[test]
fn no_text_of_an_alert_reaches_the_terminal_as_it_is() {
    let mut hostile = told();
    hostile.incident.title = "down\u{1b}[2J\u{202e}".to_owned();
    let runs = runs_of(Vec::new(), vec![hostile]);
    let shown = shown(&runs);
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown:?}");
    assert!(shown.contains("APPEARS"), "{shown}");
}
