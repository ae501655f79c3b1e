//! The epoch: how often OBSERVE was started on these logs (ADR 4).
//!
//! It is kept in the data directory; where that was lost, or where processes with other directories may have been at
//! work, it is read from the panes topic, so that what this start writes always replaces what an earlier one wrote.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use correlator::observe::PaneRecord;

use crate::log::{Log, Start, TopicPartition};
use crate::stages::observe::epoch_of;
use crate::stages::settings::Settings;
use crate::stages::wire;

/// Panes of each partition among which the newest epoch is looked for, where the directory has one of its own: one at
/// a time writes them, so it is in the last.
const NEWEST: u64 = 200;

/// The epoch of this start; `is_shared`: others, with directories of their own, may have been at work.
///
/// # Errors
/// When the data directory or the log cannot be used.
pub fn next(data_dir: &Path, log: &dyn Log, settings: &Settings, is_shared: bool) -> Result<u32> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make the data directory {}", data_dir.display()))?;
    let path = data_dir.join("epoch");
    let kept = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    let last: Option<u32> = match kept {
        Some(epoch) if is_shared => newest_in(log, settings, Some(NEWEST))?.max(Some(epoch)),
        Some(epoch) => Some(epoch),
        None => newest_in(log, settings, None)?,
    };
    let epoch = last.map_or(0, |last| last + 1);
    let aside = path.with_extension("tmp");
    std::fs::write(&aside, epoch.to_string())?;
    std::fs::File::open(&aside)?.sync_all()?;
    std::fs::rename(&aside, &path).context("cannot write the epoch")?;
    Ok(epoch)
}

/// The highest epoch of any pane record that is still there, or of the last so many of each partition.
fn newest_in(log: &dyn Log, settings: &Settings, last: Option<u64>) -> Result<Option<u32>> {
    let topic = &settings.own.panes;
    let partitions = (0..log.partitions(topic)?).map(|p| TopicPartition::new(topic, p));
    let start = |at: TopicPartition| {
        let start = match last {
            Some(last) => Start::At(log.end(&at)?.saturating_sub(last)),
            None => Start::Oldest,
        };
        Ok((at, start))
    };
    let from: Vec<_> = partitions.map(start).collect::<Result<_>>()?;
    let mut reader = log.reader(&from)?;
    let mut open: Vec<TopicPartition> = from.into_iter().map(|(partition, _)| partition).collect();
    let mut newest = None;
    while !open.is_empty() {
        let batch = reader.poll(1_000, Duration::from_millis(200))?;
        for record in batch.records {
            let pane: Result<PaneRecord, _> =
                wire::unpack(record.value.as_deref().unwrap_or_default());
            newest = newest.max(pane.ok().map(|pane| epoch_of(pane.revision)));
        }
        open.retain(|partition| !batch.caught_up.contains(partition));
    }
    Ok(newest)
}
