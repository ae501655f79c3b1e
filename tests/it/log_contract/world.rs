//! A log under test, and short words for what the checks do with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pipeline::clock::{self, StopWatch};
use pipeline::log::{Log, LogReader, NewRecord, Record, Start, TopicPartition, TopicSpec};

/// How long anything may take before a check fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

type Create<'w> = Box<dyn Fn(&TopicSpec) + 'w>;

/// A log under test.
pub(super) struct World<'w> {
    pub(super) log: Arc<dyn Log>,
    /// Bytes of the largest record that the log takes.
    pub(super) record_bytes_max: usize,
    /// Makes topic names that no other run has used.
    run: String,
    /// Creates a topic where the log itself cannot (a mock).
    create: Option<Create<'w>>,
}

impl<'w> World<'w> {
    pub(super) fn new(log: Arc<dyn Log>, record_bytes_max: usize) -> Self {
        let run = format!("{}-{}", clock::now().0, std::process::id());
        Self { log, record_bytes_max, run, create: None }
    }

    pub(super) fn with_topics_by(mut self, create: impl Fn(&TopicSpec) + 'w) -> Self {
        self.create = Some(Box::new(create));
        self
    }

    /// A name for a topic of this run.
    pub(super) fn name(&self, topic: &str) -> String {
        format!("contract-{topic}-{}", self.run)
    }

    pub(super) fn spec(&self, topic: &str, partitions: u32, compacted: bool) -> TopicSpec {
        TopicSpec { name: self.name(topic), partitions, compacted }
    }

    /// Makes a topic; returns its partitions.
    pub(super) fn topic(&self, topic: &str, partitions: u32) -> Result<Vec<TopicPartition>> {
        self.make(&self.spec(topic, partitions, false))
    }

    /// Makes a compacted topic; returns its partitions.
    pub(super) fn compacted(&self, topic: &str, partitions: u32) -> Result<Vec<TopicPartition>> {
        self.make(&self.spec(topic, partitions, true))
    }

    pub(super) fn make(&self, spec: &TopicSpec) -> Result<Vec<TopicPartition>> {
        if let Some(create) = &self.create {
            create(spec);
        }
        self.log.ensure_topics(std::slice::from_ref(spec)).context("ensure_topics")?;
        Ok((0..spec.partitions).map(|p| TopicPartition::new(&spec.name, p)).collect())
    }

    pub(super) fn append(&self, to: &TopicPartition, values: &[&str]) -> Result<u64> {
        append(&*self.log, to, values)
    }

    pub(super) fn reader(&self, at: &[TopicPartition], start: Start) -> Result<Box<dyn LogReader>> {
        let from: Vec<_> = at.iter().map(|at| (at.clone(), start)).collect();
        self.log.reader(&from).context("reader")
    }

    /// Reads partitions from a start until all are caught up.
    pub(super) fn read_all(&self, at: &[TopicPartition], start: Start) -> Result<Vec<Record>> {
        read_to_end(&mut *self.reader(at, start)?, at)
    }
}

/// Appends texts; returns the offset of the last.
pub(super) fn append(log: &dyn Log, to: &TopicPartition, values: &[&str]) -> Result<u64> {
    let records = values.iter().map(|value| text(value)).collect();
    log.append(to, records).context("append")?.context("an offset")
}

/// A record with a text.
pub(super) fn text(value: &str) -> NewRecord {
    NewRecord { timestamp_ms: 1_700_000_000_000, value: Some(value.into()), ..NewRecord::default() }
}

/// A record with a key; `None` deletes it.
pub(super) fn keyed(key: &str, value: Option<&str>) -> NewRecord {
    let value = value.map(Into::into);
    NewRecord { key: Some(key.into()), value, ..text("") }
}

/// The texts of records.
pub(super) fn texts(records: &[Record]) -> Vec<String> {
    let text =
        |r: &Record| String::from_utf8_lossy(r.value.as_deref().unwrap_or(b"-")).into_owned();
    records.iter().map(text).collect()
}

/// Reads until all partitions are caught up.
pub(super) fn read_to_end(
    reader: &mut dyn LogReader,
    partitions: &[TopicPartition],
) -> Result<Vec<Record>> {
    let watch = StopWatch::start();
    let mut records = Vec::new();
    let mut caught_up = BTreeSet::new();
    while caught_up.len() < partitions.len() {
        ensure!(watch.elapsed() < PATIENCE, "not caught up; {} records so far", records.len());
        let batch = reader.poll(1000, Duration::from_secs(1)).context("poll")?;
        batch.records.iter().for_each(|record| _ = caught_up.remove(&record.partition));
        caught_up.extend(batch.caught_up);
        records.extend(batch.records);
    }
    Ok(records)
}

/// Reads until so many records came, and not more.
pub(super) fn read_some(reader: &mut dyn LogReader, count: usize) -> Result<Vec<Record>> {
    let watch = StopWatch::start();
    let mut records: Vec<Record> = Vec::new();
    while records.len() < count {
        ensure!(watch.elapsed() < PATIENCE, "{} of {count} records came", records.len());
        let room = count - records.len();
        let batch = reader.poll(room, Duration::from_secs(1)).context("poll")?;
        ensure!(batch.records.len() <= room, "{} records for {room}", batch.records.len());
        records.extend(batch.records);
    }
    Ok(records)
}
