//! Declared structure: our topology document, ServiceNow exports and Backstage entities, told
//! apart by their shape.

pub(crate) mod words;
mod document;
mod servicenow;
mod backstage;

use model::map::TopologyDocument;
use serde_json::Value;

use super::error::DecodeError;
use super::limits::DecodeLimits;
use super::{Decoded, Payload, json};

const TRIED: &str = "topology document (`items`, `relations`), ServiceNow `cmdb_ci` and \
                     `cmdb_rel_ci` records, Backstage entities";

/// Decodes a topology payload: JSON, or YAML of one or several documents.
pub(super) fn decode(
    _: &Payload<'_>,
    body: &[u8],
    limits: &DecodeLimits,
) -> Result<Decoded, DecodeError> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_json = matches!(first, Some(b'{' | b'[' | 0xef));
    let value: Value = if is_json {
        json::parse(body, limits, "JSON with a topology")?
    } else {
        Value::Array(yaml(body, limits)?)
    };
    let forms = [document::decode, servicenow::decode, backstage::decode];
    let found = forms.iter().find_map(|form| form(&value));
    let document = found.ok_or(DecodeError::UnknownForm { tried: TRIED })?;
    let parts = document.items.len() + document.relations.len() + document.removed.len();
    if parts > limits.items_max.saturating_mul(4) {
        return Err(DecodeError::TooMany {
            what: "items and relations",
            limit: limits.items_max.saturating_mul(4),
        });
    }
    if parts == 0 {
        return Ok(Decoded::Nothing("a topology without items"));
    }
    Ok(Decoded::Topology(document))
}

/// YAML documents within serde-saphyr's budget (its defaults bound depth, nodes and aliases).
fn yaml(body: &[u8], limits: &DecodeLimits) -> Result<Vec<Value>, DecodeError> {
    // YAML costs more to parse than JSON; catalogues are written by hand.
    let limit = limits.payload_bytes_max / 10;
    if body.len() > limit {
        return Err(DecodeError::TooLarge { limit, decompressed: false });
    }
    let text = json::text(body)?;
    serde_saphyr::from_multiple(text)
        .map_err(|error| DecodeError::Yaml(super::limits::cut(&error.to_string(), 300).to_owned()))
}

/// A document with nothing in it but where it comes from.
fn empty(source: &str) -> TopologyDocument {
    TopologyDocument { source: source.into(), ..TopologyDocument::default() }
}

#[cfg(test)]
mod tests;
