//! What is asked of the embedded log alone: to survive.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use pipeline::log::embedded::{Durability, EmbeddedLog};
use pipeline::log::{Log, LogError, Start, TopicPartition, TopicSpec};

use super::world::{keyed, read_to_end, text};

/// Names the directory in which the child process appends.
const CHILD_DIRECTORY: &str = "FAULTLINE_TEST_APPEND_IN";

fn open(directory: &Path) -> Result<EmbeddedLog> {
    let log = EmbeddedLog::open(directory, Durability::Synced)?;
    let spec = |name: &str, compacted| TopicSpec { name: name.into(), partitions: 2, compacted };
    log.ensure_topics(&[spec("plain", false), spec("compacted", true)])?;
    Ok(log)
}

fn plain() -> TopicPartition {
    TopicPartition::new("plain", 1)
}

/// Offset to text of all records of a partition.
fn held(log: &EmbeddedLog, at: &TopicPartition) -> Result<BTreeMap<u64, String>> {
    let mut reader = log.reader(&[(at.clone(), Start::Oldest)])?;
    let records = read_to_end(&mut *reader, std::slice::from_ref(at))?;
    let text = |value: Option<Vec<u8>>| String::from_utf8(value.unwrap_or_default());
    records.into_iter().map(|r| Ok((r.offset, text(r.value)?))).collect()
}

#[test]
fn a_log_that_is_opened_again_goes_on_where_it_was() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let compacted = TopicPartition::new("compacted", 0);
    let log = open(directory.path())?;
    let last = log.append(&plain(), vec![text("a"), text("b")])?;
    log.append(&compacted, vec![keyed("k", Some("1")), keyed("k", Some("2"))])?;
    log.append(&compacted, vec![keyed("l", Some("1")), keyed("l", None)])?;
    drop(log);

    let log = open(directory.path())?;
    ensure!(held(&log, &plain())?.into_values().eq(["a", "b"]));
    let latest = log.latest_by_key("compacted")?;
    let values: Vec<_> = latest.iter().map(|r| r.value.as_deref()).collect();
    ensure!(values == [Some(&b"2"[..])], "latest {values:?}");
    let next = log.append(&plain(), vec![text("c")])?;
    ensure!(next > last, "offset {next:?} after {last:?}");
    ensure!(log.partitions("plain")? == 2, "partitions");
    Ok(())
}

#[test]
fn a_reader_may_outlive_its_log() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let log = open(directory.path())?;
    log.append(&plain(), vec![text("a")])?;
    let mut reader = log.reader(&[(plain(), Start::Oldest)])?;
    drop(log);
    ensure!(read_to_end(&mut *reader, &[plain()])?.len() == 1);
    Ok(())
}

#[test]
fn a_second_user_of_the_directory_is_refused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let log = open(directory.path())?;
    let second = EmbeddedLog::open(directory.path(), Durability::Synced).map(|_| ());
    ensure!(matches!(second, Err(LogError::Locked(_))), "second: {second:?}");
    drop(log);
    open(directory.path()).map(|_| ())
}

// Ten keys written over and over, in two lives of the process: what is kept stays bounded, the
// newest of each key are there, and the offsets of dropped records are not given again.
#[test]
fn compaction_drops_replaced_records_and_keeps_the_newest() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let at = TopicPartition::new("compacted", 0);
    let mut last = 0;
    for life in 0..2 {
        let log = EmbeddedLog::open(directory.path(), Durability::Throwaway)?;
        let spec = TopicSpec { name: "compacted".into(), partitions: 1, compacted: true };
        log.ensure_topics(&[spec])?;
        for round in 0..200 {
            let value = format!("{life} {round}");
            let round = (0..100).map(|i| keyed(&format!("key {}", i % 10), Some(&value)));
            log.append(&at, round.collect())?;
        }
        last = log.append(&at, vec![keyed("key 3", None)])?.context("an offset")?;
        let latest = log.latest_by_key("compacted")?;
        let newest = format!("{life} 199");
        ensure!(latest.len() == 9, "{} keys", latest.len());
        ensure!(latest.iter().all(|r| r.value.as_deref() == Some(newest.as_bytes())));
        let held = held(&log, &at)?.len();
        ensure!(held < 10_000, "{held} of {last} records are kept");
    }
    ensure!(last == 40_001, "the last offset is {last}");
    Ok(())
}

// A child process appends and says which records were acknowledged; it is killed in the middle of
// it, with no chance to clean up. All that it said must be there, and appending goes on.
#[test]
fn acknowledged_records_survive_a_kill() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let child = Command::new(std::env::current_exe()?)
        .args(["--exact", "log_contract::embedded::appending_says_what_is_durable", "--nocapture"])
        .env(CHILD_DIRECTORY, directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let mut acknowledged = BTreeMap::new();
    let mut line = || -> Result<bool> {
        let Some(line) = lines.next().transpose()? else { return Ok(false) };
        if let Some(("ack", rest)) = line.split_once(' ') {
            let (offset, text) = rest.split_once(' ').context("an offset and a text")?;
            acknowledged.insert(offset.parse::<u64>()?, text.to_owned());
        }
        Ok(true)
    };
    for _ in 0..300 {
        ensure!(line()?, "the child ended by itself");
    }
    let second = EmbeddedLog::open(directory.path(), Durability::Synced).map(|_| ());
    ensure!(matches!(second, Err(LogError::Locked(_))), "while it appends: {second:?}");
    child.kill()?;
    while line()? {}
    child.wait()?;

    ensure!(acknowledged.len() > 250, "{} acknowledged", acknowledged.len());
    let log = open(directory.path())?;
    let held = held(&log, &plain())?;
    for (offset, text) in &acknowledged {
        ensure!(held.get(offset) == Some(text), "{offset} {text}: {:?}", held.get(offset));
    }
    let next = log.append(&plain(), vec![text("after")])?;
    ensure!(next > held.keys().last().copied(), "offset {next:?}");
    Ok(())
}

/// The child of [`acknowledged_records_survive_a_kill`], which appends until it is killed; by
/// itself it appends a little and looks.
#[test]
fn appending_says_what_is_durable() -> Result<()> {
    let here = tempfile::tempdir()?;
    let asked = std::env::var_os(CHILD_DIRECTORY);
    let rounds = if asked.is_some() { u64::MAX } else { 20 };
    let directory = asked.map_or(here.path().to_owned(), Into::into);
    let log = open(&directory)?;
    let mut out = std::io::stdout();
    for round in 0..rounds {
        let value = format!("record {round} {}", "x".repeat(usize::try_from(round % 3000)?));
        let offset = log.append(&plain(), vec![text(&value)])?.context("an offset")?;
        writeln!(out, "ack {offset} {value}")?;
        out.flush()?;
    }
    ensure!(held(&log, &plain())?.len() == 20);
    Ok(())
}
