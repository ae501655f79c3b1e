//! Follows `faultline.incidents` and the deliveries into the view behind console and API.

use std::collections::BTreeSet;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use model::incident::Incident;

use crate::http::metrics::Stage as StageName;
use crate::log::{Start, TopicPartition};
use crate::run::Starter;
use crate::stages::wire;

/// Starts the thread.
///
/// # Errors
/// When the topic cannot be found.
pub fn start(starter: &Starter<'_>) -> Result<JoinHandle<Result<()>>> {
    let from = starter.partitions_of(&starter.settings.own.incidents)?;
    let mut unread: BTreeSet<TopicPartition> = from.iter().cloned().collect();
    let from: Vec<_> = from.into_iter().map(|partition| (partition, Start::Oldest)).collect();
    let (log, view, stop) =
        (starter.log.clone(), starter.http.incidents.clone(), starter.stop.clone());
    starter.thread(StageName::Console, move |monitor| {
        let mut reader = log.reader(&from)?;
        // Its state is restored when the acts are read (`acts`).
        monitor.partitions_known();
        while !stop.is_set() {
            match reader.poll(500, Duration::from_millis(50)) {
                Ok(batch) => {
                    monitor.well();
                    for record in batch.records {
                        monitor.read(1, record.value.as_ref().map_or(0, Vec::len) as u64);
                        let read: Result<Incident, _> = wire::json(record.value.as_deref());
                        if let Ok(incident) = read {
                            view.apply(&incident);
                        }
                    }
                    for at in &batch.caught_up {
                        if unread.remove(at) && unread.is_empty() {
                            view.caught_up();
                        }
                    }
                }
                Err(error) => {
                    monitor.trouble("read", &error);
                    let _stopped = stop.wait(Duration::from_millis(500));
                }
            }
        }
        Ok(())
    })
}
