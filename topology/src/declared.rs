//! What imports say: items and relations, last word wins.
//!
//! The last word is the one with the latest `at`; between equal times an item's greater content,
//! and an addition before a removal. So the outcome does not depend on the order in which
//! documents arrive. Relations may come before the items they speak of, or without them.
//! Deliberately absent: any decision which item a name means (see `binding`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use model::map::{ConfigurationItem, Relation, RelationKind, TopologyDocument};
use model::time::{PaneWidth, Timestamp};
use serde::{Deserialize, Serialize};

use crate::items::{Item, Items};
use crate::life::{Life, When};
use crate::limits::MapParameters;
use crate::names::{Names, Sym};
use crate::relations::Relations;
use crate::report::ApplyReport;

/// How an item is spoken of; the earlier wins when one text means several items.
pub(crate) type Rank = u8;

/// Declared structure.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Declared {
    pub(crate) names: Names,
    items: Items,
    removed: BTreeMap<Sym, Timestamp>,
    relations: Relations,
    /// (text, rank, item) of live items, where the text is not the id.
    spoken: BTreeSet<(Sym, Rank, Sym)>,
}

impl Declared {
    /// Takes a document in: removals first, then items, then relations.
    pub(crate) fn apply(
        &mut self,
        doc: &TopologyDocument,
        at: Timestamp,
        limits: &MapParameters,
    ) -> ApplyReport {
        let mut report = ApplyReport::default();
        for id in &doc.removed {
            self.remove(id, at, limits, &mut report);
        }
        let source = self.intern(&doc.source, limits);
        for item in &doc.items {
            self.put_item((item, source), at, limits, &mut report);
        }
        for relation in &doc.relations {
            self.put_relation(relation, at, limits, &mut report);
        }
        self.forget(limits);
        report
    }

    fn remove(&mut self, id: &str, at: Timestamp, lim: &MapParameters, report: &mut ApplyReport) {
        let Some(id) = self.intern(id, lim) else {
            report.oversize += 1;
            return;
        };
        let known = self.removed.get(&id).copied();
        if known.is_some_and(|known| known >= at) {
            report.stale += 1;
            return;
        }
        let was_live = self.is_live(id);
        self.unspeak(id);
        self.removed.insert(id, at);
        match (was_live, self.is_live(id)) {
            (true, false) => report.items_removed += 1,
            // A later word on the item than this removal: it stays.
            (true, true) => {
                self.speak(id);
                report.stale += 1;
            }
            // Not there: the removal is remembered, for items and relations that arrive late.
            (false, _) => report.stale += 1,
        }
    }

    fn put_item(
        &mut self,
        (item, source): (&ConfigurationItem, Option<Sym>),
        at: Timestamp,
        limits: &MapParameters,
        report: &mut ApplyReport,
    ) {
        let name = if item.name.is_empty() { &item.id } else { &item.name };
        let (Some(id), Some(name)) = (self.intern(&item.id, limits), self.intern(name, limits))
        else {
            report.oversize += 1;
            return;
        };
        if self.items.life(id).is_none() && self.items.len() >= limits.items_max {
            report.over_limit += 1;
            return;
        }
        let owner = item.owner.as_deref().and_then(|owner| self.intern(owner, limits));
        let aliases = self.aliases(item, limits, report);
        let fresh = Item {
            kind: item.kind,
            name,
            owner,
            criticality: item.criticality,
            aliases: &aliases,
            source,
            life: Life { first: at, last: at },
        };
        self.merge_item(id, fresh, report);
    }

    fn aliases(
        &mut self,
        item: &ConfigurationItem,
        limits: &MapParameters,
        report: &mut ApplyReport,
    ) -> Vec<Sym> {
        let kept = item.aliases.iter().take(limits.aliases_max);
        let mut aliases: Vec<Sym> = kept.filter_map(|alias| self.intern(alias, limits)).collect();
        report.oversize += (item.aliases.len() - aliases.len()) as u64;
        aliases.sort_by(|a, b| self.names.text(*a).cmp(self.names.text(*b)));
        aliases.dedup();
        aliases
    }

    fn merge_item(&mut self, id: Sym, mut fresh: Item<'_>, report: &mut ApplyReport) {
        let was_live = self.is_live(id);
        let Some(known) = self.items.get(id) else {
            self.items.insert(id, fresh);
            self.speak(id);
            if self.is_live(id) {
                report.items_added += 1
            } else {
                report.stale += 1
            }
            return;
        };
        let same = self.compare(&known, &fresh) == Ordering::Equal;
        let newer = fresh.life.last.cmp(&known.life.last);
        let newer = newer.then_with(|| self.compare(&fresh, &known)).is_gt();
        let first = known.life.first.min(fresh.life.first);
        report.backdated += u64::from(first < known.life.first);
        let last = known.life.last.max(fresh.life.last);
        fresh.life.first = first;
        self.unspeak(id);
        if newer {
            self.items.insert(id, fresh);
        } else {
            self.items.set_life(id, Life { first, last });
        }
        self.speak(id);
        match (was_live, self.is_live(id)) {
            (false, true) => report.items_added += 1,
            (_, true) if same => report.items_unchanged += 1,
            (_, true) if newer => report.items_replaced += 1,
            _ => report.stale += 1,
        }
    }

    /// Order of contents by their texts, so that a tie in time does not depend on arrival.
    fn compare(&self, a: &Item<'_>, b: &Item<'_>) -> Ordering {
        let text = |sym: Option<Sym>| sym.map(|sym| self.names.text(sym));
        a.kind
            .cmp(&b.kind)
            .then_with(|| text(Some(a.name)).cmp(&text(Some(b.name))))
            .then_with(|| text(a.owner).cmp(&text(b.owner)))
            .then_with(|| a.criticality.cmp(&b.criticality))
            .then_with(|| {
                let left = a.aliases.iter().map(|&sym| self.names.text(sym));
                left.cmp(b.aliases.iter().map(|&sym| self.names.text(sym)))
            })
            .then_with(|| text(a.source).cmp(&text(b.source)))
    }

    fn put_relation(
        &mut self,
        relation: &Relation,
        at: Timestamp,
        limits: &MapParameters,
        report: &mut ApplyReport,
    ) {
        if relation.from == relation.to {
            report.self_loops += 1;
            return;
        }
        let ends = (self.intern(&relation.from, limits), self.intern(&relation.to, limits));
        let (Some(from), Some(to)) = ends else {
            report.oversize += 1;
            return;
        };
        let known = self.relations.get(from, relation.kind, to);
        if known.is_none() && self.relations.len() >= limits.relations_max {
            report.over_limit += 1;
            return;
        }
        let life = known.map_or(Life { first: at, last: at }, |known| Life {
            first: known.first.min(at),
            last: known.last.max(at),
        });
        let was_live = known.is_some_and(|known| self.outlives(from, to, known));
        report.backdated += u64::from(known.is_some_and(|known| life.first < known.first));
        self.relations.put(from, relation.kind, to, life);
        match (was_live, self.outlives(from, to, life)) {
            (false, true) => report.relations_added += 1,
            (true, _) => report.relations_unchanged += 1,
            (false, false) => report.stale += 1,
        }
        let introduced = |end: Sym| self.meant_by(end).next().is_some();
        report.dangling += u64::from(!introduced(from) || !introduced(to));
    }

    fn intern(&mut self, text: &str, limits: &MapParameters) -> Option<Sym> {
        let fits = !text.is_empty() && text.len() <= limits.name_bytes_max;
        if fits { self.names.intern(text) } else { None }
    }

    fn speak(&mut self, id: Sym) {
        if self.is_live(id) {
            self.spoken.extend(self.words(id));
        }
    }

    fn unspeak(&mut self, id: Sym) {
        for word in self.words(id) {
            self.spoken.remove(&word);
        }
    }

    fn words(&self, id: Sym) -> Vec<(Sym, Rank, Sym)> {
        let Some(item) = self.items.get(id) else { return Vec::new() };
        let aliases = item.aliases.iter().map(|alias| (*alias, 2, id));
        [(item.name, 1, id)].into_iter().chain(aliases).filter(|(word, ..)| *word != id).collect()
    }

    /// Drops what was removed longest ago when too much is remembered.
    fn forget(&mut self, limits: &MapParameters) {
        if self.removed.len() <= limits.tombstones_max {
            return;
        }
        let mut times: Vec<Timestamp> = self.removed.values().copied().collect();
        times.sort_unstable();
        let cut = times.get(times.len() / 2).copied().unwrap_or_default();
        let removed = &self.removed;
        let killed =
            |id: Sym, life: Life| removed.get(&id).is_some_and(|at| *at <= cut && life.last < *at);
        self.relations.retain(|from, to, life| !killed(from, life) && !killed(to, life));
        let old = self.removed.iter().filter(|(_, at)| **at <= cut).map(|(id, _)| *id);
        for id in old.collect::<Vec<Sym>>() {
            if !self.is_live(id) {
                self.items.remove(id);
            }
            self.removed.remove(&id);
        }
    }

    fn removed_at(&self, id: Sym) -> Timestamp {
        self.removed.get(&id).copied().unwrap_or(Timestamp(i64::MIN))
    }

    fn outlives(&self, from: Sym, to: Sym, life: Life) -> bool {
        life.last >= self.removed_at(from).max(self.removed_at(to))
    }

    fn is_live(&self, id: Sym) -> bool {
        self.items.life(id).is_some_and(|life| life.last >= self.removed_at(id))
    }

    /// The item, if it is in the map.
    pub(crate) fn item(&self, id: Sym) -> Option<Item<'_>> {
        self.items.get(id).filter(|item| item.life.last >= self.removed_at(id))
    }

    /// Items in the map at a time.
    pub(crate) fn items_at(
        &self,
        when: When,
        width: PaneWidth,
    ) -> impl Iterator<Item = (Sym, Item<'_>)> {
        self.items
            .iter()
            .filter(move |(id, item)| item.life.holds(self.removed_at(*id), when, width))
    }

    /// Relations in the map at a time.
    pub(crate) fn relations_at(
        &self,
        when: When,
        width: PaneWidth,
    ) -> impl Iterator<Item = (Sym, RelationKind, Sym, Life)> {
        self.relations.iter().filter(move |&(from, _, to, life)| {
            life.holds(self.removed_at(from).max(self.removed_at(to)), when, width)
        })
    }

    /// Live ends of an item's relations of one kind.
    pub(crate) fn targets(&self, from: Sym, kind: RelationKind) -> impl Iterator<Item = Sym> {
        let all = self.relations.from(from, kind);
        all.filter(move |(to, life)| self.outlives(from, *to, *life)).map(|(to, _)| to)
    }

    /// Live starts of the `PartOf` or `RunsOn` relations that lead to an item.
    pub(crate) fn origins(&self, to: Sym, kind: RelationKind) -> impl Iterator<Item = Sym> {
        let all = self.relations.to(to, kind);
        all.filter(move |(from, life)| self.outlives(*from, to, *life)).map(|(from, _)| from)
    }

    /// The live items that a text means, with how it speaks of them.
    pub(crate) fn meant_by(&self, text: Sym) -> impl Iterator<Item = (Rank, Sym)> {
        let by_id = self.is_live(text).then_some((0, text));
        let spoken = self.spoken.range((text, Rank::MIN, Sym::MIN)..=(text, Rank::MAX, Sym::MAX));
        by_id.into_iter().chain(spoken.map(|&(_, rank, item)| (rank, item)))
    }

    pub(crate) fn item_count(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn relation_count(&self) -> usize {
        self.relations.len()
    }
}
