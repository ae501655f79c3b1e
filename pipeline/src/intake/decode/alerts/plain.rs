//! What Prometheus posts, and most alerts come as: a list of Alertmanager's API v2 in JSON as encoders write it, read
//! in one walk over its bytes. Whatever is unusual, an escape in a label for one, gives the whole payload to
//! [`super::quick`]; a test holds the two against each other.

use std::str::from_utf8;

use model::alert::{Alert, AlertStatus, Labels};
use model::name::Name;
use model::time::Timestamp;
use serde::de::DeserializeSeed;
use xxhash_rust::xxh3::xxh3_64;

use super::Memory;
use super::alert::{self, Parts};
use super::quick::{Pairs, shared};
use crate::intake::decode::interner::Interner;
use crate::intake::decode::json::cursor::Cursor;
use crate::intake::decode::limits::{ATTRIBUTES_PER_ITEM_MAX, DecodeLimits, NAME_CHARS_MAX};

/// Nothing here nests deeper. Unit: levels.
const LEVELS_MAX: usize = 24;
/// By so many bytes of their beginning annotations are looked for among those that are known.
const BEGINNING: usize = 64;

/// Reads a payload, if it is of the usual form and inside of its limits.
pub(super) fn decode(
    text: &str,
    arrival: Timestamp,
    limits: &DecodeLimits,
    memory: &mut Memory,
) -> Option<Vec<Alert>> {
    // A value has a byte at least, so what is that short needs no counting.
    if text.len() > limits.json_values_max || limits.depth_max < LEVELS_MAX {
        return None;
    }
    let mut at = Cursor::new(text);
    if at.peek()? != b'[' {
        return None;
    }
    let mut alerts = Vec::new();
    at.list(|at| {
        let parts = item(at, memory)?;
        let over = parts.ends_at.is_some_and(|ends| ends <= arrival);
        let status = if over { AlertStatus::Resolved } else { AlertStatus::Firing };
        alerts.extend(alert::build(parts, status, arrival));
        Some(())
    })?;
    (at.is_at_end() && !alerts.is_empty() && alerts.len() <= limits.items_max).then_some(alerts)
}

fn item(at: &mut Cursor<'_>, memory: &mut Memory) -> Option<Parts> {
    let (mut label_set, mut annotation_set) = (None, None);
    let (mut starts, mut ends, mut status, mut url) = (None, None, None, None);
    at.object(|at, key| match key {
        b"labels" => once(&mut label_set, labels(at, &mut memory.names)?),
        b"annotations" => once(&mut annotation_set, annotations(at, memory)?),
        b"startsAt" => once(&mut starts, time(at)?),
        b"endsAt" => once(&mut ends, time(at)?),
        b"status" => once(&mut status, at.text()?),
        b"generatorURL" => {
            let text = from_utf8(at.text()?).ok()?.trim();
            once(&mut url, (!text.is_empty()).then(|| memory.names.name(text)))
        }
        b"starts_at" | b"ends_at" | b"generatorUrl" | b"generator_url" => None,
        _ => at.skip(),
    })?;
    Some(Parts {
        labels: label_set.unwrap_or_default(),
        annotations: annotation_set.unwrap_or_default(),
        starts_at: starts.flatten(),
        ends_at: ends.flatten(),
        url: url.flatten(),
    })
}

/// A field that comes twice is unusual.
fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

fn time(at: &mut Cursor<'_>) -> Option<Option<Timestamp>> {
    let text = from_utf8(at.text()?).ok()?.trim();
    Some(Timestamp::parse_rfc3339(text))
}

/// An object of texts without escapes.
fn labels(at: &mut Cursor<'_>, names: &mut Interner) -> Option<Labels> {
    let mut pairs: Vec<(Name, Name)> = Vec::with_capacity(8);
    at.object(|at, name| {
        let name = from_utf8(name).ok()?;
        let value = from_utf8(at.text()?).ok()?;
        if name.trim().len() != name.len() || name.len() > NAME_CHARS_MAX {
            return None;
        }
        if pairs.len() == ATTRIBUTES_PER_ITEM_MAX {
            return None;
        }
        pairs.push((names.name(name), shared(value, names)));
        Some(())
    })?;
    Some(Labels::new(pairs))
}

/// The same of what explains an alert: mostly what was said before, as a whole. It may have escapes.
fn annotations(at: &mut Cursor<'_>, memory: &mut Memory) -> Option<Labels> {
    let place = xxh3_64(at.ahead(BEGINNING));
    if let Some(known) = memory.said.again(place, at) {
        return Some(known);
    }
    let mut inside = *at;
    let text = at.extent()?;
    let found = labels(&mut inside, &mut memory.names).or_else(|| {
        let mut json = serde_json::Deserializer::from_slice(text);
        Pairs(&mut memory.names).deserialize(&mut json).ok()
    })?;
    memory.said.keep(place, text, &found);
    Some(found)
}
