//! `faultline tap`: the records of a topic, one JSON object a line.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Result, bail};
use correlator::observe::PaneRecord;
use serde_json::{Value, json};

use crate::cli::TapArgs;
use crate::log::{Record, Start, TopicPartition};
use crate::stages::settings::Settings;
use crate::stages::wire;

/// The short names of our own topics.
const OWN: [&str; 5] = ["panes", "journal", "incidents", "deliveries", "dead-letters"];

/// Prints records until it has printed enough, or for ever.
///
/// # Errors
/// When there is no such topic or the log cannot be read.
pub fn tap(args: &TapArgs) -> Result<()> {
    let config = args.config.load()?;
    let log = config.open_log_to_read()?;
    let topic = full_name(&config.settings, &args.topic);
    let count = log.partitions(&topic)?;
    if count == 0 {
        let inputs = config.settings.inputs.all().map(|(name, _)| name);
        bail!(
            "the log has no topic {topic}; there are {}, and what you have made yourself",
            OWN.into_iter().chain(inputs).collect::<Vec<_>>().join(", ")
        );
    }
    let start = if args.all { Start::Oldest } else { Start::Newest };
    let from: Vec<_> = (0..count).map(|p| (TopicPartition::new(&topic, p), start)).collect();
    let mut reader = log.reader(&from)?;
    let (mut printed, mut ended) = (0, vec![false; count as usize]);
    let mut out = io::stdout().lock();
    loop {
        let batch = reader.poll(500, Duration::from_millis(200))?;
        for record in batch.records {
            writeln!(out, "{}", shown(&config.settings, &record))?;
            printed += 1;
            if args.number.is_some_and(|number| printed >= number) {
                return Ok(());
            }
        }
        for partition in batch.caught_up {
            if let Some(end) = ended.get_mut(partition.partition as usize) {
                *end = true;
            }
        }
        if args.all && ended.iter().all(|end| *end) {
            return Ok(());
        }
    }
}

fn full_name(settings: &Settings, name: &str) -> String {
    let own = &settings.own;
    match name {
        "panes" => own.panes.clone(),
        "journal" => own.journal.clone(),
        "incidents" => own.incidents.clone(),
        "deliveries" => own.deliveries.clone(),
        "dead-letters" => own.dead_letters.clone(),
        other => other.to_owned(),
    }
}

/// A record as JSON: panes are decoded, JSON stands as JSON, several entries of the journal as a list, anything else
/// as its length.
fn shown(settings: &Settings, record: &Record) -> Value {
    let bytes = record.value.as_deref().unwrap_or_default();
    let value = if *record.partition.topic == *settings.own.panes {
        let pane: Result<PaneRecord, _> = wire::unpack(bytes);
        pane.ok().and_then(|pane| serde_json::to_value(pane).ok())
    } else {
        json_or_lines(bytes)
    };
    let value = value.unwrap_or_else(|| json!({ "bytes": bytes.len() }));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: serde_json::Map<String, Value> =
        record.headers.iter().map(|(name, value)| (name.clone(), text(value).into())).collect();
    json!({
        "topic": &*record.partition.topic,
        "partition": record.partition.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "key": record.key.as_deref().map(text),
        "headers": headers,
        "value": value,
    })
}

/// One value, or a list of those that stand in lines.
fn json_or_lines(bytes: &[u8]) -> Option<Value> {
    let all: Result<Vec<Value>, _> = wire::entries(bytes).map(serde_json::from_slice).collect();
    let mut all = all.or_else(|_| serde_json::from_slice(bytes).map(|one| vec![one])).ok()?;
    if all.len() == 1 { all.pop() } else { Some(all.into()) }
}
