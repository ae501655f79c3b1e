//! Dead letters: what could not be decoded, kept whole with its position and the reason, so that
//! it can be read, mended and produced again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::log::{Log, NewRecord, Record, Start, TopicPartition};
use crate::stages::Emit;
use crate::topics::InputTopics;

/// Payloads above this are cut in the dead letter; the position tells where the whole stands.
/// Kafka's default limit of a message is 1 MB.
const PAYLOAD_BYTES_MAX: usize = 900_000;
/// What our own headers begin with.
const PREFIX: &str = "faultline.";
/// The header of a record that was produced again: the number of the letter.
const REPLAYED: &str = "faultline.replayed-letter";
/// How long a poll waits for records.
const POLL_WAIT: Duration = Duration::from_millis(200);

/// What a header of a dead letter says (`topic`, `partition`, `offset`, `reason`).
#[must_use]
pub fn header(letter: &Record, name: &str) -> Option<String> {
    let is_it = |key: &str| key.strip_prefix(PREFIX) == Some(name);
    // Ours come first: those of the record itself cannot stand for them.
    let found = letter.headers.iter().find(|(key, _)| is_it(key));
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

/// The dead letter of a record.
#[must_use]
pub fn dead_letter(topic: &str, record: &Record, reason: &str) -> Emit {
    let whole = record.value.as_deref().unwrap_or_default();
    let kept = whole.get(..PAYLOAD_BYTES_MAX).unwrap_or(whole);
    let header = |name: &str, value: String| (format!("{PREFIX}{name}"), value.into_bytes());
    let mut headers = vec![
        header("topic", record.partition.topic.to_string()),
        header("partition", record.partition.partition.to_string()),
        header("offset", record.offset.to_string()),
        header("reason", reason.to_owned()),
        header("bytes", whole.len().to_string()),
        header("content-hash", hash(whole)),
    ];
    headers.extend(record.headers.iter().cloned());
    Emit {
        to: TopicPartition::new(topic, 0),
        record: NewRecord {
            timestamp_ms: record.timestamp_ms,
            key: record.key.clone(),
            headers,
            value: Some(kept.to_vec()),
        },
    }
}

fn hash(bytes: &[u8]) -> String {
    format!("{:016x}", model::id::stable_hash(&[bytes]))
}

/// A dead letter as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its number: its offset in the topic of dead letters.
    pub number: u64,
    /// Where its record stands.
    pub place: TopicPartition,
    /// The record's offset there.
    pub offset: u64,
    /// Why it could not be used.
    pub reason: String,
    /// Length of the whole payload; more than is kept if it was cut.
    pub bytes: usize,
    /// How often it was written: a stage that repeats its work after a crash writes it again.
    pub copies: u32,
    /// The record of the topic of dead letters.
    pub record: Record,
}

impl Letter {
    fn of(record: Record) -> Option<Self> {
        let number = |name: &str| header(&record, name)?.parse::<u64>().ok();
        let partition = u32::try_from(number("partition")?).ok()?;
        Some(Self {
            number: record.offset,
            place: TopicPartition::new(&header(&record, "topic")?, partition),
            offset: number("offset")?,
            reason: header(&record, "reason")?,
            bytes: usize::try_from(number("bytes")?).ok()?,
            copies: 1,
            record,
        })
    }

    /// The payload, as far as it is kept.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.record.value.as_deref().unwrap_or_default()
    }

    /// Whether the payload was too large to be kept whole.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.payload().len() < self.bytes
    }

    /// The headers that the record itself had.
    pub fn own_headers(&self) -> impl Iterator<Item = &(String, Vec<u8>)> {
        self.record.headers.iter().filter(|(name, _)| !name.starts_with(PREFIX))
    }
}

/// All dead letters that are there now, oldest first; copies of one are one letter, under its first
/// number.
///
/// # Errors
/// When the log cannot be read.
pub fn letters(log: &dyn Log, topic: &str) -> Result<Vec<Letter>> {
    if log.partitions(topic)? == 0 {
        return Ok(Vec::new());
    }
    let at = TopicPartition::new(topic, 0);
    let mut left = log.end(&at)?;
    let mut reader = log.reader(&[(at, Start::Oldest)])?;
    let mut found: BTreeMap<u64, Letter> = BTreeMap::new();
    let mut known: BTreeMap<(TopicPartition, u64, String), u64> = BTreeMap::new();
    while left > 0 {
        let batch = reader.poll(500, POLL_WAIT)?;
        for letter in batch.records.into_iter().filter_map(Letter::of) {
            let content = header(&letter.record, "content-hash").unwrap_or_default();
            let same = (letter.place.clone(), letter.offset, content);
            let first = *known.entry(same).or_insert(letter.number);
            found.entry(first).and_modify(|letter| letter.copies += 1).or_insert(letter);
        }
        if !batch.caught_up.is_empty() {
            left = 0;
        }
    }
    Ok(found.into_values().collect())
}

/// Produces the record of a letter again, where it stood before, with its key, time, headers and one
/// more header that names the letter. What was cut is read from where it stands.
///
/// # Errors
/// When it is no record of an input topic, the whole of it is gone, or the log refuses it.
pub fn replay(log: &dyn Log, inputs: &InputTopics, letter: &Letter) -> Result<()> {
    let Letter { number, place, offset, .. } = letter;
    ensure!(
        inputs.kind_of(&place.topic).is_some(),
        "letter {number} is of {}, which is no input topic of this configuration: a decision that was not \
         carried out has to be made again",
        place.topic
    );
    let count = log.partitions(&place.topic)?;
    ensure!(
        place.partition < count,
        "letter {number} is of partition {} of {}, which has {count}",
        place.partition,
        place.topic
    );
    let value = if letter.is_cut() { whole(log, letter)? } else { letter.payload().to_vec() };
    let mut headers: Vec<_> = letter.own_headers().cloned().collect();
    headers.push((REPLAYED.to_owned(), number.to_string().into_bytes()));
    let record = NewRecord {
        timestamp_ms: letter.record.timestamp_ms,
        key: letter.record.key.clone(),
        headers,
        value: Some(value),
    };
    log.append(place, vec![record])
        .with_context(|| format!("letter {number} of {} at {offset}", place.topic))?;
    Ok(())
}

/// The payload of a letter that was cut, from the record itself.
fn whole(log: &dyn Log, letter: &Letter) -> Result<Vec<u8>> {
    let Letter { number, place, offset, bytes, .. } = letter;
    let gone = || {
        format!(
            "letter {number} holds {} of {bytes} bytes, and its record at offset {offset} of partition {} of \
             {} is gone",
            letter.payload().len(),
            place.partition,
            place.topic
        )
    };
    let mut reader = log.reader(&[(place.clone(), Start::At(*offset))])?;
    loop {
        let batch = reader.poll(1, POLL_WAIT)?;
        if let Some(record) = batch.records.into_iter().next() {
            let value = record.value.unwrap_or_default();
            let is_it = header(&letter.record, "content-hash") == Some(hash(&value));
            ensure!(record.offset == *offset && is_it, gone());
            return Ok(value);
        }
        if !batch.caught_up.is_empty() {
            bail!(gone());
        }
    }
}
