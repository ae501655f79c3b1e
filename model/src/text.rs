//! Reading a value from text as it is found, without a copy of the text in between.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads text and makes a value of it; `expected` names what it has to be.
///
/// # Errors
/// When there is no text, or `read` finds nothing in it.
pub(crate) fn read<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Reading { expected, read, makes: PhantomData })
}

struct Reading<F, T> {
    expected: &'static str,
    read: F,
    makes: PhantomData<T>,
}

impl<T, F: FnOnce(&str) -> Option<T>> Visitor<'_> for Reading<F, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let Self { expected, read, .. } = self;
        read(text).ok_or_else(|| E::custom(format_args!("expected {expected}")))
    }
}
