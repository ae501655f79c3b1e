//! A seat in a consumer group over a topic with one partition: who is assigned it has the work.
//!
//! Nothing is read. A term is the group's committed offset: the coordinator takes a commit from members of the
//! group's present generation alone, so its answer proves that this process was one. Cooperative assignment leaves the partition where it is when others come and go.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::Offset;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::client::{KafkaConfig, forward, to_log_error};
use crate::clock::StopWatch;
use crate::log::LogError;
use crate::log::seat::{Seat, SeatEvent, SeatSpec};

/// How long a look for the newest term may take.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// How often the same trouble is told.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// How long leaving may take.
const LEAVE_MAX: Duration = Duration::from_secs(3);
/// How long an assignment may be without a poll: librdkafka's default. The lease ends long before.
const POLL_EVERY_MAX: Duration = Duration::from_secs(300);

pub(super) struct KafkaSeat {
    consumer: BaseConsumer<Events>,
    topic: String,
    is_given: bool,
    /// What was told last of why the group does not answer, and since when.
    told: Option<(String, StopWatch)>,
}

impl KafkaSeat {
    pub(super) fn join(config: &KafkaConfig, spec: &SeatSpec) -> Result<Self, LogError> {
        let unavailable =
            |error: KafkaError| LogError::Unavailable(format!("group {}: {error}", spec.group));
        let ms = |time: Duration| time.as_millis().to_string();
        let mut client = config.consumer(&spec.group);
        // The newer protocol has its session on the broker's side, where this process cannot know it.
        client.set("group.protocol", "classic");
        client.set("partition.assignment.strategy", "cooperative-sticky");
        client.set("session.timeout.ms", ms(spec.session));
        client.set("heartbeat.interval.ms", ms(spec.session / 6));
        client.set("max.poll.interval.ms", ms(POLL_EVERY_MAX.max(spec.session)));
        client.set("enable.partition.eof", "false");
        // A proof is waited for; one that comes later than this is worth little.
        client.set("socket.timeout.ms", ms(spec.session / 2));
        client.remove("group.instance.id");
        if let Some(identity) = &spec.identity {
            client.set("group.instance.id", identity);
        }
        let consumer: BaseConsumer<Events> =
            client.create_with_context(Events::default()).map_err(unavailable)?;
        consumer.subscribe(&[&spec.topic]).map_err(unavailable)?;
        Ok(Self { consumer, topic: spec.topic.clone(), is_given: false, told: None })
    }

    /// Whoever waits for a role for ever has to be told why: a right that is missing, a session that the brokers refuse.
    fn tell(&mut self, error: &KafkaError) {
        let why = error.to_string();
        let is_known =
            |(known, since): &(String, StopWatch)| *known == why && since.elapsed() < TELL_AGAIN;
        if !self.told.as_ref().is_some_and(is_known) {
            tracing::warn!(%error, topic = self.topic, "the group of a role does not take this process in");
            self.told = Some((why, StopWatch::start()));
        }
    }

    fn only(&self, offset: Offset) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.topic, 0, offset)?;
        Ok(list)
    }
}

impl Seat for KafkaSeat {
    fn poll(&mut self) -> Vec<SeatEvent> {
        let mut has_failed = false;
        // Callbacks are made by polls; each makes one at most.
        let mut events = Vec::new();
        loop {
            match self.consumer.poll(Duration::ZERO) {
                Some(Err(error)) => {
                    self.tell(&error);
                    has_failed |= matches!(error, KafkaError::MessageConsumptionFatal(_));
                }
                Some(Ok(_)) => {}
                None => {
                    let more = self.consumer.context().take();
                    if more.is_empty() {
                        break;
                    }
                    events.extend(more);
                }
            }
        }
        for event in &events {
            match event {
                SeatEvent::Given => self.is_given = true,
                SeatEvent::Taken => self.is_given = false,
                SeatEvent::Failed => {}
            }
        }
        if has_failed || self.consumer.client().fatal_error().is_some() {
            events.push(SeatEvent::Failed);
        }
        events
    }

    fn newest_term(&mut self) -> Result<Option<u64>, LogError> {
        let failed = |error: KafkaError| to_log_error(&self.topic, &error);
        let asked = self.only(Offset::Invalid).map_err(failed)?;
        let found = self.consumer.committed_offsets(asked, LOOK_MAX).map_err(failed)?;
        let at = found.find_partition(&self.topic, 0);
        if let Some(Err(error)) = at.as_ref().map(|at| at.error()) {
            return Err(failed(error));
        }
        Ok(match at.map(|at| at.offset()) {
            Some(Offset::Offset(term)) => u64::try_from(term).ok(),
            _ => None,
        })
    }

    fn prove(&mut self, term: u64) -> Result<(), LogError> {
        if self.consumer.assignment_lost() {
            return Err(LogError::Unavailable("the role was taken away".to_owned()));
        }
        let failed = |error: KafkaError| to_log_error(&self.topic, &error);
        let offset = Offset::Offset(i64::try_from(term).unwrap_or(i64::MAX));
        let list = self.only(offset).map_err(failed)?;
        // The answer to one that is not waited for is told to nobody.
        self.consumer.commit(&list, CommitMode::Sync).map_err(failed)
    }

    /// A member that only closes its client, and has an identity, is waited for as one that died.
    fn leave(mut self: Box<Self>) {
        let watch = StopWatch::start();
        self.poll();
        self.consumer.unsubscribe();
        while self.is_given && watch.elapsed() < LEAVE_MAX {
            self.poll();
            super::wait::pause(Duration::from_millis(10));
        }
    }
}

/// What callbacks told.
#[derive(Default)]
struct Events(Mutex<VecDeque<SeatEvent>>);

impl Events {
    fn tell(&self, event: SeatEvent) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    fn take(&self) -> VecDeque<SeatEvent> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        forward(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client error");
    }
}

impl ConsumerContext for Events {
    /// The committed offset is a term, not a place to read from; and nothing is to be read.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        why: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let done = match why {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let is_any = list.count() > 0;
                let done = list
                    .set_all_offsets(Offset::Beginning)
                    .and_then(|()| consumer.incremental_assign(list))
                    .and_then(|()| consumer.pause(list));
                if is_any && done.is_ok() {
                    self.tell(SeatEvent::Given);
                }
                done
            }
            _ => {
                if list.count() > 0 {
                    self.tell(SeatEvent::Taken);
                }
                consumer.incremental_unassign(list)
            }
        };
        if let Err(error) = done {
            // The group believes that this process has what it has not: only a new member can mend that.
            tracing::warn!(%error, "an assignment of a group was not carried out");
            self.tell(SeatEvent::Failed);
        }
    }
}
