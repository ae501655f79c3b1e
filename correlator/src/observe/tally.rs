//! Where the traces of a pane add up while they are folded: the same sums as [`PaneCounts`], but found
//! by the numbers of names instead of by comparing names. The order of traces and names decides nothing
//! here: what leaves is sorted by name.

use std::collections::BTreeMap;

use model::entity::EntityKind;
use model::id::TraceId;
use model::name::Name;

use super::attribute::FoldMemory;
use super::counts::{
    Activity, EdgeCounts, EntryCounts, Merge, OperationCounts, OriginCounts, PaneCounts,
    ReachedCounts, ServiceCounts, VersionCounts,
};
use super::histogram::Histogram;
use super::index::Index;
use super::limits::{CALLEES_MAX, TRACED_TEMPLATES_MAX, VERSIONS_MAX};
use super::log_path::count_template;
use super::trace::LogRow;
use super::words::{OTHER_NUMBER, Words};

/// So many values are found faster by looking at all of them.
const FEW: usize = 8;

/// Values by the number of a name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbered<V> {
    /// Of more values than [`FEW`].
    index: Index,
    rows: Vec<(u32, V)>,
}

impl<V: Default> Numbered<V> {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&V> {
        self.rows.get(self.find(number)?).map(|(_, value)| value)
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.find(number).is_some()
    }

    /// The value of a number, made if missing.
    #[expect(clippy::indexing_slicing, reason = "the row was found, or has just been pushed")]
    pub(crate) fn slot(&mut self, number: u32) -> &mut V {
        let at = self.find(number).unwrap_or(self.rows.len());
        if at == self.rows.len() {
            self.rows.push((number, V::default()));
            let rows = &self.rows;
            let key_at =
                |at: u32| rows.get(at as usize).map_or(0, |(number, _)| u128::from(*number));
            let unknown = match rows.len() {
                0..=FEW => at..at,
                len if len == FEW + 1 => 0..len,
                len => at..len,
            };
            for at in unknown {
                // Names of one pane: memory ends long before 2^32 of them.
                self.index.insert(key_at(at as u32), at as u32, key_at);
            }
        }
        &mut self.rows[at].1
    }

    fn find(&self, number: u32) -> Option<usize> {
        if self.rows.len() <= FEW {
            return self.rows.iter().position(|(known, _)| *known == number);
        }
        let is = |at: u32| self.rows.get(at as usize).is_some_and(|(known, _)| *known == number);
        self.index.find(u128::from(number), is).map(|at| at as usize)
    }

    /// The values by name.
    fn named<T>(self, words: &Words, value: impl Fn(V) -> T) -> BTreeMap<Name, T> {
        let named = self.rows.into_iter().filter_map(|(number, row)| {
            words.names.word(number).map(|word| (word.name.clone(), value(row)))
        });
        named.collect()
    }
}

/// What the traces of a pane say of one owner.
#[derive(Clone, Debug)]
pub(crate) struct ServiceTally {
    pub(crate) kind: EntityKind,
    pub(crate) operations: Numbered<OperationCounts>,
    pub(crate) callers: Numbered<EdgeCounts>,
    pub(crate) versions: Numbered<VersionCounts>,
    pub(crate) entries: Numbered<EntryTally>,
}

impl Default for ServiceTally {
    fn default() -> Self {
        Self {
            kind: EntityKind::Nothing,
            operations: Numbered::default(),
            callers: Numbered::default(),
            versions: Numbered::default(),
            entries: Numbered::default(),
        }
    }
}

/// [`EntryCounts`] in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryTally {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) durations: Histogram,
    pub(crate) origins: Numbered<OriginTally>,
}

/// [`OriginCounts`] in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct OriginTally {
    pub(crate) failed: u64,
    pub(crate) durations: Histogram,
    pub(crate) reached: Numbered<ReachedCounts>,
}

/// All counts of the traces of one pane.
#[derive(Clone, Debug, Default)]
pub(crate) struct PaneTally {
    /// Spans and log records.
    pub(crate) signals: u64,
    pub(crate) activity: Numbered<Activity>,
    services: Numbered<ServiceTally>,
    /// What the logs of traces say, by owner.
    logged: BTreeMap<Name, ServiceCounts>,
    /// Names that no span answers for, by who called them.
    callees: Numbered<u64>,
    /// What the bounds of one service took, by who said it.
    lost: Numbered<u64>,
    lost_lines: BTreeMap<Name, u64>,
    /// Of the trace that is folded.
    pub(crate) memory: FoldMemory,
}

impl PaneTally {
    /// The counts of one owner, made if missing.
    pub(crate) fn service(&mut self, number: u32, kind: EntityKind) -> &mut ServiceTally {
        let counts = self.services.slot(number);
        counts.kind = counts.kind.min(kind);
        counts
    }

    /// The number under which a call of a name is counted that no span answers for: its own, or the common one when
    /// the caller has called too many.
    pub(crate) fn callee(&mut self, from: u32, to: u32) -> u32 {
        if self.services.get(to).is_some_and(|callee| callee.callers.contains(from)) {
            return to;
        }
        let callees = self.callees.slot(from);
        if *callees >= CALLEES_MAX {
            *self.lost.slot(from) += 1;
            return OTHER_NUMBER;
        }
        *callees += 1;
        to
    }

    /// The counts of one version of a service, made if missing; `None` when it has too many.
    pub(crate) fn version(&mut self, service: u32, version: u32) -> Option<&mut VersionCounts> {
        let known = self.services.get(service);
        let is_full = known.is_some_and(|known| {
            known.versions.len() >= VERSIONS_MAX && !known.versions.contains(version)
        });
        if is_full {
            *self.lost.slot(service) += 1;
            return None;
        }
        Some(self.service(service, EntityKind::Service).versions.slot(version))
    }

    /// Counts what the owner of a log record logged inside of a trace.
    pub(crate) fn log(&mut self, log: &LogRow, trace: TraceId) {
        let (kind, name) = &log.owner;
        let counts = self.logged.entry(name.clone()).or_default();
        counts.kind = counts.kind.min(*kind);
        if !count_template(counts, log, trace, TRACED_TEMPLATES_MAX) {
            *self.lost_lines.entry(name.clone()).or_default() += 1;
        }
    }

    /// What the bounds of single services took, by service.
    pub(crate) fn take_lost(&mut self, words: &Words) -> BTreeMap<Name, u64> {
        let mut lost = std::mem::take(&mut self.lost).named(words, |items| items);
        lost.absorb(&std::mem::take(&mut self.lost_lines));
        lost
    }

    /// Adds everything to what else was counted in the pane.
    pub(crate) fn add_to(self, counts: &mut PaneCounts, words: &Words) {
        counts.signals.absorb(&self.signals);
        counts.activity.absorb(&self.activity.named(words, |activity| activity));
        counts.services.absorb(&self.logged);
        for (name, service) in self.services.named(words, |service| service.counts(words)) {
            match counts.services.get_mut(&name) {
                Some(sum) => sum.absorb(&service),
                None => _ = counts.services.insert(name, service),
            }
        }
    }
}

impl ServiceTally {
    fn counts(self, words: &Words) -> ServiceCounts {
        ServiceCounts {
            kind: self.kind,
            operations: self.operations.named(words, |operation| operation),
            callers: self.callers.named(words, |edge| edge),
            versions: self.versions.named(words, |version| version),
            entries: self.entries.named(words, |entry| entry.counts(words)),
            ..ServiceCounts::default()
        }
    }
}

impl EntryTally {
    fn counts(self, words: &Words) -> EntryCounts {
        let origin = |origin: OriginTally| OriginCounts {
            failed: origin.failed,
            durations: origin.durations,
            reached: origin.reached.named(words, |reached| reached),
        };
        EntryCounts {
            calls: self.calls,
            failed: self.failed,
            durations: self.durations,
            origins: self.origins.named(words, origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_by_number_agree_with_a_sorted_map(numbers in prop::collection::vec(0_u32..40, 0..200)) {
            let (mut numbered, mut twin) = (Numbered::<u64>::default(), BTreeMap::<u32, u64>::new());
            for number in numbers {
                *numbered.slot(number) += 1;
                *twin.entry(number).or_default() += 1;
                prop_assert_eq!(numbered.len(), twin.len());
                for number in 0..40 {
                    prop_assert_eq!(numbered.contains(number), twin.contains_key(&number));
                }
            }
            for (number, count) in twin {
                prop_assert_eq!(*numbered.slot(number), count);
            }
        }
    }
}
