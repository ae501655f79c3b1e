//! HISTORY: hands what the topics say to the recorder, and serves SQL over it. A thread of its own,
//! on which nothing waits: a storage that is down costs lag, and one that is down at the start
//! costs readiness until it answers.
//!
//! Incidents and deliveries come from their topics, changes and alerts from the journal: there they
//! are with a position, decoded, and also those that no incident took.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use history::error::HistoryError;
use history::pg::server::PgServer;
use history::recorder::{Recorder, RecorderSettings, Source};
use history::rows::delivery::Delivery;
use history::snapshot::Shared;
use history::sql::engine::Engine;
use history::store::place::Store;
use model::incident::Incident;
use model::journal::JournalEntry;

use crate::clock;
use crate::config::HistoryConfig;
use crate::http::metrics::{Metric, Stage as StageName};
use crate::http::sql::SqlSlot;
use crate::log::{Log, LogError, LogReader, Record, Start, TopicPartition};
use crate::run::Starter;
use crate::run::lease::Lease;
use crate::run::monitor::StageMonitor;
use crate::run::stop::Stop;
use crate::stages::settings::Settings;
use crate::stages::wire;

/// How long one turn waits for records: the longest that a fresh incident is not seen.
const TURN: Duration = Duration::from_millis(100);
/// How long a turn waits after the log or the storage did not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// How long it waits to open a storage that did not answer.
const PAUSE_OPENING: Duration = Duration::from_secs(5);
/// Records of one turn.
const RECORDS: usize = 500;

/// The PostgreSQL protocol, as long as it is served.
#[derive(Clone, Default)]
pub struct PgSlot(Arc<Mutex<Option<PgServer>>>);

impl PgSlot {
    fn set(&self, server: Option<PgServer>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }

    /// Ends it, when it has done what it has in hand.
    pub(super) fn clear(&self) {
        self.set(None);
    }
}

/// Starts the thread, and the PostgreSQL protocol where it is configured. Where others may be at work, the history
/// is opened when it is our turn.
///
/// # Errors
/// When the place cannot be used, the address is taken, or a topic cannot be found. A storage that
/// does not answer is none: it is asked again.
pub fn start(
    starter: &Starter<'_>,
    config: &HistoryConfig,
    pg: &PgSlot,
) -> Result<JoinHandle<Result<()>>> {
    let own = &starter.settings.own;
    let mut sources = Vec::new();
    for topic in [&own.journal, &own.incidents, &own.deliveries] {
        sources.extend(starter.partitions_of(topic)?);
    }
    let (config, sql, pg) = (config.clone(), starter.http.sql.clone(), pg.clone());
    let is_shared = starter.leases.are_shared();
    let open = move || opened(&config, is_shared, &sql, &pg);
    let (mut open, mut ready) = (Some(open), None);
    if !is_shared {
        ready = open.take().map(|open| open()).transpose()?;
    }
    let (log, settings, stop) =
        (starter.log.clone(), starter.settings.clone(), starter.stop.clone());
    let (lease, metrics) = (starter.leases.of(StageName::History), starter.http.metrics.clone());
    starter.thread(StageName::History, move |monitor| {
        let later = open.map(|open| open()).transpose().inspect_err(|error| {
            let error: &(dyn std::error::Error + 'static) = error.as_ref();
            monitor.dead(error);
        })?;
        let Some((place, first)) = ready.or(later) else { return Ok(()) };
        let Some(recorder) = place.opened(first, (&lease, &stop), monitor)? else {
            return Ok(());
        };
        let unproven = BTreeMap::new();
        let scribe = Scribe { recorder, log, settings, lease, stop, metrics, sources, unproven };
        scribe.run(monitor)
    })
}

/// Opens the history and serves SQL over it.
fn opened(
    config: &HistoryConfig,
    is_shared: bool,
    sql: &SqlSlot,
    pg: &PgSlot,
) -> Result<(Opening, Option<Recorder>)> {
    let store = Store::open(&config.recorder.place).context("cannot open the history")?;
    let (settings, shared) = (config.recorder.clone(), Shared::default());
    let place = Opening { is_shared, store, settings, shared };
    let first = place.attempt().context("cannot open the history")?;
    let engine = Engine::new(&place.store, place.shared.clone(), config.limits)?;
    sql.set(engine.clone());
    let server = config
        .pg
        .as_ref()
        .map(|settings| PgServer::start(&engine, settings))
        .transpose()
        .context("cannot serve the PostgreSQL protocol")?;
    if let Some(server) = &server {
        tracing::info!(server = "postgresql", address = %server.address(), "listening");
    }
    pg.set(server);
    Ok((place, first))
}

/// What is needed to open the history.
struct Opening {
    /// Another may have been at work, and not be gone yet.
    is_shared: bool,
    store: Store,
    settings: RecorderSettings,
    shared: Shared,
}

impl Opening {
    /// One attempt; `None` if the storage does not answer.
    fn attempt(&self) -> Result<Option<Recorder>, HistoryError> {
        let (store, shared) = (self.store.clone(), self.shared.clone());
        match Recorder::over(store, self.settings.clone(), shared, clock::now()) {
            Ok(recorder) => Ok(Some(recorder)),
            Err(HistoryError::Storage(reason)) => {
                tracing::warn!(reason, "the history's storage does not answer, trying again");
                Ok(None)
            }
            // The one that was at work has not ended yet.
            Err(HistoryError::Locked(by)) if self.is_shared => {
                tracing::warn!(by, "another process still writes the history, waiting for its end");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The recorder, as soon as the storage answers; `None` if the end comes first.
    fn opened(
        &self,
        mut recorder: Option<Recorder>,
        (lease, stop): (&Lease, &Stop),
        monitor: &StageMonitor,
    ) -> Result<Option<Recorder>> {
        // To open it is to write: nobody may who has lost the role meanwhile.
        while recorder.is_none() && !stop.wait(PAUSE_OPENING) && lease.wait(stop) {
            recorder = self.attempt().inspect_err(|error| monitor.dead(error))?;
        }
        Ok(recorder)
    }
}

/// The thread at work.
struct Scribe {
    recorder: Recorder,
    log: Arc<dyn Log>,
    settings: Arc<Settings>,
    lease: Lease,
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
        while !self.stop.is_set() && self.lease.wait(&self.stop) {
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
        if !self.lease.holds() {
            return Ok(());
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
            let cell = self.settings.cells.get(at.partition as usize).cloned().unwrap_or_default();
            let mut any = false;
            for entry in wire::entries(value.unwrap_or_default()) {
                let read: Result<JournalEntry, _> = wire::json(Some(entry));
                any |= read.is_ok_and(|entry| self.recorder.journal(&source, &cell, &entry));
            }
            any
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
