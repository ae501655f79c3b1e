//! Appending to Kafka: one idempotent producer for the whole process, and an append that returns
//! when every record of it was acknowledged by all in-sync replicas.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders, Timestamp};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use super::client::{KafkaConfig, forward, to_log_error};
use crate::clock::StopWatch;
use crate::log::{LogError, NewRecord, TopicPartition, check_sizes};

/// librdkafka's default of `message.max.bytes`; brokers have about the same.
const MESSAGE_BYTES_MAX: usize = 1_000_000;
/// How long to wait for room when the client's queue is full, before trying again.
const ROOM_WAIT: Duration = Duration::from_millis(20);
/// Reports come by librdkafka's own timeout; this much later something is wrong with it.
const REPORT_SLACK: Duration = Duration::from_secs(5);

/// The producer, made anew if librdkafka declares it beyond repair.
pub(super) struct Producer {
    config: KafkaConfig,
    message_bytes_max: usize,
    current: Mutex<Arc<ThreadedProducer<Reports>>>,
}

impl Producer {
    pub(super) fn new(config: &KafkaConfig) -> Result<Self, LogError> {
        let limit = config.properties.get("message.max.bytes").and_then(|max| max.parse().ok());
        Ok(Self {
            config: config.clone(),
            message_bytes_max: limit.unwrap_or(MESSAGE_BYTES_MAX),
            current: Mutex::new(Arc::new(connect(config)?)),
        })
    }

    pub(super) fn append(
        &self,
        to: &TopicPartition,
        records: &[NewRecord],
    ) -> Result<Acknowledged, LogError> {
        check_sizes(&to.topic, records, self.message_bytes_max)?;
        let producer = self.current();
        let delivery = Arc::new(Delivery::default());
        let watch = StopWatch::start();
        for record in records {
            delivery.expect_one();
            if let Err(error) = self.send(&producer, to, record, &delivery, watch) {
                delivery.report(Err(error));
                break;
            }
        }
        let outcome = delivery.wait(self.config.append_timeout + REPORT_SLACK);
        outcome.map_err(|error| {
            self.replace_if_fatal(&producer);
            self.explain(to, records, &error)
        })
    }

    fn send(
        &self,
        producer: &ThreadedProducer<Reports>,
        to: &TopicPartition,
        record: &NewRecord,
        delivery: &Arc<Delivery>,
        watch: StopWatch,
    ) -> Result<(), KafkaError> {
        let partition = i32::try_from(to.partition).unwrap_or(i32::MAX);
        loop {
            let mut message: BaseRecord<'_, [u8], [u8], Arc<Delivery>> =
                BaseRecord::with_opaque_to(&to.topic, Arc::clone(delivery))
                    .partition(partition)
                    .timestamp(record.timestamp_ms);
            if let Some(key) = &record.key {
                message = message.key(key);
            }
            if let Some(value) = &record.value {
                message = message.payload(value);
            }
            if !record.headers.is_empty() {
                message = message.headers(to_headers(&record.headers));
            }
            match producer.send(message) {
                Ok(()) => return Ok(()),
                Err((error, _)) => {
                    let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    if !full || watch.elapsed() > self.config.append_timeout {
                        return Err(error);
                    }
                    delivery.wait_for_any(ROOM_WAIT);
                }
            }
        }
    }

    fn current(&self) -> Arc<ThreadedProducer<Reports>> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// After a fatal error (an idempotent producer that lost track) the client refuses all work.
    fn replace_if_fatal(&self, broken: &Arc<ThreadedProducer<Reports>>) {
        let Some((code, reason)) = broken.client().fatal_error() else { return };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, broken) {
            return;
        }
        tracing::warn!(%code, reason, "the kafka producer failed for good; starting another");
        match connect(&self.config) {
            Ok(producer) => *current = Arc::new(producer),
            Err(error) => tracing::error!(%error, "another kafka producer could not be started"),
        }
    }

    fn explain(&self, to: &TopicPartition, records: &[NewRecord], error: &KafkaError) -> LogError {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            let bytes = records.iter().map(NewRecord::bytes).max().unwrap_or(0);
            let limit = self.message_bytes_max.min(bytes.saturating_sub(1));
            return LogError::TooLarge { topic: to.topic.to_string(), bytes, limit };
        }
        to_log_error(&to.topic, error)
    }
}

fn connect(config: &KafkaConfig) -> Result<ThreadedProducer<Reports>, LogError> {
    let mut client = config.client();
    for (name, value) in [("compression.type", "lz4"), ("linger.ms", "0")] {
        if !config.properties.contains_key(name) {
            client.set(name, value);
        }
    }
    client.set("enable.idempotence", "true");
    client.set("acks", "all");
    client.set("delivery.timeout.ms", config.append_timeout.as_millis().to_string());
    ThreadedProducer::from_config_and_context(&client, Reports)
        .map_err(|error| LogError::Unavailable(format!("kafka producer: {error}")))
}

fn to_headers(headers: &[(String, Vec<u8>)]) -> OwnedHeaders {
    let room = OwnedHeaders::new_with_capacity(headers.len());
    headers.iter().fold(room, |all, (key, value)| all.insert(Header { key, value: Some(value) }))
}

/// Hands delivery reports to the append that waits for them.
struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        forward(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka producer error");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Arc<Delivery>) {
        delivery.report(match result {
            // A report without an offset is an acknowledgement all the same.
            Ok(message) => Ok(u64::try_from(message.offset()).ok().map(|offset| {
                (offset, matches!(message.timestamp(), Timestamp::LogAppendTime(_)))
            })),
            Err((error, _)) => Err(error.clone()),
        });
    }
}

/// Where the records of one append stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// The lowest and the highest offset.
    ends: Option<(u64, u64)>,
    /// Whether the brokers put other timestamps in.
    restamped: bool,
}

impl Acknowledged {
    /// The offset of the last record.
    pub(super) fn last(self) -> Option<u64> {
        self.ends.map(|(_, last)| last)
    }

    /// The offset of the first of so many records, if they stand next to each other as they were
    /// sent. The producer keeps their order; others may have appended in between.
    pub(super) fn first_of(self, records: usize) -> Option<u64> {
        let (first, last) = self.ends.filter(|_| !self.restamped)?;
        (last - first + 1 == records as u64).then_some(first)
    }

    fn take(&mut self, offset: u64, restamped: bool) {
        let (first, last) = self.ends.unwrap_or((offset, offset));
        self.ends = Some((first.min(offset), last.max(offset)));
        self.restamped |= restamped;
    }
}

/// What is known of one append.
#[derive(Default)]
pub(super) struct Delivery {
    state: Mutex<DeliveryState>,
    reported: Condvar,
}

#[derive(Default)]
struct DeliveryState {
    outstanding: usize,
    /// Somebody waits for room.
    eager: bool,
    acknowledged: Acknowledged,
    error: Option<KafkaError>,
}

impl Delivery {
    fn expect_one(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).outstanding += 1;
    }

    fn report(&self, report: Result<Option<(u64, bool)>, KafkaError>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.outstanding = state.outstanding.saturating_sub(1);
        match report {
            Ok(Some((offset, restamped))) => state.acknowledged.take(offset, restamped),
            Ok(None) => {}
            Err(error) => state.error = state.error.take().or(Some(error)),
        }
        let is_awaited = state.outstanding == 0 || state.eager;
        drop(state);
        if is_awaited {
            self.reported.notify_all();
        }
    }

    fn wait_for_any(&self, at_most: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.eager = true;
        let waited = self.reported.wait_timeout(state, at_most);
        waited.unwrap_or_else(PoisonError::into_inner).0.eager = false;
    }

    fn wait(&self, at_most: Duration) -> Result<Acknowledged, KafkaError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.reported.wait_timeout_while(state, at_most, |s| s.outstanding > 0);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        match state.outstanding {
            0 => Ok(state.acknowledged),
            _ => Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)),
        }
    }
}
