//! One thread of a stage over a log: read, handle, append, now and then a snapshot.
//!
//! Invariant: an offset goes into a snapshot only after everything that records before it caused
//! is durable in the log. After a crash the stage repeats what lies behind its newest snapshot;
//! stamps, positions and revisions make the repetition harmless. And nothing is appended, and no snapshot
//! written, while the role may be another process's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::time::{Nanos, Timestamp};

use crate::clock::{self, StopWatch};
use crate::log::{Batch, Log, LogError, LogReader, NewRecord, Record, Start, TopicPartition};
use crate::run::lag::LagBoard;
use crate::run::lease::Lease;
use crate::run::monitor::StageMonitor;
use crate::run::scribe::{Scribe, Written};
use crate::run::stop::Stop;
use crate::snapshot::{Snapshot, SnapshotStore};
use crate::stages::arrival::Arrival;
use crate::stages::{Emit, Stage};

/// Records asked for in one poll.
const POLL_RECORDS_MAX: usize = 2_000;
/// How long a poll waits for records: the longest that a stop has to wait.
const POLL_WAIT: Duration = Duration::from_millis(50);
/// Emitted bytes after which the log is written before more is handled.
const FLUSH_BYTES: usize = 1 << 20;
/// What OBSERVE is given to handle at once, so that it can read ahead; what comes of it is about as much. The others
/// make much of little: they get one record at a time. Unit: bytes.
const PART_BYTES: usize = 4 << 20;
/// Records that may wait for their order of arrival.
const ARRIVAL_RECORDS_MAX: usize = 200_000;
/// Time between two snapshots, at least.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);
/// A snapshot is a cache and holds everything up while it is copied out: it may take one part in so
/// many of the time. A larger state is snapshot less often; more is repeated after a crash then.
const SNAPSHOT_SHARE: u32 = 20;
/// The longest between two snapshots, whatever they cost.
const SNAPSHOT_EVERY_MAX: Duration = Duration::from_secs(120);
/// The inputs must be silent for so long before event time goes on without them.
const IDLE_AFTER: Duration = Duration::from_secs(2);
/// Ends of partitions are not asked for more often than this: what is appended in between is late by
/// so much at most.
const ENDS_KNOWN_FOR: Duration = Duration::from_secs(1);
/// How long records up to an end that the log named are waited for.
const END_AWAITED_MAX: Duration = Duration::from_secs(30);
/// The longest pause between two tries when the log does not answer.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Why a worker ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The log refuses for good.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The snapshot directory cannot be used.
    #[error("cannot use the snapshot directory: {0}")]
    Snapshot(#[from] std::io::Error),
    /// It was told to stop while the log did not answer, or the role was not ours any more: what it had
    /// emitted is not durable, and no offset may go beyond it.
    #[error("stopped before the log had everything")]
    Stopped,
}

/// Everything that a stage needs to run.
pub struct Worker {
    /// The stage's name: of its snapshots, its progress and its health.
    pub name: &'static str,
    /// The stage.
    pub stage: Box<dyn Stage>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The partitions it reads; in the order in which records of the same instant go.
    pub inputs: Vec<TopicPartition>,
    /// Whether records are to be put in order of their arrival over all partitions.
    pub in_order_of_arrival: bool,
    /// The consumer group under which progress is shown.
    pub group: String,
    /// Name of the dead-letter topic: what goes there is counted apart.
    pub dead_letters: String,
    /// What it tells of itself.
    pub monitor: StageMonitor,
    /// Where it tells how far it has come.
    pub lag: Arc<LagBoard>,
    /// Whether the role is ours.
    pub lease: Lease,
    /// When to stop.
    pub stop: Stop,
}

impl Worker {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// When the log refuses for good, or the snapshot directory cannot be used.
    pub fn run(self, data_dir: &Path) -> Result<(), WorkerError> {
        match self.work(data_dir) {
            Err(WorkerError::Stopped) => Ok(()),
            ended => ended,
        }
    }

    fn work(mut self, data_dir: &Path) -> Result<(), WorkerError> {
        let store = SnapshotStore::open(&data_dir.join("snapshots"), self.name)?;
        let next_offsets = self.restore(&store)?;
        self.monitor.resumes(&self.stage.tally());
        let starts = self.inputs.iter().map(|input| {
            let start = next_offsets.get(input).map_or(Start::Oldest, |offset| Start::At(*offset));
            (input.clone(), start)
        });
        let starts: Vec<_> = starts.collect();
        let reader = self.persist("open its input", |worker| {
            let ahead = worker.in_order_of_arrival;
            let log = &worker.log;
            Ok(if ahead { log.reader_ahead(&starts)? } else { log.reader(&starts)? })
        })?;
        let mut arrival = Arrival::new(&self.inputs, ARRIVAL_RECORDS_MAX);
        for (input, offset) in &next_offsets {
            arrival.begins_at(input, *offset);
        }
        let mut state = Progress {
            reader,
            arrival,
            ends_known: None,
            next_offsets,
            emits: Vec::new(),
            dirty: false,
        };
        let mut scribe = Scribe::start(store, self.name)?;
        self.monitor.ready();
        let (mut since_snapshot, mut since_record) = (StopWatch::start(), StopWatch::start());
        let mut snapshot_after = SNAPSHOT_EVERY;
        while !self.stop.is_set() {
            if self.turn(&mut state)? {
                since_record = StopWatch::start();
            } else if since_record.elapsed() >= IDLE_AFTER && state.arrival.is_drained() {
                let silent = Nanos(since_record.elapsed().as_nanos() as i64);
                self.stage.idle(silent, &mut state.emits);
                state.dirty |= !state.emits.is_empty();
                self.flush(&mut state.emits)?;
                since_record = StopWatch::start();
            }
            if let Some(written) = scribe.written() {
                self.kept(written, &mut state);
                since_snapshot = StopWatch::start();
            }
            if state.dirty && !scribe.is_busy() && since_snapshot.elapsed() >= snapshot_after {
                let copying = StopWatch::start();
                self.snapshot(&mut scribe, &mut state);
                snapshot_after = pause_after(copying.elapsed());
                since_snapshot = StopWatch::start();
            }
        }
        if let Some(written) = scribe.finish() {
            self.kept(written, &mut state);
        }
        if state.dirty {
            self.snapshot(&mut scribe, &mut state);
        }
        if let Some(written) = scribe.finish() {
            self.kept(written, &mut state);
        }
        Ok(())
    }

    /// Reads once and handles what is in order; tells whether anything was.
    fn turn(&mut self, state: &mut Progress) -> Result<bool, WorkerError> {
        let batch = match state.reader.poll(POLL_RECORDS_MAX, POLL_WAIT) {
            Ok(batch) => batch,
            Err(error @ LogError::Corrupt(_)) => return Err(error.into()),
            Err(error) => {
                self.monitor.trouble("read", &error);
                let _stopped = self.stop.wait(Duration::from_millis(500));
                return Ok(true);
            }
        };
        let records = if self.in_order_of_arrival {
            self.in_order(state, batch)
        } else {
            state.arrival.push(Batch { records: Vec::new(), caught_up: batch.caught_up });
            batch.records
        };
        let any = !records.is_empty();
        let read: u64 = records.iter().map(|r| r.value.as_ref().map_or(0, Vec::len) as u64).sum();
        self.monitor.read(records.len() as u64, read);
        let newest = records.iter().map(|record| record.timestamp_ms).max();
        let newest = newest.map(Timestamp::from_millis);
        if let Some(newest) = newest {
            self.monitor.event_time(newest);
        }
        let begun = if any { self.monitor.batch_begins() } else { None };
        let topic = records.first().map(|record| Arc::clone(&record.partition.topic));
        let of_batch = (records.len() as u64, read);
        let at_once = if self.in_order_of_arrival { PART_BYTES } else { 0 };
        for part in parts(&records, at_once) {
            if self.stop.is_set() {
                // What is not handled is read again at the next start.
                break;
            }
            self.stage.handle_all(part, &mut state.emits);
            for record in part {
                state.next_offsets.insert(record.partition.clone(), record.offset + 1);
            }
            if state.emits.iter().map(size).sum::<usize>() >= FLUSH_BYTES {
                self.flush(&mut state.emits)?;
            }
        }
        self.flush(&mut state.emits)?;
        self.monitor.batch_ends(begun, topic.as_deref().unwrap_or_default(), of_batch);
        if any {
            self.lag.at(self.monitor.stage(), &state.next_offsets, newest, clock::now());
        }
        state.dirty |= any;
        if any {
            self.monitor.tally(&self.stage.tally());
        }
        self.monitor.open(state.arrival.waiting());
        Ok(any)
    }

    /// Takes in a batch, and hands out what is in order now.
    fn in_order(&self, state: &mut Progress, batch: Batch) -> Vec<Record> {
        state.arrival.push(batch);
        let mut records = Vec::new();
        while !state.arrival.leaps() || self.ends_are_known(state) {
            let Some(record) = state.arrival.pop() else { break };
            records.push(record);
        }
        let known_for = state.ends_known.map_or(Duration::ZERO, |known| known.elapsed());
        if state.arrival.awaits_an_end() && known_for >= END_AWAITED_MAX {
            tracing::warn!(
                stage = self.name,
                "goes on without records that the log has and does not give"
            );
            state.arrival.give_up();
        }
        state.reader.pause(&state.arrival.full());
        records
    }

    /// Asks the log where the partitions end that seem to be read to their end, unless that was done a
    /// moment ago. Whether they are known.
    fn ends_are_known(&self, state: &mut Progress) -> bool {
        if state.ends_known.is_some_and(|known| known.elapsed() < ENDS_KNOWN_FOR) {
            return true;
        }
        for partition in state.arrival.at_their_end() {
            match self.log.end(&partition) {
                Ok(end) => state.arrival.ends_at(&partition, end),
                Err(error) => {
                    self.monitor.trouble("ask for the end of a partition", &error);
                    return false;
                }
            }
        }
        state.ends_known = Some(StopWatch::start());
        true
    }

    /// Appends what was emitted, partition by partition, in order.
    fn flush(&self, emits: &mut Vec<Emit>) -> Result<(), WorkerError> {
        let mut by_partition: BTreeMap<TopicPartition, Vec<NewRecord>> = BTreeMap::new();
        for emit in emits.drain(..) {
            by_partition.entry(emit.to).or_default().push(emit.record);
        }
        for (to, records) in by_partition {
            let count = records.len() as u64;
            self.persist("append", |worker| {
                if !worker.lease.wait(&worker.stop) {
                    return Err(WorkerError::Stopped);
                }
                Ok(worker.log.append(&to, records.clone())?)
            })?;
            self.monitor.written(count);
            if *to.topic == *self.dead_letters {
                self.monitor.dead_letters(count);
            }
        }
        Ok(())
    }

    /// Tries until the log answers, or until it is told to stop.
    fn persist<T>(
        &self,
        what: &'static str,
        mut attempt: impl FnMut(&Self) -> Result<T, WorkerError>,
    ) -> Result<T, WorkerError> {
        let mut pause = Duration::from_millis(50);
        loop {
            match attempt(self) {
                Ok(done) => {
                    self.monitor.well();
                    return Ok(done);
                }
                Err(WorkerError::Log(error)) if error.may_pass() => {
                    self.monitor.trouble(what, &error);
                    if self.stop.wait(pause) {
                        return Err(WorkerError::Stopped);
                    }
                    pause = (pause * 2).min(BACKOFF_MAX);
                }
                Err(refused) => return Err(refused),
            }
        }
    }

    fn restore(
        &mut self,
        store: &SnapshotStore,
    ) -> Result<BTreeMap<TopicPartition, u64>, WorkerError> {
        let Some(snapshot) = store.newest() else { return Ok(BTreeMap::new()) };
        if self.is_ahead_of_the_log(&snapshot)? {
            return Ok(BTreeMap::new());
        }
        match self.stage.restore(&snapshot.state) {
            Ok(()) => {
                let offset = |input: &TopicPartition| {
                    snapshot.next_offset(input).map(|offset| (input.clone(), offset))
                };
                Ok(self.inputs.iter().filter_map(offset).collect())
            }
            Err(error) => {
                tracing::warn!(stage = self.name, %error, "snapshot is of another version, reading from the start");
                Ok(BTreeMap::new())
            }
        }
    }

    /// Whether a snapshot has read what the log does not have: the log lost its end, or is another one. Its next
    /// records get offsets that the snapshot takes for read, so it is worth nothing.
    fn is_ahead_of_the_log(&self, snapshot: &Snapshot) -> Result<bool, WorkerError> {
        for input in &self.inputs {
            let Some(read) = snapshot.next_offset(input) else { continue };
            let end = self
                .persist("ask for the end of a partition", |worker| Ok(worker.log.end(input)?))?;
            if read > end {
                tracing::error!(
                    stage = self.name,
                    topic = &*input.topic,
                    partition = input.partition,
                    read,
                    end,
                    "the log has lost records that a snapshot has read, reading from the start"
                );
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives the state as it is now to the scribe, while the role is ours: a snapshot that is written late may
    /// replace a newer one, of the process that took over on the same directory.
    fn snapshot(&self, scribe: &mut Scribe, state: &mut Progress) {
        if !self.lease.holds() {
            return;
        }
        match self.stage.save() {
            Ok(bytes) => {
                let offsets = state.next_offsets.iter().map(|(at, offset)| (at.clone(), *offset));
                scribe.write(bytes, offsets.collect());
                state.dirty = false;
            }
            Err(error) => tracing::error!(stage = self.name, %error, "snapshot was not made"),
        }
    }

    /// What became of a snapshot. One that cannot be written costs time after a crash, nothing else.
    fn kept(&self, written: Written, state: &mut Progress) {
        let offsets = match written {
            Ok(offsets) => offsets,
            Err(error) => {
                self.monitor.no_snapshot(&error);
                state.dirty = true;
                return;
            }
        };
        self.monitor.snapshot();
        self.log.release(&offsets);
        if !self.lease.holds() {
            // How far the role has come is the new owner's to say.
            return;
        }
        if let Err(error) = self.log.publish_progress(&self.group, &offsets) {
            tracing::debug!(stage = self.name, %error, "progress was not published");
        }
    }
}

/// When the next snapshot is due after one that took so long.
fn pause_after(took: Duration) -> Duration {
    (took * SNAPSHOT_SHARE).clamp(SNAPSHOT_EVERY, SNAPSHOT_EVERY_MAX)
}

struct Progress {
    reader: Box<dyn LogReader>,
    arrival: Arrival,
    /// Since when the ends of the partitions are known.
    ends_known: Option<StopWatch>,
    next_offsets: BTreeMap<TopicPartition, u64>,
    emits: Vec<Emit>,
    dirty: bool,
}

/// Cuts records into parts of so many bytes, a larger record alone.
fn parts(mut records: &[Record], bytes_max: usize) -> impl Iterator<Item = &[Record]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |record: &&Record| {
            bytes += record.bytes();
            bytes <= bytes_max
        };
        let count = records.iter().take_while(fits).count().max(1);
        let (part, rest) = records.split_at(count.min(records.len()));
        records = rest;
        Some(part).filter(|part| !part.is_empty())
    })
}

fn size(emit: &Emit) -> usize {
    emit.record.value.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(bytes: usize) -> Record {
        Record {
            partition: TopicPartition::new("spans", 0),
            offset: 0,
            timestamp_ms: 0,
            key: None,
            headers: Vec::new(),
            value: Some(vec![0; bytes]),
        }
    }

    #[test]
    fn records_are_handled_in_parts_that_leave_none_out() {
        let records = [1, PART_BYTES - 1, 1, 2 * PART_BYTES, 0, 1, PART_BYTES].map(record);
        let lengths = |bytes| parts(&records, bytes).map(<[Record]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(PART_BYTES), [2, 1, 1, 2, 1]);
        assert_eq!(lengths(0), [1; 7]);
        assert_eq!(parts(&[], PART_BYTES).count(), 0);
    }

    #[test]
    fn a_large_state_is_snapshot_less_often_but_still() {
        assert_eq!(pause_after(Duration::from_millis(3)), SNAPSHOT_EVERY);
        assert_eq!(pause_after(Duration::from_secs(2)), Duration::from_secs(40));
        assert_eq!(pause_after(Duration::from_secs(60)), SNAPSHOT_EVERY_MAX);
    }
}
