//! `KeyValue` and `AnyValue`: a key is compared as bytes, a value is parsed when it is wanted.

use serde_json::{Map, Value};

use super::cursor::{Cursor, Field};
use crate::intake::decode::error::DecodeError;
use crate::intake::decode::limits::ATTRIBUTES_PER_ITEM_MAX;
use crate::intake::decode::rows::value::{Scalar, Sink};

/// Nesting of attribute values; deeper ones are left out.
const DEPTH_MAX: usize = 16;

/// Hands attributes to a sink, at most [`ATTRIBUTES_PER_ITEM_MAX`] of them.
#[derive(Debug, Default)]
pub(super) struct AttributeReader {
    seen: usize,
}

impl AttributeReader {
    /// Reads one `KeyValue`.
    pub(super) fn read<'a>(
        &mut self,
        field: &Field<'a>,
        sink: &mut impl Sink<'a>,
    ) -> Result<(), DecodeError> {
        let bytes = field.bytes()?;
        self.seen += 1;
        if self.seen > ATTRIBUTES_PER_ITEM_MAX {
            return Ok(());
        }
        let (key, has_value) = match short_pair(bytes) {
            Some((key, value)) => (key, !value.is_empty()),
            None => any_pair(bytes)?,
        };
        if !sink.wants(key) {
            return Ok(());
        }
        let key = std::str::from_utf8(key).map_err(|_| DecodeError::Utf8("an attribute key"))?;
        let value = if has_value { merged_value(bytes)? } else { Scalar::Empty };
        sink.put(key.into(), value);
        Ok(())
    }
}

/// Key and value of a `KeyValue` as every encoder writes it: both once, in order, each shorter than
/// 128 bytes. Most attributes are of nobody's concern, and this is all that is seen of them.
fn short_pair(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let short = |bytes: &[u8], tag: u8| match bytes {
        [first, length, ..] if *first == tag && *length < 0x80 => Some(usize::from(*length)),
        _ => None,
    };
    let (key, rest) = bytes.get(2..)?.split_at_checked(short(bytes, 0x0a)?)?;
    let length = short(rest, 0x12)?;
    let value = rest.get(2..)?;
    (value.len() == length).then_some((key, value))
}

/// The key of a `KeyValue`, and whether there is a value, however it is written.
fn any_pair(bytes: &[u8]) -> Result<(&[u8], bool), DecodeError> {
    let mut cursor = Cursor::new(bytes, "KeyValue");
    let (mut key, mut has_value): (&[u8], bool) = (b"", false);
    while let Some(field) = cursor.next()? {
        match field.number {
            1 => key = field.bytes()?,
            2 => has_value |= !field.bytes()?.is_empty(),
            _ => {}
        }
    }
    Ok((key, has_value))
}

/// The value of a `KeyValue`: several occurrences of a message field count as one.
fn merged_value(key_value: &[u8]) -> Result<Scalar<'_>, DecodeError> {
    let mut cursor = Cursor::new(key_value, "KeyValue");
    let mut out = Scalar::Empty;
    while let Some(field) = cursor.next()? {
        if field.number == 2 {
            merge_any(field.bytes()?, &mut out, DEPTH_MAX)?;
        }
    }
    Ok(out)
}

/// Reads an `AnyValue` into `out`. Of a oneof the last member counts; lists and maps that follow
/// one another are joined.
pub(super) fn merge_any<'a>(
    bytes: &'a [u8],
    out: &mut Scalar<'a>,
    depth: usize,
) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(bytes, "AnyValue");
    while let Some(field) = cursor.next()? {
        match field.number {
            1 => *out = Scalar::Text(field.text("an attribute value")?.into()),
            2 => *out = Scalar::Bool(field.varint()? != 0),
            3 => *out = Scalar::Int(field.varint()? as i64),
            4 => *out = Scalar::Double(field.double()?),
            5 => {
                let mut list = match std::mem::replace(out, Scalar::Empty) {
                    Scalar::Tree(Value::Array(list)) => list,
                    _ => Vec::new(),
                };
                read_array(field.bytes()?, &mut list, depth)?;
                *out = Scalar::Tree(Value::Array(list));
            }
            6 => {
                let mut map = match std::mem::replace(out, Scalar::Empty) {
                    Scalar::Tree(Value::Object(map)) => map,
                    _ => Map::new(),
                };
                read_map(field.bytes()?, &mut map, depth)?;
                *out = Scalar::Tree(Value::Object(map));
            }
            7 => {
                field.bytes()?;
                *out = Scalar::Tree(Value::String("<bytes>".into()));
            }
            8 => {
                field.varint()?;
                *out = Scalar::Empty;
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_array(bytes: &[u8], out: &mut Vec<Value>, depth: usize) -> Result<(), DecodeError> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let mut cursor = Cursor::new(bytes, "ArrayValue");
    while let Some(field) = cursor.next()? {
        if field.number == 1 {
            let mut value = Scalar::Empty;
            merge_any(field.bytes()?, &mut value, depth)?;
            if out.len() < ATTRIBUTES_PER_ITEM_MAX {
                out.push(value.into_tree());
            }
        }
    }
    Ok(())
}

fn read_map(bytes: &[u8], out: &mut Map<String, Value>, depth: usize) -> Result<(), DecodeError> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let mut cursor = Cursor::new(bytes, "KeyValueList");
    while let Some(field) = cursor.next()? {
        if field.number != 1 {
            continue;
        }
        let mut inner = Cursor::new(field.bytes()?, "KeyValue");
        let (mut key, mut value) = ("", Scalar::Empty);
        while let Some(field) = inner.next()? {
            match field.number {
                1 => key = field.text("an attribute key")?,
                2 => merge_any(field.bytes()?, &mut value, depth)?,
                _ => {}
            }
        }
        if out.len() < ATTRIBUTES_PER_ITEM_MAX {
            out.insert(key.to_owned(), value.into_tree());
        }
    }
    Ok(())
}
