//! Damaged files: bits that flipped, ends that are missing. Whatever is read must be what was written, and what was
//! lost must be told, but for the end of the write-ahead file: what is damaged there looks like an entry that
//! was torn by a crash, and it is cut there without a word (`docs/gaps.md`). What is left is a past of the log,
//! whole up to there; snapshots that are ahead of it are not used (`upgrade.rs`).

use std::fs;
use std::path::{Path, PathBuf};

use pipeline::log::embedded::{Durability, EmbeddedLog};
use pipeline::log::{Log as _, LogError, TopicPartition};

use super::worker::{read_all, undisturbed, wrong_with};

/// How many records the log holds that is damaged.
const RECORDS: u64 = 40;
/// Places of each file that are tried.
const PLACES: usize = 24;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("readable").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}

fn files(of: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(of).expect("readable").flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// What came of reading a damaged log.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It is told.
    Told,
    /// Nothing was lost: the damaged bytes mean nothing.
    Whole,
    /// Records are missing, and nobody says so.
    Silent(usize),
}

fn outcome(log: &Path) -> Outcome {
    let read = || -> Result<_, LogError> {
        let log = EmbeddedLog::open(log, Durability::Synced)?;
        let records = read_all(&log, TopicPartition::new("plain", 0))?;
        log.latest_by_key("compacted")?;
        Ok(records)
    };
    match read() {
        Err(_) => Outcome::Told,
        Ok(records) => {
            assert_eq!(wrong_with(&records), None, "something was read that was never written");
            let lost = RECORDS as usize - records.len();
            if lost == 0 { Outcome::Whole } else { Outcome::Silent(lost) }
        }
    }
}

#[test]
fn a_damaged_embedded_log_gives_nothing_wrong_and_says_what_is_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    undisturbed(directory.path(), RECORDS);
    let log = directory.path().join("log");
    let (mut tried, mut told, mut torn, mut silent) = (0, 0, 0, Vec::new());
    for file in files(&log) {
        let name = file.strip_prefix(&log).expect("inside").to_owned();
        let bytes = fs::read(&file).expect("readable");
        // Written space only: files are made longer than what stands in them.
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let places = (0..written).step_by((written / PLACES).max(1));
        let damaged = places.flat_map(|place| {
            let mut flipped = bytes.clone();
            flipped[place] ^= 0x10;
            [
                (format!("a flipped bit at {place}"), flipped),
                (format!("cut at {place}"), bytes[..place].to_vec()),
            ]
        });
        for (what, damaged) in damaged {
            let other = tempfile::tempdir().expect("a directory");
            copy(&log, other.path());
            fs::write(other.path().join(&name), damaged).expect("it can be damaged");
            tried += 1;
            let is_write_ahead = name.extension().is_some_and(|ending| ending == "jnl");
            match outcome(other.path()) {
                Outcome::Told => told += 1,
                Outcome::Whole => {}
                Outcome::Silent(_) if is_write_ahead => torn += 1,
                Outcome::Silent(lost) => {
                    silent.push(format!("{}: {what}: {lost} lost", name.display()))
                }
            }
        }
    }
    tests::say(&format!("{tried} damages, {told} told, {torn} taken for a torn end"));
    assert!(tried > 50 && told > 20, "{tried} tried, {told} told: this proves nothing");
    assert!(silent.is_empty(), "records are lost and nobody says so:\n{}", silent.join("\n"));
}
