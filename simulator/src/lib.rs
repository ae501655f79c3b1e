//! A synthetic world with known truth, from a seed: the source of the demo, of tests and of
//! benches.
//!
//! ```
//! let scenario = simulator::random(7, simulator::Scale::default());
//! let first = scenario.records().next();
//! assert_eq!(first.map(|record| record.topic), Some("topology".to_owned()));
//! assert_eq!(scenario.truth().faults.len(), scenario.faults.len());
//! ```
//!
//! Deliberately absent: the correlator. This crate writes what tools on the wire write (OTLP,
//! Alertmanager, CloudEvents, the topology document) and keeps the truth to itself. Also absent:
//! clock, I/O, threads; the same scenario is the same bytes on every machine.
//!
//! Modules in walking order: the world and what is asked of it (`world`, `traffic`), what goes
//! wrong (`fault`, `weather`, `changes`), how a request runs through it (`calls`), what is seen of that
//! (`logs`, `metrics`, `monitor`, `wire`), the records in order (`play`), and what tests do to
//! records (`disorder`, `recording`), and the frozen streams to measure on (`corpus`).

pub mod table;
mod dice;
pub mod world;
mod draft;
pub mod traffic;
pub mod fault;
mod weather;
pub mod changes;
pub mod scenario;
mod trail;
mod calls;
mod logs;
mod seen;
mod metrics;
mod rules;
pub mod noise;
mod monitor;
mod alertmanager;
mod declared;
mod wire;
mod span_attributes;
mod telemetry;
mod play;
pub mod truth;
mod blame;
mod shop;
mod story;
mod world_dice;
mod fault_dice;
mod random;
pub mod disorder;
pub mod recording;
pub mod corpus;

pub use blame::Member;
pub use random::{Scale, random};
pub use scenario::{AlertNoise, Encoding, Imperfections, Scenario};
pub use story::the_two_oh_seven;
pub use truth::{FaultTruth, RootCause, Truth};
