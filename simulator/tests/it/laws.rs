//! What holds for every seed.

use std::collections::{BTreeMap, BTreeSet};

use model::recording::{TopicRecord, topic};
use model::time::Nanos;
use simulator::{Encoding, Imperfections, Scale, disorder, random};

use crate::reading::spans;

const SEEDS: std::ops::Range<u64> = 0..12;

fn small() -> Scale {
    Scale {
        spans: 3_000,
        healthy: Nanos::from_secs(90),
        faulty: Nanos::from_secs(60),
        ..Scale::default()
    }
}

fn played(seed: u64, scale: Scale) -> Vec<TopicRecord> {
    random(seed, scale).records().collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    for seed in SEEDS {
        assert!(played(seed, small()) == played(seed, small()), "seed {seed}");
        assert!(played(seed, small()) != played(seed + 1_000, small()), "seed {seed}");
    }
}

#[test]
fn arrival_never_goes_back_and_ids_never_repeat() {
    for seed in SEEDS {
        let records = played(seed, small());
        assert!(records.is_sorted_by_key(|record| record.timestamp_ms), "seed {seed}");
        let mut ids = BTreeSet::new();
        for record in records.iter().filter(|record| record.topic == topic::SPANS) {
            for span in spans(record) {
                assert!(span.end >= span.start);
                assert!(ids.insert(span.id.clone()), "seed {seed}: id {:?} twice", span.id);
            }
        }
        assert!(ids.len() > 1_000, "seed {seed}: {} spans", ids.len());
    }
}

/// Perfect observation loses nothing: every parent is there, in the same trace.
#[test]
fn every_parent_is_recorded() {
    for seed in SEEDS {
        let mut traces = BTreeMap::new();
        let mut parents = Vec::new();
        for record in played(seed, small()).iter().filter(|it| it.topic == topic::SPANS) {
            for span in spans(record) {
                traces.insert(span.id, span.trace.clone());
                if !span.parent.is_empty() {
                    parents.push((span.parent, span.trace));
                }
            }
        }
        assert!(parents.iter().all(|(id, trace)| traces.get(id) == Some(trace)), "seed {seed}");
    }
}

#[test]
fn random_scenarios_are_small_and_their_faults_of_many_kinds() {
    let mut kinds = BTreeSet::new();
    for seed in 0..80 {
        let scenario = random(seed, Scale::default());
        assert!((5..=12).contains(&scenario.world.services.len()));
        let truth = scenario.truth();
        assert!(!truth.faults.is_empty(), "seed {seed} has a fault");
        kinds.extend(truth.faults.iter().map(|fault| fault.kind));
    }
    assert!(kinds.len() >= 10, "{kinds:?}");
    for seed in [3, 4, 7, 8, 11] {
        let records = played(seed, Scale::default());
        let count: usize =
            records.iter().filter(|it| it.topic == topic::SPANS).map(|it| spans(it).len()).sum();
        assert!((5_000..20_000).contains(&count), "seed {seed}: {count} spans");
    }
}

#[test]
fn truth_speaks_only_of_what_the_records_show() {
    for seed in 0..40 {
        let scenario = random(seed, small());
        let text: String = scenario
            .records()
            .filter(|record| record.topic == topic::TOPOLOGY || record.topic == topic::CHANGES)
            .map(|record| String::from_utf8(record.value).unwrap())
            .collect();
        for fault in scenario.truth().faults {
            let culprit = fault.root_cause.iter().map(|cause| &cause.service);
            let changes = fault.change_id.iter().chain(&fault.decoy_change_ids);
            for name in culprit.chain(changes).chain(&fault.affected) {
                assert!(text.contains(&format!("\"{name}\"")), "seed {seed}: {name}");
            }
            assert!(!fault.affected.is_empty(), "seed {seed}");
        }
    }
}

#[test]
fn imperfect_observation_loses_doubles_and_skews_as_much_as_asked() {
    let count = |records: &[TopicRecord]| -> usize {
        records.iter().filter(|it| it.topic == topic::SPANS).map(|it| spans(it).len()).sum()
    };
    let with = |imperfections| played(5, Scale { imperfections, ..small() });
    let perfect = Imperfections::default();
    let all = count(&with(perfect)) as f64;
    let lossy = with(Imperfections { missing_span_share: 0.05, ..perfect });
    let sampled = with(Imperfections { head_sampling: 0.25, ..perfect });
    let doubled = with(Imperfections { duplicate_share: 0.5, ..perfect });
    assert!((0.93..0.97).contains(&(count(&lossy) as f64 / all)));
    assert!((0.15..0.35).contains(&(count(&sampled) as f64 / all)));
    assert!((1.35..1.65).contains(&(count(&doubled) as f64 / all)));
    let late = with(Imperfections { late_share: 0.2, late_ms_max: 30_000, ..perfect });
    for records in [&lossy, &sampled, &doubled, &late] {
        assert!(records.is_sorted_by_key(|record| record.timestamp_ms));
    }
    let starts = |records: &[TopicRecord]| -> Vec<(Vec<u8>, u64)> {
        let spans_of = records.iter().filter(|it| it.topic == topic::SPANS).flat_map(spans);
        let mut starts: Vec<_> = spans_of.map(|span| (span.id, span.start)).collect();
        starts.sort();
        starts
    };
    let skewed = with(Imperfections { clock_skew_ms: 50, ..perfect });
    let pairs = starts(&with(perfect)).into_iter().zip(starts(&skewed));
    let offsets: BTreeSet<i64> =
        pairs.map(|(a, b)| (b.1 as i64 - a.1 as i64) / 1_000_000).collect();
    assert!(offsets.len() > 1 && offsets.iter().all(|ms| ms.abs() <= 50), "{offsets:?}");
    assert_eq!(starts(&late), starts(&with(perfect)), "late is not lost");
}

#[test]
fn shuffling_keeps_every_record_and_its_timestamp_within_the_bound() {
    let before = played(2, small());
    let after = disorder::shuffle(before.clone(), 7, 20_000);
    assert!(before != after);
    assert!(after == disorder::shuffle(before.clone(), 7, 20_000), "the same seed, the same order");
    let mut newest = 0;
    for record in &after {
        assert!(newest - record.timestamp_ms <= 20_000);
        newest = newest.max(record.timestamp_ms);
    }
    let key = |record: &TopicRecord| (record.timestamp_ms, record.value.clone());
    let sorted = |records: &[TopicRecord]| {
        let mut keys: Vec<_> = records.iter().map(key).collect();
        keys.sort();
        keys
    };
    assert!(sorted(&before) == sorted(&after));
}

#[test]
fn dealing_spreads_every_topic_and_keeps_the_order_inside_a_partition() {
    let before = played(2, small());
    for partitions in [0, 1, 3, 12] {
        let dealt = disorder::deal(before.clone(), partitions);
        assert_eq!(dealt.len(), partitions.max(1));
        assert_eq!(dealt.iter().map(Vec::len).sum::<usize>(), before.len());
        for partition in &dealt {
            assert!(partition.is_sorted_by_key(|record| record.timestamp_ms));
            assert!(partition.iter().any(|record| record.topic == topic::SPANS));
        }
    }
}

#[test]
fn a_recording_reads_back_as_the_records_that_it_was_written_from() {
    for encoding in [Encoding::OtlpProto, Encoding::OtlpJson] {
        let scenario = random(4, Scale { encoding, ..small() });
        let mut file = Vec::new();
        let lines = scenario.write_recording(&mut file).unwrap();
        let text = String::from_utf8(file).unwrap();
        let read: Vec<TopicRecord> =
            text.lines().map(|line| TopicRecord::from_line(line).unwrap()).collect();
        assert_eq!(read.len() as u64, lines);
        assert!(read == scenario.records().collect::<Vec<_>>());
    }
}

#[test]
fn a_suite_holds_no_truth_and_its_labels_fit_its_streams() {
    let scenarios: Vec<_> = (0..3).map(|seed| random(seed, small())).collect();
    let suite = simulator::recording::suite("synthetic", &scenarios);
    let labels = simulator::recording::labels(&scenarios);
    assert!(!suite.to_string().contains("root_cause"));
    for stream in suite["streams"].as_array().unwrap() {
        let faults = labels[stream["id"].as_str().unwrap()]["faults"].as_array().unwrap();
        for fault in faults {
            let windows = stream["windows"].as_array().unwrap();
            assert!(windows.iter().any(|window| window["id"] == fault["window"]));
            assert!(fault["onset"].as_str().unwrap().ends_with('Z'));
        }
    }
}

#[test]
fn a_world_without_faults_is_healthy_and_its_truth_empty() {
    let scale = Scale { faults: (0, 0), ..small() };
    for seed in SEEDS {
        let scenario = random(seed, scale);
        assert!(scenario.truth().faults.is_empty());
        let all: Vec<_> = scenario
            .records()
            .filter(|record| record.topic == topic::SPANS)
            .flat_map(|record| spans(&record))
            .collect();
        let failed = all.iter().filter(|span| span.failed).count();
        assert!(failed * 100 < all.len(), "seed {seed}: {failed} of {} spans", all.len());
    }
}

/// A fault that nobody could see would make every test that is built on it worthless.
#[test]
fn every_fault_is_seen_in_spans() {
    for seed in 0..20 {
        let scenario = random(seed, Scale { faults: (1, 1), ..Scale::default() });
        let onset = u64::try_from(scenario.faults[0].start.0).unwrap();
        let mut entries = BTreeMap::<(String, bool), (f64, f64, f64)>::new();
        for record in scenario.records().filter(|record| record.topic == topic::SPANS) {
            for span in spans(&record) {
                let key = (format!("{} {}", span.service(), span.name), span.start >= onset);
                let sum = entries.entry(key).or_default();
                *sum = (sum.0 + 1.0, sum.1 + span.ms(), sum.2 + f64::from(u8::from(span.failed)));
            }
        }
        let changed = entries.iter().filter(|((_, after), _)| *after).any(|((name, _), after)| {
            let Some(before) = entries.get(&(name.clone(), false)) else { return false };
            let slower = (after.1 / after.0) / (before.1 / before.0) > 1.5;
            let fails = after.2 / after.0 > 0.05 && before.2 / before.0 < 0.02;
            slower || fails
        });
        assert!(changed, "seed {seed}: {:?}", scenario.faults);
    }
}
