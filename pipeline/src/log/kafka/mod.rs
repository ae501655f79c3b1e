//! The log in Kafka, by librdkafka.
//!
//! Deliberately absent: transactions (a delayed commit can act on a later transaction, and nothing
//! here needs them) and consumer groups as a means of sharing partitions. Readers are told what to read;
//! committed offsets are written for lag dashboards and never read back, but for those of [`seat`], which are none.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::ahead::Ahead;
use super::seat::{Seat, SeatSpec, Seats};
use super::{Log, LogError, LogReader, NewRecord, Record, Start, TopicPartition, TopicSpec};
use crate::clock::StopWatch;

mod client;
mod producer;
mod reader;
mod seat;
mod stall;
mod tail;
mod wait;

pub use client::KafkaConfig;
use client::{Consumer, Context, to_log_error};
use producer::Producer;
use reader::KafkaReader;
use seat::KafkaSeat;
use tail::Tails;

/// How long reading a compacted topic may go without a record before it is given up.
const LATEST_IDLE_MAX: Duration = Duration::from_secs(30);
/// Records per poll while a compacted topic is read.
const LATEST_RECORDS: usize = 10_000;

/// How long to let a cluster settle before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A Kafka cluster as a log. A process needs one: it holds the process's one producer.
pub struct KafkaLog {
    config: KafkaConfig,
    producer: Producer,
    /// Asks about topics and ends; reads nothing.
    control: Consumer,
    /// Topics that were seen, with their partitions: a topic never loses one.
    seen: Mutex<BTreeMap<String, u32>>,
    /// One client per group that progress is published for.
    groups: Mutex<BTreeMap<String, Consumer>>,
    /// The short way to this process's readers.
    tails: Tails,
}

impl KafkaLog {
    /// Makes the clients. The cluster is first spoken to when something is asked of it.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when librdkafka refuses the configuration.
    pub fn connect(config: KafkaConfig) -> Result<Self, LogError> {
        let control = make_consumer(&config, "faultline-control")?;
        let producer = Producer::new(&config)?;
        let (seen, groups, tails) = (Mutex::default(), Mutex::default(), Tails::default());
        Ok(Self { config, producer, control, seen, groups, tails })
    }

    /// Asks the cluster how many partitions a topic has; 0 if it does not exist.
    fn ask_partitions(&self, topic: &str) -> Result<u32, LogError> {
        let metadata = self
            .control
            .fetch_metadata(Some(topic), self.config.request_timeout)
            .map_err(|error| LogError::Unavailable(format!("topic {topic}: {error}")))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(0);
        };
        if let Some(error) = found.error() {
            let error = KafkaError::MetadataFetch(error.into());
            return match to_log_error(topic, &error) {
                LogError::UnknownTopic(_) => Ok(0),
                other => Err(other),
            };
        }
        let count = u32::try_from(found.partitions().len()).unwrap_or(u32::MAX);
        if count > 0 {
            self.seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(topic.to_owned(), count);
        }
        Ok(count)
    }

    /// Refuses what does not exist: a producer that asks for it could create it.
    fn check_exists(&self, at: &TopicPartition) -> Result<(), LogError> {
        let seen =
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&*at.topic).copied();
        if seen.is_some_and(|count| at.partition < count) {
            return Ok(());
        }
        match self.ask_partitions(&at.topic)? {
            0 => Err(LogError::UnknownTopic(at.topic.to_string())),
            count if at.partition < count => Ok(()),
            _ => Err(LogError::UnknownTopic(format!("{} partition {}", at.topic, at.partition))),
        }
    }

    /// The oldest offset that is there, and the one behind the newest.
    fn ends(&self, at: &TopicPartition) -> Result<(u64, u64), LogError> {
        let number = i32::try_from(at.partition).unwrap_or(i32::MAX);
        let timeout = self.config.request_timeout;
        let watch = StopWatch::start();
        let (low, high) = loop {
            match self.control.fetch_watermarks(&at.topic, number, timeout) {
                Ok(ends) => break ends,
                // A partition that was just made, or whose broker just changed.
                Err(error) if is_settling(&error) && watch.elapsed() < timeout => {
                    wait::pause(ASK_AGAIN);
                }
                Err(error) => return Err(to_log_error(&at.topic, &error)),
            }
        };
        let low = u64::try_from(low).unwrap_or(0);
        Ok((low, u64::try_from(high).unwrap_or(0).max(low)))
    }

    fn resolve(&self, at: &TopicPartition, start: Start) -> Result<u64, LogError> {
        let (low, high) = self.ends(at)?;
        Ok(match start {
            Start::Oldest => low,
            Start::Newest => high,
            Start::At(offset) => {
                if offset > high {
                    let TopicPartition { topic, partition } = at;
                    tracing::warn!(%topic, partition, offset, high, "start beyond the end; the topic lost records");
                }
                offset.clamp(low, high)
            }
        })
    }

    fn create(&self, missing: &[&TopicSpec]) -> Result<(), LogError> {
        let unavailable = |error: KafkaError| LogError::Unavailable(format!("topics: {error}"));
        let admin: AdminClient<Context> =
            self.config.client().create_with_context(Context::default()).map_err(unavailable)?;
        let topics: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|spec| {
                let count = i32::try_from(spec.partitions.max(1)).unwrap_or(i32::MAX);
                let copies = TopicReplication::Fixed(self.config.replication_factor);
                let topic = NewTopic::new(&spec.name, count, copies);
                if spec.compacted { topic.set("cleanup.policy", "compact") } else { topic }
            })
            .collect();
        let timeout = self.config.request_timeout;
        let options =
            AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout));
        let made = wait::block_on(admin.create_topics(&topics, &options)).map_err(unavailable)?;
        for outcome in made {
            match outcome {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    let why = format!("topic {topic} could not be created: {code}");
                    return Err(LogError::Unavailable(why));
                }
            }
        }
        Ok(())
    }

    /// A created topic is known to all brokers a moment later.
    fn await_topics(&self, topics: &[&TopicSpec]) -> Result<(), LogError> {
        let watch = StopWatch::start();
        for topic in topics {
            while self.ask_partitions(&topic.name)? == 0 {
                if watch.elapsed() > self.config.request_timeout {
                    let why = format!("topic {} was created but does not show", topic.name);
                    return Err(LogError::Unavailable(why));
                }
                wait::pause(ASK_AGAIN);
            }
        }
        Ok(())
    }
}

impl Log for KafkaLog {
    fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<(), LogError> {
        let mut missing: Vec<&TopicSpec> = Vec::new();
        for spec in topics {
            let named = missing.iter().any(|other| other.name == spec.name);
            if !named && self.ask_partitions(&spec.name)? == 0 {
                missing.push(spec);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.create(&missing)?;
        self.await_topics(&missing)
    }

    fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        self.ask_partitions(topic)
    }

    fn append(
        &self,
        to: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> Result<Option<u64>, LogError> {
        self.check_exists(to)?;
        let acknowledged = self.producer.append(to, &records)?;
        if let Some(first) = acknowledged.first_of(records.len()) {
            self.tails.offer(to, first, records);
        }
        Ok(acknowledged.last())
    }

    fn end(&self, at: &TopicPartition) -> Result<u64, LogError> {
        self.check_exists(at)?;
        Ok(self.ends(at)?.1)
    }

    fn start_since(&self, at: &TopicPartition, timestamp_ms: i64) -> Result<Start, LogError> {
        self.check_exists(at)?;
        let failed = |error: KafkaError| to_log_error(&at.topic, &error);
        let number = i32::try_from(at.partition).unwrap_or(i32::MAX);
        let mut asked = TopicPartitionList::with_capacity(1);
        asked
            .add_partition_offset(&at.topic, number, Offset::Offset(timestamp_ms))
            .map_err(failed)?;
        let found =
            self.control.offsets_for_times(asked, self.config.request_timeout).map_err(failed)?;
        // No record is as late: what comes from now on is.
        let offset = match found.find_partition(&at.topic, number).map(|found| found.offset()) {
            Some(Offset::Offset(offset)) => u64::try_from(offset).unwrap_or(0),
            Some(Offset::End) => self.ends(at)?.1,
            _ => return Ok(Start::Oldest),
        };
        Ok(Start::At(offset))
    }

    fn reader(&self, from: &[(TopicPartition, Start)]) -> Result<Box<dyn LogReader>, LogError> {
        let mut resolved = Vec::with_capacity(from.len());
        for (at, start) in from {
            self.check_exists(at)?;
            resolved.push((at.clone(), self.resolve(at, *start)?));
        }
        Ok(Box::new(KafkaReader::new(&self.config, &resolved, &self.tails)?))
    }

    fn reader_ahead(
        &self,
        from: &[(TopicPartition, Start)],
    ) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(Ahead::start(self.reader(from)?)?))
    }

    fn latest_by_key(&self, topic: &str) -> Result<Vec<Record>, LogError> {
        let count = self.ask_partitions(topic)?;
        if count == 0 {
            return Err(LogError::UnknownTopic(topic.to_owned()));
        }
        let all: Vec<_> =
            (0..count).map(|p| (TopicPartition::new(topic, p), Start::Oldest)).collect();
        let mut reader = self.reader(&all)?;
        let mut behind: Vec<TopicPartition> = all.into_iter().map(|(at, _)| at).collect();
        let mut latest: BTreeMap<Vec<u8>, Record> = BTreeMap::new();
        let mut idle = StopWatch::start();
        while !behind.is_empty() {
            let batch = reader.poll(LATEST_RECORDS, Duration::from_secs(1))?;
            if !batch.records.is_empty() || !batch.caught_up.is_empty() {
                idle = StopWatch::start();
            } else if idle.elapsed() > LATEST_IDLE_MAX {
                return Err(LogError::Unavailable(format!(
                    "topic {topic} could not be read to its end"
                )));
            }
            for record in batch.records {
                match (&record.key, &record.value) {
                    (Some(key), Some(_)) => _ = latest.insert(key.clone(), record),
                    (Some(key), None) => _ = latest.remove(key),
                    (None, _) => {}
                }
            }
            behind.retain(|at| !batch.caught_up.contains(at));
        }
        Ok(latest.into_values().collect())
    }

    /// Asynchronous: an error is that of an earlier call.
    fn publish_progress(
        &self,
        group: &str,
        next_offsets: &[(TopicPartition, u64)],
    ) -> Result<(), LogError> {
        let unavailable =
            |error: KafkaError| LogError::Unavailable(format!("group {group}: {error}"));
        let mut offsets = TopicPartitionList::with_capacity(next_offsets.len());
        for (at, next) in next_offsets {
            let number = i32::try_from(at.partition).unwrap_or(i32::MAX);
            let offset = Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX));
            offsets.add_partition_offset(&at.topic, number, offset).map_err(unavailable)?;
        }
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if !groups.contains_key(group) {
            groups.insert(group.to_owned(), make_consumer(&self.config, group)?);
        }
        let Some(consumer) = groups.get(group) else { return Ok(()) };
        // Serves the answers to earlier commits.
        if let Some(Err(error)) = consumer.poll(Duration::ZERO) {
            tracing::debug!(%error, group, "kafka progress");
        }
        consumer.commit(&offsets, CommitMode::Async).map_err(unavailable)?;
        consumer
            .client()
            .context()
            .take_failed_commit()
            .map_or(Ok(()), |error| Err(unavailable(error)))
    }

    fn seats(&self) -> Option<&dyn Seats> {
        Some(self)
    }
}

impl Seats for KafkaLog {
    fn join(&self, spec: &SeatSpec) -> Result<Box<dyn Seat>, LogError> {
        Ok(Box::new(KafkaSeat::join(&self.config, spec)?))
    }
}

/// Whether brokers disagree for a moment about who leads a partition that does exist.
fn is_settling(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}

fn make_consumer(config: &KafkaConfig, group: &str) -> Result<Consumer, LogError> {
    config
        .consumer(group)
        .create_with_context(Context::default())
        .map_err(|error| LogError::Unavailable(format!("kafka client: {error}")))
}
