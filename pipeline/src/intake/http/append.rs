//! One body: undo the transport's compression, check it by decoding, append, answer.

use axum::body::Bytes;

use super::state::IntakeState;
use crate::intake::decode::{DecodeError, Decoded, Decoder, Payload, TopicKind, sniff};
use crate::log::{LogError, NewRecord, TopicPartition};

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Items inside of it that will be rejected.
    pub(super) rejected: u32,
}

/// Why a body was not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Payload(#[from] DecodeError),
    #[error("the log did not take the record: {0}")]
    Log(#[from] LogError),
    #[error("the intake is shutting down")]
    Closing,
}

/// Accepts a body for a topic. Ends when the record is durable.
pub(super) async fn accept(
    state: IntakeState,
    kind: TopicKind,
    compression: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
) -> Result<Accepted, Refused> {
    let permits = state.permits.clone();
    let permit = permits.acquire_owned().await.map_err(|_| Refused::Closing)?;
    let work = move || {
        let result = accept_blocking(&state, kind, compression.as_deref(), headers, &body);
        drop(permit);
        result
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| Refused::Closing)?
}

fn accept_blocking(
    state: &IntakeState,
    kind: TopicKind,
    compression: Option<&str>,
    headers: Vec<(String, Vec<u8>)>,
    body: &[u8],
) -> Result<Accepted, Refused> {
    let limit = state.limits.payload_bytes_max;
    let value = sniff::decompress(compression.unwrap_or_default(), body, limit)?;
    let timestamp_ms = (state.now)().millis();
    let payload = Payload { kind, timestamp_ms, key: None, headers: &headers, value: &value };
    let rejected = if value.is_empty() && is_telemetry(kind) {
        // An empty protobuf message is a valid export request without items.
        return Ok(Accepted { rejected: 0 });
    } else {
        match Decoder::new(state.limits).decode(&payload)? {
            Decoded::Telemetry { batch, .. } => batch.rejected,
            Decoded::Nothing(_) => return Ok(Accepted { rejected: 0 }),
            _ => 0,
        }
    };
    append(state, kind, timestamp_ms, headers, value.into_owned())?;
    Ok(Accepted { rejected })
}

fn append(
    state: &IntakeState,
    kind: TopicKind,
    timestamp_ms: i64,
    headers: Vec<(String, Vec<u8>)>,
    value: Vec<u8>,
) -> Result<(), LogError> {
    let topic = state.topics.name(kind);
    let partitions = state.log.partitions(topic)?;
    if partitions == 0 {
        return Err(LogError::UnknownTopic(topic.to_owned()));
    }
    let to = TopicPartition::new(topic, state.partition(partitions));
    let record = NewRecord { timestamp_ms, key: None, headers, value: Some(value) };
    state.log.append(&to, vec![record])?;
    state.count_appended();
    Ok(())
}

const fn is_telemetry(kind: TopicKind) -> bool {
    matches!(kind, TopicKind::Spans | TopicKind::Logs | TopicKind::Metrics)
}
