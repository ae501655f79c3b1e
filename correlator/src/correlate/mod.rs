//! Correlate: the third machine of the mind. A pure fold of one cell's journal into incidents.
//!
//! The walk of a record: [`engine`] takes it to `stamps` (seen before?) and `facts` (the ring of
//! unsettled panes). A pane of facts is folded by `world`: `dedup` and `binding` for alerts,
//! `change_ledger` for changes, `signs` for words, `activity` for symptoms; `cluster` ties what is
//! abnormal (`ties`, `roots`, `covers`), `membership` hands clusters to cases (`past`, `case`, `sums`, `carriers`, `parts`),
//! `lifecycle` moves each case along the table in `incident`.
//! What people decide (`people`) is a fact like any other, or stands beside the fold.
//! What a case means is told by `ranking` and `blast_radius`, put in words by `narrative` and
//! `timeline`, drawn up by `render`; `publish` compares it with what was told before.
//!
//! Two layers: the settled world is a fold of what can no longer change; the provisional view is
//! derived from it whenever something newer changes. So the final incidents are a function of the
//! set of facts, whatever order they came in.

mod config;
mod limits;
mod output;
mod engine;
pub mod people;
mod stamps;
mod episode;
mod facts;
mod foreign;
mod map;
mod world;
mod dedup;
mod binding;
mod traffic;
mod change;
mod change_ledger;
mod releases;
mod signs;
mod activity;
mod union;
mod ties;
mod roots;
mod covers;
mod cluster;
mod keys;
mod sums;
mod carriers;
mod parts;
mod past;
mod case;
mod membership;
mod incident;
mod lifecycle;
mod ranking;
mod sufferers;
mod blast_radius;
mod graph;
mod habits;
mod priority;
mod timeline;
mod narrative;
mod render;
mod publish;

pub use config::{CorrelateConfig, RankingConfig};
pub use engine::Correlator;
pub use output::{ChangeReason, CorrelateStats, Output, ShedReason};

#[cfg(test)]
mod tests;
