//! A span as every encoder writes it: fields in the order of their numbers, each in its shortest form.
//!
//! Nearly all spans are like that, and reading them needs no question that could be asked twice. What
//! is written in any other way, or holds a value of another type than the conventions say, is left to
//! the slow reader ([`super::spans`]), from its first byte: a test holds the two against each other.

use crate::intake::decode::limits::ATTRIBUTES_PER_ITEM_MAX;
use crate::intake::decode::rows::span::{SpanFields, kind, parent_id, span_id, trace_id};
use crate::intake::decode::rows::span_key::Key;

/// Tags: the number of the field and its wire type.
mod tag {
    pub(super) const TRACE_ID: u8 = 0x0a;
    pub(super) const SPAN_ID: u8 = 0x12;
    pub(super) const TRACE_STATE: u8 = 0x1a;
    pub(super) const PARENT: u8 = 0x22;
    pub(super) const NAME: u8 = 0x2a;
    pub(super) const KIND: u8 = 0x30;
    pub(super) const START: u8 = 0x39;
    pub(super) const END: u8 = 0x41;
    pub(super) const ATTRIBUTE: u8 = 0x4a;
    pub(super) const DROPPED_ATTRIBUTES: u8 = 0x50;
    pub(super) const EVENT: u8 = 0x5a;
    pub(super) const DROPPED_EVENTS: u8 = 0x60;
    pub(super) const LINK: u8 = 0x6a;
    pub(super) const DROPPED_LINKS: u8 = 0x70;
    pub(super) const STATUS: u8 = 0x7a;
    /// Field 16, fixed32: the first of two bytes.
    pub(super) const FLAGS: u8 = 0x85;
    /// `KeyValue`.
    pub(super) const KEY: u8 = 0x0a;
    pub(super) const VALUE: u8 = 0x12;
    /// `AnyValue`.
    pub(super) const TEXT: u8 = 0x0a;
    pub(super) const INT: u8 = 0x18;
    /// `Status`.
    pub(super) const MESSAGE: u8 = 0x12;
    pub(super) const CODE: u8 = 0x18;
}

/// The bytes that are left.
#[derive(Clone, Copy)]
struct Scan<'a>(&'a [u8]);

impl<'a> Scan<'a> {
    /// Steps over a tag if it is the next.
    #[inline]
    fn at(&mut self, tag: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == tag => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Bytes behind their length of at most 14 bits.
    #[inline]
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = match self.0 {
            [length, rest @ ..] if *length < 0x80 => (usize::from(*length), rest),
            [low, high, rest @ ..] if *high < 0x80 => {
                (usize::from(*low & 0x7f) | usize::from(*high) << 7, rest)
            }
            _ => return None,
        };
        let (bytes, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of at most 14 bits.
    #[inline]
    fn number(&mut self) -> Option<i64> {
        let (number, rest) = match self.0 {
            [number, rest @ ..] if *number < 0x80 => (i64::from(*number), rest),
            [low, high, rest @ ..] if *high < 0x80 => {
                (i64::from(*low & 0x7f) | i64::from(*high) << 7, rest)
            }
            _ => return None,
        };
        self.0 = rest;
        Some(number)
    }

    #[inline]
    fn fixed64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    const fn is_at_end(self) -> bool {
        self.0.is_empty()
    }
}

/// Reads a span into an empty one. `None`: it is not written like that, and what was read so far means
/// nothing.
pub(super) fn read<'a>(bytes: &'a [u8], span: &mut SpanFields<&'a [u8]>) -> Option<()> {
    let mut scan = Scan(bytes);
    if scan.at(tag::TRACE_ID) {
        span.trace_id = trace_id(scan.bytes()?);
    }
    if scan.at(tag::SPAN_ID) {
        span.span_id = span_id(scan.bytes()?);
    }
    if scan.at(tag::TRACE_STATE) {
        scan.bytes()?;
    }
    if scan.at(tag::PARENT) {
        span.parent = parent_id(scan.bytes()?);
    }
    if scan.at(tag::NAME) {
        span.name = scan.bytes()?;
    }
    if scan.at(tag::KIND) {
        span.kind = scan.number()?;
    }
    if scan.at(tag::START) {
        span.start_unix_nanos = scan.fixed64()?;
    }
    if scan.at(tag::END) {
        span.end_unix_nanos = scan.fixed64()?;
    }
    let calls = kind(span.kind).calls_others();
    let mut seen = 0;
    while scan.at(tag::ATTRIBUTE) {
        seen += 1;
        attribute(scan.bytes()?, calls, span)?;
    }
    if scan.at(tag::DROPPED_ATTRIBUTES) {
        scan.number()?;
    }
    let mut has_events = false;
    while scan.at(tag::EVENT) {
        scan.bytes()?;
        has_events = true;
    }
    if scan.at(tag::DROPPED_EVENTS) {
        scan.number()?;
    }
    while scan.at(tag::LINK) {
        scan.bytes()?;
    }
    if scan.at(tag::DROPPED_LINKS) {
        scan.number()?;
    }
    if scan.at(tag::STATUS) {
        span.status = status(scan.bytes()?)?;
    }
    if let [tag::FLAGS, 0x01, _, _, _, _, rest @ ..] = scan.0 {
        scan.0 = rest;
    }
    let exceptional = has_events && span.needs_exception();
    (scan.is_at_end() && seen <= ATTRIBUTES_PER_ITEM_MAX && !exceptional).then_some(())
}

/// Takes an attribute if it is wanted: a key, then a value of the type that the conventions say.
#[inline]
fn attribute<'a>(bytes: &'a [u8], calls: bool, span: &mut SpanFields<&'a [u8]>) -> Option<()> {
    let mut pair = Scan(bytes);
    if !pair.at(tag::KEY) {
        return None;
    }
    let key = pair.bytes()?;
    if !pair.at(tag::VALUE) {
        return None;
    }
    let mut value = Scan(pair.bytes()?);
    if !pair.is_at_end() {
        return None;
    }
    let Some(key) = Key::of(key).filter(|key| calls || !key.is_of_callers()) else {
        return Some(());
    };
    if key.is_number() {
        let number = if value.at(tag::INT) { value.number()? } else { return None };
        span.attributes.set_number(key, Some(number));
    } else {
        let text = if value.at(tag::TEXT) { value.bytes()? } else { return None };
        span.attributes.set_text(key, Some(text).filter(|text| !text.is_empty()));
    }
    value.is_at_end().then_some(())
}

fn status(bytes: &[u8]) -> Option<i64> {
    let mut scan = Scan(bytes);
    if scan.at(tag::MESSAGE) {
        scan.bytes()?;
    }
    let code = if scan.at(tag::CODE) { scan.number()? } else { 0 };
    scan.is_at_end().then_some(code)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::trace::v1::{Span, Status};
    use prost::Message;

    use super::*;

    fn pair(key: &str, value: Value) -> KeyValue {
        let value = Some(AnyValue { value: Some(value) });
        KeyValue { key: key.into(), value, ..KeyValue::default() }
    }

    /// A call of a database, as an SDK writes it.
    fn span() -> Span {
        let text = |text: &str| Value::StringValue(text.into());
        Span {
            trace_id: vec![7; 16],
            span_id: vec![8; 8],
            parent_span_id: vec![9; 8],
            name: "SELECT".into(),
            kind: 3,
            start_time_unix_nano: 1_700_000_000_000_000_000,
            end_time_unix_nano: 1_700_000_000_001_000_000,
            attributes: vec![
                pair("db.system.name", text("mysql")),
                pair("db.query.text", text(&"SELECT 1 ".repeat(100))),
                pair("http.response.status_code", Value::IntValue(503)),
            ],
            status: Some(Status { code: 1, message: "well".into() }),
            flags: 0x101,
            trace_state: "a=b".into(),
            dropped_attributes_count: 300,
            ..Span::default()
        }
    }

    fn is_usual(bytes: &[u8]) -> bool {
        read(bytes, &mut SpanFields::default()).is_some()
    }

    #[test]
    fn a_span_of_an_sdk_is_read_and_one_that_is_written_otherwise_is_not() {
        let mut fields = SpanFields::default();
        let bytes = span().encode_to_vec();
        assert_eq!(read(&bytes, &mut fields), Some(()));
        assert_eq!((fields.name, fields.kind, fields.status), (&b"SELECT"[..], 3, 1));
        let whole = (1..bytes.len()).filter(|cut| is_usual(&bytes[..*cut])).count();
        assert_eq!(whole, 13, "cut anywhere but between two of its 14 fields, it is none");
        // The kind again, behind what depends on it.
        assert!(!is_usual(&[&bytes[..], &[tag::KIND, 1]].concat()));
        let number = Span { attributes: vec![pair("db.name", Value::IntValue(1))], ..span() };
        assert!(!is_usual(&number.encode_to_vec()), "a name that is a number");
        let many = Span { attributes: vec![pair("x", Value::BoolValue(true)); 257], ..span() };
        assert!(!is_usual(&many.encode_to_vec()));
    }
}
