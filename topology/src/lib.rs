//! The map: who depends on whom, as people declared it and as spans show it.
//!
//! A walk through the room: `declared` takes imports in (last word wins, in any order), `learned`
//! takes observed dependencies in (they fade), `binding` says which node a name means, `reconcile`
//! brings both halves together, `weigh` says how sure and how likely, `snapshot` is the result,
//! compact and immutable, `reach` walks it within bounds, `drift` tells where the halves differ, `shape`
//! checks for cycles and islands. `Topology` is the door.
//!
//! A map of a million items is to fit into some tens of bytes for each: `names` and `texts` hold every
//! text once, `items` (with `lives`) and `relations` (with `legs`) what is declared, `packed` and
//! `rows` the adjacency of the snapshot, `node_names` where its names are held.
//!
//! Deliberately absent: I/O, the clock, randomness, threads, and any judgement about health.

mod lean;
mod packed;
mod texts;
mod names;
mod called;
mod limits;
mod report;
mod life;
mod lives;
mod legs;
mod relations;
mod items;
mod declared;
mod learned;
mod binding;
mod reconcile;
mod weigh;
mod node_names;
mod node_name;
mod rows;
mod snapshot;
mod reach;
mod shape;
mod drift;
mod identity;
mod topology;

pub use drift::{DriftReport, NeverDeclared, NeverSeen, ROWS_MAX};
pub use limits::MapParameters;
pub use node_name::NodeName;
pub use reach::{HOPS_MAX, LINKS_MAX, NODES_MAX, Reached, Scratch};
pub use report::ApplyReport;
pub use shape::Shape;
pub use snapshot::{EdgeView, Snapshot};
pub use topology::{Topology, TopologyStats};
