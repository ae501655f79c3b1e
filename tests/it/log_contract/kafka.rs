//! Kafka: the contract against a real broker and against librdkafka's mock, and what is Kafka's own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pipeline::clock::StopWatch;
use pipeline::log::kafka::{KafkaConfig, KafkaLog};
use pipeline::log::{Log, Start, TopicPartition};
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::checks::{SINCE, TURNS, UNKNOWN_TOPICS};
use super::hold_to_contract;
use super::world::{PATIENCE, World, text, texts};

/// librdkafka's default of `message.max.bytes`.
const RECORD_BYTES_MAX: usize = 1_000_000;

/// The broker to test against; says so if there is none.
fn real_broker(test: &str) -> Option<String> {
    let broker = std::env::var("FAULTLINE_TEST_KAFKA").ok().filter(|broker| !broker.is_empty());
    if broker.is_none() {
        // Straight to the stream: what a passing test prints is otherwise swallowed.
        let line = format!("SKIPPED {test}: FAULTLINE_TEST_KAFKA=host:port names no broker");
        writeln!(std::io::stderr(), "{line}").ok();
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
    hold_to_contract(&world, &[UNKNOWN_TOPICS, TURNS, SINCE]);
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
    let record = || vec![text("x")];
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

// Between good records stands a batch of five that cannot be decompressed, which librdkafka asks
// for again and again. All its neighbours must come, in order, and it must not take for ever.
#[test]
fn a_batch_that_cannot_be_read_is_stepped_over_and_its_neighbours_are_not() -> Result<()> {
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1)?;
    cluster.create_topic("t", 1, 1)?;
    let broker = cluster.bootstrap_servers();
    let log = KafkaLog::connect(KafkaConfig::new(&broker))?;
    let at = TopicPartition::new("t", 0);
    log.append(&at, vec![text("a"), text("b")])?;
    produce_damaged(&broker, "t", 5)?;
    log.append(&at, vec![text("c"), text("d"), text("e")])?;
    produce_damaged(&broker, "t", 1)?;

    let mut reader = log.reader(&[(at, Start::Oldest)])?;
    let (mut read, mut failures) = (Vec::new(), 0);
    let mut caught_up = false;
    let watch = StopWatch::start();
    while !caught_up {
        ensure!(watch.elapsed() < PATIENCE, "stalled behind {read:?}, {failures} failures");
        match reader.poll(100, Duration::from_secs(1)) {
            Ok(batch) => {
                caught_up = !batch.caught_up.is_empty();
                read.extend(batch.records);
            }
            Err(_) => failures += 1,
        }
    }
    ensure!(texts(&read) == ["a", "b", "c", "d", "e"], "read {:?}", texts(&read));
    ensure!(read.iter().map(|r| r.offset).eq([0, 1, 7, 8, 9]), "at other offsets");
    ensure!(failures > 0, "the damage was never told");
    Ok(())
}

/// Stores a batch whose records are said to be zstd and are not, by a bare produce request.
fn produce_damaged(broker: &str, topic: &str, records: i32) -> Result<()> {
    let mut batch = Vec::new();
    batch.extend([0; 4]); // leader epoch
    batch.push(2); // magic
    batch.extend([0; 4]); // checksum, which is not asked for
    batch.extend(4_i16.to_be_bytes()); // zstd
    batch.extend((records - 1).to_be_bytes());
    batch.extend([0; 16]); // timestamps
    batch.extend([0xff; 14]); // no producer
    batch.extend(records.to_be_bytes());
    batch.extend(b"this is no zstd frame");
    let mut request = Vec::new();
    request.extend([0, 0, 0, 3, 0, 0, 0, 1, 0, 1, b'd']); // produce, version 3, client d
    request.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0x27, 0x10]); // no transaction, all acks, 10 s
    request.extend([0, 0, 0, 1]);
    request.extend(i16::try_from(topic.len())?.to_be_bytes());
    request.extend(topic.as_bytes());
    request.extend([0, 0, 0, 1, 0, 0, 0, 0]); // one partition, 0
    let length = i32::try_from(batch.len())?;
    request.extend((length + 12).to_be_bytes());
    request.extend([0; 8]); // base offset
    request.extend(length.to_be_bytes());
    request.extend(batch);

    let mut stream = TcpStream::connect(broker.split(',').next().context("a broker")?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&i32::try_from(request.len())?.to_be_bytes())?;
    stream.write_all(&request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length))?];
    stream.read_exact(&mut answer)?;
    // Correlation, topics, name, partitions, partition, then the error code.
    let at = 4 + 4 + 2 + topic.len() + 4 + 4;
    ensure!(answer.get(at..at + 2) == Some(&[0, 0]), "refused: {answer:?}");
    Ok(())
}
