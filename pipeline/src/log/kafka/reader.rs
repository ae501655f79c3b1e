//! Reading from Kafka by manual assignment: no group decides what is read, no offset is stored.
//!
//! Each partition has a queue of its own, so that they can take turns and so that the end of a
//! partition is told with its topic. The queues wake the reader through one signal. What this process
//! itself appended comes the short way (`tail.rs`).

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::client::{Consumer, Context, KafkaConfig, to_log_error};
use super::stall::Stall;
use super::tail::{Tail, Tails};
use crate::clock::StopWatch;
use crate::log::fair::take_turns;
use crate::log::{BATCH_BYTES_MAX, Batch, LogError, LogReader, Record, TopicPartition};

/// The group that readers name; nothing is ever committed for it.
const GROUP: &str = "faultline-reader";
/// A queue tells when it stops being empty; this is how long a lost call can delay a reader.
const WAKE_MAX: Duration = Duration::from_millis(100);
/// What may wait in the client's memory for one reader, unless it has many partitions.
const READ_AHEAD_KBYTES: usize = 128 << 10;
/// Each partition's part of it, at least: enough that fetches are not small.
const PARTITION_KBYTES_MIN: usize = 4 << 10;
/// And at most.
const PARTITION_KBYTES_MAX: usize = 16 << 10;

pub(super) struct KafkaReader {
    lanes: Vec<Lane>,
    consumer: Arc<Consumer>,
    signal: Arc<Signal>,
    turn: usize,
    request_timeout: Duration,
}

/// How a partition asks for another offset.
struct Way<'r> {
    consumer: &'r Consumer,
    timeout: Duration,
}

/// One partition.
struct Lane {
    at: TopicPartition,
    queue: PartitionQueue<Context>,
    tail: Arc<Tail>,
    /// The offset behind the last record that was fetched.
    fetched: u64,
    /// The offset behind the last record that came the short way.
    given: u64,
    ended: bool,
    paused: bool,
    stall: Stall,
}

/// What a queue gave.
enum Fetched {
    /// It is empty.
    Nothing,
    /// The partition's end.
    End,
    /// Nothing that was not returned before.
    Known,
    /// What comes next.
    Record(Record),
}

#[derive(Default)]
struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits for the next call of [`Signal::raise`] since the last wait.
    fn wait(&self, at_most: Duration) {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(raised, at_most, |raised| !*raised);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl KafkaReader {
    /// Reads from offsets that are known to lie between a partition's ends.
    pub(super) fn new(
        config: &KafkaConfig,
        from: &[(TopicPartition, u64)],
        tails: &Tails,
    ) -> Result<Self, LogError> {
        let unavailable = |error: KafkaError| LogError::Unavailable(format!("reader: {error}"));
        let consumer: Consumer = read_config(config, from.len())
            .create_with_context(Context::default())
            .map_err(unavailable)?;
        let consumer = Arc::new(consumer);
        let signal = Arc::new(Signal::default());
        let mut assignment = TopicPartitionList::with_capacity(from.len());
        let mut lanes = Vec::with_capacity(from.len());
        for (at, next) in from {
            // Queues are split off before anything is assigned, so nothing can slip past them.
            lanes.push(Lane::new(&consumer, &signal, (at, *next), tails)?);
            let offset = Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX));
            assignment.add_partition_offset(&at.topic, number(at), offset).map_err(unavailable)?;
        }
        consumer.assign(&assignment).map_err(unavailable)?;
        let request_timeout = config.request_timeout;
        Ok(Self { lanes, consumer, signal, turn: 0, request_timeout })
    }

    /// Takes what the queues hold, without waiting.
    fn take(&mut self, records_max: usize) -> (Batch, Option<LogError>) {
        let Self { lanes, consumer, turn, request_timeout, .. } = self;
        let way = Way { consumer, timeout: *request_timeout };
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut failure = None;
        let all_took = take_turns(turn, lanes.len(), records_max, |which, quota| {
            let Some(lane) = lanes.get_mut(which) else { return Ok(0) };
            let before = batch.records.len();
            if let Err(error) = lane.take(quota, &mut bytes, &mut batch, &way) {
                failure.get_or_insert(error);
            }
            Ok::<usize, LogError>(batch.records.len() - before)
        });
        failure = failure.or(all_took.err());
        for lane in lanes.iter_mut().filter(|lane| lane.ended) {
            lane.ended = false;
            batch.caught_up.push(lane.at.clone());
        }
        (batch, failure)
    }

    /// Events that belong to no partition; only those that stop everything are errors.
    fn serve_events(&self) -> Result<(), LogError> {
        match self.consumer.poll(Duration::ZERO) {
            Some(Err(error)) if stops_everything(&error) => {
                Err(LogError::Unavailable(error.to_string()))
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "kafka reader");
                Ok(())
            }
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

impl LogReader for KafkaReader {
    fn poll(&mut self, records_max: usize, wait: Duration) -> Result<Batch, LogError> {
        let watch = StopWatch::start();
        loop {
            let (batch, failure) = self.take(records_max);
            if !batch.records.is_empty() || !batch.caught_up.is_empty() {
                if let Some(error) = failure {
                    tracing::warn!(%error, "a partition could not be read; others could");
                }
                return Ok(batch);
            }
            failure.map_or(Ok(()), Err)?;
            self.serve_events()?;
            let left = wait.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Ok(Batch::default());
            }
            self.signal.wait(left.min(WAKE_MAX));
        }
    }

    /// The client goes on to fetch a paused partition up to its own bounds, and then stops.
    fn pause(&mut self, partitions: &[TopicPartition]) {
        for lane in &mut self.lanes {
            lane.paused = partitions.contains(&lane.at);
        }
    }
}

impl Lane {
    fn new(
        consumer: &Arc<Consumer>,
        signal: &Arc<Signal>,
        (at, next): (&TopicPartition, u64),
        tails: &Tails,
    ) -> Result<Self, LogError> {
        let mut queue = consumer
            .split_partition_queue(&at.topic, number(at))
            .ok_or_else(|| LogError::UnknownTopic(at.topic.to_string()))?;
        let (fetched, appended) = (Arc::clone(signal), Arc::clone(signal));
        queue.set_nonempty_callback(move || fetched.raise());
        let tail = tails.open(at, Box::new(move || appended.raise()));
        Ok(Self {
            at: at.clone(),
            queue,
            tail,
            fetched: next,
            given: 0,
            ended: false,
            paused: false,
            stall: Stall::default(),
        })
    }

    fn take(
        &mut self,
        quota: usize,
        bytes: &mut usize,
        batch: &mut Batch,
        way: &Way<'_>,
    ) -> Result<usize, LogError> {
        let mut taken = 0;
        if self.paused {
            return Ok(0);
        }
        while taken < quota && *bytes < BATCH_BYTES_MAX {
            let record = match self.tail.take(self.fetched.max(self.given)) {
                Some(record) => {
                    self.given = record.offset + 1;
                    record
                }
                None => match self.fetch(way)? {
                    Fetched::Nothing => break,
                    Fetched::End => {
                        self.ended = true;
                        continue;
                    }
                    Fetched::Known => continue,
                    Fetched::Record(record) => record,
                },
            };
            *bytes += record.bytes();
            self.ended = false;
            batch.records.push(record);
            taken += 1;
        }
        Ok(taken)
    }

    /// Takes one thing from the queue.
    fn fetch(&mut self, way: &Way<'_>) -> Result<Fetched, LogError> {
        let Self { at, queue, tail, fetched, given, stall, .. } = self;
        let (to, got) = match queue.poll(Duration::ZERO) {
            None => return Ok(Fetched::Nothing),
            // The client is behind the tail, and will come to this end once more.
            Some(Err(KafkaError::PartitionEOF(_))) if *fetched < *given => {
                (stall.readable_at(*fetched), Fetched::Known)
            }
            Some(Err(KafkaError::PartitionEOF(_))) => (stall.readable_at(*fetched), Fetched::End),
            Some(Err(error)) => return Err(self.failed(&error, way)),
            Some(Ok(message)) => match stall.readable_at(*fetched) {
                Some(to) => (Some(to), Fetched::Known),
                None => {
                    let offset = u64::try_from(message.offset()).unwrap_or(0);
                    // Backwards: the partition lost what it had, and was set back.
                    if offset < *fetched {
                        *given = 0;
                        tail.clear();
                    }
                    *fetched = offset + 1;
                    let is_known = offset < *given;
                    let got = || Fetched::Record(to_record(at, &message));
                    (None, if is_known { Fetched::Known } else { got() })
                }
            },
        };
        if let Some(to) = to {
            self.seek(to, way)?;
            return Ok(Fetched::Known);
        }
        Ok(got)
    }

    /// Turns an error of this partition into one of the log; steps over what cannot be read.
    fn failed(&mut self, error: &KafkaError, way: &Way<'_>) -> LogError {
        let (topic, partition, from) =
            (Arc::clone(&self.at.topic), self.at.partition, self.fetched);
        let damage = is_damage(error).then(|| self.end(way)).and_then(Result::ok);
        if let Some(to) = damage.and_then(|end| self.stall.failed_at(from, end)) {
            tracing::warn!(%topic, partition, from, to, %error, "stepping over what cannot be read");
            if let Err(failed) = self.seek(to, way) {
                return failed;
            }
        }
        match to_log_error(&topic, error) {
            LogError::Unavailable(why) => {
                LogError::Unavailable(format!("partition {partition} at offset {from}: {why}"))
            }
            other => other,
        }
    }

    fn seek(&mut self, to: u64, way: &Way<'_>) -> Result<(), LogError> {
        let offset = Offset::Offset(i64::try_from(to).unwrap_or(i64::MAX));
        let seek = way.consumer.seek(&self.at.topic, number(&self.at), offset, way.timeout);
        seek.map_err(|error| to_log_error(&self.at.topic, &error))?;
        self.fetched = to;
        Ok(())
    }

    fn end(&self, way: &Way<'_>) -> Result<u64, KafkaError> {
        let asked = way.consumer.fetch_watermarks(&self.at.topic, number(&self.at), way.timeout);
        asked.map(|(_, high)| u64::try_from(high).unwrap_or(0))
    }
}

fn read_config(config: &KafkaConfig, partitions: usize) -> rdkafka::ClientConfig {
    let mut client = config.consumer(config.properties.get("group.id").map_or(GROUP, |g| g));
    let read_ahead = read_ahead_kbytes(partitions).to_string();
    let bounded = [
        // Per partition: what waits in the client's memory.
        ("queued.max.messages.kbytes", read_ahead.as_str()),
        ("queued.min.messages", "10000"),
        ("fetch.message.max.bytes", "1048576"),
        ("fetch.wait.max.ms", "100"),
        ("fetch.error.backoff.ms", "100"),
        // How soon a partition that had enough waiting is looked at again. The client's own second is longer than
        // what waits lasts: a reader of a backlog would mostly wait for it.
        ("fetch.queue.backoff.ms", "5"),
        // An offset that retention took away: go on at the oldest that is left.
        ("auto.offset.reset", "earliest"),
    ];
    for (name, value) in bounded {
        if !config.properties.contains_key(name) {
            client.set(name, value);
        }
    }
    client
}

/// What may wait of one partition in the client's memory. A fetch that finds nothing is answered after
/// `fetch.wait.max.ms`, and until then no partition of that broker is asked again: what waits has to last so long.
/// Few partitions, as those of a busy topic of alerts, may have more each.
fn read_ahead_kbytes(partitions: usize) -> usize {
    (READ_AHEAD_KBYTES / partitions.max(1)).clamp(PARTITION_KBYTES_MIN, PARTITION_KBYTES_MAX)
}

fn number(at: &TopicPartition) -> i32 {
    i32::try_from(at.partition).unwrap_or(i32::MAX)
}

fn stops_everything(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::Fatal
            )
        )
}

/// Whether the bytes at an offset are at fault, rather than the way to them.
fn is_damage(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BadCompression
                | RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::Underflow
        )
    )
}

fn to_record(at: &TopicPartition, message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|headers| {
        let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
        };
        headers.iter().map(owned).collect()
    });
    Record {
        partition: at.clone(),
        offset: u64::try_from(message.offset()).unwrap_or(0),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        value: message.payload().map(<[u8]>::to_vec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_shared_by_the_partitions_of_a_reader() {
        let all = |partitions| partitions * read_ahead_kbytes(partitions);
        assert_eq!(read_ahead_kbytes(1), PARTITION_KBYTES_MAX);
        assert!((1..=32).all(|partitions| all(partitions) <= READ_AHEAD_KBYTES));
        assert_eq!(read_ahead_kbytes(1_000), PARTITION_KBYTES_MIN);
    }

    #[test]
    fn what_an_operator_sets_stands() {
        let mut config = KafkaConfig::new("localhost:9092");
        assert_eq!(read_config(&config, 3).get("fetch.queue.backoff.ms"), Some("5"));
        config.properties.insert("fetch.queue.backoff.ms".to_owned(), "50".to_owned());
        assert_eq!(read_config(&config, 3).get("fetch.queue.backoff.ms"), Some("50"));
    }
}
