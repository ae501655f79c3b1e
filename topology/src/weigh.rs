//! How sure we are of an edge, and how likely a request takes it.
//!
//! Confidence that a dependency exists:
//! * declared and seen: 1;
//! * declared `RunsOn`: 1 (spans don't show hosts);
//! * declared `DependsOn`, not seen: `max(0.1, 0.6 x 2^(-d / disuse half-life))`, where `d` is for
//!   how many ticks the caller has been seen since the edge was declared; a caller that telemetry
//!   never shows proves nothing, `d` = 0;
//! * seen only: `n / (n + 4)` with `n` decayed calls, kept between 0.05 and 0.95.
//!
//! Probability that a request of `from` calls `to`: seen: decayed calls / requests of `from`, at
//! most 1. Requests of `from` are the calls it gets, or, if more, the most that it makes to one
//! callee (entry services get calls that nobody sees). Not seen: the confidence. `RunsOn`: one
//! over the number of hosts that share the service.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::map::RelationKind;
use model::time::Pane;

use crate::binding::Resolver;
use crate::learned::{Learned, Volume};
use crate::life::When;
use crate::limits::MapParameters;
use crate::node_names::NodeNames;
use crate::reconcile::{Draft, Reconciled, Seen};
use crate::rows::Edge;
use crate::snapshot::{Snapshot, Structure, Weight};

/// Stands for "no number" in the tables of a plan.
const NONE: u32 = u32::MAX;

/// What one weight is computed from. Edges that must weigh the same share a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    /// A seen edge, declared or not; its own slot.
    Seen { from: u32, to: u32, declared: bool, kind: RelationKind },
    /// Declared in a pane, not seen; `caller` is `NONE` if telemetry never showed it.
    Unseen { caller: u32, declared: Pane },
    /// Runs on so many hosts.
    Hosted { hosts: u32 },
}

/// The structure of a map at one time, and how to weigh it: valid until the structure changes,
/// while calls are counted on.
#[derive(Debug)]
pub(crate) struct Plan {
    when: When,
    structure: Arc<Structure>,
    slots: Vec<Slot>,
    /// For each learned edge, in the order of `Learned::edges_at`, the slot that it counts for.
    slot_of_edge: Vec<u32>,
    /// For each seen name, in the order of `Learned::nodes`, its node.
    node_of_seen: Vec<u32>,
}

impl Plan {
    pub(crate) fn new(resolver: Resolver<'_>, when: When, parameters: &MapParameters) -> Self {
        let map = Reconciled::new(resolver, when, parameters);
        let (slots, weight_of) = assign_slots(&map);
        let edges: Vec<Edge> = map
            .edges
            .iter()
            .zip(&weight_of)
            .map(|(edge, &weight)| Edge { from: edge.from, to: edge.to, weight })
            .collect();
        let node = |name| map.find(resolver.node_of_seen(name));
        let slot_of_edge = resolver.learned.edges_at(when, parameters).map(|(from, to, ..)| {
            let edge = map.find_edge(node(from)?, node(to)?)?;
            weight_of.get(edge).copied()
        });
        let node_of_seen = resolver.learned.nodes().map(|(name, _)| node(name).unwrap_or(NONE));
        let names = NodeNames::new(resolver.declared.names.texts(), &map.nodes);
        let kinds = map.nodes.iter().map(|node| node.kind).collect();
        let structure = Structure::build(names, kinds, &edges, slots.len());
        Self {
            when,
            slot_of_edge: slot_of_edge.map(|slot| slot.unwrap_or(NONE)).collect(),
            node_of_seen: node_of_seen.collect(),
            slots,
            structure: Arc::new(structure),
        }
    }

    /// The map with the weights of today.
    pub(crate) fn snapshot(
        &self,
        learned: &Learned,
        version: u64,
        parameters: &MapParameters,
    ) -> Snapshot {
        let volumes = self.volumes(learned, parameters);
        let requests = self.requests(&volumes);
        let seen = self.seen(learned);
        let weigh = |(slot, volume): (&Slot, &Volume)| match *slot {
            Slot::Seen { from, declared, kind, .. } => Weight {
                confidence: if declared { 1.0 } else { seen_confidence(volume.calls) },
                probability: seen_probability(*volume, requests.get(&from), declared),
                calls: volume.calls,
                failed: volume.failed,
                kind,
                declared,
                observed: true,
            },
            Slot::Unseen { caller, declared } => {
                let seen = seen.get(&caller).copied();
                let confidence = unseen_confidence(seen, declared, parameters);
                declared_weight(RelationKind::DependsOn, confidence, confidence)
            }
            Slot::Hosted { hosts } => {
                declared_weight(RelationKind::RunsOn, 1.0, 1.0 / f64::from(hosts.max(1)))
            }
        };
        let weights = self.slots.iter().zip(&volumes).map(weigh).collect();
        Snapshot::new(version, Arc::clone(&self.structure), weights)
    }

    fn volumes(&self, learned: &Learned, parameters: &MapParameters) -> Vec<Volume> {
        let mut volumes = vec![Volume::default(); self.slots.len()];
        let edges = learned.edges_at(self.when, parameters);
        for ((.., volume), &slot) in edges.zip(&self.slot_of_edge) {
            if let Some(sum) = volumes.get_mut(slot as usize) {
                sum.calls = sum.calls.saturating_add(volume.calls);
                sum.failed = sum.failed.saturating_add(volume.failed);
            }
        }
        volumes
    }

    /// Requests of every node that calls or is called.
    fn requests(&self, volumes: &[Volume]) -> BTreeMap<u32, u64> {
        let mut received: BTreeMap<u32, u64> = BTreeMap::new();
        let mut most_made: BTreeMap<u32, u64> = BTreeMap::new();
        for (slot, volume) in self.slots.iter().zip(volumes) {
            let Slot::Seen { from, to, .. } = *slot else { continue };
            let calls = received.entry(to).or_default();
            *calls = calls.saturating_add(volume.calls);
            let calls = most_made.entry(from).or_default();
            *calls = volume.calls.max(*calls);
        }
        for (node, made) in most_made {
            let calls = received.entry(node).or_default();
            *calls = made.max(*calls);
        }
        received
    }

    fn seen(&self, learned: &Learned) -> BTreeMap<u32, Seen> {
        let mut nodes: BTreeMap<u32, Seen> = BTreeMap::new();
        for ((_, seen), &node) in learned.nodes().zip(&self.node_of_seen) {
            let seen = Seen::of(seen);
            nodes.entry(node).and_modify(|known| *known = known.merge(seen)).or_insert(seen);
        }
        // Names without a node are nobody's.
        nodes.remove(&NONE);
        nodes
    }
}

/// The slots, and for each edge the number of its slot.
fn assign_slots(map: &Reconciled<'_>) -> (Vec<Slot>, Vec<u32>) {
    let mut hosts: BTreeMap<u32, u32> = BTreeMap::new();
    for edge in map.edges.iter().filter(|edge| edge.kind == RelationKind::RunsOn) {
        *hosts.entry(edge.from).or_default() += 1;
    }
    let mut slots: Vec<Slot> = Vec::new();
    let mut shared: BTreeMap<Slot, u32> = BTreeMap::new();
    let mut last: Option<(Slot, u32)> = None;
    let numbers = map.edges.iter().map(|edge| {
        let slot = slot_of(map, edge, hosts.get(&edge.from).copied().unwrap_or_default());
        let number = match last {
            // Most edges weigh as the one before.
            Some((same, number)) if same == slot => number,
            _ => *shared.entry(slot).or_insert_with(|| {
                slots.push(slot);
                (slots.len() - 1) as u32
            }),
        };
        last = Some((slot, number));
        number
    });
    let numbers = numbers.collect();
    (slots, numbers)
}

fn slot_of(map: &Reconciled<'_>, edge: &Draft, hosts: u32) -> Slot {
    let Draft { from, to, kind, declared, .. } = *edge;
    match (map.seen(edge), declared, kind) {
        (Some(_), ..) => Slot::Seen { from, to, declared: declared.is_some(), kind },
        (None, _, RelationKind::RunsOn) => Slot::Hosted { hosts },
        (None, ..) => {
            let seen = map.node(from).is_some_and(|node| node.seen.is_some());
            let caller = if seen { from } else { NONE };
            Slot::Unseen { caller, declared: declared.unwrap_or_default() }
        }
    }
}

fn declared_weight(kind: RelationKind, confidence: f64, probability: f64) -> Weight {
    Weight { confidence, probability, calls: 0, failed: 0, kind, declared: true, observed: false }
}

fn seen_confidence(calls: u64) -> f64 {
    let calls = calls as f64;
    (calls / (calls + 4.0)).clamp(0.05, 0.95)
}

fn seen_probability(volume: Volume, requests: Option<&u64>, declared: bool) -> f64 {
    match requests {
        Some(&requests) if requests > 0 => (volume.calls as f64 / requests as f64).min(1.0),
        _ if declared => 1.0,
        _ => seen_confidence(volume.calls),
    }
}

/// Confidence in a dependency that was declared in a pane and never seen, `caller` being when its
/// caller was seen. A tick is at most one pane, so panes bound the ticks since the declaration.
pub(crate) fn unseen_confidence(
    caller: Option<Seen>,
    declared: Pane,
    parameters: &MapParameters,
) -> f64 {
    let disuse_ticks = caller.map_or(0, |seen| {
        let since = u64::try_from(seen.last.since(declared)).unwrap_or(0);
        seen.last_tick.saturating_sub(seen.first_tick).min(since)
    });
    let half_life = parameters.disuse_half_life_ticks.max(1) as f64;
    (0.6 * libm::exp2(-(disuse_ticks as f64) / half_life)).max(0.1)
}
