//! OBSERVE: reads every input topic; telemetry becomes panes, everything else goes into the
//! journal. What cannot be decoded becomes a dead letter and stops nothing.

use std::sync::Arc;

use correlator::Losses;
use correlator::observe::{
    ClockConfig, EventClock, Merge as _, Observer, ObserverStats, PaneRecord, split,
};
use model::alert::Alert;
use model::id::{Position, stable_hash};
use model::journal::{JournalEntry, JournalRecord};
use model::name::Name;
use model::signal::{Resource, SignalBatch};
use model::time::{Nanos, Timestamp};
use serde::{Deserialize, Serialize};

use crate::dead_letter::dead_letter;
use crate::intake::decode::{DecodeLimits, Decoded, Decoder};
use crate::log::{Record, TopicPartition};
use crate::stages::read::{self, Said};
use crate::stages::settings::Settings;
use crate::stages::{Emit, Stage, Tally, wire};

/// Further than this from the event clock, a record's timestamp is not of the same time: an old
/// recording that was produced in bulk today.
const ARRIVAL_SKEW: Nanos = Nanos::from_secs(600);

/// Revisions of one pane inside one epoch. Twelve bits are more than the panes of any lateness.
const REVISION_BITS: u32 = 12;

/// The clock and the observers of one cell.
#[derive(Serialize, Deserialize)]
struct CellObservers {
    clock: EventClock,
    observers: Vec<Observer>,
}

/// What the stage has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserveStats {
    /// Records read.
    pub records: u64,
    /// Spans decoded.
    pub spans: u64,
    /// Log records decoded.
    pub logs: u64,
    /// Metric points decoded.
    pub metric_points: u64,
    /// Alerts decoded.
    pub alerts: u64,
    /// Changes decoded.
    pub changes: u64,
    /// Items that could not be used although their record could.
    pub rejected_items: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Own records that could not be encoded; always zero unless there is a bug.
    pub encode_failures: u64,
}

/// Where an entry of the journal comes from.
#[derive(Clone, Copy)]
struct Place<'r> {
    record: &'r Record,
    /// Name of the record's topic, shared by its entries.
    topic: &'r Name,
    /// Which of the things in the record.
    item: u32,
    /// Where in what is emitted the entries of this record begin.
    begun: usize,
}

/// The stage: one part reads what a record says, the other works on it.
pub struct ObserveStage {
    decoder: Decoder,
    work: Work,
}

/// What works on records that have been read.
struct Work {
    settings: Arc<Settings>,
    /// The journal's topic.
    journal: Arc<str>,
    cells: Vec<CellObservers>,
    stats: ObserveStats,
    epoch: u32,
    /// Memory for the newest times of the resources of one batch.
    newest: Vec<Option<Timestamp>>,
}

impl ObserveStage {
    /// A stage without history. `epoch` grows with each start on the same logs, so that the panes
    /// of this start replace those of an earlier one.
    #[must_use]
    pub fn new(settings: Arc<Settings>, epoch: u32) -> Self {
        let cell = |_| CellObservers {
            clock: EventClock::new(ClockConfig::default()),
            observers: (0..settings.observe_tasks)
                .map(|task| Observer::new(task, settings.observe))
                .collect(),
        };
        let cells = settings.cells.iter().map(cell).collect();
        let decoder = Decoder::new(DecodeLimits::default());
        let journal = settings.own.journal.as_str().into();
        let stats = ObserveStats::default();
        let work = Work { settings, journal, cells, stats, epoch, newest: Vec::new() };
        Self { decoder, work }
    }

    /// What it has done.
    #[must_use]
    pub const fn stats(&self) -> ObserveStats {
        self.work.stats
    }

    /// Event time of the first cell, once it has begun.
    #[must_use]
    pub fn event_time(&self) -> Option<Timestamp> {
        self.work.cells.iter().filter_map(|cell| cell.clock.now()).max()
    }

    /// Traces that are open now, in all cells.
    #[must_use]
    pub fn open_traces(&self) -> u64 {
        let observers = self.work.cells.iter().flat_map(|cell| &cell.observers);
        observers.map(|observer| observer.stats().open_traces).sum()
    }
}

impl Work {
    /// Works on what was read of a record. Gives telemetry back, whose memory may be used again.
    fn take(&mut self, record: &Record, said: Said, out: &mut Vec<Emit>) -> Option<SignalBatch> {
        self.stats.records += u64::from(said.is_some());
        match said? {
            Ok(Decoded::Telemetry { batch, topology }) => {
                if let Some(document) = topology {
                    let what = JournalRecord::Topology(document);
                    self.stats.encode_failures += self.for_cells(None, record, 0, &what, out);
                }
                self.telemetry(Timestamp::from_millis(record.timestamp_ms), &batch, out);
                return Some(batch);
            }
            Ok(Decoded::Alerts(alerts)) => self.alerts(record, alerts, out),
            Ok(Decoded::Changes(changes)) => {
                for (item, change) in (0..).zip(changes) {
                    self.stats.changes += 1;
                    let environment = change.environment.clone();
                    let environment = environment.as_ref().map(|name| name.as_str());
                    let what = JournalRecord::Change(change);
                    self.stats.encode_failures +=
                        self.for_cells(environment, record, item, &what, out);
                }
            }
            Ok(Decoded::Topology(document)) => {
                let what = JournalRecord::Topology(document);
                self.stats.encode_failures += self.for_cells(None, record, 0, &what, out);
            }
            Ok(Decoded::Nothing(_)) => {}
            Err(error) => {
                self.stats.dead_letters += 1;
                out.push(dead_letter(&self.settings.own.dead_letters, record, &error.to_string()));
            }
        }
        None
    }

    fn telemetry(&mut self, arrival: Timestamp, batch: &SignalBatch, out: &mut Vec<Emit>) {
        self.stats.spans += batch.spans.len() as u64;
        self.stats.logs += batch.logs.len() as u64;
        self.stats.metric_points += batch.metrics.len() as u64;
        self.stats.rejected_items += u64::from(batch.rejected);
        match only_cell(&self.settings, batch) {
            Some(cell) => self.in_cell(cell, arrival, batch, out),
            None => {
                for (cell, part) in by_cell(&self.settings, batch) {
                    self.in_cell(cell, arrival, &part, out);
                }
            }
        }
    }

    /// Hands a batch to the observers of a cell.
    fn in_cell(
        &mut self,
        cell: usize,
        arrival: Timestamp,
        batch: &SignalBatch,
        out: &mut Vec<Emit>,
    ) {
        let Some(state) = self.cells.get_mut(cell) else { return };
        tell_time(&mut state.clock, arrival, batch, &mut self.newest);
        match state.observers.as_mut_slice() {
            [only] => only.handle_batch(batch),
            several => {
                let tasks = several.len() as u32;
                for (observer, share) in several.iter_mut().zip(split(batch.clone(), tasks)) {
                    observer.handle_batch(&share);
                }
            }
        }
        self.advance(cell, out);
    }

    fn alerts(&mut self, record: &Record, alerts: Vec<Alert>, out: &mut Vec<Emit>) {
        let written = Timestamp::from_millis(record.timestamp_ms);
        let begun = out.len();
        let topic = Name::from(&*record.partition.topic);
        for (item, mut alert) in (0..).zip(alerts) {
            self.stats.alerts += 1;
            alert.group = self.settings.grouping.key(&alert);
            let environment = ["environment", "deployment_environment_name", "env"]
                .into_iter()
                .find_map(|name| alert.labels.get(name));
            let cell = self.settings.cell_of(environment.map(|name| name.as_str()));
            if let Some(state) = self.cells.get_mut(cell) {
                let newest = alert.ends_at.map_or(alert.starts_at, |end| end.max(alert.starts_at));
                state.clock.observe(written, Some(newest), alert.fingerprint.0);
            }
            let place = Place { record, topic: &topic, item, begun };
            let appended = self.append(cell, place, JournalRecord::Alert(alert), out);
            self.stats.encode_failures += u64::from(!appended);
            self.advance(cell, out);
        }
    }

    /// Records that name no environment concern every cell.
    fn for_cells(
        &self,
        environment: Option<&str>,
        record: &Record,
        item: u32,
        what: &JournalRecord,
        out: &mut Vec<Emit>,
    ) -> u64 {
        let cells = match environment {
            Some(environment) => {
                let cell = self.settings.cell_of(Some(environment));
                cell..cell + 1
            }
            None => 0..self.cells.len(),
        };
        let (mut failures, topic) = (0, Name::from(&*record.partition.topic));
        for cell in cells {
            let place = Place { record, topic: &topic, item, begun: out.len() };
            failures += u64::from(!self.append(cell, place, what.clone(), out));
        }
        failures
    }

    /// Puts an entry into the journal of a cell; tells whether it could be encoded.
    fn append(
        &self,
        cell: usize,
        place: Place<'_>,
        what: JournalRecord,
        out: &mut Vec<Emit>,
    ) -> bool {
        let Place { record, topic, item, begun } = place;
        let position = Position {
            topic: topic.clone(),
            partition: record.partition.partition,
            offset: record.offset,
            item,
        };
        let entry = JournalEntry {
            arrival: self.arrival_of(cell, record.timestamp_ms),
            position: Some(position),
            record: what,
        };
        let to = TopicPartition { topic: Arc::clone(&self.journal), partition: cell as u32 };
        wire::join_journal(to, &entry, begun, out).is_ok()
    }

    /// When a record arrived, in the event time of its cell. Before that has begun, a record holds
    /// from the beginning.
    fn arrival_of(&self, cell: usize, timestamp_ms: i64) -> Timestamp {
        let written = Timestamp::from_millis(timestamp_ms);
        let Some(now) = self.cells.get(cell).and_then(|state| state.clock.now()) else {
            return Timestamp::EPOCH;
        };
        let near = written <= now + ARRIVAL_SKEW && written + ARRIVAL_SKEW >= now;
        if near { written } else { now }
    }

    fn advance(&mut self, cell: usize, out: &mut Vec<Emit>) {
        let Some(state) = self.cells.get_mut(cell) else { return };
        let Some(now) = state.clock.now() else { return };
        for observer in &mut state.observers {
            observer.advance(now);
        }
        self.drain(cell, out);
    }

    fn drain(&mut self, cell: usize, out: &mut Vec<Emit>) {
        let Some(state) = self.cells.get_mut(cell) else { return };
        let shares = self.settings.detect_tasks;
        for observer in &mut state.observers {
            while let Some(mut pane) = observer.poll_pane() {
                stamp(&mut pane, self.epoch);
                let partition = cell as u32 * shares + pane.share;
                let to = TopicPartition::new(&self.settings.own.panes, partition);
                let at_ms = self.settings.observe.width.end(pane.pane).millis();
                match wire::pane(to, &pane, at_ms) {
                    Ok(emit) => out.push(emit),
                    Err(_) => self.stats.encode_failures += 1,
                }
            }
        }
    }
}

impl Stage for ObserveStage {
    fn handle(&mut self, record: &Record, out: &mut Vec<Emit>) {
        let said = read::one(&mut self.decoder, &self.work.settings.inputs, record);
        if let Some(batch) = self.work.take(record, said, out) {
            self.decoder.take_back(batch);
        }
    }

    fn handle_all(&mut self, records: &[Record], out: &mut Vec<Emit>) {
        let Self { decoder, work } = self;
        let settings = Arc::clone(&work.settings);
        read::each(decoder, &settings.inputs, records, |record, said| work.take(record, said, out));
    }

    fn idle(&mut self, silent_for: Nanos, out: &mut Vec<Emit>) {
        for cell in 0..self.work.cells.len() {
            if let Some(state) = self.work.cells.get_mut(cell) {
                state.clock.idle(silent_for);
            }
            self.work.advance(cell, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Emit>) {
        for cell in 0..self.work.cells.len() {
            if let Some(state) = self.work.cells.get_mut(cell) {
                for observer in &mut state.observers {
                    observer.finish();
                }
            }
            self.work.drain(cell, out);
        }
    }

    fn tally(&self) -> Tally {
        let (mut sum, mut losses) = (ObserverStats::default(), Losses::default());
        for observer in self.work.cells.iter().flat_map(|cell| &cell.observers) {
            sum.absorb(&observer.stats());
            losses.absorb(observer.losses());
        }
        Tally {
            processed: sum.spans + sum.logs + sum.metrics,
            late: sum.late,
            repeats: sum.duplicates,
            dropped: losses.count() + sum.ahead,
            loudest: losses.loudest().map(|(name, items)| (name.clone(), items)),
        }
    }

    fn save(&self) -> Result<Vec<u8>, wire::WireError> {
        wire::pack(&(&self.work.cells, &self.work.stats))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), wire::WireError> {
        let (cells, stats): (Vec<CellObservers>, ObserveStats) = wire::unpack(state)?;
        self.work.cells = cells;
        self.work.stats = stats;
        Ok(())
    }
}

/// A later start's panes replace an earlier start's, whatever their own revisions.
fn stamp(pane: &mut PaneRecord, epoch: u32) {
    let inside = pane.revision.min((1 << REVISION_BITS) - 1);
    pane.revision = epoch << REVISION_BITS | inside;
}

/// The epoch in a stamped revision.
#[must_use]
pub const fn epoch_of(revision: u32) -> u32 {
    revision >> REVISION_BITS
}

/// The cell of all resources of a batch, if it is one.
fn only_cell(settings: &Settings, batch: &SignalBatch) -> Option<usize> {
    if settings.cells.len() == 1 {
        return Some(0);
    }
    let mut cells = batch.resources.iter().map(|resource| cell_of(settings, resource));
    let first = cells.next().unwrap_or(0);
    cells.all(|cell| cell == first).then_some(first)
}

fn cell_of(settings: &Settings, resource: &Resource) -> usize {
    settings.cell_of(resource.environment.as_ref().map(|name| name.as_str()))
}

/// Cuts a batch by cell.
fn by_cell(settings: &Settings, batch: &SignalBatch) -> Vec<(usize, SignalBatch)> {
    let cells: Vec<usize> =
        batch.resources.iter().map(|resource| cell_of(settings, resource)).collect();
    let of = |resource: u32| cells.get(resource as usize).copied().unwrap_or(0);
    (0..settings.cells.len())
        .map(|cell| {
            let part = SignalBatch {
                resources: batch.resources.clone(),
                names: batch.names.clone(),
                spans: batch.spans.iter().filter(|s| of(s.resource) == cell).copied().collect(),
                logs: batch.logs.iter().filter(|l| of(l.resource) == cell).cloned().collect(),
                metrics: batch.metrics.iter().filter(|m| of(m.resource) == cell).cloned().collect(),
                rejected: 0,
            };
            (cell, part)
        })
        .filter(|(_, part)| {
            !(part.spans.is_empty() && part.logs.is_empty() && part.metrics.is_empty())
        })
        .collect()
}

/// Tells a clock the newest event time of each resource of a batch, under a stable hash of who it is.
/// `newest` is memory for that.
fn tell_time(
    clock: &mut EventClock,
    arrival: Timestamp,
    batch: &SignalBatch,
    newest: &mut Vec<Option<Timestamp>>,
) {
    newest.clear();
    newest.resize(batch.resources.len(), None);
    let times = batch
        .spans
        .iter()
        .map(|span| (span.resource, span.end))
        .chain(batch.logs.iter().map(|log| (log.resource, log.time)))
        .chain(batch.metrics.iter().map(|point| (point.resource, point.time)));
    for (resource, at) in times {
        if let Some(slot) = newest.get_mut(resource as usize) {
            *slot = (*slot).max(Some(at));
        }
    }
    for (resource, at) in batch.resources.iter().zip(newest) {
        if at.is_none() {
            continue;
        }
        let (instance, host) = (bytes(resource.instance.as_ref()), bytes(resource.host.as_ref()));
        let source = stable_hash(&[resource.service.as_bytes(), instance, host]);
        clock.observe(arrival, *at, source);
    }
}

fn bytes(name: Option<&Name>) -> &[u8] {
    name.map_or(&[], |name| name.as_bytes())
}
