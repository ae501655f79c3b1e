//! CloudEvents 1.0: structured (the body is the event) and binary (headers `ce_*` or `ce-*`, the
//! body is the data); and CDEvents without an envelope.

use model::time::Timestamp;
use serde_json::Value;

use super::{Attempt, cdevents};
use crate::intake::decode::fields::{first_text, text, time};
use crate::intake::decode::sniff::header;

/// The attributes of an event and its data.
#[derive(Debug)]
pub(super) struct Event<'e> {
    pub(super) id: &'e str,
    pub(super) kind: &'e str,
    pub(super) source: &'e str,
    pub(super) subject: &'e str,
    pub(super) at: Timestamp,
    pub(super) data: &'e Value,
}

pub(super) fn decode(headers: &[(String, Vec<u8>)], value: &Value, arrival: Timestamp) -> Attempt {
    let event = structured(value, arrival)
        .or_else(|| binary(headers, value, arrival))
        .or_else(|| bare(value, arrival))?;
    Some(cdevents::change(&event))
}

fn structured(value: &Value, arrival: Timestamp) -> Option<Event<'_>> {
    value.get("specversion")?;
    let data = value.get("data").unwrap_or(&Value::Null);
    Some(Event {
        id: text(value, &["id"])?,
        kind: text(value, &["type"])?,
        source: text(value, &["source"]).unwrap_or_default(),
        subject: text(value, &["subject"]).unwrap_or_default(),
        at: time(value, &["time"]).unwrap_or_else(|| moment(data, arrival)),
        data,
    })
}

fn binary<'e>(
    headers: &'e [(String, Vec<u8>)],
    data: &'e Value,
    arrival: Timestamp,
) -> Option<Event<'e>> {
    let attribute = |name: &str| {
        header(headers, &format!("ce_{name}")).or_else(|| header(headers, &format!("ce-{name}")))
    };
    let stamp = attribute("time").and_then(Timestamp::parse_rfc3339);
    Some(Event {
        id: attribute("id")?,
        kind: attribute("type")?,
        source: attribute("source").unwrap_or_default(),
        subject: attribute("subject").unwrap_or_default(),
        at: stamp.unwrap_or_else(|| moment(data, arrival)),
        data,
    })
}

/// A CDEvent as such: `{"context": {...}, "subject": {...}}`.
fn bare(value: &Value, arrival: Timestamp) -> Option<Event<'_>> {
    Some(Event {
        id: text(value, &["context", "id"])?,
        kind: text(value, &["context", "type"])?,
        source: text(value, &["context", "source"]).unwrap_or_default(),
        subject: text(value, &["subject", "id"]).unwrap_or_default(),
        at: moment(value, arrival),
        data: value,
    })
}

fn moment(data: &Value, arrival: Timestamp) -> Timestamp {
    let said = first_text(data, &[&["context", "timestamp"], &["timestamp"], &["time"]]);
    said.and_then(Timestamp::parse_rfc3339).unwrap_or(arrival)
}
