//! A cursor over JSON text that goes forward only, over the forms that encoders write.
//!
//! It never takes what the JSON parser would refuse; what it does not know (`None`) may be fine all the
//! same, and is for the parser to say. Text stays where it stands.

use super::quoted::{escape, plain_bytes};
use crate::intake::decode::digits::decimal;

/// Nesting of values that are skipped. Unit: levels.
const SKIPPED_LEVELS_MAX: usize = 16;
/// Longest number that is skipped: with an exponent of two digits it is no infinity.
const NUMBER_BYTES_MAX: usize = 40;

/// The bytes that are left of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// At the first byte of a text.
    pub(crate) const fn new(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    /// Whether nothing but white space is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.space();
        self.0.is_empty()
    }

    /// Steps over a byte if it is the next behind white space.
    #[inline]
    pub(crate) fn at(&mut self, byte: u8) -> bool {
        self.space();
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Steps over a byte that has to be the next behind white space.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Option<()> {
        self.at(byte).then_some(())
    }

    /// Steps over these bytes if they are the next behind white space.
    #[inline]
    pub(crate) fn starts_with(&mut self, bytes: &[u8]) -> bool {
        self.space();
        self.word(bytes).is_some()
    }

    /// The next bytes, at most so many.
    pub(crate) fn ahead(&self, bytes: usize) -> &'a [u8] {
        self.0.get(..bytes).unwrap_or(self.0)
    }

    /// The next byte behind white space.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.space();
        self.0.first().copied()
    }

    /// Steps over `null` if it is the next.
    #[inline]
    pub(crate) fn null(&mut self) -> bool {
        self.peek() == Some(b'n') && self.word(b"null").is_some()
    }

    /// Calls with each key, in front of its value.
    #[inline]
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        self.expect(b'{')?;
        if self.at(b'}') {
            return Some(());
        }
        loop {
            let key = self.member()?;
            member(self, key)?;
            if !self.at(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Calls in front of each item; `null` is an empty list.
    #[inline]
    pub(crate) fn list(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.null() {
            return Some(());
        }
        self.expect(b'[')?;
        if self.at(b']') {
            return Some(());
        }
        loop {
            item(self)?;
            if !self.at(b',') {
                return self.expect(b']');
            }
        }
    }

    /// The key of a member, without escapes, and the colon.
    #[inline]
    pub(crate) fn member(&mut self) -> Option<&'a [u8]> {
        let key = self.text()?;
        self.expect(b':')?;
        Some(key)
    }

    /// Steps over the key of a member, given with its quotes, and over the colon.
    #[inline]
    pub(crate) fn key(&mut self, quoted: &[u8]) -> Option<()> {
        self.space();
        self.word(quoted)?;
        self.expect(b':')
    }

    /// Text without escapes.
    #[inline]
    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let (text, rest) = self.0.split_at_checked(plain_bytes(self.0))?;
        match rest {
            [b'"', rest @ ..] => {
                self.0 = rest;
                Some(text)
            }
            _ => None,
        }
    }

    /// A whole number of at most 19 digits without a sign, bare or as text.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<u64> {
        if self.peek()? == b'"' {
            return decimal(self.text()?);
        }
        let digits = self.digits();
        if digits.len() > 1 && digits.starts_with(b"0") {
            return None;
        }
        decimal(digits)
    }

    /// Steps over a value and returns its bytes.
    pub(crate) fn extent(&mut self) -> Option<&'a [u8]> {
        self.space();
        let from = self.0;
        self.skip()?;
        from.get(..from.len().checked_sub(self.0.len())?)
    }

    /// Steps over a value that can be parsed as whatever type.
    #[inline]
    pub(crate) fn skip(&mut self) -> Option<()> {
        self.skip_within(SKIPPED_LEVELS_MAX)
    }

    fn skip_within(&mut self, levels: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.skip_text(),
            b'{' => {
                let levels = levels.checked_sub(1)?;
                self.object(|cursor, key| {
                    // Such keys mean something to the parser.
                    if key.starts_with(b"$") { None } else { cursor.skip_within(levels) }
                })
            }
            b'[' => {
                let levels = levels.checked_sub(1)?;
                self.list(|cursor| cursor.skip_within(levels))
            }
            b't' | b'f' => self.skip_bool(),
            b'n' => self.word(b"null"),
            _ => self.skip_number(),
        }
    }

    /// Steps over text, with escapes or without.
    #[inline]
    pub(crate) fn skip_text(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            match self.0.split_at_checked(plain_bytes(self.0))?.1 {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return Some(());
                }
                [b'\\', rest @ ..] => self.0 = escape(rest)?,
                _ => return None,
            }
        }
    }

    /// Steps over a truth value.
    pub(crate) fn skip_bool(&mut self) -> Option<()> {
        self.space();
        self.word(b"true").or_else(|| self.word(b"false"))
    }

    /// Steps over a number that is not too large for a float.
    pub(crate) fn skip_number(&mut self) -> Option<()> {
        self.space();
        let from = self.0.len();
        self.step(b"-");
        let whole = self.digits();
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
            return None;
        }
        if self.step(b".") && self.digits().is_empty() {
            return None;
        }
        if self.step(b"eE") {
            self.step(b"+-");
            if !matches!(self.digits().len(), 1 | 2) {
                return None;
            }
        }
        (from - self.0.len() <= NUMBER_BYTES_MAX).then_some(())
    }

    /// Steps over one of some bytes if it is the next.
    fn step(&mut self, bytes: &[u8]) -> bool {
        match self.0 {
            [first, rest @ ..] if bytes.contains(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn digits(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(end).unwrap_or_default();
        self.0 = rest;
        digits
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    #[inline]
    fn space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }
}
