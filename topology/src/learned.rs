//! What spans show: who called whom, how much, and since when. It fades.
//!
//! Time is counted in ticks (panes in which anything was seen), so that a gap in all telemetry
//! forgets nothing. Counts halve when a tick crosses a half-life boundary: the same for any order
//! of the observations of one pane. Panes are expected in rising order; a late one counts with
//! the weight of today.

use std::collections::BTreeMap;

use model::entity::EntityKind;
use model::map::ObservedDependency;
use model::name::Name;
use model::time::Pane;
use serde::{Deserialize, Serialize};

use crate::life::When;
use crate::limits::MapParameters;

/// A learned edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LearnedEdge {
    /// Calls and failures, decayed up to `era`.
    calls: u64,
    failed: u64,
    era: u64,
    pub(crate) first: Pane,
    pub(crate) last: Pane,
    last_tick: u64,
    /// The pane in which it was found expired.
    until: Option<Pane>,
}

impl LearnedEdge {
    fn age_to(&mut self, era: u64) {
        let shift = u32::try_from(era.saturating_sub(self.era)).unwrap_or(u32::MAX);
        self.calls = self.calls.checked_shr(shift).unwrap_or(0);
        self.failed = self.failed.checked_shr(shift).unwrap_or(0);
        self.era = self.era.max(era);
    }

    fn holds(&self, when: When) -> bool {
        match when {
            When::Now => self.until.is_none(),
            When::AsOf(pane) => self.first <= pane && self.until.is_none_or(|until| pane < until),
        }
    }
}

/// A node that spans showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeenNode {
    pub(crate) kind: EntityKind,
    pub(crate) first: Pane,
    pub(crate) last: Pane,
    pub(crate) first_tick: u64,
    pub(crate) last_tick: u64,
}

/// What an edge weighs at the time of asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
}

/// Learned structure.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Learned {
    edges: BTreeMap<Name, BTreeMap<Name, LearnedEdge>>,
    nodes: BTreeMap<Name, SeenNode>,
    /// Lower-case form to the first name, in the order of names, that has it.
    folded: BTreeMap<Name, Name>,
    edge_count: usize,
    tick: u64,
    latest: Option<Pane>,
    /// Dependencies that found no room, or name nobody or the caller itself.
    pub(crate) dropped: u64,
}

impl Learned {
    /// Takes the dependencies of a pane in; says how often the structure changed: edges appeared,
    /// expired, were forgotten or turned out older, nodes turned out to be services.
    pub(crate) fn observe(
        &mut self,
        pane: Pane,
        deps: &[ObservedDependency],
        limits: &MapParameters,
    ) -> u64 {
        if deps.is_empty() {
            return 0;
        }
        let mut expired = 0;
        if self.latest.is_none_or(|latest| pane > latest) {
            self.latest = Some(pane);
            self.tick = self.tick.saturating_add(1);
            // Before anything is added, so that the parts of a pane may come in any order.
            expired = self.expire(limits);
        }
        let mut sorted: Vec<&ObservedDependency> = deps.iter().collect();
        sorted.sort_unstable();
        let appeared: u64 = sorted.into_iter().map(|dep| self.add(pane, dep, limits)).sum();
        appeared + expired
    }

    fn add(&mut self, pane: Pane, dep: &ObservedDependency, limits: &MapParameters) -> u64 {
        let fits = |name: &Name| !name.is_empty() && name.len() <= limits.name_bytes_max;
        let known = self.edges.get(&dep.from).is_some_and(|to| to.contains_key(&dep.to));
        let full = !known && self.edge_count >= limits.learned_edges_max;
        if dep.from == dep.to || !fits(&dep.from) || !fits(&dep.to) || full {
            self.dropped = self.dropped.saturating_add(1);
            return 0;
        }
        let recast =
            self.see(&dep.from, EntityKind::Service, pane) | self.see(&dep.to, dep.to_kind, pane);
        let (tick, era) = (self.tick, self.era(limits));
        let fresh = LearnedEdge {
            calls: 0,
            failed: 0,
            era,
            first: pane,
            last: pane,
            last_tick: tick,
            until: None,
        };
        if !known {
            self.edge_count += 1;
            self.edges.entry(dep.from.clone()).or_default().insert(dep.to.clone(), fresh);
        }
        let Some(edge) = self.edges.get_mut(&dep.from).and_then(|to| to.get_mut(&dep.to)) else {
            return 0;
        };
        let (returned, backdated) = (edge.until.is_some(), pane < edge.first);
        if returned {
            (edge.until, edge.first) = (None, pane);
        }
        edge.age_to(era);
        edge.calls = edge.calls.saturating_add(dep.calls);
        edge.failed = edge.failed.saturating_add(dep.failed);
        edge.first = edge.first.min(pane);
        edge.last = edge.last.max(pane);
        edge.last_tick = tick;
        u64::from(!known || returned || backdated || recast)
    }

    /// Says whether a known node got another kind.
    fn see(&mut self, name: &Name, kind: EntityKind, pane: Pane) -> bool {
        let tick = self.tick;
        if let Some(node) = self.nodes.get_mut(name) {
            // `Service` is the smallest: whoever calls or answers once as a service is one.
            let recast = kind < node.kind;
            node.kind = node.kind.min(kind);
            node.first = node.first.min(pane);
            node.last = node.last.max(pane);
            node.last_tick = tick;
            return recast;
        }
        let node = SeenNode { kind, first: pane, last: pane, first_tick: tick, last_tick: tick };
        self.nodes.insert(name.clone(), node);
        let folded = Name::from(name.to_ascii_lowercase());
        let first = self.folded.entry(folded).or_insert_with(|| name.clone());
        if name < first {
            *first = name.clone();
        }
        false
    }

    /// Marks what was not seen for too long. What expired stays for `as_of` for as long again.
    fn expire(&mut self, limits: &MapParameters) -> u64 {
        let (tick, latest) = (self.tick, self.latest.unwrap_or_default());
        let (mut expired, mut gone) = (0_u64, 0_usize);
        for targets in self.edges.values_mut() {
            targets.retain(|_, edge| {
                let unseen = tick.saturating_sub(edge.last_tick);
                if edge.until.is_none() && unseen > limits.expiry_ticks {
                    edge.until = Some(latest);
                    expired += 1;
                }
                let keep = unseen <= limits.expiry_ticks.saturating_mul(2);
                gone += usize::from(!keep);
                keep
            });
        }
        if gone > 0 {
            self.edge_count = self.edge_count.saturating_sub(gone);
            self.edges.retain(|_, targets| !targets.is_empty());
            self.forget_nodes(limits);
        }
        expired + gone as u64
    }

    fn forget_nodes(&mut self, limits: &MapParameters) {
        let oldest = self.tick.saturating_sub(limits.expiry_ticks.saturating_mul(2));
        self.nodes.retain(|_, node| node.last_tick >= oldest);
        self.folded.clear();
        for name in self.nodes.keys().rev() {
            self.folded.insert(Name::from(name.to_ascii_lowercase()), name.clone());
        }
    }

    fn era(&self, limits: &MapParameters) -> u64 {
        self.tick / limits.half_life_ticks.max(1)
    }

    /// Edges in the map at a time, with what they weigh today.
    pub(crate) fn edges_at(
        &self,
        when: When,
        limits: &MapParameters,
    ) -> impl Iterator<Item = (&Name, &Name, &LearnedEdge, Volume)> {
        let era = self.era(limits);
        self.edges
            .iter()
            .flat_map(|(from, targets)| targets.iter().map(move |(to, edge)| (from, to, edge)))
            .filter(move |(_, _, edge)| edge.holds(when))
            .map(move |(from, to, edge)| {
                let mut aged = *edge;
                aged.age_to(era);
                (from, to, edge, Volume { calls: aged.calls, failed: aged.failed })
            })
    }

    pub(crate) fn node(&self, name: &str) -> Option<&SeenNode> {
        self.nodes.get(name)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&Name, &SeenNode)> {
        self.nodes.iter()
    }

    /// The seen name itself, shared.
    pub(crate) fn name(&self, name: &str) -> Option<&Name> {
        self.nodes.get_key_value(name).map(|(name, _)| name)
    }

    /// A seen name that differs at most in ASCII case.
    pub(crate) fn name_folded(&self, name: &str) -> Option<&Name> {
        self.folded.get(name.to_ascii_lowercase().as_str())
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.edge_count
    }
}
