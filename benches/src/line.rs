//! The product's own OBSERVE, DETECT and CORRELATE in this process, between topics of a real
//! broker: what the benches over Kafka measure.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use model::incident::Incident;
use model::recording::{TopicRecord, topic};
use pipeline::cli::Role;
use pipeline::clock::StopWatch;
use pipeline::config::Config;
use pipeline::log::{Log, TopicPartition, TopicSpec};
use pipeline::run::Running;
use pipeline::run::stop::Stop;
use pipeline::topics::{InputTopics, OwnTopics};

use crate::broker::Broker;
use crate::pairs::Turn;
use crate::watched::Watched;

/// Partitions of a bench's topic of spans.
pub(crate) const PARTITIONS: u32 = 4;
/// How often a running line is asked whether it is through.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// The longest that a line may take for one turn.
const TURN_MAX: Duration = Duration::from_secs(600);

/// Input topics of a bench, filled once and read by every turn.
pub(crate) struct Inputs {
    pub(crate) topics: InputTopics,
    /// Records in all of them.
    pub(crate) records: u64,
    name: String,
}

impl Inputs {
    /// Makes the topics: spans in [`PARTITIONS`], all others in one.
    pub(crate) fn make(broker: &Broker, name: &str) -> Result<Self> {
        let topic = |topic: &str| format!("bench.{name}.{topic}");
        let topics = InputTopics {
            spans: topic(topic::SPANS),
            logs: topic(topic::LOGS),
            metrics: topic(topic::METRICS),
            alerts: topic(topic::ALERTS),
            changes: topic(topic::CHANGES),
            topology: topic(topic::TOPOLOGY),
        };
        let specs = topics.all().map(|(name, _)| TopicSpec {
            name: name.to_owned(),
            partitions: if name == topics.spans { PARTITIONS } else { 1 },
            compacted: false,
        });
        broker.log()?.ensure_topics(&specs)?;
        Ok(Self { topics, records: 0, name: name.to_owned() })
    }

    /// Where the next record goes: spans to one partition after the other.
    pub(crate) fn place(&mut self, record: &TopicRecord) -> TopicPartition {
        let spans = record.topic == topic::SPANS;
        let partition = if spans { self.records % u64::from(PARTITIONS) } else { 0 };
        self.records += 1;
        let name = format!("bench.{}.{}", self.name, record.topic);
        TopicPartition::new(&name, u32::try_from(partition).unwrap_or(0))
    }

    /// The partitions of the topic of spans.
    pub(crate) fn spans(&self) -> Vec<TopicPartition> {
        (0..PARTITIONS).map(|number| TopicPartition::new(&self.topics.spans, number)).collect()
    }
}

/// The product, ready to start, without any history.
pub(crate) struct KafkaLine {
    pub(crate) log: Arc<Watched>,
    pub(crate) own: OwnTopics,
    inputs: InputTopics,
    config: Config,
    _directory: tempfile::TempDir,
}

impl KafkaLine {
    /// Own topics of its own for each turn: no turn finds another's work done.
    pub(crate) fn prepare(broker: &Broker, inputs: &Inputs, turn: usize) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut config = Config::for_demo("127.0.0.1:0", directory.path())?;
        let own = OwnTopics::with_prefix(&format!("bench.{}.turn-{turn}", inputs.name));
        config.settings.inputs = inputs.topics.clone();
        config.settings.own = own.clone();
        let log = Arc::new(Watched::new(broker.log()?));
        log.ensure_topics(&own.specs(1, 1))?;
        Ok(Self { log, own, inputs: inputs.topics.clone(), config, _directory: directory })
    }

    /// Starts all stages.
    pub(crate) fn start(&self) -> Result<Running> {
        let roles = [Role::Observe, Role::Detect, Role::Correlate];
        pipeline::run::start(&self.config, self.log.clone(), &roles)
    }

    /// Measures from the start until everything in the input has had its effect; `work` is what
    /// the input holds.
    pub(crate) fn run(&self, work: f64, input_records: u64) -> Result<(Turn, Vec<Incident>)> {
        let mut running = None;
        let turn = Turn::measure(|| {
            running = Some(self.start()?);
            self.await_end(input_records)?;
            Ok(work)
        })?;
        running.context("it was started")?.end()?;
        Ok((turn, self.incidents()?))
    }

    /// The last revision of every incident.
    pub(crate) fn incidents(&self) -> Result<Vec<Incident>> {
        let incidents = self.log.latest_by_key(&self.own.incidents)?;
        let values = incidents.iter().filter_map(|record| record.value.as_deref());
        let incidents: Result<Vec<Incident>, _> = values.map(serde_json::from_slice).collect();
        Ok(incidents?)
    }

    fn await_end(&self, input_records: u64) -> Result<()> {
        let (watch, pause) = (StopWatch::start(), Stop::default());
        while watch.elapsed() < TURN_MAX {
            let inputs = self.inputs.all().map(|(name, _)| self.log.passed(name).handled);
            let through = |topic: &str| {
                let passed = self.log.passed(topic);
                passed.handled == passed.appended
            };
            let observed = inputs.iter().sum::<u64>() == input_records;
            if observed && through(&self.own.panes) && through(&self.own.journal) {
                return Ok(());
            }
            let _never = pause.wait(LOOK_EVERY);
        }
        anyhow::bail!("the line did not come through in {TURN_MAX:?}")
    }
}
