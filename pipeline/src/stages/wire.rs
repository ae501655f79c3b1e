//! The encodings of our own topics: panes and snapshots in MessagePack by field name (small, and
//! tolerant of new fields), journal and incidents in JSON (anyone can read a page's history).

use correlator::observe::PaneRecord;
use model::command::Command;
use model::incident::Incident;
use model::journal::{JournalEntry, JournalRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::log::{NewRecord, TopicPartition};
use crate::stages::Emit;

/// A record of our own topics that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// MessagePack, writing.
    #[error("cannot encode: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// MessagePack, reading.
    #[error("not a record of this version: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
    /// JSON.
    #[error("not a record of this version: {0}")]
    Json(#[from] serde_json::Error),
    /// The record has no value.
    #[error("the record has no value")]
    Empty,
}

/// What most entries of the journal fit in. Unit: bytes.
const ENTRY_BYTES: usize = 1_024;
/// A record of the journal that has so many bytes takes in no further entry. Far below what any log takes.
const ENTRIES_BYTES: usize = 64 << 10;

/// MessagePack by field name.
///
/// # Errors
/// When the value cannot be encoded.
pub fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, WireError> {
    Ok(rmp_serde::to_vec_named(value)?)
}

/// The reverse of [`pack`].
///
/// # Errors
/// When the bytes are something else.
pub fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    Ok(rmp_serde::from_slice(bytes)?)
}

/// A pane record for DETECT.
///
/// # Errors
/// When it cannot be encoded.
pub fn pane(to: TopicPartition, record: &PaneRecord, at_ms: i64) -> Result<Emit, WireError> {
    let value = Some(pack(record)?);
    Ok(Emit { to, record: NewRecord { timestamp_ms: at_ms, value, ..NewRecord::default() } })
}

/// A journal entry for CORRELATE.
///
/// # Errors
/// When it cannot be encoded.
pub fn journal(to: TopicPartition, entry: &JournalEntry) -> Result<Emit, WireError> {
    let mut value = Vec::with_capacity(ENTRY_BYTES);
    serde_json::to_writer(&mut value, entry)?;
    let value = Some(value);
    let timestamp_ms = entry.arrival.millis();
    Ok(Emit { to, record: NewRecord { timestamp_ms, value, ..NewRecord::default() } })
}

/// Puts an entry that belongs to the same record of the input as the one before it into the record of the journal
/// that is written last, on a line of its own, if that one is of the same partition and moment and nothing was
/// emitted in between. Else into a record of its own.
///
/// # Errors
/// When it cannot be encoded; then `out` is as it was.
pub fn join_journal(
    to: TopicPartition,
    entry: &JournalEntry,
    begun: usize,
    out: &mut Vec<Emit>,
) -> Result<(), WireError> {
    let timestamp_ms = entry.arrival.millis();
    let last = out.get_mut(begun..).and_then(<[Emit]>::last_mut);
    let last = last.filter(|emit| emit.to == to && emit.record.timestamp_ms == timestamp_ms);
    let value = last.and_then(|emit| emit.record.value.as_mut());
    let Some(value) = value.filter(|value| value.len() < ENTRIES_BYTES) else {
        out.push(journal(to, entry)?);
        return Ok(());
    };
    let before = value.len();
    value.push(b'\n');
    let joined = serde_json::to_writer(&mut *value, entry);
    // What is too long for both is written alone: a log may have room for each of them, and not for both.
    let is_long = value.len() > ENTRIES_BYTES;
    if joined.is_err() || is_long {
        value.truncate(before);
    }
    joined?;
    if is_long {
        out.push(journal(to, entry)?);
    }
    Ok(())
}

/// The entries that a record of the journal holds, each as JSON: one a line. JSON as we write it has no line breaks.
pub fn entries(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b'\n')
}

/// A revision of an incident as a CloudEvent in binary mode: key = incident id.
///
/// # Errors
/// When it cannot be encoded.
pub fn incident(to: TopicPartition, incident: &Incident) -> Result<Emit, WireError> {
    let value = serde_json::to_vec(incident)?;
    let id = incident.id.to_string();
    let hash = model::id::stable_hash(&[&value]);
    let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
    let headers = vec![
        header("ce_specversion", "1.0".into()),
        header("ce_type", "io.faultline.incident.revised.v1".into()),
        header("ce_source", format!("/faultline/{}", incident.cell)),
        header("ce_id", format!("{id}/{}", incident.revision)),
        header("ce_subject", id.clone()),
        header("ce_time", incident.updated_at.to_rfc3339()),
        header("ce_partitionkey", id.clone()),
        header("content-type", "application/json".into()),
        header("revision", incident.revision.to_string()),
        header("content-hash", format!("{hash:016x}")),
    ];
    let timestamp_ms = incident.updated_at.millis();
    let record =
        NewRecord { timestamp_ms, key: Some(id.into_bytes()), headers, value: Some(value) };
    Ok(Emit { to, record })
}

/// Every act has this text so near to the beginning of its entry; telemetry need not be parsed.
const ACT_MARK: (&[u8], usize) = (b"\"Command\"", 256);

/// The journal entry that a value is, if it is a person's act.
#[must_use]
pub fn act_entry(value: &[u8]) -> Option<JournalEntry> {
    let head = value.get(..ACT_MARK.1).unwrap_or(value);
    if !head.windows(ACT_MARK.0.len()).any(|window| window == ACT_MARK.0) {
        return None;
    }
    let entry: JournalEntry = json(Some(value)).ok()?;
    matches!(entry.record, JournalRecord::Command(Command::Act(_))).then_some(entry)
}

/// Reads a record's value as JSON.
///
/// # Errors
/// When there is none, or it is something else.
pub fn json<T: DeserializeOwned>(value: Option<&[u8]>) -> Result<T, WireError> {
    Ok(serde_json::from_slice(value.ok_or(WireError::Empty)?)?)
}
