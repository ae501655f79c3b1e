//! Attribute values, and who wants them.

use std::borrow::Cow;

use serde_json::Value;

/// An attribute value as the wire had it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// No value.
    Empty,
    /// Text.
    Text(Cow<'a, str>),
    /// An integer.
    Int(i64),
    /// A float.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// A list or map.
    Tree(Value),
}

impl<'a> Scalar<'a> {
    /// The value as text for people and keys; `None` for nothing.
    pub(crate) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Empty => None,
            Self::Text(text) => Some(text),
            Self::Int(number) => Some(number.to_string().into()),
            Self::Double(number) => Some(number.to_string().into()),
            Self::Bool(truth) => Some(truth.to_string().into()),
            Self::Tree(tree) => Some(tree.to_string().into()),
        }
    }

    /// Text that is there and not empty.
    pub(crate) fn into_non_empty(self) -> Option<Cow<'a, str>> {
        self.into_text().filter(|text| !text.is_empty())
    }

    /// The value as a whole number, from numbers and from text that is one.
    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Some(*number as i64)
            }
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The value as a JSON value.
    pub(crate) fn into_tree(self) -> Value {
        match self {
            Self::Empty => Value::Null,
            Self::Text(text) => Value::String(text.into_owned()),
            Self::Int(number) => Value::from(number),
            Self::Double(number) => Value::from(number),
            Self::Bool(truth) => Value::Bool(truth),
            Self::Tree(tree) => tree,
        }
    }
}

/// Takes the attributes of an item, one after the other.
pub(crate) trait Sink<'a> {
    /// Whether the value of that key is needed; others are skipped without being parsed.
    fn wants(&self, key: &[u8]) -> bool;
    /// Takes a value. A later one of the same key replaces an earlier one.
    fn put(&mut self, key: Cow<'a, str>, value: Scalar<'a>);
}
