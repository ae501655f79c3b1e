//! People's acts over the log: appended to the journal of their cell, and followed there, so that
//! every process with the role `console` knows what stands, whoever took it. What the fold did not
//! carry out is followed in the dead letters.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use model::command::{Act, Command};
use model::id::CellId;
use model::journal::{JournalEntry, JournalRecord};
use model::time::Timestamp;

use crate::control::desk::{Desk, Journal};
use crate::dead_letter::header;
use crate::http::HttpState;
use crate::http::metrics::{Metric, Stage as StageName};
use crate::log::{Log, Record, Start, TopicPartition};
use crate::run::Starter;
use crate::stages::correlate::ActsTold;
use crate::stages::settings::Settings;
use crate::stages::wire;

/// How long one turn waits for records.
const TURN: Duration = Duration::from_millis(200);

/// The journal topic as the desk's journal.
pub struct LogJournal {
    log: Arc<dyn Log>,
    settings: Arc<Settings>,
}

impl LogJournal {
    /// The journal of an installation.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, settings: Arc<Settings>) -> Self {
        Self { log, settings }
    }
}

impl Journal for LogJournal {
    fn cells(&self) -> &[CellId] {
        &self.settings.cells
    }

    fn append(&self, cell: &CellId, acts: &[Act], arrival: Timestamp) -> Result<(), String> {
        let partition = self.settings.cells.iter().position(|known| known == cell);
        let partition = partition.ok_or_else(|| format!("there is no cell {cell}"))?;
        let to = TopicPartition::new(&self.settings.own.journal, partition as u32);
        let entry = |act: &Act| {
            let record = JournalRecord::Command(Command::Act(act.clone()));
            let entry = JournalEntry { arrival, position: None, record };
            wire::journal(to.clone(), &entry).map(|emit| emit.record)
        };
        let records: Result<Vec<_>, _> = acts.iter().map(entry).collect();
        let records = records.map_err(|error| error.to_string())?;
        self.log.append(&to, records).map(|_| ()).map_err(|error| error.to_string())
    }
}

/// Counts what became of people's decisions.
pub(super) fn counted(http: &HttpState) -> ActsTold {
    let metrics = http.metrics.clone();
    Box::new(move |counts| {
        metrics.set(Metric::Acts, StageName::Correlate, counts.taken);
        metrics.set(Metric::ActsRefused, StageName::Correlate, counts.refused);
        metrics.set(Metric::AlertsMuted, StageName::Correlate, counts.alerts_muted);
    })
}

/// Starts the thread that follows the journal's acts, and what became of them, into the desk. The
/// stage's state is restored when all that is there has been read: before that a silence that stands
/// would be missing from the list, and an act that is asked for again would be taken twice.
///
/// # Errors
/// When the topic cannot be found.
pub fn follow(starter: &Starter<'_>) -> Result<JoinHandle<Result<()>>> {
    let mut from = starter.partitions_of(&starter.settings.own.journal)?;
    from.extend(starter.partitions_of(&starter.settings.own.dead_letters)?);
    let mut unread: BTreeSet<TopicPartition> = from.iter().cloned().collect();
    let from: Vec<_> = from.into_iter().map(|partition| (partition, Start::Oldest)).collect();
    let (log, desk, stop) = (starter.log.clone(), starter.http.desk.clone(), starter.stop.clone());
    let settings = starter.settings.clone();
    starter.thread(StageName::Console, move |monitor| {
        let mut reader = log.reader(&from)?;
        while !stop.is_set() {
            match reader.poll(1_000, TURN) {
                Ok(batch) => {
                    monitor.well();
                    batch.records.iter().for_each(|record| learn(&desk, &settings, record));
                    for at in &batch.caught_up {
                        if unread.remove(at) && unread.is_empty() {
                            monitor.state_restored();
                        }
                    }
                }
                Err(error) => {
                    monitor.trouble("read acts", &error);
                    let _stopped = stop.wait(Duration::from_millis(500));
                }
            }
        }
        Ok(())
    })
}

fn learn(desk: &Desk, settings: &Settings, record: &Record) {
    let is_letter = *record.partition.topic == *settings.own.dead_letters;
    if is_letter && header(record, "topic").as_deref() != Some(&settings.own.journal) {
        return;
    }
    let Some(entry) = record.value.as_deref().and_then(wire::act_entry) else { return };
    let partition = match is_letter {
        true => header(record, "partition").and_then(|text| text.parse().ok()),
        false => Some(record.partition.partition),
    };
    let cell = partition.and_then(|partition: u32| settings.cells.get(partition as usize));
    let Some(cell) = cell else { return };
    if let JournalRecord::Command(Command::Act(act)) = entry.record {
        match is_letter {
            true => desk.refuse(cell, &act, &header(record, "reason").unwrap_or_default()),
            false => desk.learn(cell, &act),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::standing::{Found, Kind};
    use crate::dead_letter::dead_letter;
    use crate::log::memory::MemoryLog;
    use crate::log::{LogReader, TopicSpec};
    use model::command::Decision;
    use model::matcher::{MatchOp, Matcher};

    fn silence() -> Act {
        let matcher =
            Matcher { label: "service".into(), op: MatchOp::Equal, value: "cart".to_owned() };
        Act {
            id: "s1".into(),
            author: "ann".into(),
            via: "api".into(),
            at: Timestamp::from_millis(1_000),
            reason: "\"Symptoms\"".repeat(300),
            decision: Decision::Silence {
                matchers: vec![matcher],
                starts_at: Timestamp::from_millis(1_000),
                ends_at: Timestamp::from_millis(9_000),
            },
        }
    }

    fn read_all(reader: &mut dyn LogReader) -> Vec<Record> {
        let mut records = Vec::new();
        loop {
            let batch = reader.poll(100, Duration::from_millis(10)).expect("readable");
            records.extend(batch.records);
            if !batch.caught_up.is_empty() {
                return records;
            }
        }
    }

    #[test]
    fn an_act_goes_into_the_journal_of_its_cell_and_is_learnt_from_there() {
        let settings = Arc::new(Settings {
            cells: vec![CellId("a".into()), CellId("b".into())],
            ..Settings::default()
        });
        let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
        let journal = settings.own.journal.clone();
        let spec = TopicSpec { name: journal.clone(), partitions: 2, compacted: false };
        log.ensure_topics(&[spec]).expect("topics");
        let writer = LogJournal::new(log.clone(), settings.clone());
        let arrival = Timestamp::from_millis(5_000);
        writer.append(&CellId("b".into()), &[silence()], arrival).expect("durable");
        assert!(writer.append(&CellId("c".into()), &[silence()], arrival).is_err());

        let at = |partition| TopicPartition::new(&journal, partition);
        let mut other = log.reader(&[(at(0), Start::Oldest)]).expect("a reader");
        assert_eq!(read_all(&mut *other), [], "the other cell has nothing");
        let mut reader = log.reader(&[(at(1), Start::Oldest)]).expect("a reader");
        let desk = Desk::default();
        for record in read_all(&mut *reader) {
            let entry = record.value.as_deref().and_then(wire::act_entry).expect("an act");
            assert_eq!(entry.arrival, arrival, "not when its author's clock says");
            learn(&desk, &settings, &record);
        }
        desk.read(|standing| {
            let Found::One(entry) = standing.find(Kind::Silence, "s1") else { panic!("learnt") };
            assert_eq!(entry.act, silence());
            assert_eq!(entry.cells.iter().next(), Some(&CellId("b".into())));
        });

        let mut reader = log.reader(&[(at(1), Start::Oldest)]).expect("a reader");
        for record in read_all(&mut *reader) {
            let letter = dead_letter(&settings.own.dead_letters, &record, "5 are in force already");
            let to = letter.to.clone();
            log.ensure_topics(&[TopicSpec {
                name: to.topic.to_string(),
                partitions: 1,
                compacted: false,
            }])
            .expect("topics");
            log.append(&to, vec![letter.record]).expect("durable");
            let mut letters = log.reader(&[(to, Start::Oldest)]).expect("a reader");
            read_all(&mut *letters).iter().for_each(|letter| learn(&desk, &settings, letter));
        }
        desk.read(|standing| {
            assert_eq!(standing.find(Kind::Silence, "s1"), Found::None, "it stands nowhere");
            let refused = &standing.known("s1").expect("known").refused;
            assert_eq!(refused[&CellId("b".into())], "5 are in force already");
        });
    }
}
