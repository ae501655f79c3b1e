//! The mind of faultline: three pure machines. Time and input go in, decisions come out.
//!
//! Modules stand in the order in which a signal meets them. What is deliberately absent: I/O, the
//! clock, randomness, threads, async. Equal input gives equal output, byte for byte.

// what a metric speaks of
mod sense;
// what bounds took, and from whom
mod losses;
// telemetry -> counts per pane
pub mod observe;
// counts per pane -> symptoms
pub mod detect;
// symptoms, alerts, changes, map -> incidents
pub mod correlate;

pub use losses::Losses;
