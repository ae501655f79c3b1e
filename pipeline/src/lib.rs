//! The plumbing: logs, intake, stages, HTTP and the command line. Nobody depends on it but tests
//! and benches.
//!
//! Modules stand in the order in which a signal walks through them.

pub mod clock;
pub mod log;
pub mod intake;
