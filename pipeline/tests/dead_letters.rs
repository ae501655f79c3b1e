//! Dead letters: found, folded, produced again.
use std::time::Duration;

use pipeline::dead_letter::{Letter, dead_letter, letters, replay};
use pipeline::log::memory::MemoryLog;
use pipeline::log::{Log, NewRecord, Record, Start, TopicPartition, TopicSpec};
use pipeline::topics::InputTopics;

const LETTERS: &str = "faultline.dead-letters";

/// A log with one record of alerts that nobody can read, and its letter, so many times.
fn world(value: &[u8], copies: usize) -> MemoryLog {
    let log = MemoryLog::new();
    let spec = |name: &str| TopicSpec { name: name.into(), partitions: 2, compacted: false };
    log.ensure_topics(&[spec("alerts"), spec(LETTERS)]).expect("it works");
    let at = TopicPartition::new("alerts", 1);
    let new = NewRecord {
        timestamp_ms: 7,
        key: Some(b"k".to_vec()),
        headers: vec![
            ("encoding".into(), b"x".to_vec()),
            ("faultline.topic".into(), b"t".to_vec()),
        ],
        value: Some(value.to_vec()),
    };
    log.append(&at, vec![new]).expect("it works");
    let record = read(&log, &at).remove(0);
    for _ in 0..copies {
        let emit = dead_letter(LETTERS, &record, "not JSON");
        log.append(&emit.to, vec![emit.record]).expect("it works");
    }
    log
}

fn read(log: &MemoryLog, at: &TopicPartition) -> Vec<Record> {
    let mut reader = log.reader(&[(at.clone(), Start::Oldest)]).expect("it works");
    let mut records = Vec::new();
    loop {
        let batch = reader.poll(100, Duration::from_millis(10)).expect("it works");
        records.extend(batch.records);
        if !batch.caught_up.is_empty() {
            return records;
        }
    }
}

#[test]
fn copies_are_one_letter_and_tell_the_place_and_the_reason() {
    let log = world(b"nonsense", 3);
    let found = letters(&log, LETTERS).expect("it works");
    let [letter] = found.as_slice() else { panic!("one letter: {found:?}") };
    assert_eq!((letter.number, letter.copies, letter.offset, letter.bytes), (0, 3, 0, 8));
    assert_eq!(letter.place, TopicPartition::new("alerts", 1), "not what its own header says");
    assert_eq!(letter.reason, "not JSON");
    assert_eq!(letters(&MemoryLog::new(), LETTERS).expect("it works"), []);
}

#[test]
fn a_letter_is_produced_again_where_it_stood_with_its_own_headers() {
    let log = world(b"nonsense", 1);
    let found = letters(&log, LETTERS).expect("it works");
    replay(&log, &InputTopics::default(), &found[0]).expect("it works");
    let records = read(&log, &TopicPartition::new("alerts", 1));
    let [first, again] = records.as_slice() else { panic!("two records: {records:?}") };
    assert_eq!((&again.value, &again.key), (&first.value, &first.key));
    assert_eq!(again.timestamp_ms, 7);
    let names: Vec<_> = again.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["encoding", "faultline.replayed-letter"]);
}

#[test]
fn what_was_cut_is_produced_whole() {
    let value = vec![b'x'; 900_001];
    let log = world(&value, 1);
    let found = letters(&log, LETTERS).expect("it works");
    assert!(found[0].is_cut());
    replay(&log, &InputTopics::default(), &found[0]).expect("it works");
    let records = read(&log, &TopicPartition::new("alerts", 1));
    assert_eq!(records[1].value.as_deref(), Some(value.as_slice()));
    let gone = Letter { offset: 99, ..found[0].clone() };
    let error =
        replay(&log, &InputTopics::default(), &gone).expect_err("it is refused").to_string();
    assert!(error.contains("is gone"), "{error}");
}

#[test]
fn only_inputs_are_written_to() {
    let log = world(b"nonsense", 1);
    let place = TopicPartition::new("faultline.journal", 0);
    let act = Letter { place, ..letters(&log, LETTERS).expect("it works")[0].clone() };
    let error = replay(&log, &InputTopics::default(), &act).expect_err("it is refused").to_string();
    assert!(error.contains("has to be made again"), "{error}");
    let place = TopicPartition::new("alerts", 9);
    let beyond = Letter { place, ..act };
    let error =
        replay(&log, &InputTopics::default(), &beyond).expect_err("it is refused").to_string();
    assert!(error.contains("partition 9 of alerts, which has 2"), "{error}");
}
