//! Attributes: each a key, then a value with one member.

use super::Cursor;
use crate::intake::decode::limits::ATTRIBUTES_PER_ITEM_MAX;

/// A value of one of the types that the conventions know.
#[derive(Clone, Copy, Debug)]
pub(super) enum Plain<'a> {
    Text(&'a [u8]),
    Int(i64),
}

/// Takes the attributes of an item.
pub(super) trait Taker<'a> {
    /// How a wanted key is called.
    type Key;

    /// The key, if its value is needed.
    fn wanted(&self, key: &'a [u8]) -> Option<Self::Key>;

    /// Takes a value; a later one replaces an earlier one. `None`: it is of an unusual type.
    fn take(&mut self, key: Self::Key, value: Plain<'a>) -> Option<()>;
}

/// Reads a list of attributes.
#[inline]
pub(super) fn attributes<'a>(cursor: &mut Cursor<'a>, taker: &mut impl Taker<'a>) -> Option<()> {
    let mut seen = 0;
    cursor.list(|cursor| {
        seen += 1;
        attribute(cursor, taker)
    })?;
    (seen <= ATTRIBUTES_PER_ITEM_MAX).then_some(())
}

#[inline]
fn attribute<'a>(cursor: &mut Cursor<'a>, taker: &mut impl Taker<'a>) -> Option<()> {
    cursor.expect(b'{')?;
    cursor.key(b"\"key\"")?;
    let key = cursor.text()?;
    cursor.expect(b',')?;
    cursor.key(b"\"value\"")?;
    match taker.wanted(key) {
        Some(key) => taker.take(key, plain(cursor)?)?,
        None => skip_value(cursor)?,
    }
    cursor.expect(b'}')
}

/// A value that is text without escapes, or a whole number that is not negative.
#[inline]
pub(super) fn plain<'a>(cursor: &mut Cursor<'a>) -> Option<Plain<'a>> {
    cursor.expect(b'{')?;
    let value = match cursor.member()? {
        b"stringValue" => Plain::Text(cursor.text()?),
        b"intValue" => Plain::Int(i64::try_from(cursor.number()?).ok()?),
        _ => return None,
    };
    cursor.expect(b'}')?;
    Some(value)
}

/// Steps over a value: of what it holds, the slow reader checks no more than this.
#[inline]
fn skip_value(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.expect(b'{')?;
    match (cursor.member()?, cursor.peek()?) {
        (b"stringValue", _) => cursor.skip_text()?,
        (b"intValue" | b"doubleValue", b'"') => cursor.skip_text()?,
        (b"intValue" | b"doubleValue", _) => cursor.skip_number()?,
        (b"boolValue", _) => cursor.skip_bool()?,
        _ => cursor.skip()?,
    }
    cursor.expect(b'}')
}
