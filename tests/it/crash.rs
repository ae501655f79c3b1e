//! The embedded log and the snapshots against a machine that fails them: killed at each single system call
//! that makes something durable, a full disk, a disk that gives errors, damaged files.
//!
//! A process of its own writes and says what it was promised; whatever happens to it, what was promised must be
//! there afterwards and nothing else than what was written may be read. `strace` injects the faults; where it
//! cannot be had the tests say so. What is not tried so: power loss, since a kill keeps the page cache.

mod damage;
mod strace;
mod worker;

use strace::{Fault, enumerate};

/// The calls that make something durable, or durable things visible.
const KILLED_AT: [&str; 4] = ["fsync", "fdatasync", "rename", "write"];

#[test]
fn killed_at_each_call_that_makes_something_durable_it_keeps_what_it_promised() {
    for call in KILLED_AT {
        let Some(points) = enumerate(Fault::Kill, call) else { return };
        tests::say(&format!("killed at each of {points} calls of {call}"));
        assert!(points >= 3, "{call}: {points} points prove nothing");
    }
}

#[test]
fn a_disk_that_is_full_from_some_call_on_costs_nothing_that_was_promised() {
    for call in ["write", "fsync", "rename"] {
        let Some(points) = enumerate(Fault::Full, call) else { return };
        tests::say(&format!("full from each of {points} calls of {call} on"));
        assert!(points >= 3, "{call}: {points} points prove nothing");
    }
}

#[test]
fn a_disk_that_gives_an_error_once_costs_nothing_that_was_promised() {
    for call in ["write", "fsync", "rename"] {
        let Some(points) = enumerate(Fault::Once, call) else { return };
        tests::say(&format!("an error at each of {points} calls of {call}"));
        assert!(points >= 3, "{call}: {points} points prove nothing");
    }
}
