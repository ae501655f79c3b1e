//! What can behave abnormally, or be a cause.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// The kind of thing an entity is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// A service that we reason about.
    Service,
    /// One operation of a service: id is `service operation`.
    Operation,
    /// A dependency between two services: id is `from -> to`; it belongs to `to`.
    Edge,
    /// One instance or pod of a service.
    Instance,
    /// A database, named from peer or db attributes; it writes no spans of its own.
    Database,
    /// A queue or topic of a messaging system.
    Messaging,
    /// A party outside of the system, named from peer attributes.
    External,
    /// A host or node.
    Host,
    /// Nothing inside the system: the entity of the "none" hypothesis.
    Nothing,
}

/// One entity. Identity is the pair (kind, id).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Entity {
    /// What kind of thing.
    pub kind: EntityKind,
    /// Its id, unique inside its kind and cell.
    pub id: Name,
    /// The service it belongs to (the callee of an edge; a virtual node or a host is its own).
    pub service: Name,
}

impl Entity {
    /// The entity of a service.
    #[must_use]
    pub fn service(service: Name) -> Self {
        Self { kind: EntityKind::Service, id: service.clone(), service }
    }

    /// The entity of an operation of a service.
    #[must_use]
    pub fn operation(service: Name, operation: &str) -> Self {
        Self { kind: EntityKind::Operation, id: format!("{service} {operation}").into(), service }
    }

    /// The entity of a dependency; failure on it counts for the callee, `to`.
    #[must_use]
    pub fn edge(from: &str, to: Name) -> Self {
        Self { kind: EntityKind::Edge, id: format!("{from} -> {to}").into(), service: to }
    }

    /// The entity of an instance or pod.
    #[must_use]
    pub fn instance(service: Name, instance: Name) -> Self {
        Self { kind: EntityKind::Instance, id: instance, service }
    }

    /// An entity that stands for itself: database, queue, external party, host.
    #[must_use]
    pub fn standalone(kind: EntityKind, id: Name) -> Self {
        Self { kind, id: id.clone(), service: id }
    }

    /// The entity of the "none of these" hypothesis.
    #[must_use]
    pub fn nothing() -> Self {
        Self::standalone(EntityKind::Nothing, Name::default())
    }

    /// The caller of an edge entity, else `None`.
    #[must_use]
    pub fn edge_from(&self) -> Option<&str> {
        match self.kind {
            EntityKind::Edge => self.id.split_once(" -> ").map(|(from, _)| from),
            _ => None,
        }
    }

    /// The operation of an operation entity, else `None`.
    #[must_use]
    pub fn operation_name(&self) -> Option<&str> {
        match self.kind {
            EntityKind::Operation => self.id.get(self.service.len() + 1..),
            _ => None,
        }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// How much the business misses an entity when it fails (`service.criticality`, CMDB).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// Hardly missed.
    Low,
    /// Missed by some.
    Medium,
    /// Missed by many.
    High,
    /// The business stands still.
    Critical,
}

impl Criticality {
    /// Reads `critical`, `high`, `medium`, `low` in any case, and ServiceNow's `1 - most critical`
    /// to `4 - not critical`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "critical" | "1 - most critical" | "1" => Some(Self::Critical),
            "high" | "2 - somewhat critical" | "2" => Some(Self::High),
            "medium" | "3 - less critical" | "3" => Some(Self::Medium),
            "low" | "4 - not critical" | "4" => Some(Self::Low),
            _ => None,
        }
    }
}
