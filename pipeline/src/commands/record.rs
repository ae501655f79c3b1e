//! `faultline record`: the input topics into a recording, in order of arrival.

use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use model::recording::TopicRecord;

use crate::cli::RecordArgs;
use crate::clock::StopWatch;
use crate::config;
use crate::log::{Log, Record, Start, TopicPartition};
use crate::progress::Progress;
use crate::recording::Writer;
use crate::stages::arrival::Arrival;

/// Records that may wait for their order of arrival.
const WAITING_MAX: usize = 100_000;

/// Writes a recording.
///
/// # Errors
/// When the log cannot be read or the file cannot be written.
pub fn record(args: &RecordArgs) -> Result<()> {
    let config = config::load(&args.config.config)?;
    let log = config.open_log()?;
    let inputs = partitions(&*log, &config.settings.inputs)?;
    let start = if args.from_now { Start::Newest } else { Start::Oldest };
    let from: Vec<_> = inputs.iter().map(|input| (input.clone(), start)).collect();
    let mut reader = log.reader(&from)?;
    let mut arrival = Arrival::new(&inputs, WAITING_MAX);
    let mut writer = Writer::create(&args.output)?;
    let progress = Progress::spinner("recording");
    let (mut count, mut since_end) = (0_u64, None);
    loop {
        arrival.push(reader.poll(2_000, Duration::from_millis(100))?);
        while let Some(record) = arrival.pop() {
            let Some(record) = recorded(record) else { continue };
            writer.write(&record)?;
            count += 1;
        }
        progress.say(format!("{count} records"));
        if arrival.is_drained() {
            let watch = *since_end.get_or_insert_with(StopWatch::start);
            if watch.elapsed() >= Duration::from_secs(args.follow_s) {
                break;
            }
        }
    }
    writer.finish()?;
    progress.clear();
    eprintln!("{count} records in {}", args.output.display());
    Ok(())
}

/// All partitions of the input topics that exist, in the order of their ranks.
///
/// # Errors
/// When the log cannot be reached.
pub fn partitions(
    log: &dyn Log,
    inputs: &crate::topics::InputTopics,
) -> Result<Vec<TopicPartition>, crate::log::LogError> {
    let mut all = Vec::new();
    for (topic, _) in inputs.all() {
        let count = log.partitions(topic)?;
        all.extend((0..count).map(|partition| TopicPartition::new(topic, partition)));
    }
    Ok(all)
}

/// A record as a recording holds it; tombstones are not recorded. Header values and keys that are
/// no text stand as base64.
fn recorded(record: Record) -> Option<TopicRecord> {
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).unwrap_or_else(|error| {
            base64::engine::general_purpose::STANDARD.encode(error.as_bytes())
        })
    };
    Some(TopicRecord {
        topic: record.partition.topic.to_string(),
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(text),
        headers: record.headers.into_iter().map(|(name, value)| (name, text(value))).collect(),
        value: record.value?,
    })
}
