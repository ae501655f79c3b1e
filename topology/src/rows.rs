//! Adjacency of node numbers in as few bits as they need: for each node the links of its row, for
//! each link the neighbour and the number of the edge's weight.

use std::ops::Range;

use crate::packed::Packed;

/// An edge between node numbers, with the number of its weight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) weight: u32,
}

/// One entry of a row: the neighbour, and the number of the edge's weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) node: u32,
    pub(crate) weight: u32,
}

/// Rows of links, one for each node.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Where each row ends; it starts where its predecessor ends.
    ends: Packed,
    nodes: Packed,
    weights: Packed,
}

impl Rows {
    /// Rows of (row, link), the links of a row in the order in which they come. `nodes` and
    /// `weights` are how many there are. Bound: 2^32 links.
    pub(crate) fn build(
        nodes: usize,
        weights: usize,
        links: impl Iterator<Item = (u32, Link)> + Clone,
    ) -> Self {
        let mut ends = vec![0_u32; nodes];
        for (row, _) in links.clone() {
            if let Some(count) = ends.get_mut(row as usize) {
                *count += 1;
            }
        }
        let mut total = 0;
        for end in &mut ends {
            (*end, total) = (total, total + *end);
        }
        let most = |count: usize| count.saturating_sub(1) as u32;
        let mut rows = Self {
            ends: Packed::default(),
            nodes: Packed::zeros(total as usize, most(nodes)),
            weights: Packed::zeros(total as usize, most(weights)),
        };
        // Each slot of `ends` now holds where its row begins, and moves to where it ends.
        for (row, link) in links {
            let Some(end) = ends.get_mut(row as usize) else { continue };
            rows.nodes.set(*end as usize, link.node);
            rows.weights.set(*end as usize, link.weight);
            *end += 1;
        }
        rows.ends = Packed::of(ends.into_iter(), total);
        rows
    }

    /// Count of links.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Where the links of a row lie.
    pub(crate) fn range(&self, row: u32) -> Range<usize> {
        let end = |row: u32| self.ends.get(row as usize).unwrap_or_default() as usize;
        row.checked_sub(1).map_or(0, end)..end(row)
    }

    /// The other end of a link.
    pub(crate) fn node(&self, at: usize) -> Option<u32> {
        self.nodes.get(at)
    }

    pub(crate) fn link(&self, at: usize) -> Option<Link> {
        Some(Link { node: self.nodes.get(at)?, weight: self.weights.get(at)? })
    }

    /// The links of a row.
    pub(crate) fn row(&self, row: u32) -> impl Iterator<Item = Link> {
        self.range(row).filter_map(|at| self.link(at))
    }

    /// The link to a node, in a row whose links rise.
    pub(crate) fn find(&self, row: u32, node: u32) -> Option<Link> {
        let Range { start: mut low, end: mut high } = self.range(row);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.nodes.get(middle)? < node {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.link(low).filter(|link| low < self.range(row).end && link.node == node)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_what_a_map_of_edges_says(
            edges in prop::collection::btree_map((0..40_u32, 0..40_u32), 0..9_u32, 0..200),
            weights in prop::sample::select([1_u32, 9].as_slice()),
        ) {
            let edges: BTreeMap<(u32, u32), u32> =
                edges.into_iter().map(|(ends, weight)| (ends, weight % weights)).collect();
            let links = edges.iter().map(|(&(from, to), &weight)| (from, Link { node: to, weight }));
            let rows = Rows::build(40, weights as usize, links);
            prop_assert_eq!(rows.len(), edges.len());
            for from in 0..41 {
                let found: Vec<Link> = rows.row(from).collect();
                let expected: Vec<Link> = edges
                    .range((from, 0)..=(from, u32::MAX))
                    .map(|(&(_, node), &weight)| Link { node, weight })
                    .collect();
                prop_assert_eq!(found, expected);
                for to in 0..41 {
                    let weight = edges.get(&(from, to)).copied();
                    prop_assert_eq!(rows.find(from, to).map(|link| link.weight), weight);
                }
            }
        }
    }
}
