//! The blast radius as Grafana's Node Graph panel wants it: an edge to a node that is not there
//! breaks the whole panel, so edges are taken only between nodes that were taken.

use std::collections::BTreeMap;

use model::blast_radius::GraphRole;

use super::Cell;
use super::incident::Sheet;
use crate::schema::Table;

/// Adds the rows of nodes and edges.
pub(super) fn rows(sheet: &mut Sheet<'_>) {
    let reach = &sheet.incident.blast_radius;
    let mut roles = BTreeMap::new();
    for node in &reach.graph.nodes {
        if roles.insert(node.id.clone(), node.role).is_some() {
            continue;
        }
        let observed = reach.observed.iter().find(|observed| observed.service == node.id);
        let predicted = reach.predicted.iter().find(|predicted| predicted.service == node.id);
        let hops = observed.and_then(|o| o.hops).or_else(|| predicted.map(|p| p.hops));
        let mainstat = match (observed, predicted) {
            (Some(observed), _) => format!("{} traces", observed.traces),
            (None, Some(predicted)) => format!("{:.0} %", predicted.probability * 100.0),
            (None, None) => String::new(),
        };
        let arc = |role| Cell::Float(f64::from(u8::from(node.role == role)));
        let entry = if node.entry { "yes" } else { "no" };
        let cells = [
            Cell::text(&node.id),
            Cell::text(&node.id),
            Cell::text(word(node.role)),
            Cell::Text(mainstat),
            Cell::text(if node.entry { "entry" } else { "" }),
            arc(GraphRole::Cause),
            arc(GraphRole::Observed),
            arc(GraphRole::Predicted),
            arc(GraphRole::Healthy),
            Cell::text(word(node.role)),
            Cell::text(entry),
            Cell::Text(hops.map_or_else(String::new, |hops| hops.to_string())),
        ];
        sheet.push(Table::Nodes, cells);
    }
    let mut edges = std::collections::BTreeSet::new();
    for edge in &reach.graph.edges {
        let (Some(_), Some(role)) = (roles.get(&edge.from), roles.get(&edge.to)) else {
            continue;
        };
        if !edges.insert((&edge.from, &edge.to)) {
            continue;
        }
        let cells = [
            Cell::Text(format!("{} -> {}", edge.from, edge.to)),
            Cell::text(&edge.from),
            Cell::text(&edge.to),
            Cell::Text(String::new()),
            Cell::text(word(*role)),
        ];
        sheet.push(Table::Edges, cells);
    }
}

const fn word(role: GraphRole) -> &'static str {
    match role {
        GraphRole::Cause => "cause",
        GraphRole::Observed => "observed",
        GraphRole::Predicted => "predicted",
        GraphRole::Healthy => "healthy",
    }
}
