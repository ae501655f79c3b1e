//! HISTORY: hands what the topics say to the recorder, and serves SQL over it. A thread of its own,
//! on which nothing waits: a storage that is down costs lag.
//!
//! Incidents and deliveries come from their topics, changes and alerts from the journal: there they
//! are with a position, decoded, and also those that no incident took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use history::error::HistoryError;
use history::pg::server::PgServer;
use history::recorder::{Recorder, Source};
use history::rows::delivery::Delivery;
use history::sql::engine::Engine;
use model::incident::Incident;
use model::journal::JournalEntry;

use crate::clock;
use crate::config::HistoryConfig;
use crate::http::metrics::{Metric, Stage as StageName};
use crate::log::{Log, LogError, LogReader, Record, Start, TopicPartition};
use crate::run::Starter;
use crate::run::monitor::StageMonitor;
use crate::run::stop::Stop;
use crate::stages::settings::Settings;
use crate::stages::wire;

/// How long one turn waits for records: the longest that a fresh incident is not seen.
const TURN: Duration = Duration::from_millis(100);
/// How long a turn waits after the log or the storage did not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// Records of one turn.
const RECORDS: usize = 500;

/// Starts the thread, and the PostgreSQL protocol where it is configured.
///
/// # Errors
/// When the place cannot be written, the address is taken, or a topic cannot be found.
pub fn start(
    starter: &Starter<'_>,
    config: &HistoryConfig,
) -> Result<(JoinHandle<Result<()>>, Option<PgServer>)> {
    let recorder =
        Recorder::open(config.recorder.clone(), clock::now()).context("cannot open the history")?;
    let engine = Engine::new(&recorder.store(), recorder.shared(), config.limits)?;
    starter.http.sql.set(engine.clone());
    let pg = config
        .pg
        .as_ref()
        .map(|settings| PgServer::start(&engine, settings))
        .transpose()
        .context("cannot serve the PostgreSQL protocol")?;
    if let Some(pg) = &pg {
        tracing::info!(server = "postgresql", address = %pg.address(), "listening");
    }
    let own = &starter.settings.own;
    let mut sources = Vec::new();
    for topic in [&own.journal, &own.incidents, &own.deliveries] {
        sources.extend(starter.partitions_of(topic)?);
    }
    let scribe = Scribe {
        recorder,
        log: starter.log.clone(),
        settings: starter.settings.clone(),
        stop: starter.stop.clone(),
        metrics: starter.http.metrics.clone(),
        sources,
        unproven: BTreeMap::new(),
    };
    let thread = starter.thread(StageName::History, move |monitor| scribe.run(monitor))?;
    Ok((thread, pg))
}

/// The thread at work.
struct Scribe {
    recorder: Recorder,
    log: Arc<dyn Log>,
    settings: Arc<Settings>,
    stop: Stop,
    metrics: Arc<crate::http::metrics::Metrics>,
    sources: Vec<TopicPartition>,
    /// Partitions whose last known record was not found yet, with its offset: if the end comes
    /// first, the topic was made anew.
    unproven: BTreeMap<TopicPartition, u64>,
}

impl Scribe {
    fn run(mut self, monitor: &StageMonitor) -> Result<()> {
        let mut reader = self.open()?;
        monitor.ready();
        while !self.stop.is_set() {
            if self.recorder.is_full() {
                let _stopped = self.stop.wait(PAUSE);
            } else {
                match reader.poll(RECORDS, TURN) {
                    Ok(batch) => {
                        monitor.well();
                        for record in &batch.records {
                            monitor.read(1, record.value.as_ref().map_or(0, Vec::len) as u64);
                            self.take(record);
                        }
                        if self.begin_anew(&batch.caught_up) {
                            reader = self.open()?;
                        }
                    }
                    Err(error) => {
                        monitor.trouble("read", &error);
                        let _stopped = self.stop.wait(PAUSE);
                    }
                }
            }
            self.turn(monitor)?;
        }
        if let Err(error) = self.recorder.flush(clock::now()) {
            tracing::warn!(%error, "the last rows are not in files; they are read again at the next start");
        }
        Ok(())
    }

    /// A reader from where the files end. It begins one record earlier, to see that the topic is
    /// still the one that the offsets speak of.
    fn open(&mut self) -> Result<Box<dyn LogReader>> {
        self.unproven.clear();
        let mut from = Vec::with_capacity(self.sources.len());
        for at in &self.sources {
            let start = match self.recorder.next_offset(&source(at)) {
                Some(next) if next > 0 => {
                    self.unproven.insert(at.clone(), next - 1);
                    Start::At(next - 1)
                }
                _ => Start::Oldest,
            };
            from.push((at.clone(), start));
        }
        Ok(self.log.reader(&from)?)
    }

    /// Forgets what the files say of partitions that end before it; tells whether there are any.
    /// Those whose end was not reached yet may be as they were.
    fn begin_anew(&mut self, ended: &[TopicPartition]) -> bool {
        let mut any = false;
        for at in ended {
            let Some(last) = self.unproven.remove(at) else { continue };
            tracing::warn!(
                topic = &*at.topic,
                partition = at.partition,
                last,
                "the topic ends before what the history has read of it; it is read from its beginning"
            );
            self.recorder.forget(&source(at));
            any = true;
        }
        any
    }

    fn take(&mut self, record: &Record) {
        let at = &record.partition;
        if self.unproven.get(at).is_some_and(|last| record.offset >= *last) {
            self.unproven.remove(at);
        }
        let source = source(at);
        if self.recorder.next_offset(&source).is_some_and(|next| record.offset < next) {
            return;
        }
        let value = record.value.as_deref();
        let own = &self.settings.own;
        let taken = if *at.topic == *own.incidents {
            let read: Result<Incident, _> = wire::json(value);
            read.is_ok_and(|incident| self.recorder.incident(&incident))
        } else if *at.topic == *own.deliveries {
            let read = Delivery::from_json(value.unwrap_or_default());
            read.is_some_and(|delivery| self.recorder.delivery(delivery))
        } else {
            let read: Result<JournalEntry, _> = wire::json(value);
            let cell = self.settings.cells.get(at.partition as usize).cloned().unwrap_or_default();
            read.is_ok_and(|entry| self.recorder.journal(&source, &cell, &entry))
        };
        if taken {
            self.metrics.add(Metric::ItemsProcessed, StageName::History, 1);
        }
        self.recorder.passed(&source, record.offset);
    }

    /// Shows what was taken, and does what is due.
    fn turn(&mut self, monitor: &StageMonitor) -> Result<()> {
        match self.recorder.turn(clock::now()) {
            Ok(()) => Ok(()),
            Err(HistoryError::Storage(reason)) => {
                monitor.trouble("write the history", &LogError::Unavailable(reason));
                let _stopped = self.stop.wait(PAUSE);
                Ok(())
            }
            Err(error) => {
                monitor.dead(&error);
                Err(error.into())
            }
        }
    }
}

fn source(at: &TopicPartition) -> Source {
    Source { topic: at.topic.to_string(), partition: at.partition }
}
