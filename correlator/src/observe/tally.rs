//! Where the traces of a pane add up while they are folded: the same sums as [`PaneCounts`], but
//! owners are found by a hash of their name instead of by comparing names. The order of traces and
//! names decides nothing here: what leaves is sorted by name.

use std::collections::BTreeMap;

use model::entity::EntityKind;
use model::id::stable_hash;
use model::name::Name;

use super::counts::{Activity, Merge, PaneCounts, ServiceCounts};
use super::index::Index;

/// Values by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByName<V> {
    index: Index,
    rows: Vec<(Name, V)>,
}

impl<V: Default + Clone + Merge> ByName<V> {
    /// The value of a name, made if missing.
    #[expect(clippy::indexing_slicing, reason = "the row was found, or has just been pushed")]
    pub(crate) fn slot(&mut self, name: &Name) -> &mut V {
        let rows = &self.rows;
        let is = |at: u32| rows.get(at as usize).is_some_and(|(known, _)| known == name);
        let key = key_of(name);
        let at = self.index.find(key, is).map_or(rows.len(), |at| at as usize);
        if at == rows.len() {
            let key_at = |at: u32| rows.get(at as usize).map_or(0, |(name, _)| key_of(name));
            // Names of one pane: memory ends long before 2^32 of them.
            self.index.insert(key, at as u32, key_at);
            self.rows.push((name.clone(), V::default()));
        }
        &mut self.rows[at].1
    }

    fn add_to(self, sums: &mut BTreeMap<Name, V>) {
        for (name, value) in self.rows {
            match sums.get_mut(&name) {
                Some(sum) => sum.absorb(&value),
                None => _ = sums.insert(name, value),
            }
        }
    }
}

fn key_of(name: &Name) -> u128 {
    u128::from(stable_hash(&[name.as_bytes()]))
}

/// All counts of the traces of one pane.
#[derive(Clone, Debug, Default)]
pub(crate) struct PaneTally {
    /// Spans and log records.
    pub(crate) signals: u64,
    pub(crate) activity: ByName<Activity>,
    services: ByName<ServiceCounts>,
}

impl PaneTally {
    /// The counts of one owner, made if missing.
    pub(crate) fn service(&mut self, name: &Name, kind: EntityKind) -> &mut ServiceCounts {
        let counts = self.services.slot(name);
        counts.kind = counts.kind.min(kind);
        counts
    }

    /// Adds everything to what else was counted in the pane.
    pub(crate) fn add_to(self, counts: &mut PaneCounts) {
        counts.signals.absorb(&self.signals);
        self.activity.add_to(&mut counts.activity);
        self.services.add_to(&mut counts.services);
    }
}
