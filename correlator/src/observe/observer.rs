//! The observer of one share of the traces: joins, counts, closes panes, revises, settles.
//!
//! A pane closes when event time is past its end by the watermark delay. What arrives later but
//! inside the lateness makes the pane dirty; dirty panes are counted again, whole, whenever the
//! next pane closes. After the lateness a pane settles and its traces are forgotten.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::id::TraceId;
use model::name::Name;
use model::signal::{LogRecord, Resource, SignalBatch};
use model::time::{Nanos, Pane, PaneWidth, Timestamp};
use serde::{Deserialize, Serialize};

use super::attribute::fold_trace;
use super::counts::{Merge, PaneCounts};
use super::limits::{OTHER, ObserveLimits};
use super::loose::{Counted, LoosePanes, count_log, count_point};
use super::meaning::Meaning;
use super::record::PaneRecord;
use super::split::share_of_service;
use super::table::{Moved, TraceTable};
use super::tally::PaneTally;
use super::trace::{Joined, LogRow, owner_of};
use crate::losses::Losses;

/// How an observer counts. All tasks of a cell must have the same configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserveConfig {
    /// Width of a pane.
    pub width: PaneWidth,
    /// How far event time must be past the end of a pane before the pane closes.
    pub watermark_delay: Nanos,
    /// For how long after that a pane may still be revised.
    pub lateness: Nanos,
    /// Detect tasks that the services are spread over.
    pub shares: u32,
    /// How far ahead of event time a signal may be and still be believed.
    pub ahead: Nanos,
    /// Bounds.
    pub limits: ObserveLimits,
}

impl Default for ObserveConfig {
    fn default() -> Self {
        Self {
            width: PaneWidth::default(),
            watermark_delay: Nanos::from_secs(5),
            lateness: Nanos::from_secs(60),
            shares: 1,
            ahead: Nanos::from_secs(600),
            limits: ObserveLimits::default(),
        }
    }
}

/// What an observer did, and what it dropped and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserverStats {
    /// Spans counted or waiting to be.
    pub spans: u64,
    /// Log records.
    pub logs: u64,
    /// Metric points.
    pub metrics: u64,
    /// Spans that were there already.
    pub duplicates: u64,
    /// Signals of panes that are settled.
    pub late: u64,
    /// Signals so far ahead of event time that nobody believes them. Unit: traces and panes.
    pub ahead: u64,
    /// Signals whose resource names neither service nor host nor instance.
    pub no_owner: u64,
    /// Signals dropped for a bound.
    pub dropped: u64,
    /// Spans left out because their parents form a cycle. Counted again with each revision.
    pub cyclic: u64,
    /// Records written.
    pub records: u64,
    /// Records that revised an earlier one.
    pub revisions: u64,
    /// Open traces.
    pub open_traces: u64,
}

/// Panes of untraced signals kept that are further ahead of event time than anyone believes.
const PANES_AHEAD_MAX: usize = 64;

/// Whether a record is the last one of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// More may come.
    No,
    /// All panes are settled with it.
    OfInput,
}

/// Joins and counts one share of the traces. Deterministic; see the module for its time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Observer {
    task: u32,
    config: ObserveConfig,
    now: Option<Timestamp>,
    table: TraceTable,
    loose: LoosePanes,
    dirty: BTreeSet<Pane>,
    revisions: BTreeMap<Pane, u32>,
    closed_through: Option<Pane>,
    settled_through: Option<Pane>,
    ready: VecDeque<PaneRecord>,
    stats: ObserverStats,
    /// Whose signals bounds took.
    #[serde(default)]
    losses: Losses,
    /// What the names of a batch mean here: nothing between two batches.
    #[serde(skip)]
    meaning: Meaning,
}

impl Observer {
    /// An observer that has seen nothing.
    #[must_use]
    pub fn new(task: u32, config: ObserveConfig) -> Self {
        Self {
            task,
            config,
            now: None,
            table: TraceTable::new(config.width),
            loose: LoosePanes::new(),
            dirty: BTreeSet::new(),
            revisions: BTreeMap::new(),
            closed_through: None,
            settled_through: None,
            ready: VecDeque::new(),
            stats: ObserverStats::default(),
            losses: Losses::default(),
            meaning: Meaning::default(),
        }
    }

    /// Joins and counts the signals of a batch. Emits nothing; panes close in [`Self::advance`].
    pub fn handle_batch(&mut self, batch: &SignalBatch) {
        self.spans(batch);
        for log in &batch.logs {
            if let Some(resource) = batch.resource(log.resource) {
                self.log(log, resource);
            }
        }
        for point in &batch.metrics {
            let Some(resource) = batch.resource(point.resource) else { continue };
            self.stats.metrics += 1;
            if self.is_late(self.config.width.pane_of(point.time)) {
                continue;
            }
            let (limits, width) = (self.config.limits, self.config.width);
            let counted = count_point(&mut self.loose, &limits, width, point, resource);
            self.note(counted, resource);
        }
    }

    /// Tells event time: closes the panes whose end plus delay is not after `now`, revises dirty
    /// ones, settles. Emits at most one record per share for each pane with signals, and for the
    /// last pane, so that time goes on; panes without signals in between are jumped over.
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(Some(now));
        let now = self.now.unwrap_or(now);
        let beyond = self.config.width.pane_of(now + self.config.ahead);
        self.stats.ahead += self.table.shed_beyond(beyond, self.config.limits.traces_ahead);
        while self.loose.range(beyond.plus(1)..).count() > PANES_AHEAD_MAX {
            self.loose.pop_last();
            self.stats.ahead += 1;
        }
        let target = self.config.width.pane_of(now - self.config.watermark_delay).plus(-1);
        if self.closed_through.is_none_or(|closed| target > closed) {
            self.close(target);
            let lateness = self.config.width.panes_in(self.config.lateness);
            self.settle(target.plus(-lateness));
        }
    }

    /// The input has ended: closes and settles everything up to the event time last told, so that
    /// all tasks end with the same pane. What is further ahead was never believed: it is dropped.
    pub fn finish(&mut self) {
        let last = self.now.map_or(Pane(i64::MAX), |now| self.config.width.pane_of(now));
        self.stats.ahead += self.table.shed_beyond(last, 0);
        let ahead = self.loose.split_off(&last.plus(1));
        self.stats.ahead += ahead.len() as u64;
        let traced = self.table.panes_through(last).last();
        let counted = self.loose.keys().next_back().copied();
        let reached = self.now.map(|_| last);
        let Some(end) = traced.max(counted).max(self.closed_through).max(reached) else { return };
        self.close(end);
        if self.settled_through.is_none_or(|settled| settled < end) {
            // The last pane once more, to say that nothing will be revised any more.
            self.count(end, Last::OfInput);
            self.settle(end);
        }
    }

    /// The next record for detect, in the order in which they must be handed on.
    pub fn poll_pane(&mut self) -> Option<PaneRecord> {
        self.ready.pop_front()
    }

    /// What was done and dropped so far.
    #[must_use]
    pub fn stats(&self) -> ObserverStats {
        ObserverStats { open_traces: self.table.len() as u64, ..self.stats }
    }

    /// What bounds took, and whose it was.
    #[must_use]
    pub const fn losses(&self) -> &Losses {
        &self.losses
    }

    fn spans(&mut self, batch: &SignalBatch) {
        let mut meaning = std::mem::take(&mut self.meaning);
        meaning.begin(batch);
        let max = self.config.limits.spans_per_trace;
        for span in &batch.spans {
            self.stats.spans += 1;
            let Some(offered) = meaning.of(span, batch, &mut self.table.words) else {
                self.stats.no_owner += 1;
                continue;
            };
            let pane = self.config.width.pane_of(offered.end);
            let dropped = self.stats.dropped;
            if let Some(number) = self.place(span.trace_id, pane) {
                let joined = self.table.join_span(number, &offered, max);
                self.joined(joined);
            }
            if self.stats.dropped > dropped
                && let Some(owner) = self.table.words.names.word(offered.shape.service)
            {
                self.losses.add(owner.name, self.stats.dropped - dropped);
            }
        }
        self.meaning = meaning;
    }

    fn log(&mut self, log: &LogRecord, resource: &Resource) {
        self.stats.logs += 1;
        let pane = self.config.width.pane_of(log.time);
        let (limits, width) = (self.config.limits, self.config.width);
        match log.trace_id {
            Some(trace_id) => {
                let Some((kind, name)) = owner_of(resource) else {
                    self.stats.no_owner += 1;
                    return;
                };
                let dropped = self.stats.dropped;
                if let Some(number) = self.place(trace_id, pane) {
                    let row = LogRow::new(log, (kind, name.clone()));
                    let joined = self.table.join_log(number, row, limits.logs_per_trace);
                    self.joined(joined);
                }
                if self.stats.dropped > dropped {
                    self.losses.add(name, self.stats.dropped - dropped);
                }
            }
            None if self.is_late(pane) => {}
            None => {
                let counted = count_log(&mut self.loose, &limits, width, log, resource);
                self.note(counted, resource);
            }
        }
    }

    /// The open trace that a signal joins, however old it is. A new trace must not be settled.
    fn place(&mut self, trace: TraceId, pane: Pane) -> Option<u32> {
        if let Some(open) = self.table.find(trace) {
            return Some(open);
        }
        if self.table.len() >= self.config.limits.traces {
            self.stats.dropped += 1;
            return None;
        }
        if self.is_late(pane) {
            return None;
        }
        let made = self.table.make(trace);
        self.stats.dropped += u64::from(made.is_none());
        made
    }

    fn joined(&mut self, joined: Option<(Joined, Moved)>) {
        let Some((joined, Moved { from, to })) = joined else {
            self.stats.dropped += 1;
            return;
        };
        match joined {
            Joined::Added => {}
            Joined::Duplicate => self.stats.duplicates += 1,
            Joined::Dropped => self.stats.dropped += 1,
        }
        self.mark(to);
        if let Some(from) = from {
            self.mark(from);
        }
    }

    fn note(&mut self, counted: Counted, resource: &Resource) {
        match counted {
            Counted::In(pane) => self.mark(pane),
            Counted::NoOwner => self.stats.no_owner += 1,
            Counted::Dropped => {
                self.stats.dropped += 1;
                if let Some((_, name)) = owner_of(resource) {
                    self.losses.add(name, 1);
                }
            }
        }
    }

    /// What is counted without its name because its owner has too many: told when the pane is counted for the first
    /// time.
    fn note_folded(&mut self, counts: &PaneCounts, lost: &BTreeMap<Name, u64>) {
        for (name, items) in lost {
            self.losses.add(name, *items);
        }
        for (name, service) in &counts.services {
            if let Some(other) = service.operations.get(OTHER) {
                self.losses.add(name, other.calls);
            }
        }
    }

    fn is_late(&mut self, pane: Pane) -> bool {
        let late = self.settled_through.is_some_and(|settled| pane <= settled);
        self.stats.late += u64::from(late);
        late
    }

    /// A closed pane that changed must be counted again.
    fn mark(&mut self, pane: Pane) {
        if self.closed_through.is_some_and(|closed| pane <= closed) {
            self.dirty.insert(pane);
        }
    }

    /// Revises dirty panes, then closes all panes through `target`, in order.
    fn close(&mut self, target: Pane) {
        for pane in std::mem::take(&mut self.dirty) {
            self.count(pane, Last::No);
        }
        let after = self.closed_through;
        let traced = self.table.panes_through(target);
        let counted = self.loose.range(..=target).map(|(&pane, _)| pane);
        let mut panes: BTreeSet<Pane> =
            traced.chain(counted).filter(|&pane| after.is_none_or(|after| pane > after)).collect();
        if after.is_none_or(|after| target > after) {
            panes.insert(target);
        }
        for pane in panes {
            self.closed_through = Some(pane);
            self.count(pane, Last::No);
        }
    }

    /// Counts a pane, whole, and emits one record per share.
    fn count(&mut self, pane: Pane, last: Last) {
        let is_first = !self.revisions.contains_key(&pane);
        let mut counts = self.loose.get(&pane).cloned().unwrap_or_default();
        let mut traced = PaneTally::default();
        let mut cyclic = 0;
        self.table.each_of_pane(pane, |id, spans, logs| {
            cyclic += fold_trace(&mut traced, id, spans, logs);
        });
        self.stats.cyclic += cyclic;
        let lost = traced.take_lost(&self.table.words);
        traced.add_to(&mut counts, &self.table.words);
        let shares = self.config.shares.max(1);
        let revision = self.next_revision(pane);
        if is_first {
            self.note_folded(&counts, &lost);
        }
        if shares == 1 {
            self.emit(0, (pane, revision), counts, last);
            return;
        }
        let empty = PaneCounts { services: BTreeMap::new(), ..counts.clone() };
        let mut parts = vec![empty; shares as usize];
        for (name, service) in counts.services {
            let share = share_of_service(&name, shares) as usize;
            if let Some(part) = parts.get_mut(share) {
                part.services.insert(name, service);
            }
        }
        for (share, part) in (0..shares).zip(parts) {
            self.emit(share, (pane, revision), part, last);
        }
    }

    fn next_revision(&mut self, pane: Pane) -> u32 {
        let next = self.revisions.entry(pane).or_insert(0);
        let revision = *next;
        *next += 1;
        revision
    }

    fn emit(&mut self, share: u32, stamp: (Pane, u32), counts: PaneCounts, last: Last) {
        let (pane, revision) = stamp;
        let closed_through = self.closed_through.unwrap_or(pane);
        let lateness = self.config.width.panes_in(self.config.lateness);
        let settled_through = match last {
            Last::OfInput => closed_through,
            Last::No => closed_through.plus(-lateness),
        };
        let settled_through = settled_through.max(self.settled_through.unwrap_or(settled_through));
        self.stats.records += 1;
        self.stats.revisions += u64::from(revision > 0);
        self.ready.push_back(PaneRecord {
            task: self.task,
            share,
            pane,
            revision,
            closed_through,
            settled_through,
            counts,
        });
    }

    fn settle(&mut self, through: Pane) {
        self.settled_through = self.settled_through.max(Some(through));
        self.table.forget_through(through);
        self.loose = self.loose.split_off(&through.plus(1));
        self.revisions = self.revisions.split_off(&through.plus(1));
    }
}

impl Merge for ObserverStats {
    fn absorb(&mut self, other: &Self) {
        self.spans += other.spans;
        self.logs += other.logs;
        self.metrics += other.metrics;
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.ahead += other.ahead;
        self.no_owner += other.no_owner;
        self.dropped += other.dropped;
        self.cyclic += other.cyclic;
        self.records += other.records;
        self.revisions += other.revisions;
        self.open_traces += other.open_traces;
    }
}
