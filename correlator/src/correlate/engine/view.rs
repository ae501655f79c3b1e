//! The view: what is settled, what is unsettled on top of it, and what of that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::name::Name;
use model::time::{Pane, Timestamp};

use super::Correlator;
use crate::correlate::lifecycle;
use crate::correlate::limits::RING_FACTS_MAX;
use crate::correlate::output::ShedReason;
use crate::correlate::people::Cover;
use crate::correlate::publish::{Around, Told};
use crate::correlate::world::{Layer, Rules, World};

/// What of a derived view is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All, for the last time.
    Last,
    /// All.
    All,
    /// What holds one of these services, and what is new or changed its state. In the middle of a pane the
    /// numbers of all others wait for its end: many services that begin to alert at once are not ranked anew
    /// for each.
    Services(BTreeSet<Name>),
}

impl Correlator {
    /// Folds for good what can no longer change.
    pub(super) fn settle(&mut self) {
        let width = self.config.width;
        let without = self.newest_arrival.map(|at| at - self.config.settle_without_telemetry_after);
        let judged = self.judged.map(|pane| width.end(pane));
        let frontier = if self.stamps.any_judged() { judged } else { without };
        if let Some(frontier) = frontier {
            let through = width.pane_of(frontier - self.config.settle_after).plus(-1);
            self.settle_through(through);
        }
        let mut early = 0;
        while self.ring.len() > RING_FACTS_MAX {
            let Some((oldest, _)) = self.ring.bounds() else { break };
            self.settle_through(oldest);
            early += 1;
        }
        if early > 0 {
            self.shed(ShedReason::Limit, early);
        }
    }

    pub(super) fn settle_through(&mut self, through: Pane) {
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        while let Some((pane, mut facts)) = self.ring.take_settled(through) {
            self.settled.fold(pane, &mut facts, Layer::Settled, rules);
        }
        self.ring.settle(through);
        self.standing.mutes.forget(self.config.width.end(through));
        self.losses.absorb(&std::mem::take(&mut self.settled.losses));
        let shed = std::mem::take(&mut self.settled.shed);
        if shed > 0 {
            self.shed(ShedReason::Limit, shed);
        }
        self.close_ended();
    }

    /// Tells the last word on cases that may no longer be reopened, and lets them go.
    pub(super) fn close_ended(&mut self) {
        let Some((through, _)) = self.settled.recent.back() else { return };
        let end = self.config.width.end(*through);
        let ended = self.settled.take_ended(end, &self.config);
        if ended.is_empty() {
            return;
        }
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        let cover = Cover::of(&self.settled, self.covered_at(), rules);
        for case in ended {
            if let Some(told) = Told::of(&self.settled, &case, &cover, rules) {
                let around = Around { world: &self.settled, rules, now: self.now };
                self.outputs.extend(self.registry.close(told.settled(true), around));
            }
        }
    }

    /// When mutes are asked: one that has just arrived counts at once, even if telemetry is behind.
    fn covered_at(&self) -> Timestamp {
        self.newest_act.map_or(self.now, |act| self.now.max(act))
    }

    /// Derives the provisional view: the settled world and a fold of what is unsettled.
    pub(super) fn derive(&mut self, scope: &Scope) {
        self.stats.derivations += 1;
        let pane = self.config.width.pane_of(self.now);
        if *scope == Scope::All {
            self.looks.see_all(self.derived_pane < Some(pane));
        }
        self.derived_pane = Some(pane);
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        let mut world = self.settled.clone();
        for (pane, facts) in self.ring.iter_mut() {
            world.fold(pane, facts, Layer::Provisional, rules);
        }
        lifecycle::pass_time(&mut world, self.now, rules);
        self.tell(&world, scope);
    }

    pub(super) fn tell(&mut self, world: &World, scope: &Scope) {
        let rules = Rules::new(&self.cell, &self.config, &self.standing);
        let cover = Cover::of(world, self.covered_at(), rules);
        self.stats.alerts_muted = cover.muted.len() as u64;
        let mut told = Vec::new();
        let cases = || world.cases.values().map(Arc::as_ref).filter(|case| case.is_told());
        let standing = match scope {
            Scope::Last | Scope::All => BTreeMap::new(),
            Scope::Services(names) => self.registry.standing(cases(), names),
        };
        for case in cases().filter(|case| !standing.contains_key(&case.id)) {
            let same = self.settled.cases.get(&case.id).is_some_and(|known| **known == *case);
            let settled = *scope == Scope::Last || (same && !case.is_live());
            told.extend(Told::of(world, case, &cover, rules).map(|one| one.settled(settled)));
        }
        self.looks.told(told.len() + standing.len());
        let around = Around { world, rules, now: self.now };
        self.outputs.extend(self.registry.compare(told, standing, around));
    }
}
