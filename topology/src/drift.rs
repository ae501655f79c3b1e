//! Where the declared map and the seen one differ: for people who keep the CMDB.

use model::map::RelationKind;
use model::name::Name;
use model::time::Pane;
use serde::Serialize;

use crate::limits::MapParameters;
use crate::reconcile::{Draft, Reconciled};
use crate::weigh::unseen_confidence;

/// Most rows of each list; `DriftReport::omitted` counts the others.
pub const ROWS_MAX: usize = 1_000;

/// A declared dependency that no span has shown although its caller is seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeverSeen {
    /// Who should depend.
    pub from: Name,
    /// On whom.
    pub to: Name,
    /// Panes since it was declared.
    pub declared_panes_ago: i64,
    /// What confidence is left in it. Unit: 0 to 1.
    pub confidence: f64,
}

/// A dependency that spans show and no import declares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeverDeclared {
    /// Who depends.
    pub from: Name,
    /// On whom.
    pub to: Name,
    /// Decayed calls.
    pub calls: u64,
    /// Panes since it was first seen.
    pub first_seen_panes_ago: i64,
    /// Panes since it was last seen.
    pub last_seen_panes_ago: i64,
}

/// The differences. All lists are sorted by name and hold at most `ROWS_MAX` rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DriftReport {
    /// Dependencies that are declared and never seen, though their caller is seen.
    pub declared_never_seen: Vec<NeverSeen>,
    /// Dependencies that are seen and never declared.
    pub seen_never_declared: Vec<NeverDeclared>,
    /// Declared nodes with dependencies that telemetry never showed: nothing can be said of them.
    pub declared_items_never_seen: Vec<Name>,
    /// Nodes that telemetry shows and no import declares.
    pub seen_items_never_declared: Vec<Name>,
    /// Dependencies on which both agree.
    pub agreed: u64,
    /// Rows that did not fit.
    pub omitted: u64,
}

impl DriftReport {
    pub(crate) fn new(map: &Reconciled<'_>, now: Pane, parameters: &MapParameters) -> Self {
        let mut report = Self::default();
        let mut depends = vec![false; map.nodes.len()];
        for edge in map.edges.iter().filter(|edge| edge.kind == RelationKind::DependsOn) {
            for end in [edge.from, edge.to] {
                if let Some(flag) = depends.get_mut(end as usize) {
                    *flag = true;
                }
            }
            report.edge(map, edge, now, parameters);
        }
        for (node, depends) in map.nodes.iter().zip(depends) {
            let list = match (node.declared, node.seen) {
                (true, None) if depends => &mut report.declared_items_never_seen,
                (false, Some(_)) => &mut report.seen_items_never_declared,
                _ => continue,
            };
            keep(list, node.name.to_name(), &mut report.omitted);
        }
        report
    }

    fn edge(&mut self, map: &Reconciled<'_>, edge: &Draft, now: Pane, parameters: &MapParameters) {
        let (Some(from), Some(to)) = (map.node(edge.from), map.node(edge.to)) else { return };
        match (edge.declared, map.seen(edge)) {
            (Some(_), Some(_)) => self.agreed += 1,
            (Some(declared), None) if from.seen.is_some() => {
                let row = NeverSeen {
                    from: from.name.to_name(),
                    to: to.name.to_name(),
                    declared_panes_ago: now.since(declared),
                    confidence: unseen_confidence(from.seen, declared, parameters),
                };
                keep(&mut self.declared_never_seen, row, &mut self.omitted);
            }
            (None, Some(seen)) => {
                let row = NeverDeclared {
                    from: from.name.to_name(),
                    to: to.name.to_name(),
                    calls: seen.calls,
                    first_seen_panes_ago: now.since(seen.first),
                    last_seen_panes_ago: now.since(seen.last),
                };
                keep(&mut self.seen_never_declared, row, &mut self.omitted);
            }
            (_, None) => {}
        }
    }
}

fn keep<T>(list: &mut Vec<T>, row: T, omitted: &mut u64) {
    if list.len() < ROWS_MAX { list.push(row) } else { *omitted += 1 }
}
