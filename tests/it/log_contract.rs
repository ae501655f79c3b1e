//! The contract of `Log`: one list of checks, run against every implementation. Kafka is a real
//! broker when `FAULTLINE_TEST_KAFKA=host:port` names one, and librdkafka's mock in any case.

mod checks;
mod embedded;
mod kafka;
mod world;

use std::sync::Arc;

use pipeline::log::RECORD_BYTES_MAX;
use pipeline::log::embedded::{Durability, EmbeddedLog};
use pipeline::log::memory::MemoryLog;

use checks::CHECKS;
use world::World;

/// Runs all checks but those that are named, and reports every failure with its name.
fn hold_to_contract(world: &World<'_>, except: &[&str]) {
    let mut failures = Vec::new();
    for (name, check) in CHECKS {
        if except.contains(name) {
            continue;
        }
        if let Err(error) = check(world) {
            failures.push(format!("{name}: {error:#}"));
        }
    }
    assert!(failures.is_empty(), "{} checks failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn memory_keeps_the_contract() {
    hold_to_contract(&World::new(Arc::new(MemoryLog::new()), RECORD_BYTES_MAX), &[]);
}

#[test]
fn embedded_keeps_the_contract() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let log = EmbeddedLog::open(directory.path(), Durability::Synced)?;
    hold_to_contract(&World::new(Arc::new(log), RECORD_BYTES_MAX), &[]);
    Ok(())
}

#[test]
fn embedded_for_throwing_away_keeps_the_contract() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let log = EmbeddedLog::open(directory.path(), Durability::Throwaway)?;
    hold_to_contract(&World::new(Arc::new(log), RECORD_BYTES_MAX), &[]);
    Ok(())
}
