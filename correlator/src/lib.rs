//! The mind: three pure machines. Time and input go in, decisions come out.
//!
//! What is deliberately absent: I/O, the clock, threads, randomness, async.

pub mod correlate;
