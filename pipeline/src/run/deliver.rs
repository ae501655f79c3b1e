//! DELIVER: one thread per sink drives its outbox over the log.
//!
//! `faultline.incidents` is the outbox's input, read from its oldest record at each start; what was
//! said before comes from the compacted `faultline.deliveries`. A sink that is down costs lag, not
//! incidents, and does not hold up another sink. What people did at a destination goes into the
//! journal as acts, and then how far it was heard into `faultline.deliveries`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use model::command::Command;
use model::id::{CellId, IncidentId, stable_hash};
use model::incident::Incident;
use model::journal::{JournalEntry, JournalRecord};
use model::name::Name;
use model::time::Timestamp;
use sinks::config::{SinkConfig, build_over};
use sinks::delivery::outbox::{Done, DoneResult, Due, Outbox, OutboxLimits};
use sinks::delivery::record::Delivered;
use sinks::heard::{Heard, HeardRecord};
use sinks::retry::Jitter;
use sinks::sink::{Sink, Trouble, Wait};

use crate::clock;
use crate::http::metrics::{Metric, Stage as StageName};
use crate::log::{Log, LogReader, NewRecord, Start, TopicPartition};
use crate::run::Starter;
use crate::run::listening::Listening;
use crate::run::monitor::StageMonitor;
use crate::run::publish::LogPublisher;
use crate::run::stop::Stop;
use crate::stages::settings::Settings;
use crate::stages::wire;

/// How long one turn waits for new revisions.
const TURN: Duration = Duration::from_millis(200);

/// Starts a thread for each configured sink.
///
/// # Errors
/// When a sink's configuration cannot be used.
pub fn start(starter: &Starter<'_>) -> Result<Vec<JoinHandle<Result<()>>>> {
    if starter.config.sinks.is_empty() {
        // Nobody to tell: a process of this role alone is as ready as it will ever be.
        StageMonitor::new(StageName::Deliver, starter.http.clone()).ready();
    }
    starter.config.sinks.iter().map(|config| start_sink(starter, config)).collect()
}

fn start_sink(starter: &Starter<'_>, config: &SinkConfig) -> Result<JoinHandle<Result<()>>> {
    let publisher = Box::new(LogPublisher::new(starter.log.clone()));
    let sink = build_over(config, publisher).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("sink {}: {}", config.name(), all.join("; "))
    })?;
    let outbox =
        Outbox::new(sink.name().clone(), config.policy(), config.retry(), OutboxLimits::default());
    let from = starter.partitions_of(&starter.settings.own.incidents)?;
    let mut courier = Courier {
        sink,
        outbox,
        log: starter.log.clone(),
        settings: starter.settings.clone(),
        stop: starter.stop.clone(),
        http: starter.http.metrics.clone(),
        listen_every: config.listen_every(),
        cells: BTreeMap::new(),
    };
    starter.thread(StageName::Deliver, move |monitor| courier.run(&from, monitor))
}

/// One sink at work.
struct Courier {
    sink: Box<dyn Sink>,
    outbox: Outbox,
    log: Arc<dyn Log>,
    settings: Arc<Settings>,
    stop: Stop,
    http: Arc<crate::http::metrics::Metrics>,
    /// How often it is asked what people did; `None`: never.
    listen_every: Option<model::time::Nanos>,
    /// Which partition of the journal an incident's acts belong to. Empty with one cell.
    cells: BTreeMap<IncidentId, u32>,
}

impl Courier {
    fn run(&mut self, from: &[TopicPartition], monitor: &StageMonitor) -> Result<()> {
        let heard = self.remember()?;
        let sink = self.outbox.sink().clone();
        let mut ear = self.listen_every.map(|every| Listening::new(sink, every, heard));
        let from: Vec<_> = from.iter().map(|at| (at.clone(), Start::Oldest)).collect();
        let mut reader = self.log.reader(&from)?;
        // A restart reads the topic again: only when the end was seen is the newest revision known.
        let mut caught_up = false;
        monitor.ready();
        while !self.stop.is_set() {
            caught_up |= self.read(&mut *reader, monitor);
            if let Some(ear) = ear.as_mut().filter(|ear| ear.is_first()) {
                self.listen(ear, monitor)?;
            }
            while caught_up
                && !self.stop.is_set()
                && let Some(due) = self.outbox.poll_due(clock::now())
            {
                self.say(&due)?;
            }
            if let Some(ear) = ear.as_mut().filter(|ear| ear.is_due(clock::now())) {
                self.listen(ear, monitor)?;
            }
        }
        Ok(())
    }

    /// Takes in what was said before the start; tells up to where was heard.
    fn remember(&mut self) -> Result<Option<HeardRecord>> {
        let mut heard = None;
        for record in self.log.latest_by_key(&self.settings.own.deliveries)? {
            let value = record.value.as_deref().unwrap_or_default();
            if let Some(delivered) = Delivered::from_json(value) {
                self.outbox.on_record(delivered);
            } else if let Some(record) = HeardRecord::from_json(value)
                && record.heard_by == *self.outbox.sink()
            {
                heard = Some(record);
            }
        }
        Ok(heard)
    }

    /// Asks what people did. The acts are durable before it is noted how far they were heard.
    fn listen(&mut self, ear: &mut Listening, monitor: &StageMonitor) -> Result<()> {
        let Heard { acts, cursor, more } = match self.sink.listen(ear.cursor(), clock::now()) {
            Ok(heard) => heard,
            Err((wait, trouble)) => {
                self.unheard(ear, wait, &trouble);
                return Ok(());
            }
        };
        monitor.written(acts.len() as u64);
        for act in acts {
            tracing::info!(sink = %self.outbox.sink(), act = %act.id, "a person decided there");
            let incident = act.decision.incident();
            let partition = incident.and_then(|id| self.cells.get(&id)).copied().unwrap_or(0);
            self.journal(partition, clock::now(), Command::Act(act))?;
        }
        if let Some(record) = ear.heard(cursor, more, clock::now()) {
            self.keep_under(&record.key(), record.at, record.to_json())?;
        }
        Ok(())
    }

    fn unheard(&mut self, ear: &mut Listening, wait: Wait, trouble: &Trouble) {
        let now = clock::now();
        let until = ear.failed(wait, now);
        if matches!(wait, Wait::Told(_)) {
            // It counts our requests together: nothing is said in that time either.
            self.outbox.quiet_until(until);
        }
        self.http.add(Metric::Retries, StageName::Deliver, 1);
        let sink: &Name = self.outbox.sink();
        if ear.is_troubled() {
            tracing::debug!(%sink, %trouble, "not heard what people do there, trying again");
        } else {
            tracing::warn!(%sink, %trouble, "not heard what people do there, trying again");
        }
    }

    /// Takes in new revisions; tells whether the end of the topic was reached.
    fn read(&mut self, reader: &mut dyn LogReader, monitor: &StageMonitor) -> bool {
        if !self.outbox.has_room() {
            let _stopped = self.stop.wait(TURN);
            return true;
        }
        match reader.poll(500, TURN) {
            Ok(batch) => {
                monitor.well();
                for record in &batch.records {
                    monitor.read(1, record.value.as_ref().map_or(0, Vec::len) as u64);
                    let incident: Result<Incident, _> = wire::json(record.value.as_deref());
                    if let Ok(incident) = incident {
                        self.place(&incident);
                        self.outbox.on_incident(Arc::new(incident), clock::now());
                    }
                }
                !batch.caught_up.is_empty()
            }
            Err(error) => {
                monitor.trouble("read", &error);
                let _stopped = self.stop.wait(TURN);
                false
            }
        }
    }

    /// Remembers where the journal of an incident is, if there is a choice.
    fn place(&mut self, incident: &Incident) {
        if self.settings.cells.len() > 1 {
            let partition = self.partition(&incident.cell);
            self.cells.insert(incident.id, partition);
        }
    }

    fn partition(&self, cell: &CellId) -> u32 {
        self.settings.cells.iter().position(|known| known == cell).unwrap_or(0) as u32
    }

    /// Says one incident. The intent is durable before the sink is called, the outcome before the
    /// next one is.
    fn say(&mut self, due: &Due) -> Result<()> {
        if let Some(intent) = &due.intent {
            self.keep(intent)?;
        }
        let outcome = self.sink.deliver(&due.request(clock::now()));
        let now = clock::now();
        let seed = stable_hash(&[due.idempotency_key.as_bytes(), &now.0.to_le_bytes()]);
        let done = self.outbox.on_outcome(due, outcome, now, Jitter(seed as u32));
        self.tell(&done);
        if let Some(record) = &done.record {
            self.keep(record)?;
        }
        if let Some(command) = done.command {
            let partition = self.partition(&due.incident.cell);
            self.journal(partition, Timestamp::EPOCH, command)?;
        }
        Ok(())
    }

    fn tell(&self, done: &Done) {
        let (sink, incident, revision) = (self.outbox.sink(), done.incident, done.revision);
        match &done.result {
            DoneResult::Said(note) => {
                self.http.add(Metric::ItemsProcessed, StageName::Deliver, 1);
                tracing::info!(%sink, %incident, revision, note, "told");
            }
            DoneResult::Unchanged => {}
            DoneResult::Later(at, trouble) => {
                self.http.add(Metric::Retries, StageName::Deliver, 1);
                tracing::warn!(%sink, %incident, revision, %at, %trouble, "not told, trying again");
            }
            DoneResult::Refused(trouble) => {
                self.http.add(Metric::ItemsDropped, StageName::Deliver, 1);
                tracing::error!(%sink, %incident, revision, %trouble, "the destination refuses it");
            }
        }
    }

    fn keep(&self, record: &Delivered) -> Result<()> {
        self.keep_under(&record.key(), record.at, record.to_json())
    }

    fn keep_under(&self, key: &str, at: Timestamp, value: Vec<u8>) -> Result<()> {
        let kept = NewRecord {
            timestamp_ms: at.millis(),
            key: Some(key.as_bytes().to_vec()),
            headers: Vec::new(),
            value: Some(value),
        };
        self.append(TopicPartition::new(&self.settings.own.deliveries, 0), kept)
    }

    /// A ticket, or an act, becomes part of its incident through the journal, like every other fact.
    fn journal(&self, partition: u32, arrival: Timestamp, command: Command) -> Result<()> {
        let record = JournalRecord::Command(command);
        let entry = JournalEntry { arrival, position: None, record };
        let to = TopicPartition::new(&self.settings.own.journal, partition);
        let emit = wire::journal(to, &entry)?;
        self.append(emit.to, emit.record)
    }

    /// Tries until the log has it or the process stops: what was said must be remembered.
    fn append(&self, to: TopicPartition, record: NewRecord) -> Result<()> {
        loop {
            match self.log.append(&to, vec![record.clone()]) {
                Ok(_) => return Ok(()),
                Err(crate::log::LogError::Unavailable(reason)) => {
                    tracing::warn!(reason, "the log does not answer, trying again");
                    if self.stop.wait(Duration::from_millis(500)) {
                        return Ok(());
                    }
                }
                Err(refused) => return Err(refused.into()),
            }
        }
    }
}
