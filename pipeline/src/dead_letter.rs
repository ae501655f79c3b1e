//! Dead letters: what could not be decoded, kept whole with its position and the reason, so that
//! it can be read, mended and produced again.

use crate::log::{NewRecord, Record, TopicPartition};
use crate::stages::Emit;

/// Payloads above this are cut in the dead letter; the position tells where the whole stands.
/// Kafka's default limit of a message is 1 MB.
const PAYLOAD_BYTES_MAX: usize = 900_000;

/// What a header of a dead letter says (`topic`, `partition`, `offset`, `reason`).
#[must_use]
pub fn header(letter: &Record, name: &str) -> Option<String> {
    let is_it = |key: &str| key.strip_prefix("faultline.") == Some(name);
    let found = letter.headers.iter().find(|(key, _)| is_it(key));
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

/// The dead letter of a record.
#[must_use]
pub fn dead_letter(topic: &str, record: &Record, reason: &str) -> Emit {
    let whole = record.value.as_deref().unwrap_or_default();
    let kept = whole.get(..PAYLOAD_BYTES_MAX).unwrap_or(whole);
    let header = |name: &str, value: String| (format!("faultline.{name}"), value.into_bytes());
    let mut headers = vec![
        header("topic", record.partition.topic.to_string()),
        header("partition", record.partition.partition.to_string()),
        header("offset", record.offset.to_string()),
        header("reason", reason.to_owned()),
        header("bytes", whole.len().to_string()),
        header("content-hash", format!("{:016x}", model::id::stable_hash(&[whole]))),
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
