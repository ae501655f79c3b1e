//! A cursor over the fields of one protobuf message. Borrowed, no allocation, no recursion but
//! for groups (bounded).

use crate::intake::decode::error::DecodeError;

/// Nesting of unknown groups, as prost allows it.
const GROUPS_MAX: u32 = 100;

/// One field: its number and its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) value: Wire<'a>,
    message: &'static str,
}

/// A value by its wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
    /// An unknown group, skipped.
    Group,
}

/// Walks over the fields of a message.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    message: &'static str,
}

impl<'a> Cursor<'a> {
    /// A cursor over a message of that name (for errors).
    pub(super) const fn new(bytes: &'a [u8], message: &'static str) -> Self {
        Self { rest: bytes, message }
    }

    /// The next field, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let value = self.value(number, wire_type, GROUPS_MAX)?;
        Ok(Some(Field { number, value, message: self.message }))
    }

    fn tag(&mut self) -> Result<(u32, u8), DecodeError> {
        let tag = u32::try_from(self.varint()?).map_err(|_| self.broken("a tag beyond 32 bits"))?;
        match tag >> 3 {
            0 => Err(self.broken("field number 0")),
            number => Ok((number, (tag & 7) as u8)),
        }
    }

    fn value(&mut self, number: u32, kind: u8, groups: u32) -> Result<Wire<'a>, DecodeError> {
        match kind {
            0 => self.varint().map(Wire::Varint),
            1 => self.array().map(|bytes| Wire::Fixed64(u64::from_le_bytes(bytes))),
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| self.truncated())?;
                self.take(length).map(Wire::Bytes)
            }
            3 => self.skip_group(number, groups).map(|()| Wire::Group),
            5 => self.array().map(|bytes| Wire::Fixed32(u32::from_le_bytes(bytes))),
            4 => Err(self.broken("the end of a group that did not begin")),
            _ => Err(self.broken("an unknown wire type")),
        }
    }

    fn skip_group(&mut self, number: u32, groups: u32) -> Result<(), DecodeError> {
        let left = groups.checked_sub(1).ok_or_else(|| self.broken("groups nested too deep"))?;
        loop {
            let (inner, kind) = self.tag()?;
            match kind {
                4 if inner == number => return Ok(()),
                4 => return Err(self.broken("the end of another group")),
                _ => {
                    self.value(inner, kind, left)?;
                }
            }
        }
    }

    /// A base-128 number of at most 64 bits.
    fn varint(&mut self) -> Result<u64, DecodeError> {
        if let Some((first, rest)) = self.rest.split_first()
            && *first < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*first));
        }
        let mut number = 0_u64;
        for (at, byte) in self.rest.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                if at == 9 && *byte > 1 {
                    return Err(self.broken("a number beyond 64 bits"));
                }
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return Ok(number);
            }
        }
        if self.rest.len() < 10 {
            return Err(self.truncated());
        }
        Err(self.broken("a number beyond 64 bits"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(bytes)
    }

    const fn truncated(&self) -> DecodeError {
        DecodeError::Truncated(self.message)
    }

    const fn broken(&self, reason: &'static str) -> DecodeError {
        DecodeError::Protobuf { message: self.message, reason }
    }
}

impl<'a> Field<'a> {
    /// The bytes of a message, string or bytes field.
    pub(super) const fn bytes(&self) -> Result<&'a [u8], DecodeError> {
        match self.value {
            Wire::Bytes(bytes) => Ok(bytes),
            _ => Err(self.mismatch()),
        }
    }

    /// The text of a string field.
    pub(super) fn text(&self, what: &'static str) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Utf8(what))
    }

    /// The value of a fixed64 or sfixed64 field.
    pub(super) const fn fixed64(&self) -> Result<u64, DecodeError> {
        match self.value {
            Wire::Fixed64(number) => Ok(number),
            _ => Err(self.mismatch()),
        }
    }

    /// The value of a double field.
    pub(super) fn double(&self) -> Result<f64, DecodeError> {
        self.fixed64().map(f64::from_bits)
    }

    /// The value of a varint field.
    pub(super) const fn varint(&self) -> Result<u64, DecodeError> {
        match self.value {
            Wire::Varint(number) => Ok(number),
            _ => Err(self.mismatch()),
        }
    }

    /// The value of an enumeration: 32 bits, further ones are cut off as protobuf demands.
    pub(super) fn enumeration(&self) -> Result<i64, DecodeError> {
        self.varint().map(|number| i64::from(number as u32 as i32))
    }

    const fn mismatch(&self) -> DecodeError {
        DecodeError::Protobuf { message: self.message, reason: "a field of the wrong wire type" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<u32>, DecodeError> {
        let mut cursor = Cursor::new(bytes, "Test");
        let mut numbers = Vec::new();
        while let Some(field) = cursor.next()? {
            numbers.push(field.number);
        }
        Ok(numbers)
    }

    #[test]
    fn all_wire_types_and_unknown_groups_are_walked_over() {
        let bytes = [
            0x08, 0x96, 0x01, // 1: varint 150
            0x11, 1, 2, 3, 4, 5, 6, 7, 8, // 2: fixed64
            0x1a, 2, b'h', b'i', // 3: bytes
            0x23, 0x08, 0x01, 0x24, // 4: group
            0x2d, 1, 2, 3, 4, // 5: fixed32
        ];
        assert_eq!(fields(&bytes), Ok(vec![1, 2, 3, 4, 5]));
    }

    #[test]
    fn what_is_cut_off_or_malformed_is_an_error() {
        assert_eq!(fields(&[0x1a, 5, b'h']), Err(DecodeError::Truncated("Test")));
        assert_eq!(fields(&[0x11, 1]), Err(DecodeError::Truncated("Test")));
        assert_eq!(fields(&[0x80]), Err(DecodeError::Truncated("Test")));
        for bytes in [
            &[0x00][..],
            &[0x0c],
            &[0x0e, 1],
            &[0x0f],
            &[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
        ] {
            assert!(matches!(fields(bytes), Err(DecodeError::Protobuf { .. })), "{bytes:?}");
        }
    }

    #[test]
    fn a_hundred_thousand_nested_groups_are_an_error_and_no_overflow() {
        assert!(matches!(fields(&[0x0b; 100_000]), Err(DecodeError::Protobuf { .. })));
    }
}
