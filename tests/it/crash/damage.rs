//! Damaged files: bits that flipped, ends that are missing. Whatever is read must be what was written, and what was
//! lost must be told, also where the store below takes the damage for an entry that was torn by a crash.

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
    let (mut tried, mut told, mut silent) = (0, 0, Vec::new());
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
            match outcome(other.path()) {
                Outcome::Told => told += 1,
                Outcome::Whole => {}
                Outcome::Silent(lost) => {
                    silent.push(format!("{}: {what}: {lost} lost", name.display()))
                }
            }
        }
    }
    tests::say(&format!("{tried} damages, {told} told, {} silent", silent.len()));
    assert!(tried > 50 && told > 20, "{tried} tried, {told} told: this proves nothing");
    assert!(silent.is_empty(), "records are lost and nobody says so:\n{}", silent.join("\n"));
}

/// The write-ahead files of a log, in their order.
fn write_ahead(log: &Path) -> Vec<PathBuf> {
    let mut found = files(log);
    found.retain(|file| file.extension().is_some_and(|ending| ending == "jnl"));
    found.sort_by_key(|file| file.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok()));
    found
}

fn opened(log: &Path) -> Result<(), LogError> {
    EmbeddedLog::open(log, Durability::Synced).map(|_| ())
}

#[test]
fn what_was_lost_is_told_until_a_person_goes_on_with_what_is_left() {
    let directory = tempfile::tempdir().expect("a directory");
    undisturbed(directory.path(), RECORDS);
    let log = directory.path().join("log");
    let file = write_ahead(&log).pop().expect("a file");
    let written = fs::read(&file).expect("readable");
    let last = written.iter().rposition(|byte| *byte != 0).expect("it is not empty");
    fs::write(&file, &written[..last / 2]).expect("it can be damaged");
    for _ in 0..2 {
        let why = opened(&log).expect_err("records are lost").to_string();
        assert!(why.contains("acknowledged and cannot be read any more"), "{why}");
        assert!(why.contains("remove the file `acknowledged`"), "what to do: {why}");
    }
    fs::remove_file(log.join("acknowledged")).expect("a person decides");
    for _ in 0..2 {
        opened(&log).expect("it goes on with what is left");
    }
}

#[test]
fn damage_to_a_write_ahead_file_that_is_finished_is_told_although_the_end_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    undisturbed(directory.path(), RECORDS);
    let log = directory.path().join("log");
    let file = write_ahead(&log).pop().expect("a file");
    let mut bytes = fs::read(&file).expect("readable");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("it is not empty");
    // The next one has begun, as it does after 64 MiB, and nothing but the file itself tells of the loss.
    fs::write(log.join("1.jnl"), vec![0; 1 << 20]).expect("it can be made");
    fs::remove_file(log.join("acknowledged")).expect("it is there");
    let whole = tempfile::tempdir().expect("a directory");
    copy(&log, whole.path());
    opened(whole.path()).expect("nothing is damaged");
    bytes.truncate(last / 2);
    fs::write(&file, bytes).expect("it can be damaged");
    for _ in 0..2 {
        let why = opened(&log).expect_err("records are lost").to_string();
        assert!(why.contains("acknowledged and cannot be read any more"), "{why}");
    }
}
