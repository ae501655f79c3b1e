//! Text, numbers and enumerations as senders really write them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// Text, borrowed if it has no escapes; `null` is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Text<'de>, E> {
        Ok(Text::default())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A number, or text that is one; also `"NaN"`, `"Infinity"`, `"-Infinity"` and enumerations by
/// name.
#[derive(Clone, Debug, Default)]
pub(super) enum Number<'a> {
    #[default]
    Absent,
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Word(Cow<'a, str>),
}

impl Number<'_> {
    /// As an unsigned number; 0 if it is none.
    pub(super) fn unsigned(&self) -> u64 {
        match self {
            Self::Unsigned(number) => *number,
            Self::Float(number) if *number >= 0.0 && number.fract() == 0.0 => *number as u64,
            Self::Word(word) => word.trim().parse().unwrap_or_default(),
            _ => 0,
        }
    }

    /// As a signed number.
    pub(super) fn signed(&self) -> Option<i64> {
        match self {
            Self::Absent => None,
            Self::Unsigned(number) => i64::try_from(*number).ok(),
            Self::Signed(number) => Some(*number),
            Self::Float(number) if number.fract() == 0.0 => Some(*number as i64),
            Self::Float(_) => None,
            Self::Word(word) => word.trim().parse().ok(),
        }
    }

    /// As a float.
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Self::Absent => None,
            Self::Unsigned(number) => Some(*number as f64),
            Self::Signed(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Word(word) => word.trim().parse().ok(),
        }
    }

    /// As an enumeration: its number, or the place of its name (with or without the prefix).
    pub(super) fn enumeration(&self, prefix: &str, names: &[&str]) -> i64 {
        if let Some(number) = self.signed() {
            return number;
        }
        let Self::Word(word) = self else { return 0 };
        let upper = word.to_ascii_uppercase();
        let bare = upper.strip_prefix(prefix).unwrap_or(&upper);
        let place = names.iter().position(|name| *name == bare);
        place.and_then(|at| i64::try_from(at).ok()).unwrap_or_default()
    }
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a string that is one")
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number<'de>, E> {
        Ok(Number::Unsigned(number))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number<'de>, E> {
        Ok(Number::Signed(number))
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number<'de>, E> {
        Ok(Number::Float(number))
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Number<'de>, E> {
        Ok(Number::Word(Cow::Borrowed(text)))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number<'de>, E> {
        Ok(Number::Word(Cow::Owned(text.to_owned())))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Number<'de>, E> {
        Ok(Number::Absent)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// A list; `null` is empty.
#[derive(Clone, Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct ListVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = list.next_element()? {
            out.push(item);
        }
        Ok(List(out))
    }
    fn visit_unit<E: de::Error>(self) -> Result<List<T>, E> {
        Ok(List::default())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_as_numbers_and_as_text() {
        let number = |text: &'static str| serde_json::from_str::<Number<'static>>(text).unwrap();
        assert_eq!(number("\"18446744073709551615\"").unsigned(), u64::MAX);
        assert_eq!(number("17").unsigned(), 17);
        assert_eq!(number("null").unsigned(), 0);
        assert_eq!(number("-3").signed(), Some(-3));
        assert_eq!(number("\"2.5\"").float(), Some(2.5));
        assert!(number("\"NaN\"").float().unwrap().is_nan());
        let kinds = ["UNSPECIFIED", "INTERNAL", "SERVER"];
        assert_eq!(number("\"SPAN_KIND_SERVER\"").enumeration("SPAN_KIND_", &kinds), 2);
        assert_eq!(number("\"server\"").enumeration("SPAN_KIND_", &kinds), 2);
        assert_eq!(number("1").enumeration("SPAN_KIND_", &kinds), 1);
    }
}
