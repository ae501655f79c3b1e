//! `Span`, with its members in any order.

use super::Cursor;
use super::pairs::{Plain, Taker, attributes};
use crate::intake::decode::otlp_json::ids;
use crate::intake::decode::otlp_json::requests::{span_kind, status_code};
use crate::intake::decode::otlp_json::scalars::Number;
use crate::intake::decode::rows::span::{SpanAttributes, SpanFields};
use crate::intake::decode::rows::span_key::Key;

/// Reads a span into an empty one. `None`: it is written in an unusual way, and what was read so far
/// means nothing.
pub(in crate::intake::decode::otlp_json) fn read<'a>(
    cursor: &mut Cursor<'a>,
    span: &mut SpanFields<&'a [u8]>,
) -> Option<()> {
    let mut seen = Seen::default();
    let mut exception = Exception::default();
    cursor.object(|cursor, key| {
        let Some(member) = Member::of(key) else { return cursor.skip() };
        seen.first(member as u32)?;
        if cursor.null() {
            return Some(());
        }
        match member {
            Member::TraceId => span.trace_id = ids::trace(cursor.text()?),
            Member::SpanId => span.span_id = ids::span(cursor.text()?),
            Member::Parent => span.parent = ids::parent(cursor.text()?),
            Member::Name => span.name = cursor.text()?,
            Member::Kind => span.kind = span_kind(&number(cursor)?),
            Member::Start => span.start_unix_nanos = cursor.number()?,
            Member::End => span.end_unix_nanos = cursor.number()?,
            Member::Attributes => attributes(cursor, &mut span.attributes)?,
            Member::Events => cursor.list(|cursor| event(cursor, &mut exception))?,
            Member::Status => span.status = status(cursor)?,
        }
        Some(())
    })?;
    if let Some(text) = exception.last
        && span.needs_exception()
    {
        span.attributes.take(Key::ExceptionType, Plain::Text(text))?;
    }
    Some(())
}

/// What is read of a span.
#[derive(Clone, Copy)]
enum Member {
    TraceId,
    SpanId,
    Parent,
    Name,
    Kind,
    Start,
    End,
    Attributes,
    Events,
    Status,
}

impl Member {
    #[inline]
    fn of(key: &[u8]) -> Option<Self> {
        let (member, name): (_, &[u8]) = match (key.len(), key.first()?) {
            (4, b'k') => (Self::Kind, b"kind"),
            (4, _) => (Self::Name, b"name"),
            (6, b'e') => (Self::Events, b"events"),
            (6, _) if key.ends_with(b"us") => (Self::Status, b"status"),
            (6, _) => (Self::SpanId, b"spanId"),
            (7, _) => (Self::TraceId, b"traceId"),
            (10, _) => (Self::Attributes, b"attributes"),
            (12, _) => (Self::Parent, b"parentSpanId"),
            (15, _) => (Self::End, b"endTimeUnixNano"),
            (17, _) => (Self::Start, b"startTimeUnixNano"),
            _ => return None,
        };
        (key == name).then_some(member)
    }
}

/// Which members came already: one that comes twice is none that the slow reader takes.
#[derive(Default)]
pub(super) struct Seen(u32);

impl Seen {
    #[inline]
    pub(super) fn first(&mut self, member: u32) -> Option<()> {
        let bit = 1 << member;
        let is_first = self.0 & bit == 0;
        self.0 |= bit;
        is_first.then_some(())
    }
}

impl<'a> Taker<'a> for SpanAttributes<&'a [u8]> {
    type Key = Key;

    #[inline]
    fn wanted(&self, key: &'a [u8]) -> Option<Key> {
        Key::of(key)
    }

    #[inline]
    fn take(&mut self, key: Key, value: Plain<'a>) -> Option<()> {
        match value {
            Plain::Int(number) if key.is_number() => self.set_number(key, Some(number)),
            Plain::Text(text) if !key.is_number() => {
                self.set_text(key, Some(text).filter(|text| !text.is_empty()));
            }
            _ => return None,
        }
        Some(())
    }
}

/// The last event's `exception.type`, as far as it was read.
#[derive(Default)]
struct Exception<'a> {
    last: Option<&'a [u8]>,
}

impl<'a> Taker<'a> for Exception<'a> {
    type Key = ();

    fn wanted(&self, key: &'a [u8]) -> Option<()> {
        (key == b"exception.type").then_some(())
    }

    fn take(&mut self, (): (), value: Plain<'a>) -> Option<()> {
        let Plain::Text(text) = value else { return None };
        self.last = Some(text);
        Some(())
    }
}

fn event<'a>(cursor: &mut Cursor<'a>, exception: &mut Exception<'a>) -> Option<()> {
    let mut seen = Seen::default();
    cursor.object(|cursor, key| {
        if key != b"attributes" {
            return cursor.skip();
        }
        seen.first(0)?;
        attributes(cursor, exception)
    })
}

fn status(cursor: &mut Cursor<'_>) -> Option<i64> {
    let (mut seen, mut code) = (Seen::default(), 0);
    cursor.object(|cursor, key| {
        if key != b"code" {
            return cursor.skip();
        }
        seen.first(0)?;
        code = status_code(&number(cursor)?);
        Some(())
    })?;
    Some(code)
}

/// A number, or the name of one.
#[inline]
pub(super) fn number<'a>(cursor: &mut Cursor<'a>) -> Option<Number<'a>> {
    if cursor.peek()? == b'"' {
        return std::str::from_utf8(cursor.text()?).ok().map(|word| Number::Word(word.into()));
    }
    cursor.number().map(Number::Unsigned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call of a database, as an SDK writes it.
    const SPAN: &str = r#"{"traceId":"0a1b2c3d4e5f60718293a4b5c6d7e8f9","spanId":"0a1b2c3d4e5f6071","traceState":"",
        "parentSpanId":"1a1b2c3d4e5f6071","flags":257,"name":"SELECT","kind":3,"startTimeUnixNano":"1773712800000000000",
        "endTimeUnixNano":"1773712800000000001","attributes":[{"key":"db.system.name","value":{"stringValue":"mysql"}},
        {"key":"db.query.text","value":{"stringValue":"SELECT \"a\" FROM b WHERE c \u003c 1\n"}},
        {"key":"cached","value":{"boolValue":false}},{"key":"ratio","value":{"doubleValue":-0.5e-7}},
        {"key":"ids","value":{"arrayValue":{"values":[{"intValue":"1"}]}}},
        {"key":"network.peer.port","value":{"intValue":"3306"}}],"droppedAttributesCount":0,
        "events":[{"timeUnixNano":"1773712800000000001","name":"exception","attributes":[
        {"key":"exception.stacktrace","value":{"stringValue":"a\n\tb"}},
        {"key":"exception.type","value":{"stringValue":"IOError"}}]}],
        "links":[{"traceId":"00","spanId":"00"}],"status":{"message":"lost","code":2}}"#;

    fn is_usual(text: &str) -> bool {
        read(&mut Cursor::new(text), &mut SpanFields::default()).is_some()
    }

    #[test]
    fn a_span_of_an_sdk_is_read_and_one_that_is_written_otherwise_is_not() {
        let mut fields = SpanFields::default();
        assert_eq!(read(&mut Cursor::new(SPAN), &mut fields), Some(()));
        assert_eq!((fields.name, fields.kind, fields.status), (&b"SELECT"[..], 3, 2));
        assert!(!fields.needs_exception(), "it is known");
        assert!((0..SPAN.len()).all(|cut| !is_usual(&SPAN[..cut])), "cut anywhere, it is none");
        for (usual, odd) in [
            (r#""name":"SELECT""#, r#""name":"SEL\u0045CT""#),
            (r#""name":"SELECT""#, r#""name":1"#),
            (r#""flags":257"#, r#""flags":0257"#),
            (r#""flags":257"#, r#""kind":1"#),
            (r#""stringValue":"mysql""#, r#""intValue":1"#),
            (r#"{"boolValue":false}"#, r#"{"boolValue":false,"intValue":1}"#),
            ("-0.5e-7", "1e999"),
            (r#""events":[{"#, r#""events":[1,{"#),
        ] {
            assert!(SPAN.contains(usual) && !is_usual(&SPAN.replace(usual, odd)), "{odd}");
        }
    }
}
