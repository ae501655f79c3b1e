//! The open traces of one task, by id and by the pane in which they ended.
//!
//! Every span looks its trace up, so the index is one line of memory away: open addressing over a
//! slab. Its twin in the tests is a sorted map, with which it must agree on random input.

use std::collections::BTreeMap;

use model::id::TraceId;
use model::time::{Pane, PaneWidth};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::index::Index;
use super::trace::OpenTrace;

/// Where a trace stood before and after an item joined it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) from: Option<Pane>,
    pub(crate) to: Pane,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    id: TraceId,
    /// `None`: the slot is free.
    pane: Option<Pane>,
    trace: OpenTrace,
}

/// The slots of one pane. A trace that moved on leaves its slot behind, so a slot counts only if
/// it says the same pane; and one that came back stands here twice.
#[derive(Clone, Debug, Default)]
struct Filed {
    slots: Vec<u32>,
    traces: usize,
}

/// Open traces. Invariant: a pane is in `by_pane` exactly if a trace ended in it, and each of its
/// traces stands in its slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceTable {
    index: Index,
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_pane: BTreeMap<Pane, Filed>,
}

impl TraceTable {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn contains(&self, id: TraceId) -> bool {
        self.find(id).is_some()
    }

    /// Changes a trace (made if missing) and files it under the pane in which it now ends.
    pub(crate) fn change<R>(
        &mut self,
        id: TraceId,
        width: PaneWidth,
        change: impl FnOnce(&mut OpenTrace) -> R,
    ) -> Option<(R, Moved)> {
        let number = match self.find(id) {
            Some(number) => number,
            None => self.make(id)?,
        };
        let slot = self.slots.get_mut(number as usize)?;
        let result = change(&mut slot.trace);
        let (from, to) = (slot.pane, width.pane_of(slot.trace.end()));
        if from != Some(to) {
            slot.pane = Some(to);
            let filed = self.by_pane.entry(to).or_default();
            filed.slots.push(number);
            filed.traces += 1;
            if let Some(from) = from {
                self.leave(from);
            }
        }
        Some((result, Moved { from, to }))
    }

    /// The panes in which traces ended, up to and including `last`.
    pub(crate) fn panes_through(&self, last: Pane) -> impl Iterator<Item = Pane> + '_ {
        self.by_pane.range(..=last).map(|(&pane, _)| pane)
    }

    /// The traces of a pane, by id.
    pub(crate) fn of_pane(&self, pane: Pane) -> impl Iterator<Item = (TraceId, &OpenTrace)> + '_ {
        let filed = self.by_pane.get(&pane).map_or(&[][..], |filed| &filed.slots);
        let slots = filed.iter().filter_map(|&number| self.slots.get(number as usize));
        let mut here: Vec<&Slot> = slots.filter(|slot| slot.pane == Some(pane)).collect();
        here.sort_unstable_by_key(|slot| slot.id);
        here.dedup_by_key(|slot| slot.id);
        here.into_iter().map(|slot| (slot.id, &slot.trace))
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

    fn find(&self, id: TraceId) -> Option<u32> {
        let is = |number: u32| self.slots.get(number as usize).is_some_and(|slot| slot.id == id);
        self.index.find(id.0, is)
    }

    /// An empty slot under this id; `None` if there are more than can be numbered.
    fn make(&mut self, id: TraceId) -> Option<u32> {
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                let number = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot::default());
                number
            }
        };
        self.slots.get_mut(number as usize)?.id = id;
        let slots = &self.slots;
        let key = |number: u32| slots.get(number as usize).map_or(0, |slot| slot.id.0);
        self.index.insert(id.0, number, key);
        Some(number)
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
            let Some(slot) = self.slots.get_mut(number as usize) else { continue };
            if slot.pane != Some(pane) {
                continue;
            }
            let id = slot.id;
            *slot = Slot::default();
            self.index.remove(id.0, number);
            self.free.push(number);
        }
    }

    fn by_id(&self) -> Vec<&Slot> {
        let mut all: Vec<&Slot> = self.slots.iter().filter(|slot| slot.pane.is_some()).collect();
        all.sort_unstable_by_key(|slot| slot.id);
        all
    }
}

/// Tables are equal if they hold the same traces, wherever they stand.
impl PartialEq for TraceTable {
    fn eq(&self, other: &Self) -> bool {
        let rows = |table: &Self| {
            let slots = table.by_id().into_iter();
            slots.map(|slot| (slot.id, slot.pane, slot.trace.clone())).collect::<Vec<_>>()
        };
        rows(self) == rows(other)
    }
}

impl Eq for TraceTable {}

impl Serialize for TraceTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.by_id().into_iter();
        serializer.collect_seq(rows.map(|slot| (slot.id, slot.pane, &slot.trace)))
    }
}

impl<'de> Deserialize<'de> for TraceTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows: Vec<(TraceId, Pane, OpenTrace)> = Vec::deserialize(deserializer)?;
        let mut table = Self::default();
        for (id, pane, trace) in rows {
            let Some(number) = table.make(id) else { break };
            if let Some(slot) = table.slots.get_mut(number as usize) {
                (slot.pane, slot.trace) = (Some(pane), trace);
            }
            let filed = table.by_pane.entry(pane).or_default();
            filed.slots.push(number);
            filed.traces += 1;
        }
        Ok(table)
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
                        let moved = table.change(id, width, |trace| trace.join_log(row, 100));
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
                    let ids: Vec<TraceId> = table.of_pane(pane).map(|(id, _)| id).collect();
                    prop_assert_eq!(ids, twin.of_pane(pane));
                }
                for id in 0..42 {
                    let known = twin.0.contains_key(&TraceId(id));
                    prop_assert_eq!(table.contains(TraceId(id)), known);
                }
            }
        }
    }
}
