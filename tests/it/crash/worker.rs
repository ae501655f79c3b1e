//! What writes and is disturbed: appends to an embedded log and writes snapshots, and says over a socket what
//! it was promised. And what has to hold of what it leaves.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use pipeline::log::embedded::{Durability, EmbeddedLog};
use pipeline::log::{Log, LogError, NewRecord, Record, Start, TopicPartition, TopicSpec};
use pipeline::snapshot::{Snapshot, SnapshotStore};

/// Where the process works: without it, it does nothing.
pub(super) const DIRECTORY: &str = "FAULTLINE_CRASH_DIRECTORY";
/// Where it says what it was promised.
pub(super) const SOCKET: &str = "FAULTLINE_CRASH_SOCKET";

/// How much one process writes.
const STEPS: u64 = 8;
/// Keys of the compacted topic.
const KEYS: u64 = 3;

fn plain() -> TopicPartition {
    TopicPartition::new("plain", 0)
}

fn compacted() -> TopicPartition {
    TopicPartition::new("compacted", 0)
}

/// What stands at an offset: different for each, some of it large.
pub(super) fn value(number: u64) -> Vec<u8> {
    let length = if number.is_multiple_of(5) { 40_000 } else { 100 + (number * 37) % 400 };
    let of = |place: u64| (number.wrapping_mul(0x9e37_79b9) ^ place.wrapping_mul(31)) as u8;
    (0..length).map(of).collect()
}

fn record(number: u64, key: Option<Vec<u8>>) -> NewRecord {
    NewRecord {
        timestamp_ms: number as i64,
        key,
        value: Some(value(number)),
        ..NewRecord::default()
    }
}

/// The process: it ends at the first error.
#[test]
#[ignore = "a process of its own, which the tests here start"]
fn at_work() {
    let (Some(directory), Some(socket)) = (std::env::var_os(DIRECTORY), std::env::var_os(SOCKET))
    else {
        return;
    };
    let mut promised = UnixStream::connect(socket).expect("somebody listens");
    if let Err(error) = work(Path::new(&directory), &mut promised, STEPS) {
        writeln!(promised, "e {error:#}").expect("somebody listens");
    }
}

fn work(directory: &Path, promised: &mut UnixStream, steps: u64) -> anyhow::Result<()> {
    let log = EmbeddedLog::open(&directory.join("log"), Durability::Synced)?;
    let spec =
        |name: &str, compacted| TopicSpec { name: name.to_owned(), partitions: 1, compacted };
    log.ensure_topics(&[spec("plain", false), spec("compacted", true)])?;
    let store = SnapshotStore::open(&directory.join("snapshots"), "stage")?;
    let from = log.end(&plain())?;
    for number in from..from + steps {
        log.append(&plain(), vec![record(number, None)])?;
        writeln!(promised, "a {number}")?;
        let key = vec![(number % KEYS) as u8];
        log.append(&compacted(), vec![record(number, Some(key))])?;
        writeln!(promised, "c {number}")?;
        if number.is_multiple_of(3) {
            let offsets = [(plain(), number + 1)].into_iter();
            store.write(&Snapshot::new(value(number), offsets))?;
            writeln!(promised, "s {number}")?;
        }
    }
    Ok(())
}

/// What a process was promised: the newest number of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Promised {
    pub(super) plain: Option<u64>,
    pub(super) compacted: Option<u64>,
    pub(super) snapshot: Option<u64>,
    pub(super) errors: Vec<String>,
}

impl Promised {
    pub(super) fn hear(&mut self, line: &str) {
        let number = || line.get(2..).and_then(|number| number.parse().ok());
        match line.get(..2) {
            Some("a ") => self.plain = number(),
            Some("c ") => self.compacted = number(),
            Some("s ") => self.snapshot = number(),
            _ => self.errors.push(line.to_owned()),
        }
    }
}

/// Everything that a partition gives, each record as it was written.
pub(super) fn read_all(log: &EmbeddedLog, at: TopicPartition) -> Result<Vec<Record>, LogError> {
    let mut reader = log.reader(&[(at, Start::Oldest)])?;
    let mut all = Vec::new();
    loop {
        let batch = reader.poll(1_000, Duration::ZERO)?;
        all.extend(batch.records);
        if !batch.caught_up.is_empty() {
            return Ok(all);
        }
    }
}

/// What is wrong with the plain records: none may be missing in between, none may be another.
pub(super) fn wrong_with(records: &[Record]) -> Option<String> {
    (0..).zip(records).find_map(|(number, record)| {
        let is_it = record.offset == number
            && record.timestamp_ms == number as i64
            && record.value.as_deref() == Some(value(number).as_slice());
        (!is_it).then(|| format!("offset {} stands where {number} was written", record.offset))
    })
}

/// Holds what is left against what was promised, and goes on from there.
pub(super) fn check(directory: &Path, promised: &Promised) -> anyhow::Result<()> {
    let log = EmbeddedLog::open(&directory.join("log"), Durability::Synced)?;
    let spec =
        |name: &str, compacted| TopicSpec { name: name.to_owned(), partitions: 1, compacted };
    log.ensure_topics(&[spec("plain", false), spec("compacted", true)])?;
    let records = read_all(&log, plain())?;
    let count = records.len() as u64;
    anyhow::ensure!(wrong_with(&records).is_none(), "{:?}", wrong_with(&records));
    anyhow::ensure!(log.end(&plain())? == count, "its end is not behind its last record");
    anyhow::ensure!(promised.plain.is_none_or(|last| last < count), "{promised:?}, {count} there");
    let newest = log.latest_by_key("compacted")?;
    for record in &newest {
        let number = record.timestamp_ms as u64;
        anyhow::ensure!(record.value.as_deref() == Some(&value(number)), "another value of a key");
    }
    for number in (0..count).rev().take(KEYS as usize) {
        let is_promised = promised.compacted.is_some_and(|last| number <= last);
        let is_there = newest.iter().any(|record| record.timestamp_ms as u64 == number);
        anyhow::ensure!(is_there || !is_promised, "the newest of a key is lost: {number}");
    }
    let store = SnapshotStore::open(&directory.join("snapshots"), "stage")?;
    let snapshot = store.newest();
    if let Some(snapshot) = &snapshot {
        let next = snapshot.next_offset(&plain()).unwrap_or_default();
        anyhow::ensure!(next >= 1 && snapshot.state == value(next - 1), "another snapshot");
        anyhow::ensure!(next <= count, "a snapshot is ahead of the log: {next} of {count}");
    }
    if let Some(last) = promised.snapshot {
        let next = snapshot.and_then(|snapshot| snapshot.next_offset(&plain()));
        anyhow::ensure!(next.is_some_and(|next| next > last), "a snapshot is lost: {last}");
    }
    // It goes on.
    log.append(&plain(), vec![record(count, None)])?;
    let offsets = [(plain(), count + 1)].into_iter();
    store.write(&Snapshot::new(value(count), offsets))?;
    anyhow::ensure!(wrong_with(&read_all(&log, plain())?).is_none(), "it does not go on");
    anyhow::ensure!(store.newest().is_some_and(|s| s.state == value(count)), "nor do snapshots");
    Ok(())
}

/// An undisturbed run, in this process.
pub(super) fn undisturbed(directory: &Path, steps: u64) -> Promised {
    let (mut here, there) = UnixStream::pair().expect("a socket");
    let heard = std::thread::spawn(move || hear(there));
    work(directory, &mut here, steps).expect("nothing disturbs it");
    drop(here);
    heard.join().expect("it hears")
}

pub(super) fn hear(stream: UnixStream) -> Promised {
    let mut promised = Promised::default();
    for line in std::io::BufRead::lines(std::io::BufReader::new(stream)).map_while(Result::ok) {
        promised.hear(&line);
    }
    promised
}
