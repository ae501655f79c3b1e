//! The open traces of one task, by id and by the pane in which they ended.
//!
//! Every span looks its trace up, so the index is one line of memory away: open addressing over a
//! slab. A slot is small, and what it refers to lies elsewhere: rows of spans in blocks ([`super::rows`]),
//! what they say in words ([`super::words`]), logs only where there are any. Its twin in the tests is a
//! sorted map, with which it must agree on random input.

use std::collections::BTreeMap;

use model::id::{SpanId, TraceId};
use model::time::{Pane, PaneWidth, Timestamp};

use super::index::Index;
use super::rows::{Block, ROWS_MAX, Row, Rows};
use super::trace::{Joined, LogRow, SpanRow, join_log};
use super::words::{Shape, Words};

/// Where a trace stood before and after an item joined it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) from: Option<Pane>,
    pub(crate) to: Pane,
}

/// A span that is offered. The upper halves of its times are not in its shape yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered {
    pub(crate) span_id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) shape: Shape,
}

/// Slots that are allocated at once.
const PAGE_SLOTS: usize = 1_024;
/// Stands for logs that are not there.
const NO_LOGS: u32 = u32::MAX;

/// By what the end of a trace is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum EndedBy {
    /// The slot is free, or its trace has just been made.
    #[default]
    Nothing,
    Logs,
    Spans,
}

/// 48 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) id: TraceId,
    /// The start of the first span that came: its rows count from there.
    pub(super) base: i64,
    /// When the trace ended as far as seen: by its spans, else by its logs.
    pub(super) end: Timestamp,
    pub(super) spans: Block,
    pub(super) logs: u32,
    pub(super) ended_by: EndedBy,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            id: TraceId(0),
            base: 0,
            end: Timestamp(0),
            spans: Block::default(),
            logs: NO_LOGS,
            ended_by: EndedBy::Nothing,
        }
    }
}

/// Slots in pages, so that more of them never move those that are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    pages: Vec<Box<[Slot]>>,
    used: u32,
    free: Vec<u32>,
}

impl Slots {
    const fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }

    fn get(&self, number: u32) -> Option<&Slot> {
        let number = number as usize;
        self.pages.get(number / PAGE_SLOTS)?.get(number % PAGE_SLOTS)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Slot> {
        let number = number as usize;
        self.pages.get_mut(number / PAGE_SLOTS)?.get_mut(number % PAGE_SLOTS)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Slot> {
        self.pages.iter().flatten().take(self.used as usize)
    }

    /// A free slot; `None` if there are more than can be numbered.
    fn take(&mut self) -> Option<u32> {
        if let Some(free) = self.free.pop() {
            return Some(free);
        }
        let number = self.used;
        self.used = self.used.checked_add(1)?;
        if number as usize / PAGE_SLOTS >= self.pages.len() {
            self.pages.push(vec![Slot::default(); PAGE_SLOTS].into());
        }
        Some(number)
    }
}

/// The slots of one pane. A trace that moved on leaves its slot behind, so a slot counts only if
/// it says the same pane; and one that came back stands here twice.
#[derive(Clone, Debug, Default)]
struct Filed {
    slots: Vec<u32>,
    traces: usize,
}

/// The logs of traces that have any.
#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    rows: Vec<Vec<LogRow>>,
    free: Vec<u32>,
}

impl Logs {
    pub(super) fn get(&self, number: u32) -> &[LogRow] {
        self.rows.get(number as usize).map_or(&[], Vec::as_slice)
    }

    /// The logs of that number, which is given if there is none.
    pub(super) fn make(&mut self, number: &mut u32) -> Option<&mut Vec<LogRow>> {
        if *number == NO_LOGS {
            *number = match self.free.pop() {
                Some(free) => free,
                None => {
                    self.rows.push(Vec::new());
                    u32::try_from(self.rows.len() - 1).ok()?
                }
            };
        }
        self.rows.get_mut(*number as usize)
    }

    fn release(&mut self, number: u32) {
        if let Some(rows) = self.rows.get_mut(number as usize) {
            *rows = Vec::new();
            self.free.push(number);
        }
    }
}

/// Open traces. Invariant: a pane is in `by_pane` exactly if a trace ended in it, and each of its
/// traces stands in its slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceTable {
    pub(crate) words: Words,
    pub(super) width: PaneWidth,
    index: Index,
    pub(super) slots: Slots,
    pub(super) rows: Rows,
    pub(super) logs: Logs,
    by_pane: BTreeMap<Pane, Filed>,
}

impl TraceTable {
    pub(crate) fn new(width: PaneWidth) -> Self {
        Self { width, ..Self::default() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.slots.len()
    }

    /// The number of an open trace.
    pub(crate) fn find(&self, id: TraceId) -> Option<u32> {
        let is = |number: u32| self.slots.get(number).is_some_and(|slot| slot.id == id);
        self.index.find(id.0, is)
    }

    /// An empty trace under an id that is not there; `None` if there are more than can be numbered.
    /// Something must join it then.
    pub(crate) fn make(&mut self, id: TraceId) -> Option<u32> {
        let number = self.slots.take()?;
        *self.slots.get_mut(number)? = Slot { id, ..Slot::default() };
        let slots = &self.slots;
        let key = |number: u32| slots.get(number).map_or(0, |slot| slot.id.0);
        self.index.insert(id.0, number, key);
        Some(number)
    }

    /// Puts a trace back, with its rows and logs, that was taken out of a table; one too many is left out.
    pub(super) fn put(&mut self, trace: Slot) {
        let Some(number) = self.make(trace.id) else { return };
        if let Some(slot) = self.slots.get_mut(number) {
            *slot = trace;
        }
        self.file(number, None, self.width.pane_of(trace.end));
    }

    /// Adds a span to a trace, and files it under the pane in which it now ends. Of two spans of one id
    /// the smaller row stays, beyond `max` the smallest ids.
    pub(crate) fn join_span(
        &mut self,
        number: u32,
        offered: &Offered,
        max: usize,
    ) -> Option<(Joined, Moved)> {
        let max = max.min(ROWS_MAX - 1);
        let slot = self.slots.get_mut(number)?;
        let from = slot.pane(self.width);
        if slot.ended_by != EndedBy::Spans {
            (slot.base, slot.end, slot.ended_by) = (offered.start.0, offered.end, EndedBy::Spans);
        }
        slot.end = slot.end.max(offered.end);
        let row = offered.row(slot.base, &mut self.words);
        let rows = self.rows.get(slot.spans);
        let joined = match rows.binary_search_by(|other| other.span_id().cmp(&offered.span_id)) {
            Ok(at) => {
                let words = &self.words;
                let seen = |row: &Row| SpanRow::new(row, slot.base, words);
                if let Some(mine) = self.rows.get_mut(slot.spans).get_mut(at)
                    && seen(&row) < seen(mine)
                {
                    *mine = row;
                }
                Joined::Duplicate
            }
            Err(at) if at >= max => Joined::Dropped,
            Err(at) => {
                self.rows.insert(&mut slot.spans, at, row);
                if slot.spans.len() > max {
                    Rows::truncate(&mut slot.spans, max);
                    Joined::Dropped
                } else {
                    Joined::Added
                }
            }
        };
        let to = self.width.pane_of(slot.end);
        self.file(number, from, to);
        Some((joined, Moved { from, to }))
    }

    /// Adds a log record to a trace, as [`Self::join_span`] does; beyond `max` the earliest stay.
    pub(crate) fn join_log(
        &mut self,
        number: u32,
        row: LogRow,
        max: usize,
    ) -> Option<(Joined, Moved)> {
        let slot = self.slots.get_mut(number)?;
        let from = slot.pane(self.width);
        match slot.ended_by {
            EndedBy::Nothing => (slot.end, slot.ended_by) = (row.time, EndedBy::Logs),
            EndedBy::Logs => slot.end = slot.end.max(row.time),
            EndedBy::Spans => {}
        }
        let joined = join_log(self.logs.make(&mut slot.logs)?, row, max);
        let to = self.width.pane_of(slot.end);
        self.file(number, from, to);
        Some((joined, Moved { from, to }))
    }

    /// The panes in which traces ended, up to and including `last`.
    pub(crate) fn panes_through(&self, last: Pane) -> impl Iterator<Item = Pane> + '_ {
        self.by_pane.range(..=last).map(|(&pane, _)| pane)
    }

    /// Shows the traces of a pane, by id.
    pub(crate) fn each_of_pane<'a>(
        &'a self,
        pane: Pane,
        mut each: impl FnMut(TraceId, &[SpanRow<'a>], &[LogRow]),
    ) {
        let mut spans = Vec::new();
        for (_, number) in self.ids_of_pane(pane) {
            let Some(slot) = self.slots.get(number) else { continue };
            spans.clear();
            let rows = self.rows.get(slot.spans).iter();
            spans.extend(rows.filter_map(|row| SpanRow::new(row, slot.base, &self.words)));
            each(slot.id, &spans, self.logs.get(slot.logs));
        }
    }

    /// Forgets all traces of panes up to and including `last`.
    pub(crate) fn forget_through(&mut self, last: Pane) {
        while let Some(entry) = self.by_pane.first_entry() {
            if *entry.key() > last {
                break;
            }
            let (pane, filed) = entry.remove_entry();
            self.forget(pane, &filed);
        }
        if self.words.is_due() {
            self.sweep_words();
        }
    }

    /// Drops the farthest panes beyond `last` until at most `max` traces are left beyond it.
    /// Returns how many traces were dropped.
    pub(crate) fn shed_beyond(&mut self, last: Pane, max: usize) -> u64 {
        let after = last.plus(1);
        let mut beyond: usize = self.by_pane.range(after..).map(|(_, filed)| filed.traces).sum();
        let mut dropped = 0;
        while beyond > max {
            let Some((pane, filed)) = self.by_pane.pop_last() else { break };
            beyond -= filed.traces;
            dropped += filed.traces as u64;
            self.forget(pane, &filed);
        }
        dropped
    }

    fn ids_of_pane(&self, pane: Pane) -> Vec<(TraceId, u32)> {
        let filed = self.by_pane.get(&pane).map_or(&[][..], |filed| &filed.slots);
        let here = |number: &u32| {
            let slot = self.slots.get(*number)?;
            (slot.pane(self.width) == Some(pane)).then_some((slot.id, *number))
        };
        let mut here: Vec<(TraceId, u32)> = filed.iter().filter_map(here).collect();
        here.sort_unstable();
        here.dedup();
        here
    }

    fn file(&mut self, number: u32, from: Option<Pane>, to: Pane) {
        if from == Some(to) {
            return;
        }
        let filed = self.by_pane.entry(to).or_default();
        filed.slots.push(number);
        filed.traces += 1;
        if let Some(from) = from {
            self.leave(from);
        }
    }

    /// A trace left this pane for another.
    fn leave(&mut self, pane: Pane) {
        let Some(filed) = self.by_pane.get_mut(&pane) else { return };
        filed.traces -= 1;
        if filed.traces == 0 {
            self.by_pane.remove(&pane);
        }
    }

    fn forget(&mut self, pane: Pane, filed: &Filed) {
        for &number in &filed.slots {
            let Some(slot) = self.slots.get_mut(number) else { continue };
            if slot.pane(self.width) != Some(pane) {
                continue;
            }
            let gone = std::mem::take(slot);
            self.index.remove(gone.id.0, number);
            self.rows.release(gone.spans);
            self.logs.release(gone.logs);
            self.slots.free.push(number);
        }
    }

    /// Forgets what only traces said that are gone.
    fn sweep_words(&mut self) {
        let (_, shapes) = self.words.parts();
        let mut needed = vec![false; shapes.len()];
        for slot in self.slots.all() {
            for row in self.rows.get(slot.spans) {
                if let Some(needed) = needed.get_mut(row.shape as usize) {
                    *needed = true;
                }
            }
        }
        let renumbered = self.words.sweep(&needed);
        for slot in self.slots.all() {
            for row in self.rows.get_mut(slot.spans) {
                row.shape = renumbered.get(row.shape as usize).copied().unwrap_or(row.shape);
            }
        }
    }
}

impl Slot {
    fn pane(&self, width: PaneWidth) -> Option<Pane> {
        (self.ended_by != EndedBy::Nothing).then(|| width.pane_of(self.end))
    }
}

impl Offered {
    /// The row of a trace whose first span began at `base`.
    fn row(&self, base: i64, words: &mut Words) -> Row {
        let start = self.start.0.wrapping_sub(base) as u64;
        let duration = self.end.0.wrapping_sub(self.start.0) as u64;
        let high = |number: u64| (number >> 32) as u32;
        let (start_high, duration_high) = (high(start), high(duration));
        let shape = words.shape(Shape { start_high, duration_high, ..self.shape });
        let parent = self.parent.filter(|parent| *parent != self.span_id);
        let parent = parent.map_or(0, |parent| parent.0);
        Row::new(self.span_id, parent, (start as u32, duration as u32), shape)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::entity::EntityKind;
    use model::id::TemplateId;
    use model::signal::LogSeverity;
    use model::time::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::observe::trace::LogRow;

    /// The slow and obvious twin: when each trace ended.
    #[derive(Default)]
    struct Twin(BTreeMap<TraceId, Timestamp>);

    impl Twin {
        fn of_pane(&self, pane: Pane) -> Vec<TraceId> {
            let width = PaneWidth::default();
            let ended = self.0.iter().filter(|(_, end)| width.pane_of(**end) == pane);
            ended.map(|(id, _)| *id).collect()
        }

        fn panes(&self) -> BTreeSet<Pane> {
            self.0.values().map(|end| PaneWidth::default().pane_of(*end)).collect()
        }
    }

    fn log_row(time: Timestamp) -> LogRow {
        LogRow {
            time,
            template: TemplateId(1),
            severity: LogSeverity::Info,
            span_id: None,
            owner: (EntityKind::Service, "cart".into()),
            skeleton: "took <n> ms".into(),
            of_platform: false,
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Join(u128, i64),
        Forget(i64),
        Shed(i64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => (1_u128..40, 0_i64..120).prop_map(|(id, secs)| Step::Join(id, secs)),
            1 => (0_i64..12).prop_map(Step::Forget),
            1 => (0_i64..12, 0_usize..5).prop_map(|(pane, max)| Step::Shed(pane, max)),
        ]
    }

    fn shed(twin: &mut Twin, last: i64, max: usize) -> u64 {
        let before = twin.0.len();
        loop {
            let beyond = |pane: &Pane| *pane > Pane(last);
            let panes: BTreeSet<Pane> = twin.panes().into_iter().filter(beyond).collect();
            let traces: usize = panes.iter().map(|pane| twin.of_pane(*pane).len()).sum();
            let Some(farthest) = panes.last().filter(|_| traces > max) else { break };
            for id in twin.of_pane(*farthest) {
                twin.0.remove(&id);
            }
        }
        (before - twin.0.len()) as u64
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_map(steps in prop::collection::vec(step(), 0..200)) {
            let (mut table, mut twin) = (TraceTable::default(), Twin::default());
            for step in steps {
                match step {
                    Step::Join(id, secs) => {
                        let (id, at) = (TraceId(id), Timestamp::from_millis(secs * 1000));
                        let width = PaneWidth::default();
                        let row = log_row(at);
                        let before = twin.0.get(&id).map(|end| width.pane_of(*end));
                        let moved = {
                            let number = table.find(id).or_else(|| table.make(id));
                            number.and_then(|number| table.join_log(number, row, 100))
                        };
                        let end = twin.0.entry(id).or_insert(at);
                        *end = at.max(*end);
                        let (_, moved) = moved.expect("there is room");
                        prop_assert_eq!((moved.from, moved.to), (before, width.pane_of(*end)));
                    }
                    Step::Forget(last) => {
                        table.forget_through(Pane(last));
                        for pane in twin.panes().into_iter().filter(|pane| *pane <= Pane(last)) {
                            for id in twin.of_pane(pane) {
                                twin.0.remove(&id);
                            }
                        }
                    }
                    Step::Shed(last, max) => {
                        let dropped = table.shed_beyond(Pane(last), max);
                        prop_assert_eq!(dropped, shed(&mut twin, last, max));
                    }
                }
                prop_assert_eq!(table.len(), twin.0.len());
                let panes: BTreeSet<Pane> = table.panes_through(Pane(i64::MAX)).collect();
                prop_assert_eq!(&panes, &twin.panes());
                for pane in panes {
                    let mut ids = Vec::new();
                    table.each_of_pane(pane, |id, _, _| ids.push(id));
                    prop_assert_eq!(ids, twin.of_pane(pane));
                }
                for id in 0..42 {
                    let known = twin.0.contains_key(&TraceId(id));
                    prop_assert_eq!(table.find(TraceId(id)).is_some(), known);
                }
            }
        }
    }
}
