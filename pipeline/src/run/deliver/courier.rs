//! One sink's turn: revisions in, what is due out, people's acts back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use model::command::Command;
use model::id::{CellId, stable_hash};
use model::incident::Incident;
use model::journal::{JournalEntry, JournalRecord};
use model::name::Name;
use model::time::{Nanos, Timestamp};
use sinks::config::SinkConfig;
use sinks::delivery::outbox::{Done, DoneResult, Due, Outbox, OutboxLimits};
use sinks::delivery::record::Delivered;
use sinks::heard::{Heard, HeardRecord};
use sinks::permit;
use sinks::retry::Jitter;
use sinks::sink::{Sink, Trouble, Wait};

use crate::clock;
use crate::http::hooks::Bell;
use crate::http::metrics::{Metric, Stage as StageName};
use crate::log::{Log, LogReader, NewRecord, Start, TopicPartition};
use crate::run::Starter;
use crate::run::lease::Lease;
use crate::run::listening::Listening;
use crate::run::monitor::StageMonitor;
use crate::run::patience::answered;
use crate::run::places::Places;
use crate::run::stop::Stop;
use crate::stages::settings::Settings;
use crate::stages::wire;

/// How long one turn waits for new revisions.
const TURN: Duration = Duration::from_millis(200);
/// How often it is counted what the sink should have been told.
const COUNT_EVERY: Nanos = Nanos::from_secs(1);

/// One sink at work.
pub(super) struct Courier {
    sink: Box<dyn Sink>,
    outbox: Outbox,
    log: Arc<dyn Log>,
    settings: Arc<Settings>,
    lease: Lease,
    stop: Stop,
    http: Arc<crate::http::metrics::Metrics>,
    /// How often it is asked what people did; `None`: never.
    listen_every: Option<Nanos>,
    /// Rung when the destination says that there is something to ask for.
    bell: Option<Arc<Bell>>,
    /// Which incidents there are, and where their journals are.
    places: Places,
    /// Partitions of which the end was not seen yet. A restart reads them again: only then is the
    /// newest revision known, and where acts belong.
    behind: BTreeSet<TopicPartition>,
    /// When it was counted last what the sink should have been told.
    counted_at: Timestamp,
}

/// Whether the log has what was appended.
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
enum Kept {
    Yes,
    /// The process stops while the log does not answer or the role is not ours: nothing may follow.
    Stopped,
}

impl Courier {
    /// The courier of a sink, over the partitions of incidents.
    pub(super) fn new(
        starter: &Starter<'_>,
        config: &SinkConfig,
        sink: Box<dyn Sink>,
        from: &[TopicPartition],
    ) -> Self {
        let (name, policy, retry) = (sink.name().clone(), config.policy(), config.retry());
        Self {
            sink,
            outbox: Outbox::new(name, policy, retry, OutboxLimits::default()),
            log: starter.log.clone(),
            settings: starter.settings.clone(),
            lease: starter.leases.of(StageName::Deliver),
            stop: starter.stop.clone(),
            http: starter.http.metrics.clone(),
            listen_every: config.listen_every(),
            bell: starter.http.hooks.bell(config.name()),
            places: Places::default(),
            behind: from.iter().cloned().collect(),
            counted_at: Timestamp::EPOCH,
        }
    }

    pub(super) fn run(&mut self, from: &[TopicPartition], monitor: &StageMonitor) -> Result<()> {
        let stop = self.stop.clone();
        let Some(heard) = answered(&stop, "what was said before", || self.remember())? else {
            return Ok(());
        };
        let sink = self.outbox.sink().clone();
        let mut ear = self.listen_every.map(|every| Listening::new(sink, every, heard));
        let from: Vec<_> = from.iter().map(|at| (at.clone(), Start::Oldest)).collect();
        let open = || Ok(self.log.reader(&from)?);
        let Some(mut reader) = answered(&stop, "the incidents", open)? else { return Ok(()) };
        monitor.ready();
        let mut wait = TURN;
        while !self.stop.is_set() {
            self.read(&mut *reader, wait, monitor);
            self.count(clock::now());
            // What is full has to be emptied before the rest can be read.
            let speaks = self.behind.is_empty() || !self.outbox.has_room();
            if let Some(ear) = ear.as_mut()
                && self.bell.as_ref().is_some_and(|bell| bell.was_rung())
            {
                ear.ring(clock::now());
            }
            if let Some(ear) = ear.as_mut()
                && (self.behind.is_empty() || ear.is_first())
                && ear.is_due(clock::now())
                && !self.outbox.is_quiet(clock::now())
            {
                self.listen(ear, monitor)?;
            }
            wait = TURN;
            if speaks
                && !ear.as_ref().is_some_and(Listening::is_first)
                && let Some(due) = self.outbox.poll_due(clock::now())
            {
                // What has come in the meantime goes before what is due next.
                wait = Duration::ZERO;
                self.say(&due)?;
            }
        }
        Ok(())
    }

    /// Tells how far the sink is behind. Nothing is said before the topic was read: until then it is
    /// not known what is owed.
    fn count(&mut self, now: Timestamp) {
        let is_time = now >= self.counted_at + COUNT_EVERY || now < self.counted_at;
        if is_time && (self.behind.is_empty() || !self.outbox.has_room()) {
            self.counted_at = now;
            self.http.outboxes.set(self.outbox.sink(), self.outbox.owed(now));
        }
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
        let (sink, now) = (&mut self.sink, clock::now());
        let heard = permit::under(self.lease.clone(), || sink.listen(ear.cursor(), now));
        let Heard { acts, cursor, more, notes } = match heard {
            Ok(heard) => heard,
            Err((wait, trouble)) => {
                self.unheard(ear, wait, &trouble);
                return Ok(());
            }
        };
        let sink = self.outbox.sink();
        for note in notes {
            tracing::warn!(%sink, note, "passed over something that people did there");
        }
        for act in acts {
            let incident = act.decision.incident();
            if incident.is_some_and(|id| self.places.knows_not(id)) {
                // Another faultline speaks to the same destination.
                tracing::debug!(%sink, act = %act.id, "a person decided about an incident that is not ours");
                continue;
            }
            tracing::info!(%sink, act = %act.id, "a person decided there");
            let partition = incident.and_then(|id| self.places.of(id)).unwrap_or(0);
            if self.journal(partition, clock::now(), Command::Act(act))? == Kept::Stopped {
                return Ok(());
            }
            monitor.written(1);
        }
        if let Some(record) = ear.heard(cursor, more, clock::now())
            && self.keep_under(&record.key(), record.at, record.to_json())? == Kept::Stopped
        {
            tracing::info!(%sink, "what people did there is heard again at the next start");
        }
        Ok(())
    }

    fn unheard(&mut self, ear: &mut Listening, wait: Wait, trouble: &Trouble) {
        let now = clock::now();
        let until = ear.failed(wait, now);
        if let Wait::Told(told) = wait {
            // It counts our requests together: nothing is said in that time either, but no longer.
            self.outbox.quiet_until(until.min(now + told));
        }
        self.http.add(Metric::Retries, StageName::Deliver, 1);
        let sink: &Name = self.outbox.sink();
        if ear.is_troubled() {
            tracing::debug!(%sink, %trouble, "not heard what people do there, trying again");
        } else {
            tracing::warn!(%sink, %trouble, "not heard what people do there, trying again");
        }
    }

    /// Takes in new revisions.
    fn read(&mut self, reader: &mut dyn LogReader, wait: Duration, monitor: &StageMonitor) {
        if !self.outbox.has_room() {
            let _stopped = self.stop.wait(wait);
            return;
        }
        match reader.poll(500, wait) {
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
                for at in &batch.caught_up {
                    self.behind.remove(at);
                }
            }
            Err(error) => {
                monitor.trouble("read", &error);
                let _stopped = self.stop.wait(TURN);
            }
        }
    }

    /// Remembers an incident, and where its journal is.
    fn place(&mut self, incident: &Incident) {
        let partition = self.partition(&incident.cell);
        self.places.note(incident.id, partition);
    }

    fn partition(&self, cell: &CellId) -> u32 {
        self.settings.cells.iter().position(|known| known == cell).unwrap_or(0) as u32
    }

    /// Says one incident. The intent is durable before the sink is called, the outcome before the
    /// next one is. Each call that the sink makes is made under the lease.
    fn say(&mut self, due: &Due) -> Result<()> {
        if let Some(intent) = &due.intent
            && self.keep(intent)? == Kept::Stopped
        {
            return Ok(());
        }
        if !self.lease.wait(&self.stop) {
            return Ok(());
        }
        let (sink, request) = (&mut self.sink, due.request(clock::now()));
        let outcome = permit::under(self.lease.clone(), || sink.deliver(&request));
        let now = clock::now();
        let seed = stable_hash(&[due.idempotency_key.as_bytes(), &now.0.to_le_bytes()]);
        let done = self.outbox.on_outcome(due, outcome, now, Jitter(seed as u32));
        self.tell(&done);
        // The intent is in the log: the next start knows that this was perhaps said.
        if let Some(record) = &done.record
            && self.keep(record)? == Kept::Stopped
        {
            return Ok(());
        }
        if let Some(command) = done.command {
            let partition = self.partition(&due.incident.cell);
            // A ticket that is not linked yet is linked with the next revision.
            let (Kept::Yes | Kept::Stopped) = self.journal(partition, Timestamp::EPOCH, command)?;
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

    fn keep(&self, record: &Delivered) -> Result<Kept> {
        self.keep_under(&record.key(), record.at, record.to_json())
    }

    fn keep_under(&self, key: &str, at: Timestamp, value: Vec<u8>) -> Result<Kept> {
        let kept = NewRecord {
            timestamp_ms: at.millis(),
            key: Some(key.as_bytes().to_vec()),
            headers: Vec::new(),
            value: Some(value),
        };
        self.append(TopicPartition::new(&self.settings.own.deliveries, 0), kept)
    }

    /// A ticket, or an act, becomes part of its incident through the journal, like every other fact.
    fn journal(&self, partition: u32, arrival: Timestamp, command: Command) -> Result<Kept> {
        let record = JournalRecord::Command(command);
        let entry = JournalEntry { arrival, position: None, record };
        let to = TopicPartition::new(&self.settings.own.journal, partition);
        let emit = wire::journal(to, &entry)?;
        self.append(emit.to, emit.record)
    }

    /// Tries until the log has it or the process stops: what was said must be remembered.
    fn append(&self, to: TopicPartition, record: NewRecord) -> Result<Kept> {
        loop {
            if !self.lease.wait(&self.stop) {
                return Ok(Kept::Stopped);
            }
            match self.log.append(&to, vec![record.clone()]) {
                Ok(_) => return Ok(Kept::Yes),
                Err(error) if error.may_pass() => {
                    tracing::warn!(%error, "the log does not answer, trying again");
                    if self.stop.wait(Duration::from_millis(500)) {
                        return Ok(Kept::Stopped);
                    }
                }
                Err(refused) => return Err(refused.into()),
            }
        }
    }
}
