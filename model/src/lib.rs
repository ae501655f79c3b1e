//! The words of faultline: every record that crosses a log, and the small types they are made of.
//!
//! Modules stand in the order in which a signal meets them. What is deliberately absent: I/O, the
//! clock, randomness, threads, any decision. A word lives here when two rooms need it.

mod text;
pub mod time;
pub mod name;
pub mod id;
pub mod nats;
pub mod recording;
pub mod entity;
pub mod signal;
pub mod template;
pub mod alert;
pub mod change;
pub mod map;
pub mod symptom;
pub mod matcher;
pub mod command;
pub mod people;
pub mod journal;
pub mod hypothesis;
pub mod blast_radius;
pub mod incident;
