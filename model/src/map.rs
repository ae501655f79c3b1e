//! What the outside says of the system's structure, and what traces show of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::entity::{Criticality, EntityKind};
use crate::name::Name;

/// What kind of thing a configuration item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A service: what we reason about.
    Service,
    /// A database.
    Database,
    /// A queue, topic or broker.
    Messaging,
    /// A host, node or virtual machine.
    Host,
    /// A pod, container or process: belongs to a service.
    Instance,
    /// A deployment, stateful set or the like: belongs to a service.
    Workload,
    /// Something outside of the system.
    External,
    /// Anything else: an application, a system, a business service.
    Other,
}

/// A configuration item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationItem {
    /// Its id in its source.
    pub id: Name,
    /// What it is.
    pub kind: ItemKind,
    /// Its name; the id if the source gives none.
    pub name: Name,
    /// Who owns it.
    pub owner: Option<Name>,
    /// How much the business misses it.
    pub criticality: Option<Criticality>,
    /// Other names under which telemetry and alerts may speak of it.
    pub aliases: Vec<Name>,
}

/// What a source of the map calls an item: for a CMDB the id under which its other tables refer to it.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct ItemIdentity {
    /// The source, as its documents name it: `servicenow`, `backstage` ...
    pub source: Name,
    /// The id there.
    pub id: Name,
}

/// What a relation means for failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// `from` needs `to`; failure flows from `to` to `from`.
    DependsOn,
    /// `from` runs on `to`; failure flows from `to` to `from`.
    RunsOn,
    /// `from` is a part of `to` (a pod of a service): both speak of the same service.
    PartOf,
    /// Known, but carries no failure by itself.
    Related,
}

/// A declared relation between two configuration items.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Relation {
    /// Id of the item that the relation starts at.
    pub from: Name,
    /// Id of the item that it leads to.
    pub to: Name,
    /// What it means.
    pub kind: RelationKind,
}

/// Declared structure, as one record brought it. Items and relations are added or replaced by id;
/// what is in `removed` is taken out with its relations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyDocument {
    /// Where it comes from: `topology_json`, `servicenow`, `backstage` ...
    pub source: Name,
    /// Items.
    pub items: Vec<ConfigurationItem>,
    /// Relations.
    pub relations: Vec<Relation>,
    /// Ids of items that are gone.
    pub removed: Vec<Name>,
}

/// A dependency that spans showed in one pane: `from` called `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObservedDependency {
    /// The calling service.
    pub from: Name,
    /// The called service, database, queue or outside party.
    pub to: Name,
    /// What `to` is.
    pub to_kind: EntityKind,
    /// Calls in the pane.
    pub calls: u64,
    /// Those of them that failed at either side.
    pub failed: u64,
    /// Those of them that no span of `to` answered.
    #[serde(default)]
    pub orphans: u64,
}
