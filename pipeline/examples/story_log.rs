//! Writes the input of the demo's story into an embedded log, so that the real binary can be run over
//! it: for tests of what comes after the incidents (history, SQL, Grafana). When the page of the story is over,
//! another service fails and does not recover: one incident is still open at the end.
//!
//! `story_log DIRECTORY` fills DIRECTORY, which must not be in use.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use model::time::Nanos;
use pipeline::log::embedded::{Durability, EmbeddedLog};
use pipeline::log::{Log, NewRecord, TopicPartition, TopicSpec};
use pipeline::topics::InputTopics;
use simulator::Scenario;
use simulator::fault::{Fault, FaultKind};

/// Records appended at once.
const BATCH: usize = 2_000;

/// When the second fault begins, from the start of the story: its page is over by then.
const SECOND_FAULT_AFTER: Nanos = Nanos::from_secs(43 * 60);
/// What is seen of the story.
const LENGTH: Nanos = Nanos::from_secs(51 * 60);

/// The demo's story, and a fault after it that does not end.
fn story() -> Result<Scenario> {
    let mut story = simulator::the_two_oh_seven();
    let mut names = story.world.services.iter().map(|service| service.name.as_str());
    let service = names.position(|name| name == "search").context("the shop has no search")?;
    let start = story.start + SECOND_FAULT_AFTER;
    story.length = LENGTH;
    story.faults.push(Fault {
        kind: FaultKind::ErrorBurst { service, share: 0.6 },
        start,
        // After the last record.
        end: start + LENGTH,
        ramp: Nanos::from_secs(15),
        change_id: None,
    });
    Ok(story)
}

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
    for record in story()?.records() {
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
