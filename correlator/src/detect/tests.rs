//! Both machines together: stories of a small shop, and the laws of order and number of tasks.

use std::collections::BTreeMap;

use model::entity::EntityKind;
use model::nats::Nats;
use model::signal::{MetricKind, MetricPoint, Resource, SignalBatch};
use model::symptom::{Symptom, SymptomBatch, SymptomKind};
use model::time::{Nanos, Pane, PaneWidth, Timestamp};
use proptest::prelude::*;

use super::{DetectConfig, Detector};
use crate::observe::testing::{BEGIN, Behaviour, Noise, Shop, names, newest, resources};
use crate::observe::{ObserveConfig, Observer, split};

/// Both machines, wired as the shell wires them.
struct Mind {
    now: Option<Timestamp>,
    observers: Vec<Observer>,
    detector: Detector,
    batches: Vec<SymptomBatch>,
}

impl Mind {
    fn new(tasks: u32) -> Self {
        let observers = (0..tasks).map(|t| Observer::new(t, ObserveConfig::default())).collect();
        let detector = Detector::new(0, tasks, DetectConfig::default());
        Self { now: None, observers, detector, batches: Vec::new() }
    }

    fn feed(&mut self, batch: SignalBatch) {
        self.now = self.now.max(newest(&batch));
        let tasks = self.observers.len() as u32;
        for (observer, part) in self.observers.iter_mut().zip(split(batch, tasks)) {
            observer.handle_batch(&part);
            observer.advance(self.now.unwrap_or_default());
        }
        self.pump();
    }

    fn finish(mut self) -> BTreeMap<Pane, SymptomBatch> {
        for observer in &mut self.observers {
            observer.finish();
        }
        self.pump();
        let mut last: BTreeMap<Pane, SymptomBatch> = BTreeMap::new();
        for batch in self.batches {
            let known = last.get(&batch.pane);
            assert!(known.is_none_or(|known| known.revision < batch.revision), "stamps grow");
            last.insert(batch.pane, batch);
        }
        last
    }

    fn pump(&mut self) {
        for observer in &mut self.observers {
            while let Some(record) = observer.poll_pane() {
                self.detector.handle_counts(record);
            }
        }
        while let Some(batch) = self.detector.poll_batch() {
            self.batches.push(batch);
        }
    }

    /// Writes all state down and reads it back.
    fn reload(self) -> Self {
        fn turn<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
            let bytes = rmp_serde::to_vec_named(value).expect("state encodes");
            rmp_serde::from_slice(&bytes).expect("state decodes")
        }
        let observers = self.observers.iter().map(turn).collect();
        Self { observers, detector: turn(&self.detector), ..self }
    }
}

type Behave<'b> = &'b dyn Fn(&str, Timestamp, &mut Noise) -> Behaviour;

const FAULT_AT: i64 = 600;

fn since_fault(at: Timestamp) -> bool {
    at >= BEGIN + Nanos::from_secs(FAULT_AT)
}

fn play(secs: i64, behave: Behave<'_>) -> Vec<Symptom> {
    let mut shop = Shop { noise: Noise(7), behave };
    let mut mind = Mind::new(1);
    for batch in shop.traffic(0, secs, 10) {
        mind.feed(batch);
    }
    let last = mind.finish();
    last.into_values().flat_map(|batch| batch.symptoms).collect()
}

/// The highest level per (service, kind) that reached `nats`.
fn strong(symptoms: &[Symptom], nats: i64) -> BTreeMap<(String, SymptomKind), i64> {
    let mut strong = BTreeMap::new();
    for symptom in symptoms.iter().filter(|symptom| symptom.level >= Nats::from_int(nats)) {
        let key = (symptom.entity.service.to_string(), symptom.kind);
        let level = strong.entry(key).or_insert(0);
        *level = (*level).max(symptom.level.0 >> 20);
    }
    strong
}

fn kinds(strong: &BTreeMap<(String, SymptomKind), i64>, kind: SymptomKind) -> Vec<&str> {
    strong.keys().filter(|key| key.1 == kind).map(|key| key.0.as_str()).collect()
}

#[test]
fn an_hour_of_healthy_noise_raises_no_alarm() {
    let behave = |_: &str, _: Timestamp, noise: &mut Noise| Behaviour {
        fails: noise.below(200) == 0,
        ..Behaviour::default()
    };
    let symptoms = play(3600, &behave);
    assert_eq!(strong(&symptoms, 12), BTreeMap::new());
}

#[test]
fn errors_are_credited_to_the_leaf_they_come_from() {
    let behave = |service: &str, at: Timestamp, noise: &mut Noise| Behaviour {
        fails: service == "payment" && since_fault(at) && noise.below(2) == 0,
        ..Behaviour::default()
    };
    let symptoms = play(700, &behave);
    let strong = strong(&symptoms, 12);
    assert_eq!(kinds(&strong, SymptomKind::ErrorOrigin), ["payment"]);
    assert_eq!(kinds(&strong, SymptomKind::LogPath), ["payment"], "callers log it, too");
    assert_eq!(strong.len(), 2);
    let width = PaneWidth::default();
    let first = symptoms.iter().find(|s| s.kind == SymptomKind::ErrorOrigin).unwrap();
    let onset = width.pane_of(BEGIN + Nanos::from_secs(FAULT_AT));
    assert_eq!(first.onset, onset);
    assert_eq!(first.exemplars.len(), 3);
}

#[test]
fn a_slow_leaf_is_slow_by_itself_and_its_callers_are_not() {
    let behave = |service: &str, at: Timestamp, _: &mut Noise| Behaviour {
        extra_ms: if service == "stock" && since_fault(at) { 200 } else { 0 },
        ..Behaviour::default()
    };
    let strong = strong(&play(700, &behave), 6);
    assert_eq!(strong.keys().collect::<Vec<_>>(), [&("stock".into(), SymptomKind::SlowSelf)]);
}

#[test]
fn a_dead_service_leaves_orphan_calls_and_silence() {
    let behave = |service: &str, at: Timestamp, _: &mut Noise| Behaviour {
        is_dead: service == "payment" && since_fault(at),
        ..Behaviour::default()
    };
    let strong = strong(&play(700, &behave), 12);
    assert_eq!(kinds(&strong, SymptomKind::OrphanCalls), ["payment"]);
    assert_eq!(kinds(&strong, SymptomKind::Silence), ["payment"]);
    assert_eq!(kinds(&strong, SymptomKind::ErrorOrigin), ["payment"]);
}

#[test]
fn a_database_without_spans_is_blamed_for_its_errors_and_its_slowness() {
    let failing = |service: &str, at: Timestamp, noise: &mut Noise| Behaviour {
        fails: service == "orders-db" && since_fault(at) && noise.below(3) == 0,
        ..Behaviour::default()
    };
    let symptoms = play(700, &failing);
    let origins = strong(&symptoms, 12);
    assert_eq!(kinds(&origins, SymptomKind::ErrorOrigin), ["orders-db"]);
    let symptom = symptoms.iter().find(|s| s.kind == SymptomKind::ErrorOrigin).unwrap();
    assert_eq!(symptom.entity.kind, EntityKind::Database);

    let slow = |service: &str, at: Timestamp, _: &mut Noise| Behaviour {
        extra_ms: if service == "orders-db" && since_fault(at) { 300 } else { 0 },
        ..Behaviour::default()
    };
    let strong = strong(&play(700, &slow), 6);
    assert_eq!(strong.keys().collect::<Vec<_>>(), [&("orders-db".into(), SymptomKind::SlowEdge)]);
}

#[test]
fn a_gap_in_all_telemetry_is_no_silence() {
    let behave = |_: &str, _: Timestamp, _: &mut Noise| Behaviour::default();
    let mut shop = Shop { noise: Noise(3), behave: &behave };
    let mut mind = Mind::new(1);
    for batch in shop.traffic(0, 300, 10).into_iter().chain(shop.traffic(20_000, 120, 10)) {
        mind.feed(batch);
    }
    let records = mind.observers[0].stats().records;
    assert!(records < 60, "{records} records: a gap must be jumped");
    let last = mind.finish();
    let symptoms: Vec<Symptom> = last.into_values().flat_map(|batch| batch.symptoms).collect();
    assert_eq!(strong(&symptoms, 6), BTreeMap::new());
}

#[test]
fn a_first_minute_and_a_new_operation_raise_no_alarm() {
    let behave = |_: &str, at: Timestamp, noise: &mut Noise| Behaviour {
        // A third of all requests has always failed here: that is this shop's normal.
        fails: noise.below(3) == 0,
        extra_ms: (at.0 / 1_000_000 % 50),
        ..Behaviour::default()
    };
    assert_eq!(strong(&play(120, &behave), 8), BTreeMap::new());
}

#[test]
fn a_fault_does_not_become_normal_while_it_lasts() {
    let behave = |service: &str, at: Timestamp, noise: &mut Noise| Behaviour {
        fails: service == "stock" && since_fault(at) && noise.below(3) == 0,
        ..Behaviour::default()
    };
    let mut shop = Shop { noise: Noise(7), behave: &behave };
    let mut mind = Mind::new(1);
    for batch in shop.traffic(0, 1800, 10) {
        mind.feed(batch);
    }
    let learned = mind.detector.baseline("stock").unwrap().errors_of("handle");
    assert_eq!(learned.hits, 0, "held back: {:?}", mind.detector.stats());
    let last = mind.finish();
    let (_, batch) = last.iter().next_back().unwrap();
    assert!(batch.symptoms.iter().any(|s| s.kind == SymptomKind::ErrorOrigin));
}

#[test]
fn the_first_sight_of_a_second_version_is_a_change() {
    let behave = |_: &str, _: Timestamp, _: &mut Noise| Behaviour::default();
    let mut shop = Shop { noise: Noise(5), behave: &behave };
    let mut mind = Mind::new(1);
    for (second, mut batch) in shop.traffic(0, 200, 5).into_iter().enumerate() {
        if second >= 100 {
            batch.resources[3].version = Some("2".into());
        }
        mind.feed(batch);
    }
    let last = mind.finish();
    let changes: Vec<_> = last.values().flat_map(|batch| &batch.changes).collect();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].id.as_str(), "version:payment:2");
    let width = PaneWidth::default();
    assert_eq!(changes[0].at, width.start(width.pane_of(BEGIN + Nanos::from_secs(100))));
}

#[test]
fn entries_say_what_users_saw_and_reach_says_on_which_way() {
    let behave = |service: &str, at: Timestamp, _: &mut Noise| Behaviour {
        fails: service == "payment" && since_fault(at),
        ..Behaviour::default()
    };
    let mut shop = Shop { noise: Noise(7), behave: &behave };
    let mut mind = Mind::new(1);
    for batch in shop.traffic(0, 660, 10) {
        mind.feed(batch);
    }
    let last = mind.finish();
    let pane = PaneWidth::default().pane_of(BEGIN + Nanos::from_secs(FAULT_AT + 30));
    let batch = &last[&pane];
    let [entry] = &batch.entries[..] else { panic!("one entry: {:?}", batch.entries) };
    assert_eq!((entry.service.as_str(), entry.operation.as_str()), ("front", "handle"));
    assert_eq!(entry.failed, entry.calls);
    assert_eq!(entry.expected_failed_ppm, 0);
    assert_eq!(entry.origins, [("payment".into(), entry.failed)]);
    let reached: Vec<&str> = batch.reach.iter().map(|row| row.reached.as_str()).collect();
    assert_eq!(reached, ["checkout", "front", "payment"]);
    assert!(
        batch
            .reach
            .iter()
            .all(|row| row.origin.as_str() == "payment" && row.traces == entry.failed)
    );
}

fn gauge(second: i64, value: f64) -> SignalBatch {
    let host = Resource { host: Some("node-1".into()), ..Resource::default() };
    let point = MetricPoint {
        resource: 0,
        metric: "load".into(),
        attributes: "cpu=0".into(),
        kind: MetricKind::Gauge,
        time: BEGIN + Nanos::from_secs(second),
        value,
    };
    SignalBatch { resources: vec![host], metrics: vec![point], ..SignalBatch::default() }
}

#[test]
fn a_metric_that_leaves_its_range_twice_is_a_symptom_of_its_host() {
    let mut noise = Noise(1);
    let mut mind = Mind::new(1);
    for second in (0..1200).step_by(10) {
        let spike = second == 400 || second >= 1000;
        let value = 10.0 + noise.below(100) as f64 / 50.0 + if spike { 50.0 } else { 0.0 };
        mind.feed(gauge(second, value));
    }
    let last = mind.finish();
    let symptoms: Vec<&Symptom> = last.values().flat_map(|batch| &batch.symptoms).collect();
    let onset = PaneWidth::default().pane_of(BEGIN + Nanos::from_secs(1000));
    assert!(!symptoms.is_empty());
    for symptom in symptoms {
        assert_eq!((symptom.entity.kind, symptom.onset), (EntityKind::Host, onset));
        assert_eq!(symptom.detail.as_str(), "load{cpu=0}");
        assert!(symptom.nats <= Nats::from_int(8));
    }
}

/// What must be equal: everything but revision numbers and how far time had come when it was said.
fn facts(last: BTreeMap<Pane, SymptomBatch>) -> Vec<SymptomBatch> {
    last.into_values()
        .filter(|batch| batch.has_telemetry)
        .map(|batch| SymptomBatch {
            revision: 0,
            judged_through: Pane(0),
            settled_through: Pane(0),
            ..batch
        })
        .collect()
}

fn story(seed: u64) -> Vec<SignalBatch> {
    let behave = |service: &str, at: Timestamp, noise: &mut Noise| Behaviour {
        fails: service == "payment" && at >= BEGIN + Nanos::from_secs(200) && noise.below(2) == 0,
        extra_ms: if service == "stock" && noise.below(20) == 0 { 80 } else { 0 },
        is_dead: false,
    };
    let mut shop = Shop { noise: Noise(seed), behave: &behave };
    let whole = shop.traffic(0, 300, 4);
    // Spans of one trace arrive in several records, as exporters send them: one per service.
    let mut parts = Vec::new();
    for (second, batch) in (0..).zip(whole) {
        for resource in 0..4 {
            let mut part =
                SignalBatch { resources: resources(), names: names(), ..SignalBatch::default() };
            part.spans = batch.spans.iter().filter(|s| s.resource == resource).cloned().collect();
            part.logs = batch.logs.iter().filter(|l| l.resource == resource).cloned().collect();
            parts.push(part);
        }
        if second % 10 == 0 {
            parts.push(gauge(second, (second % 70) as f64));
        }
    }
    parts
}

/// Moves each batch by up to `reach` places: less than the lateness.
fn shuffled(mut batches: Vec<SignalBatch>, seed: u64, reach: u64) -> Vec<SignalBatch> {
    let mut noise = Noise(seed);
    let mut keyed: Vec<(u64, SignalBatch)> = (0..)
        .zip(batches.drain(..))
        .map(|(i, batch)| (i + noise.below(reach + 1), batch))
        .collect();
    keyed.sort_by_key(|(place, _)| *place);
    keyed.into_iter().map(|(_, batch)| batch).collect()
}

fn told(batches: Vec<SignalBatch>, tasks: u32, reload_at: Option<usize>) -> Vec<SymptomBatch> {
    let mut mind = Mind::new(tasks);
    for (index, batch) in batches.into_iter().enumerate() {
        if reload_at == Some(index) {
            mind = mind.reload();
        }
        mind.feed(batch);
    }
    facts(mind.finish())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn neither_order_nor_number_of_tasks_changes_what_is_said(
        seed in any::<u64>(),
        reach in 0_u64..200,
        tasks in prop::sample::select(vec![1_u32, 3]),
    ) {
        let expected = told(story(seed), 1, None);
        prop_assert!(expected.iter().any(|batch| !batch.symptoms.is_empty()));
        // 200 places are 48 s of the story.
        let other = told(shuffled(story(seed), seed ^ 1, reach), tasks, None);
        prop_assert_eq!(expected.len(), other.len());
        for (expected, other) in expected.into_iter().zip(other) {
            prop_assert_eq!(expected, other);
        }
    }

    #[test]
    fn a_snapshot_in_the_middle_changes_nothing(seed in any::<u64>(), at in 0_usize..1200) {
        prop_assert_eq!(told(story(seed), 2, None), told(story(seed), 2, Some(at)));
    }
}

/// Log records of `service`, outside of traces, one batch a second.
fn says(mind: &mut Mind, at: i64, service: &str, text: &str, of_platform: bool) {
    use model::signal::{LogRecord, LogSeverity};
    let time = BEGIN + Nanos::from_secs(at);
    let resource = Resource { service: service.into(), ..Resource::default() };
    let record = |severity, text: &str, of_platform| LogRecord {
        resource: 0,
        time,
        trace_id: None,
        span_id: None,
        severity,
        template: model::template::template_id(text),
        skeleton: text.into(),
        of_platform,
    };
    let mut logs = vec![record(LogSeverity::Info, "served", false)];
    if !text.is_empty() {
        logs.push(record(LogSeverity::Warn, text, of_platform));
    }
    mind.feed(SignalBatch { resources: vec![resource], logs, ..SignalBatch::default() });
}

fn nats_told(mind: Mind, kind: SymptomKind) -> i64 {
    let symptoms = mind.finish().into_values().flat_map(|batch| batch.symptoms);
    let nats = symptoms.filter(|symptom| symptom.kind == kind).map(|symptom| symptom.nats.0 >> 20);
    nats.max().unwrap_or_default()
}

#[test]
fn a_new_complaint_is_told_and_a_usual_one_is_not() {
    let mut mind = Mind::new(1);
    for at in 0..900 {
        let usual = if at % 5 == 0 { "slow answer of mail" } else { "" };
        let text = if at >= 800 { "no servers for payment" } else { usual };
        says(&mut mind, at, "checkout", text, false);
    }
    let symptoms = mind.finish().into_values().flat_map(|batch| batch.symptoms);
    let complaints: Vec<_> = symptoms.filter(|s| s.kind == SymptomKind::Complaint).collect();
    assert!(complaints.iter().any(|s| &*s.detail == "no servers for payment"));
    let late = |s: &&Symptom| &*s.detail != "no servers for payment" && s.nats > Nats::ZERO;
    let width = PaneWidth::default();
    let settled = width.pane_of(BEGIN + Nanos::from_secs(120));
    assert!(complaints.iter().filter(late).all(|s| s.onset < settled), "the usual is learned");
}

#[test]
fn one_word_of_the_platform_is_enough_and_a_failing_probe_says_little() {
    for (text, least, most) in [("BackOff: restarting", 5, 6), ("Unhealthy: probe failed", 0, 2)] {
        let mut mind = Mind::new(1);
        for at in 0..60 {
            says(&mut mind, at, "payment", if at == 30 { text } else { "" }, true);
        }
        let nats = nats_told(mind, SymptomKind::Platform);
        assert!((least..=most).contains(&nats), "{text}: {nats}");
    }
}
