//! What the input topics hold, and what people decided, in order of arrival: what `record` writes and a
//! comparison plays. Reads only: no group, no commit, no topic is made.
//!
//! People's acts stand in the journal, among what the stages derived, which is left out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use base64::Engine as _;
use model::command::Command;
use model::id::CellId;
use model::journal::{JournalEntry, JournalRecord};
use model::recording::{Decided, TopicRecord, topic};

use crate::log::{Batch, Log, LogError, LogReader, Record, Start, TopicPartition};
use crate::stages::arrival::Arrival;
use crate::stages::settings::Settings;
use crate::stages::wire;
use crate::topics::InputTopics;

/// Records that may wait for their order of arrival.
const WAITING_MAX: usize = 100_000;
/// Records asked for in one poll.
const POLL_RECORDS_MAX: usize = 2_000;
/// How long a poll waits for records.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the oldest record that is still there.
    Oldest,
    /// At the records that arrive from now on.
    Newest,
    /// At this time; declared structure and what people decided for a time at the oldest, because that is what
    /// holds, not what happened. Unit: Unix milliseconds.
    Since(i64),
}

/// All partitions of the input topics that exist, in the order of their ranks.
///
/// # Errors
/// When the log cannot be reached.
pub fn partitions(log: &dyn Log, inputs: &InputTopics) -> Result<Vec<TopicPartition>, LogError> {
    let mut all = Vec::new();
    for (topic, _) in inputs.all() {
        let count = log.partitions(topic)?;
        all.extend((0..count).map(|partition| TopicPartition::new(topic, partition)));
    }
    Ok(all)
}

/// The records of the input topics of several configurations, one after the other.
pub struct Backlog {
    reader: Box<dyn LogReader>,
    arrival: Arrival,
    /// Where each partition ended when reading began; those that are not read so far yet.
    left: BTreeMap<TopicPartition, u64>,
    /// Records before it are left out, but for declared structure. Unit: Unix milliseconds.
    since_ms: i64,
    whole: Vec<String>,
    /// The cell of each partition of a journal.
    cells: BTreeMap<TopicPartition, CellId>,
    ready: VecDeque<TopicRecord>,
}

impl Backlog {
    /// Opens the input topics and the journals of these settings.
    ///
    /// # Errors
    /// When none of the input topics exists, or the log cannot be reached.
    pub fn open(log: &Arc<dyn Log>, settings: &[&Settings], from: From) -> Result<Self> {
        let inputs: Vec<&InputTopics> = settings.iter().map(|settings| &settings.inputs).collect();
        let mut all: Vec<TopicPartition> = Vec::new();
        for inputs in &inputs {
            all.extend(partitions(&**log, inputs)?);
        }
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|at| seen.insert(at.clone()));
        if all.is_empty() {
            let names: Vec<&str> =
                inputs.iter().flat_map(|inputs| inputs.all()).map(|(name, _)| name).collect();
            bail!(
                "the log has none of the input topics ({}); is it the right one, and does anything \
                 write to it?",
                names.join(", ")
            );
        }
        let cells = journals(&**log, settings)?;
        all.extend(cells.keys().cloned());
        let whole: Vec<String> = inputs.iter().map(|inputs| inputs.topology.clone()).collect();
        let mut starts = Vec::new();
        let mut left = BTreeMap::new();
        for at in &all {
            let start = match from {
                From::Oldest => Start::Oldest,
                From::Newest => Start::Newest,
                From::Since(_) if whole.contains(&at.topic.to_string()) => Start::Oldest,
                From::Since(_) if cells.contains_key(at) => Start::Oldest,
                From::Since(since_ms) => log.start_since(at, since_ms)?,
            };
            left.insert(at.clone(), log.end(at)?);
            starts.push((at.clone(), start));
        }
        Ok(Self {
            reader: log.reader(&starts)?,
            arrival: Arrival::new(&all, WAITING_MAX),
            left,
            since_ms: if let From::Since(since_ms) = from { since_ms } else { i64::MIN },
            whole,
            cells,
            ready: VecDeque::new(),
        })
    }

    /// Whether everything that was there when reading began has been given.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.left.is_empty() && self.ready.is_empty() && self.arrival.waiting() == 0
    }

    /// Waits a moment for records and gives those that are in order, also what came later than the
    /// beginning.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn poll(&mut self) -> Result<Vec<TopicRecord>> {
        let mut batch = self.reader.poll(POLL_RECORDS_MAX, POLL_WAIT)?;
        for record in &batch.records {
            if self.left.get(&record.partition).is_some_and(|end| record.offset + 1 >= *end) {
                self.left.remove(&record.partition);
            }
        }
        for at in &batch.caught_up {
            self.left.remove(at);
        }
        let is_act = |record: &Record| record.value.as_deref().and_then(wire::act_entry).is_some();
        batch
            .records
            .retain(|record| !self.cells.contains_key(&record.partition) || is_act(record));
        self.arrival.push(batch);
        let mut records = self.in_order();
        if self.left.is_empty() {
            // What is read so far holds nobody up; a partition that grows would.
            let caught_up = self.arrival.lanes().cloned().collect();
            self.arrival.push(Batch { records: Vec::new(), caught_up });
            records.extend(self.in_order());
        }
        self.reader.pause(&self.arrival.full());
        Ok(records)
    }

    fn in_order(&mut self) -> Vec<TopicRecord> {
        let mut records = Vec::new();
        while let Some(record) = self.arrival.pop() {
            if let Some(cell) = self.cells.get(&record.partition) {
                records.extend(decided(&record, cell, self.since_ms));
                continue;
            }
            let whole = self.whole.iter().any(|topic| **topic == *record.partition.topic);
            if whole || record.timestamp_ms >= self.since_ms {
                records.extend(recorded(record));
            }
        }
        records
    }
}

/// What was there when reading began, to its end.
impl Iterator for Backlog {
    type Item = Result<TopicRecord>;
    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && !self.is_read() {
            match self.poll() {
                Ok(records) => self.ready.extend(records),
                Err(error) => return Some(Err(error)),
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

/// The partitions of the journals, each with its cell; of a journal that several settings name, with the cells of
/// the first.
fn journals(
    log: &dyn Log,
    settings: &[&Settings],
) -> Result<BTreeMap<TopicPartition, CellId>, LogError> {
    let mut all = BTreeMap::new();
    for settings in settings {
        let journal = &settings.own.journal;
        let count = log.partitions(journal)?;
        for (partition, cell) in (0..count).zip(&settings.cells) {
            let at = TopicPartition::new(journal, partition);
            all.entry(at).or_insert_with(|| cell.clone());
        }
    }
    Ok(all)
}

/// An act as a recording holds it. Before the beginning only what may still hold: what was decided about an incident
/// of then concerns nothing that is told of the time since.
fn decided(record: &Record, cell: &CellId, since_ms: i64) -> Option<TopicRecord> {
    let entry = wire::act_entry(record.value.as_deref()?)?;
    let JournalEntry { record: JournalRecord::Command(Command::Act(act)), .. } = &entry else {
        return None;
    };
    if record.timestamp_ms < since_ms && act.decision.incident().is_some() {
        return None;
    }
    let value = serde_json::to_vec(&Decided { cell: cell.clone(), entry }).ok()?;
    Some(TopicRecord {
        topic: topic::ACTS.into(),
        timestamp_ms: record.timestamp_ms,
        key: None,
        headers: Vec::new(),
        value,
    })
}

/// A record as a recording holds it; tombstones are not recorded. Header values and keys that are
/// no text stand as base64.
fn recorded(record: Record) -> Option<TopicRecord> {
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).unwrap_or_else(|error| {
            base64::engine::general_purpose::STANDARD.encode(error.as_bytes())
        })
    };
    Some(TopicRecord {
        topic: record.partition.topic.to_string(),
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(text),
        headers: record.headers.into_iter().map(|(name, value)| (name, text(value))).collect(),
        value: record.value?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::MemoryLog;
    use crate::log::{NewRecord, TopicSpec};
    use model::command::{Act, Decision};
    use model::id::IncidentId;
    use model::time::Timestamp;

    const JOURNAL: &str = "faultline.journal";

    fn log(records: &[(&str, u32, i64, &str)]) -> Arc<dyn Log> {
        let log = MemoryLog::new();
        let inputs = InputTopics::default();
        let names = inputs.all().map(|(name, _)| name.to_owned());
        let specs = names.into_iter().chain([JOURNAL.to_owned()]).map(|name| TopicSpec {
            name,
            partitions: 2,
            compacted: false,
        });
        log.ensure_topics(&specs.collect::<Vec<_>>()).unwrap();
        for (topic, partition, timestamp_ms, value) in records {
            let record = NewRecord {
                timestamp_ms: *timestamp_ms,
                value: Some(value.as_bytes().to_vec()),
                ..NewRecord::default()
            };
            log.append(&TopicPartition::new(topic, *partition), vec![record]).unwrap();
        }
        Arc::new(log)
    }

    fn read(log: &Arc<dyn Log>, from: From) -> Vec<String> {
        let settings = Settings::default();
        Backlog::open(log, &[&settings, &settings], from)
            .unwrap()
            .map(|record| String::from_utf8(record.unwrap().value).unwrap())
            .collect()
    }

    #[test]
    fn records_of_all_partitions_come_in_order_of_arrival_and_once() {
        let log = log(&[
            ("alerts", 0, 30, "c"),
            ("alerts", 1, 10, "a"),
            ("otlp_spans", 0, 20, "b"),
            ("otlp_spans", 0, 40, "d"),
        ]);
        assert_eq!(read(&log, From::Oldest), ["a", "b", "c", "d"]);
        assert!(read(&log, From::Newest).is_empty());
    }

    #[test]
    fn the_last_hours_still_know_what_was_declared_before() {
        let log = log(&[
            ("topology", 0, 1, "map"),
            ("changes", 0, 2, "old change"),
            ("alerts", 0, 99, "old alert"),
            ("alerts", 0, 100, "alert"),
        ]);
        assert_eq!(read(&log, From::Since(100)), ["map", "alert"]);
    }

    /// An entry of a journal.
    fn entry(id: &str, decision: Decision) -> String {
        let at = Timestamp::from_millis(1);
        let (id, author, via) = (id.into(), "ann".into(), "api".into());
        let act = Act { id, author, via, at, reason: String::new(), decision };
        let record = JournalRecord::Command(Command::Act(act));
        serde_json::to_string(&JournalEntry { arrival: at, position: None, record }).unwrap()
    }

    #[test]
    fn what_people_decided_comes_among_the_records_and_what_may_still_hold_from_before() {
        let incident = IncidentId(7);
        let silence = entry("s1", Decision::Expire { target: "s0".into() });
        let (before, after) = (
            entry("a1", Decision::Acknowledge { incident }),
            entry("a2", Decision::Acknowledge { incident }),
        );
        let log = log(&[
            (JOURNAL, 0, 1, &silence),
            (JOURNAL, 0, 2, &before),
            (JOURNAL, 0, 100, r#"{"record":{"Symptoms":{}}}"#),
            ("alerts", 0, 100, "alert"),
            (JOURNAL, 0, 101, &after),
            ("alerts", 0, 102, "later alert"),
        ]);
        let settings = Settings::default();
        let backlog = Backlog::open(&log, &[&settings, &settings], From::Since(100)).unwrap();
        let told = backlog.map(|record| {
            let record = record.unwrap();
            match serde_json::from_slice::<Decided>(&record.value) {
                Ok(Decided { cell, entry }) => {
                    assert_eq!((record.topic.as_str(), cell.0.as_str()), (topic::ACTS, "default"));
                    let JournalRecord::Command(Command::Act(act)) = entry.record else { panic!() };
                    act.id.to_string()
                }
                Err(_) => String::from_utf8(record.value).unwrap(),
            }
        });
        assert_eq!(told.collect::<Vec<_>>(), ["s1", "alert", "a2", "later alert"]);
        assert_eq!(read(&log, From::Oldest).len(), 5, "all three acts and both alerts");
    }

    #[test]
    fn what_arrives_while_it_is_read_does_not_keep_it_from_ending() {
        let log = log(&[("alerts", 0, 10, "a"), ("alerts", 0, 20, "b")]);
        let backlog = Backlog::open(&log, &[&Settings::default()], From::Oldest).unwrap();
        let later = |n: i64| NewRecord {
            timestamp_ms: 30 + n,
            value: Some(b"later".to_vec()),
            ..NewRecord::default()
        };
        let mut seen = 0;
        for record in backlog {
            record.unwrap();
            seen += 1;
            log.append(&TopicPartition::new("alerts", 0), vec![later(seen)]).unwrap();
            assert!(seen < 10, "it never ends");
        }
        assert!(seen >= 2, "{seen}");
    }

    #[test]
    fn a_log_without_input_topics_is_told() {
        let empty: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let error = Backlog::open(&empty, &[&Settings::default()], From::Oldest).err().unwrap();
        assert!(error.to_string().contains("otlp_spans"), "{error}");
    }
}
