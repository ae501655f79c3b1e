//! The three stages in one thread, with queues instead of topics between them: what a replay, the
//! headless demo and the laws of the tests run. The same records give the same bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::id::IncidentId;
use model::incident::Incident;
use model::recording::{Decided, topic};

use crate::dead_letter::header;
use crate::log::{Record, TopicPartition};
use crate::stages::correlate::{ActCounts, CorrelateStage};
use crate::stages::detect::DetectStage;
use crate::stages::observe::{ObserveStage, ObserveStats};
use crate::stages::settings::Settings;
use crate::stages::{Emit, Stage, Tally, wire};

/// What left the line.
pub enum LineOutput {
    /// A revision of an incident, with the exact bytes of its record.
    Revision(Box<Incident>, Vec<u8>),
    /// A dead letter: position and reason.
    DeadLetter(String),
}

/// The stages in a row.
pub struct Line {
    settings: Arc<Settings>,
    observe: ObserveStage,
    detect: DetectStage,
    correlate: CorrelateStage,
    next_offsets: BTreeMap<TopicPartition, u64>,
}

impl Line {
    /// A line without history.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        Self {
            observe: ObserveStage::new(settings.clone(), 0),
            detect: DetectStage::new(settings.clone()),
            correlate: CorrelateStage::new(settings.clone()),
            next_offsets: BTreeMap::new(),
            settings,
        }
    }

    /// Feeds one record of an input topic, or a recorded act, and runs until nothing moves.
    pub fn feed(&mut self, record: &Record, out: &mut Vec<LineOutput>) {
        let mut emits = Vec::new();
        if *record.partition.topic == *topic::ACTS {
            match self.decided(record) {
                Ok(emit) => self.pump(vec![emit], out),
                Err(why) => out.push(LineOutput::DeadLetter(why)),
            }
            return;
        }
        self.observe.handle(record, &mut emits);
        self.pump(emits, out);
    }

    /// Ends the input: the last panes close, everything settles.
    pub fn finish(&mut self, out: &mut Vec<LineOutput>) {
        let mut emits = Vec::new();
        self.observe.finish(&mut emits);
        self.pump(emits, out);
        let mut emits = Vec::new();
        self.correlate.finish(&mut emits);
        self.pump(emits, out);
    }

    /// What became of people's decisions.
    #[must_use]
    pub fn act_counts(&self) -> ActCounts {
        self.correlate.act_counts()
    }

    /// What OBSERVE has done.
    #[must_use]
    pub const fn stats(&self) -> ObserveStats {
        self.observe.stats()
    }

    /// What OBSERVE, DETECT and CORRELATE have done and lost.
    #[must_use]
    pub fn tallies(&self) -> [Tally; 3] {
        [self.observe.tally(), self.detect.tally(), self.correlate.tally()]
    }

    /// Traces that are open now.
    #[must_use]
    pub fn open_traces(&self) -> u64 {
        self.observe.open_traces()
    }

    /// Items of the map, as CORRELATE has it now.
    #[must_use]
    pub fn items(&self) -> usize {
        self.correlate.items()
    }

    /// The ids of the incidents that exist in every order of arrival.
    #[must_use]
    pub fn settled_ids(&self) -> BTreeSet<IncidentId> {
        self.correlate.settled_ids().into_iter().collect()
    }

    /// The drift report of each cell.
    #[must_use]
    pub fn drift(&self) -> serde_json::Value {
        self.correlate.drift()
    }

    /// A recorded act in the journal of its cell.
    fn decided(&self, record: &Record) -> Result<Emit, String> {
        let value = record.value.as_deref();
        let decided: Decided =
            wire::json(value).map_err(|error| format!("a recorded act: {error}"))?;
        let cells = &self.settings.cells;
        let place = match cells.iter().position(|cell| *cell == decided.cell) {
            Some(place) => place,
            // Whatever the only cell is called here.
            None if cells.len() == 1 => 0,
            None => return Err(format!("a recorded act: there is no cell {}", decided.cell)),
        };
        let to = TopicPartition::new(&self.settings.own.journal, place as u32);
        wire::journal(to, &decided.entry).map_err(|error| format!("a recorded act: {error}"))
    }

    fn pump(&mut self, emits: Vec<Emit>, out: &mut Vec<LineOutput>) {
        let mut queue: VecDeque<Emit> = emits.into();
        let mut next = Vec::new();
        while let Some(emit) = queue.pop_front() {
            let record = self.appended(emit);
            let topic = &*record.partition.topic;
            if topic == self.settings.own.panes {
                self.detect.handle(&record, &mut next);
            } else if topic == self.settings.own.journal {
                self.correlate.handle(&record, &mut next);
            } else {
                out.extend(self.leave(record));
            }
            queue.extend(next.drain(..));
        }
    }

    /// A record as a log would return it.
    fn appended(&mut self, emit: Emit) -> Record {
        let offset = self.next_offsets.entry(emit.to.clone()).or_default();
        let record = Record {
            partition: emit.to,
            offset: *offset,
            timestamp_ms: emit.record.timestamp_ms,
            key: emit.record.key,
            headers: emit.record.headers,
            value: emit.record.value,
        };
        *offset += 1;
        record
    }

    fn leave(&self, record: Record) -> Option<LineOutput> {
        if *record.partition.topic == *self.settings.own.incidents {
            let value = record.value?;
            let incident = wire::json(Some(&value)).ok()?;
            return Some(LineOutput::Revision(Box::new(incident), value));
        }
        let text = |name: &str| header(&record, name).unwrap_or_default();
        Some(LineOutput::DeadLetter(format!(
            "{}/{}@{}: {}",
            text("topic"),
            text("partition"),
            text("offset"),
            text("reason"),
        )))
    }
}
