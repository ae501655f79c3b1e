//! Changes: CloudEvents (structured and binary) with CDEvents or anyone's own types, and the
//! webhooks of GitHub, GitLab, Argo CD and Flux, told apart by headers and shape.

mod content;
mod cdevents;
mod cloudevents;
mod github;
mod gitlab;
mod argocd;
mod flux;

use model::change::ChangeEvent;
use model::time::Timestamp;
use serde_json::Value;

use super::error::DecodeError;
use super::limits::DecodeLimits;
use super::{Decoded, Payload, json};

const TRIED: &str = "CloudEvents (structured, binary), CDEvents, GitHub deployment and push, \
                     GitLab deployment, Argo CD, Flux";

/// What one form makes of a payload: `None` if it is not of that form, `Err` if it is and says
/// nothing that we use.
type Attempt = Option<Result<ChangeEvent, &'static str>>;

/// Decodes a change payload.
pub(super) fn decode(
    payload: &Payload<'_>,
    body: &[u8],
    limits: &DecodeLimits,
    arrival: Timestamp,
) -> Result<Decoded, DecodeError> {
    let value: Value = json::parse(body, limits, "JSON with a change")?;
    let list = match value.as_array() {
        Some(list) => list.as_slice(),
        None => std::slice::from_ref(&value),
    };
    if list.len() > limits.items_max {
        return Err(DecodeError::TooMany { what: "changes", limit: limits.items_max });
    }
    let mut changes = Vec::new();
    let mut nothing = "an empty list of changes";
    for item in list {
        match decode_one(payload, item, arrival) {
            Some(Ok(change)) => changes.push(change),
            Some(Err(reason)) => nothing = reason,
            None => return Err(DecodeError::UnknownForm { tried: TRIED }),
        }
    }
    Ok(if changes.is_empty() { Decoded::Nothing(nothing) } else { Decoded::Changes(changes) })
}

fn decode_one(payload: &Payload<'_>, value: &Value, arrival: Timestamp) -> Attempt {
    cloudevents::decode(payload.headers, value, arrival)
        .or_else(|| github::decode(value, arrival))
        .or_else(|| gitlab::decode(value, arrival))
        .or_else(|| argocd::decode(value, arrival))
        .or_else(|| flux::decode(value, arrival))
}

#[cfg(test)]
mod tests;
