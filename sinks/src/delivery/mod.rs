//! Delivery: what was said to whom, at which revision, and what is due.
//!
//! [`record`] is what is kept, [`decide`] the decision, [`outbox`] the machine of one sink that
//! the shell drives: incidents and records in, requests out, outcomes in, records out. Pure: time
//! and jitter are arguments. What is deliberately absent: the log, threads, any network.

pub mod record;
pub mod when;
pub mod decide;
mod people;
mod queue;
mod entry;
pub mod turn;
pub mod outbox;

#[cfg(test)]
#[path = "../../tests/it/fixture.rs"]
pub(crate) mod testing;
