//! The plumbing: logs, intake, stages, HTTP and the command line. Nobody depends on it but tests
//! and benches.
//!
//! Modules stand in the order in which a signal walks through them.

pub mod cli;
pub mod config;
pub mod commands;
pub mod telemetry;
pub mod clock;
pub mod span;
pub mod outbound;
pub mod auth;
pub mod topics;
pub mod log;
pub mod recording;
pub mod backlog;
pub mod intake;
pub mod dead_letter;
pub mod grouping;
pub mod stages;
pub mod snapshot;
pub mod run;
pub mod control;
pub mod http;
pub mod player;
pub mod remote;
pub mod what_if;
pub mod top;
pub mod eval;
pub mod tell;
pub mod progress;
pub mod failure;
