//! Kafka: the contract against a real broker and against librdkafka's mock, and what is Kafka's own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pipeline::clock::StopWatch;
use pipeline::log::kafka::{KafkaConfig, KafkaLog};
use pipeline::log::{Log, TopicPartition};
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::checks::UNKNOWN_TOPICS;
use super::hold_to_contract;
use super::world::{PATIENCE, World};

/// librdkafka's default of `message.max.bytes`.
const RECORD_BYTES_MAX: usize = 1_000_000;

/// The broker to test against; says so if there is none.
fn real_broker(test: &str) -> Option<String> {
    let broker = std::env::var("FAULTLINE_TEST_KAFKA").ok().filter(|broker| !broker.is_empty());
    if broker.is_none() {
        println!("SKIPPED {test}: FAULTLINE_TEST_KAFKA=host:port names no broker");
    }
    broker
}

fn world(broker: &str) -> Result<World<'static>> {
    let log = KafkaLog::connect(KafkaConfig::new(broker))?;
    Ok(World::new(Arc::new(log), RECORD_BYTES_MAX))
}

#[test]
fn real_kafka_keeps_the_contract() -> Result<()> {
    let Some(broker) = real_broker("real_kafka_keeps_the_contract") else { return Ok(()) };
    hold_to_contract(&world(&broker)?, &[]);
    Ok(())
}

#[test]
fn mock_kafka_keeps_the_contract() -> Result<()> {
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1)?;
    let world = world(&cluster.bootstrap_servers())?.with_topics_by(|spec| {
        let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
        // An existing topic is refused, which is fine here.
        cluster.create_topic(&spec.name, partitions, 1).ok();
    });
    hold_to_contract(&world, &[UNKNOWN_TOPICS]);
    Ok(())
}

#[test]
fn published_progress_is_seen_by_lag_tools() -> Result<()> {
    let Some(broker) = real_broker("published_progress_is_seen_by_lag_tools") else {
        return Ok(());
    };
    let world = world(&broker)?;
    let at = world.topic("lag", 2)?;
    let group = world.name("lag-group");
    let offsets: Vec<_> = at.iter().cloned().zip([7, 9]).collect();
    let watch = StopWatch::start();
    // Progress is published again and again by a running stage, as here.
    while committed(&broker, &group, &at)? != [Offset::Offset(7), Offset::Offset(9)] {
        ensure!(watch.elapsed() < PATIENCE, "never committed");
        world.log.publish_progress(&group, &offsets)?;
    }
    Ok(())
}

fn committed(broker: &str, group: &str, at: &[TopicPartition]) -> Result<Vec<Offset>> {
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", broker)
        .set("group.id", group)
        .create()?;
    let mut asked = TopicPartitionList::new();
    for at in at {
        asked.add_partition(&at.topic, i32::try_from(at.partition)?);
    }
    let found = consumer.committed_offsets(asked, PATIENCE)?;
    Ok(found.elements().iter().map(|element| element.offset()).collect())
}

#[test]
fn a_cluster_that_does_not_answer_is_an_error_in_bounded_time() -> Result<()> {
    let mut config = KafkaConfig::new("127.0.0.1:1");
    config.request_timeout = Duration::from_millis(300);
    let log = KafkaLog::connect(config)?;
    let watch = StopWatch::start();
    let asked = log.partitions("t");
    ensure!(asked.is_err(), "it said {asked:?}");
    ensure!(watch.elapsed() < PATIENCE, "after {:?}", watch.elapsed());
    Ok(())
}

#[test]
fn a_broker_that_goes_down_fails_the_append_and_comes_back() -> Result<()> {
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1)?;
    cluster.create_topic("t", 1, 1)?;
    let mut config = KafkaConfig::new(&cluster.bootstrap_servers());
    config.append_timeout = Duration::from_secs(2);
    let log = KafkaLog::connect(config)?;
    let at = TopicPartition::new("t", 0);
    let record = || vec![super::world::text("x")];
    log.append(&at, record()).context("before")?;
    cluster.broker_down(1)?;
    let down = log.append(&at, record());
    ensure!(down.is_err(), "acknowledged by nobody: {down:?}");
    cluster.broker_up(1)?;
    let watch = StopWatch::start();
    while log.append(&at, record()).is_err() {
        ensure!(watch.elapsed() < PATIENCE, "it never came back");
    }
    Ok(())
}
