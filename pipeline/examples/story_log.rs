//! Writes the input of the demo's story into an embedded log, so that the real binary can be run over
//! it: for tests of what comes after the incidents (history, SQL, Grafana).
//!
//! `story_log DIRECTORY` fills DIRECTORY, which must not be in use.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use pipeline::log::embedded::{Durability, EmbeddedLog};
use pipeline::log::{Log, NewRecord, TopicPartition, TopicSpec};
use pipeline::topics::InputTopics;

/// Records appended at once.
const BATCH: usize = 2_000;

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).context("usage: story_log DIRECTORY")?;
    let log = EmbeddedLog::open(Path::new(&directory), Durability::Throwaway)?;
    let inputs = InputTopics::default();
    let topics = inputs.all().map(|(name, _)| TopicSpec {
        name: name.to_owned(),
        partitions: 1,
        compacted: false,
    });
    log.ensure_topics(&topics)?;
    let mut waiting: BTreeMap<String, Vec<NewRecord>> = BTreeMap::new();
    for record in simulator::the_two_oh_seven().records() {
        let batch = waiting.entry(record.topic.clone()).or_default();
        batch.push(NewRecord {
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(String::into_bytes),
            headers: record.headers.into_iter().map(|(k, v)| (k, v.into_bytes())).collect(),
            value: Some(record.value),
        });
        if batch.len() >= BATCH {
            log.append(&TopicPartition::new(&record.topic, 0), std::mem::take(batch))?;
        }
    }
    for (topic, batch) in waiting {
        log.append(&TopicPartition::new(&topic, 0), batch)?;
    }
    Ok(())
}
