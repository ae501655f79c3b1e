//! The shape of a map: islands and cycles, found by petgraph. For checks and reports, not for the
//! hot walks.

use model::name::Name;
use petgraph::algo::{connected_components, tarjan_scc};
use petgraph::graph::{DiGraph, NodeIndex};
use serde::Serialize;

use crate::snapshot::{Direction, Snapshot};

/// Islands and cycles of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Sets of nodes with no edge between them.
    pub islands: usize,
    /// Sets of nodes that all depend on each other, each sorted, the sets sorted.
    pub cycles: Vec<Vec<Name>>,
}

impl Snapshot {
    /// Islands and cycles. Cost: linear in nodes and edges.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let graph = self.to_petgraph();
        let mut cycles: Vec<Vec<Name>> = tarjan_scc(&graph)
            .into_iter()
            .filter(|component| component.len() > 1)
            .map(|component| {
                let numbers = component.into_iter().filter_map(|node| graph.node_weight(node));
                let mut names: Vec<Name> =
                    numbers.map(|&number| self.name(number).to_name()).collect();
                names.sort_unstable();
                names
            })
            .collect();
        cycles.sort_unstable();
        Shape { islands: connected_components(&graph), cycles }
    }

    /// The same graph as petgraph has it: node weights are our numbers, edge weights probabilities.
    pub(crate) fn to_petgraph(&self) -> DiGraph<u32, f64> {
        let mut graph = DiGraph::with_capacity(self.node_count(), self.edge_count());
        for number in 0..self.node_count() {
            graph.add_node(number as u32);
        }
        for from in 0..self.node_count() as u32 {
            for link in self.row(from, Direction::Upstream) {
                let probability = self.weight(link).map_or(0.0, |weight| weight.probability);
                let (from, to) = (from as usize, link.node as usize);
                graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), probability);
            }
        }
        graph
    }
}
