//! Walks over a snapshot: what a node depends on, who depends on it, how far, how likely.
//!
//! Work is bounded by `NODES_MAX` nodes, `HOPS_MAX` hops and `LINKS_MAX` links, whatever the size
//! of the map. What was visited is kept in a small table of its own, marked with the number of the
//! walk: nothing to clear between walks, and nothing that grows with the map.

use std::ops::Range;

use crate::node_name::NodeName;
use crate::rows::Link;
use crate::snapshot::{Direction, Snapshot};

/// Most nodes that one walk reaches.
pub const NODES_MAX: usize = 2_000;
/// Most hops that one walk takes.
pub const HOPS_MAX: u32 = 8;
/// Most links that one walk looks at.
pub const LINKS_MAX: usize = 32_768;

/// At most half full with `NODES_MAX` nodes and the start. Small maps need fewer.
const SLOTS_MAX: usize = 4_096;

/// A node that a walk reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached<'a> {
    /// The node.
    pub node: NodeName<'a>,
    /// Fewest hops from the start.
    pub hops: u32,
    /// Downstream: the probability that a request of this node passes the start. Upstream: that a
    /// request of the start passes this node. The sum over all walks of at most the allowed hops
    /// that don't return to the start, of the product of the probabilities of their calls, at most
    /// 1. Unit: 0 to 1.
    pub probability: f64,
}

/// Memory for walks, to be used again and again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Which nodes the present walk has visited: (node, walk, local number). A power of two long.
    slots: Vec<(u32, u32, u32)>,
    walk: u32,
    /// The visited nodes in order, the start first, with their hops.
    visited: Vec<(u32, u32)>,
    /// Links between visited nodes, in order of discovery: (from, to, probability), as local
    /// numbers.
    links: Vec<(u32, u32, f64)>,
    /// Where the rows of the present level lie.
    ranges: Vec<Range<usize>>,
    /// The links that leave the present level, with the local numbers of their starts.
    front: Vec<(u32, Link)>,
    mass: Vec<f64>,
    next_mass: Vec<f64>,
    total: Vec<f64>,
}

impl Scratch {
    /// Makes ready for a walk over a map of so many nodes.
    fn begin(&mut self, nodes: usize) {
        let slots = nodes.saturating_mul(2).next_power_of_two().clamp(64, SLOTS_MAX);
        self.walk = self.walk.wrapping_add(1);
        if self.walk == 0 || self.slots.len() < slots {
            self.slots.clear();
            self.slots.resize(slots, (0, 0, 0));
            self.walk = 1;
        }
        self.visited.clear();
        self.links.clear();
    }

    /// The local number of a node, visiting it if there is room.
    fn visit(&mut self, node: u32, hops: u32) -> Option<u32> {
        let home = (node.wrapping_mul(0x9e37_79b1) >> 20) as usize;
        let room = self.visited.len() <= NODES_MAX;
        let mask = self.slots.len().wrapping_sub(1);
        for step in 0..self.slots.len() {
            let slot = self.slots.get_mut((home + step) & mask)?;
            if slot.1 != self.walk {
                if !room {
                    return None;
                }
                let local = self.visited.len() as u32;
                *slot = (node, self.walk, local);
                self.visited.push((node, hops));
                return Some(local);
            }
            if slot.0 == node {
                return Some(slot.2);
            }
        }
        None
    }
}

impl Snapshot {
    /// What a node depends on, directly or over others: by hops, then by name. Without the node.
    #[must_use]
    pub fn upstream(&self, node: &str, hops_max: u32) -> Vec<Reached<'_>> {
        self.upstream_with(&mut Scratch::default(), node, hops_max)
    }

    /// Who depends on a node, directly or over others: by hops, then by name. Without the node.
    #[must_use]
    pub fn downstream(&self, node: &str, hops_max: u32) -> Vec<Reached<'_>> {
        self.downstream_with(&mut Scratch::default(), node, hops_max)
    }

    /// As `upstream`, without allocating for the walk itself.
    #[must_use]
    pub fn upstream_with(&self, scratch: &mut Scratch, node: &str, hops: u32) -> Vec<Reached<'_>> {
        self.walk(scratch, node, Direction::Upstream, hops)
    }

    /// As `downstream`, without allocating for the walk itself.
    #[must_use]
    pub fn downstream_with(
        &self,
        scratch: &mut Scratch,
        node: &str,
        hops: u32,
    ) -> Vec<Reached<'_>> {
        self.walk(scratch, node, Direction::Downstream, hops)
    }

    /// Fewest hops by which `from` depends on `to`; 0 for the same node. `None` when it does not,
    /// or not within `hops_max` hops and the bounds of a walk.
    #[must_use]
    pub fn distance(&self, from: &str, to: &str, hops_max: u32) -> Option<u32> {
        let (start, goal) = (self.index(from)?, self.index(to)?);
        if start == goal {
            return Some(0);
        }
        let mut scratch = Scratch::default();
        self.discover(&mut scratch, start, Direction::Upstream, hops_max, Some(goal))
    }

    fn walk(
        &self,
        scratch: &mut Scratch,
        node: &str,
        direction: Direction,
        hops_max: u32,
    ) -> Vec<Reached<'_>> {
        let Some(start) = self.index(node) else { return Vec::new() };
        let hops_max = hops_max.min(HOPS_MAX);
        self.discover(scratch, start, direction, hops_max, None);
        add_up(scratch, hops_max);
        let mut order: Vec<(u32, u32, f64)> = scratch
            .visited
            .iter()
            .zip(&scratch.total)
            .skip(1)
            .map(|(&(node, hops), &total)| (hops, node, total.min(1.0)))
            .collect();
        // Numbers of nodes are in the order of their names.
        order.sort_unstable_by_key(|&(hops, node, _)| (hops, node));
        let reached = order.into_iter();
        reached
            .map(|(hops, node, probability)| Reached { node: self.name(node), hops, probability })
            .collect()
    }

    /// Breadth first, level by level; keeps the links between what it visits. Stops at a goal and
    /// says how many hops away it is. All links of a level are gathered before any is followed: reads that don't wait for
    /// each other are what makes a walk over a map that fits into no cache fast.
    fn discover(
        &self,
        scratch: &mut Scratch,
        start: u32,
        direction: Direction,
        hops_max: u32,
        goal: Option<u32>,
    ) -> Option<u32> {
        scratch.begin(self.node_count());
        scratch.visit(start, 0);
        let (mut level, mut looked) = (0..1_usize, 0_usize);
        for hops in 1..=hops_max.min(HOPS_MAX) {
            looked += self.gather(scratch, level.clone(), direction, LINKS_MAX - looked);
            level.start = level.end;
            if self.follow(scratch, hops, goal) {
                return Some(hops);
            }
            level.end = scratch.visited.len();
        }
        None
    }

    /// Gathers the links that leave a level, at most so many; says how many. Where the rows lie is read for all of
    /// them, then the first link of all, then the links: how long a row is decides what is read next,
    /// and a wrong guess at it would wait for memory, row by row.
    fn gather(
        &self,
        scratch: &mut Scratch,
        level: Range<usize>,
        direction: Direction,
        room: usize,
    ) -> usize {
        let rows = self.rows(direction);
        let Scratch { visited, ranges, front, .. } = scratch;
        ranges.clear();
        ranges.extend(
            visited.iter().take(level.end).skip(level.start).map(|&(node, _)| rows.range(node)),
        );
        let near = ranges.iter().filter_map(|range| rows.node(range.start)).map(u64::from);
        std::hint::black_box(near.sum::<u64>());
        front.clear();
        for (at, range) in level.zip(ranges) {
            let end = range.end.min(range.start + (room - front.len()));
            front.extend((range.start..end).filter_map(|link| Some((at as u32, rows.link(link)?))));
        }
        front.len()
    }

    /// Visits the other ends of the gathered links; says whether the goal is among them.
    fn follow(&self, scratch: &mut Scratch, hops: u32, goal: Option<u32>) -> bool {
        let front = std::mem::take(&mut scratch.front);
        for &(from, link) in &front {
            let probability = self.weight(link).map_or(0.0, |weight| weight.probability);
            if let Some(local) = scratch.visit(link.node, hops)
                && local != 0
            {
                scratch.links.push((from, local, probability));
            }
        }
        let found = goal.is_some_and(|goal| front.iter().any(|(_, link)| link.node == goal));
        scratch.front = front;
        found
    }
}

/// Spreads the start's one over the links, hop by hop, and adds up what arrives where.
fn add_up(scratch: &mut Scratch, hops_max: u32) {
    let count = scratch.visited.len();
    for lane in [&mut scratch.mass, &mut scratch.next_mass, &mut scratch.total] {
        lane.clear();
        lane.resize(count, 0.0);
    }
    if let Some(start) = scratch.mass.first_mut() {
        *start = 1.0;
    }
    for _ in 0..hops_max {
        scratch.next_mass.fill(0.0);
        for &(from, to, probability) in &scratch.links {
            let mass = scratch.mass.get(from as usize).copied().unwrap_or_default();
            if let Some(next) = scratch.next_mass.get_mut(to as usize) {
                *next += mass * probability;
            }
        }
        for (total, next) in scratch.total.iter_mut().zip(&scratch.next_mass) {
            *total += next;
        }
        std::mem::swap(&mut scratch.mass, &mut scratch.next_mass);
    }
}
