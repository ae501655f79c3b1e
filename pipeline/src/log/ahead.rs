//! A reader that reads on, on a thread of its own, while what it gave is being worked on: to take records
//! out of a client and copy them is a fifth of what a stage does with telemetry.
//!
//! Bound: three batches of about [`super::BATCH_BYTES_MAX`]: one that is being worked on, one that waits, and one that the
//! thread holds until there is room.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Batch, LogError, LogReader, TopicPartition};

/// Records asked for at a time.
const RECORDS: usize = 1_000;
/// How long the thread may wait in the reader: so long may its end take.
const WAIT: Duration = Duration::from_millis(50);
/// Batches that wait to be asked for.
const WAITING: usize = 1;

type Answer = Result<Batch, LogError>;

/// The reader, seen from who asks it.
pub(super) struct Ahead {
    answers: Option<Receiver<Answer>>,
    orders: Arc<Orders>,
    thread: Option<JoinHandle<()>>,
    /// What was more than was asked for.
    rest: Option<Batch>,
}

/// What the thread is told.
#[derive(Default)]
struct Orders {
    ends: AtomicBool,
    /// New since the thread looked last.
    pause: Mutex<Option<Vec<TopicPartition>>>,
}

impl Ahead {
    /// Reads ahead with a reader.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(reader: Box<dyn LogReader>) -> Result<Self, LogError> {
        let (tell, answers) = sync_channel(WAITING);
        let orders = Arc::new(Orders::default());
        let of_thread = Arc::clone(&orders);
        let thread = std::thread::Builder::new()
            .name("read ahead".to_owned())
            .spawn(move || of_thread.carry_out(reader, &tell))
            .map_err(|error| LogError::Unavailable(format!("no thread to read on: {error}")))?;
        Ok(Self { answers: Some(answers), orders, thread: Some(thread), rest: None })
    }
}

impl Orders {
    fn carry_out(&self, mut reader: Box<dyn LogReader>, tell: &SyncSender<Answer>) {
        while !self.ends.load(Ordering::Relaxed) {
            let pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(partitions) = pause {
                reader.pause(&partitions);
            }
            let answer = reader.poll(RECORDS, WAIT);
            let is_empty =
                answer.as_ref().is_ok_and(|b| b.records.is_empty() && b.caught_up.is_empty());
            if !is_empty && tell.send(answer).is_err() {
                return;
            }
        }
    }
}

impl LogReader for Ahead {
    fn poll(&mut self, records_max: usize, wait: Duration) -> Answer {
        // It ends by a panic alone: trying again would not help.
        let gone = || LogError::Corrupt("the thread that reads on is gone".to_owned());
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.answers.as_ref().ok_or_else(gone)?.recv_timeout(wait) {
                Ok(answer) => answer?,
                Err(RecvTimeoutError::Timeout) => return Ok(Batch::default()),
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            },
        };
        let (batch, rest) = cut(batch, records_max);
        self.rest = rest;
        Ok(batch)
    }

    /// What was read ahead comes still.
    fn pause(&mut self, partitions: &[TopicPartition]) {
        let mut order = self.orders.pause.lock().unwrap_or_else(PoisonError::into_inner);
        *order = Some(partitions.to_vec());
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.orders.ends.store(true, Ordering::Relaxed);
        // It may be waiting to be asked.
        self.answers = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join().is_err();
        }
    }
}

/// The first records of a batch, at least one, and the rest. Who is through is told behind the last.
fn cut(mut batch: Batch, records_max: usize) -> (Batch, Option<Batch>) {
    let records_max = records_max.max(1);
    if batch.records.len() <= records_max {
        return (batch, None);
    }
    let mut first: VecDeque<_> = batch.records.into();
    let rest = first.split_off(records_max).into();
    let caught_up = std::mem::take(&mut batch.caught_up);
    let first = Batch { records: first.into(), caught_up: Vec::new() };
    (first, Some(Batch { records: rest, caught_up }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::MemoryLog;
    use crate::log::{Log, NewRecord, Start, TopicSpec};

    const PATIENCE: Duration = Duration::from_secs(10);

    fn log() -> (MemoryLog, TopicPartition) {
        let log = MemoryLog::default();
        let spec = TopicSpec { name: "spans".to_owned(), partitions: 2, compacted: false };
        log.ensure_topics(&[spec]).unwrap();
        (log, TopicPartition::new("spans", 0))
    }

    fn append(log: &MemoryLog, at: &TopicPartition, numbers: std::ops::Range<i64>) {
        let record = |timestamp_ms| NewRecord { timestamp_ms, ..NewRecord::default() };
        log.append(at, numbers.map(record).collect()).unwrap();
    }

    #[test]
    fn all_that_is_appended_comes_in_order_and_ends_are_told_behind_it() {
        let (log, at) = log();
        append(&log, &at, 0..2_500);
        let reader = log.reader(&[(at.clone(), Start::Oldest)]).unwrap();
        let mut ahead = Ahead::start(reader).unwrap();
        let mut seen = Vec::new();
        loop {
            let batch = ahead.poll(7, PATIENCE).unwrap();
            assert!(batch.records.len() <= 7);
            seen.extend(batch.records.iter().map(|record| record.timestamp_ms));
            if batch.caught_up == [at.clone()] {
                break;
            }
        }
        assert_eq!(seen, (0..2_500).collect::<Vec<_>>());
        append(&log, &at, 2_500..2_501);
        let late = ahead.poll(7, PATIENCE).unwrap();
        assert_eq!(late.records.len(), 1);
    }

    #[test]
    fn whoever_goes_waits_for_no_record() {
        let (log, at) = log();
        append(&log, &at, 0..10_000);
        let reader = log.reader(&[(at.clone(), Start::Oldest)]).unwrap();
        let ahead = Ahead::start(reader).unwrap();
        // Its thread holds a batch that nobody asks for.
        drop(ahead);
        let reader = log.reader(&[(at, Start::Newest)]).unwrap();
        let mut idle = Ahead::start(reader).unwrap();
        while idle.poll(1, PATIENCE).unwrap().caught_up.is_empty() {}
        drop(idle);
    }

    #[test]
    fn a_partition_that_is_paused_is_read_no_further_until_it_is_not() {
        let (log, at) = log();
        let other = TopicPartition::new("spans", 1);
        let from = [(at.clone(), Start::Oldest), (other.clone(), Start::Oldest)];
        let mut ahead = Ahead::start(log.reader(&from).unwrap()).unwrap();
        let mut ends = 0;
        while ends < 2 {
            ends += ahead.poll(10, PATIENCE).unwrap().caught_up.len();
        }
        ahead.pause(std::slice::from_ref(&at));
        // The order is heeded with the next turn of the thread, and nothing comes meanwhile.
        assert_eq!(ahead.poll(10, WAIT * 4).unwrap(), Batch::default());
        append(&log, &at, 0..5);
        append(&log, &other, 0..5);
        let from_which = |batch: &Batch| {
            batch.records.iter().map(|record| record.partition.partition).collect::<Vec<_>>()
        };
        assert_eq!(from_which(&ahead.poll(10, PATIENCE).unwrap()), [1; 5]);
        ahead.pause(&[]);
        assert_eq!(from_which(&ahead.poll(10, PATIENCE).unwrap()), [0; 5]);
    }

    #[test]
    fn a_thread_that_is_gone_is_no_log_that_is_away() {
        struct Breaks;
        impl LogReader for Breaks {
            fn poll(&mut self, _: usize, _: Duration) -> Answer {
                panic!("a bug")
            }
            fn pause(&mut self, _: &[TopicPartition]) {}
        }
        let mut ahead = Ahead::start(Box::new(Breaks)).unwrap();
        assert!(matches!(ahead.poll(1, PATIENCE), Err(LogError::Corrupt(_))));
    }
}
