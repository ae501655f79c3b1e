//! Short words for the tests.

use model::entity::EntityKind;
use model::map::{
    ConfigurationItem, ItemKind, ObservedDependency, Relation, RelationKind, TopologyDocument,
};
use model::time::{Pane, Timestamp};

/// An instant, in panes of ten seconds.
pub(crate) fn at(pane: i64) -> Timestamp {
    Timestamp(pane * 10_000_000_000)
}

pub(crate) fn pane(index: i64) -> Pane {
    Pane(index)
}

pub(crate) fn item(id: &str, kind: ItemKind, name: &str, aliases: &[&str]) -> ConfigurationItem {
    ConfigurationItem {
        id: id.into(),
        kind,
        name: name.into(),
        owner: None,
        criticality: None,
        aliases: aliases.iter().map(|&alias| alias.into()).collect(),
    }
}

pub(crate) fn service(id: &str) -> ConfigurationItem {
    item(id, ItemKind::Service, id, &[])
}

pub(crate) fn relation(from: &str, to: &str, kind: RelationKind) -> Relation {
    Relation { from: from.into(), to: to.into(), kind }
}

pub(crate) fn depends(from: &str, to: &str) -> Relation {
    relation(from, to, RelationKind::DependsOn)
}

pub(crate) fn doc(items: Vec<ConfigurationItem>, relations: Vec<Relation>) -> TopologyDocument {
    TopologyDocument { source: "test".into(), items, relations, removed: Vec::new() }
}

pub(crate) fn removal(ids: &[&str]) -> TopologyDocument {
    TopologyDocument {
        removed: ids.iter().map(|&id| id.into()).collect(),
        ..TopologyDocument::default()
    }
}

pub(crate) fn dep(from: &str, to: &str, calls: u64) -> ObservedDependency {
    ObservedDependency {
        from: from.into(),
        to: to.into(),
        to_kind: EntityKind::Service,
        calls,
        failed: 0,
        orphans: 0,
    }
}
