//! A worker after a silence: the partition that answers first does not run ahead of the others.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use pipeline::http::HttpState;
use pipeline::http::metrics::Stage as StageName;
use pipeline::log::memory::MemoryLog;
use pipeline::log::{
    Batch, Log, LogError, LogReader, NewRecord, Record, Start, TopicPartition, TopicSpec,
};
use pipeline::run::lease::Lease;
use pipeline::run::monitor::StageMonitor;
use pipeline::run::stop::Stop;
use pipeline::run::worker::Worker;
use pipeline::stages::{Emit, Stage, wire};

const PATIENCE: Duration = Duration::from_secs(30);
/// Polls for which the slow partition says nothing, after the other has said all.
const SILENT_POLLS: u32 = 10;
/// The last record of the other.
const LAST_MS: i64 = 80_000;

/// A log whose second partition answers late, as one of many in a fetch may.
struct Uneven(MemoryLog);

impl Log for Uneven {
    fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        self.0.ensure_topics(topics)
    }
    fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        self.0.partitions(topic)
    }
    fn append(&self, to: &TopicPartition, all: Vec<NewRecord>) -> Result<Option<u64>, LogError> {
        self.0.append(to, all)
    }
    fn end(&self, at: &TopicPartition) -> Result<u64, LogError> {
        self.0.end(at)
    }
    fn reader(&self, from: &[(TopicPartition, Start)]) -> Result<Box<dyn LogReader>, LogError> {
        let inner = self.0.reader(from)?;
        Ok(Box::new(Late { inner, held: Batch::default(), polls: 0 }))
    }
    fn latest_by_key(&self, topic: &str) -> Result<Vec<Record>, LogError> {
        self.0.latest_by_key(topic)
    }
    fn publish_progress(&self, _: &str, _: &[(TopicPartition, u64)]) -> Result<(), LogError> {
        Ok(())
    }
}

struct Late {
    inner: Box<dyn LogReader>,
    held: Batch,
    polls: u32,
}

impl LogReader for Late {
    fn poll(&mut self, records_max: usize, wait: Duration) -> Result<Batch, LogError> {
        let mut batch = self.inner.poll(records_max, wait)?;
        let late = |at: &TopicPartition| at.partition == 1;
        let (held, rest) = batch
            .records
            .drain(..)
            .partition(|r: &Record| late(&r.partition) && r.timestamp_ms > 0);
        batch.records = rest;
        self.held.records.extend::<Vec<Record>>(held);
        if self.held.records.is_empty() {
            return Ok(batch);
        }
        let (ends, others) = batch.caught_up.drain(..).partition(late);
        batch.caught_up = others;
        self.held.caught_up.extend::<Vec<TopicPartition>>(ends);
        let all_said = batch.records.iter().any(|record| record.timestamp_ms == LAST_MS);
        self.polls += u32::from(all_said || self.polls > 0);
        if self.polls > SILENT_POLLS {
            batch.records.append(&mut self.held.records);
            batch.caught_up.append(&mut self.held.caught_up);
        }
        Ok(batch)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.inner.pause(partitions);
    }
}

/// Tells the times of what it handles.
struct Told(SyncSender<i64>);

impl Stage for Told {
    fn handle(&mut self, record: &Record, _: &mut Vec<Emit>) {
        self.0.send(record.timestamp_ms).expect("the test listens");
    }
    fn save(&self) -> Result<Vec<u8>, wire::WireError> {
        Ok(Vec::new())
    }
    fn restore(&mut self, _: &[u8]) -> Result<(), wire::WireError> {
        Ok(())
    }
}

fn at(partition: u32) -> TopicPartition {
    TopicPartition::new("spans", partition)
}

fn append(log: &dyn Log, partition: u32, timestamp_ms: i64) {
    let record = NewRecord { timestamp_ms, value: Some(vec![1]), ..NewRecord::default() };
    log.append(&at(partition), vec![record]).expect("memory takes it");
}

fn next(told: &Receiver<i64>, count: usize) -> Vec<i64> {
    (0..count).map(|_| told.recv_timeout(PATIENCE).expect("it is handled")).collect()
}

#[test]
fn who_answers_first_after_a_silence_waits_for_the_others() {
    let log: Arc<dyn Log> = Arc::new(Uneven(MemoryLog::new()));
    let spec = TopicSpec { name: String::from("spans"), partitions: 2, compacted: false };
    log.ensure_topics(&[spec]).expect("a topic");
    append(&*log, 0, -2_000);
    append(&*log, 1, -1_000);
    let (tell, told) = sync_channel(16);
    let stop = Stop::default();
    let worker = Worker {
        name: "observe",
        stage: Box::new(Told(tell)),
        log: log.clone(),
        inputs: vec![at(0), at(1)],
        in_order_of_arrival: true,
        group: String::from("test"),
        dead_letters: String::from("dead-letters"),
        monitor: StageMonitor::new(StageName::Observe, HttpState::default()),
        lag: Arc::default(),
        lease: Lease::default(),
        stop: stop.clone(),
    };
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().to_owned();
    let running = std::thread::spawn(move || worker.run(&data_dir));
    assert_eq!(next(&told, 2), [-2_000, -1_000]);

    append(&*log, 1, 25_000);
    append(&*log, 0, 20_000);
    append(&*log, 0, LAST_MS);
    assert_eq!(next(&told, 3), [20_000, 25_000, LAST_MS]);

    stop.set();
    running.join().expect("no panic").expect("it ends well");
}
