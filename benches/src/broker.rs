//! A real broker for the benches that need one: `tests/kafka.sh` starts it on loopback, in a
//! directory of its own, and ends it again. `FAULTLINE_BENCH_KAFKA=HOST:PORT` names one that runs
//! already.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pipeline::log::TopicPartition;
use pipeline::log::kafka::{KafkaConfig, KafkaLog};
use rdkafka::ClientConfig;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::TopicPartitionList;
use tempfile::TempDir;

use model::recording::TopicRecord;

/// How long the broker may take to acknowledge everything, and a consumer to see the next record.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker, and what runs it if it is ours.
pub(crate) struct Broker {
    bootstrap: String,
    own: Option<TempDir>,
}

impl Broker {
    /// Starts a broker, or takes the one that the environment names.
    pub(crate) fn start() -> Result<Self> {
        if let Ok(bootstrap) = env::var("FAULTLINE_BENCH_KAFKA") {
            return Ok(Self { bootstrap, own: None });
        }
        let directory = tempfile::tempdir().context("no directory for a broker")?;
        let done = rig().arg("start").arg(directory.path()).stdout(Stdio::null()).status();
        let done = done.context("tests/kafka.sh cannot be run")?;
        ensure!(done.success(), "tests/kafka.sh could not start a broker; it says above why");
        let bootstrap = std::fs::read_to_string(directory.path().join("bootstrap"))?;
        Ok(Self { bootstrap: bootstrap.trim().to_owned(), own: Some(directory) })
    }

    /// The product's log over this broker.
    pub(crate) fn log(&self) -> Result<KafkaLog> {
        Ok(KafkaLog::connect(KafkaConfig::new(&self.bootstrap))?)
    }

    /// A producer that fills topics as fast as it can.
    pub(crate) fn filler(&self, codec: &str) -> Result<Filler> {
        let mut config = self.client();
        config.set("compression.type", codec);
        config.set("linger.ms", "50").set("batch.size", "1000000").set("acks", "1");
        config.set("queue.buffering.max.kbytes", "262144");
        Ok(Filler { producer: config.create().context("no producer")? })
    }

    /// Reads partitions from their start to their end and does nothing with what it reads: the
    /// ceiling of every consumer. Gives the bytes of all payloads.
    pub(crate) fn read_only(&self, partitions: &[TopicPartition]) -> Result<u64> {
        let mut config = self.client();
        config.set("group.id", "bench-no-op").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().context("no consumer")?;
        let mut assignment = TopicPartitionList::with_capacity(partitions.len());
        for at in partitions {
            let number = i32::try_from(at.partition)?;
            assignment.add_partition_offset(&at.topic, number, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        let (mut bytes, mut open) = (0, partitions.len());
        while open > 0 {
            match consumer.poll(PATIENCE).context("the broker gave nothing more")? {
                Ok(message) => bytes += message.payload().map_or(0, <[u8]>::len) as u64,
                Err(KafkaError::PartitionEOF(_)) => open -= 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(bytes)
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let Some(directory) = &self.own else { return };
        let ended = rig().arg("stop").arg(directory.path()).stdout(Stdio::null()).status();
        if !ended.is_ok_and(|status| status.success()) {
            // Nobody is left to hear an error; the process id stands in the directory.
            let _kept = self.own.take().map(TempDir::keep);
        }
    }
}

/// Fills topics, compressed as it was told.
pub(crate) struct Filler {
    producer: BaseProducer,
}

impl Filler {
    /// Sends one record to a partition; waits while the client's queue is full.
    pub(crate) fn send(&self, to: &TopicPartition, record: &TopicRecord) -> Result<()> {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
            all.insert(Header { key, value: Some(value.as_bytes()) })
        });
        let mut message: BaseRecord<'_, str, [u8]> = BaseRecord::to(&to.topic)
            .partition(i32::try_from(to.partition)?)
            .timestamp(record.timestamp_ms)
            .payload(record.value.as_slice())
            .headers(headers);
        if let Some(key) = &record.key {
            message = message.key(key);
        }
        while let Err((error, back)) = self.producer.send(message) {
            ensure!(error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull), error);
            self.producer.poll(Duration::from_millis(20));
            message = back;
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Waits until the broker has everything.
    pub(crate) fn finish(&self) -> Result<()> {
        Ok(self.producer.flush(PATIENCE)?)
    }
}

fn rig() -> Command {
    let workspace: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Command::new(workspace.join("tests/kafka.sh"))
}
