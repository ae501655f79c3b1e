//! Reading loosely typed JSON: text wherever it may stand, nothing where it does not.

use model::alert::Labels;
use model::name::Name;
use model::time::Timestamp;
use serde_json::Value;

use super::limits::{ATTRIBUTES_PER_ITEM_MAX, LABEL_CHARS_MAX, NAME_CHARS_MAX, cut};

/// The value at a path of keys.
pub(crate) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// Text at a path that is there and not empty.
pub(crate) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    at(value, path)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The first of several paths that holds text.
pub(crate) fn first_text<'v>(value: &'v Value, paths: &[&[&str]]) -> Option<&'v str> {
    paths.iter().find_map(|path| text(value, path))
}

/// Text, or a number or truth value as text.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A name, cut to a sane length.
pub(crate) fn name(text: &str) -> Name {
    cut(text.trim(), NAME_CHARS_MAX).into()
}

/// A time in RFC 3339 at a path. Go's zero time is none.
pub(crate) fn time(value: &Value, path: &[&str]) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(text(value, path)?)
}

/// One text or a list of texts as names.
pub(crate) fn names(value: Option<&Value>) -> Vec<Name> {
    match value {
        Some(Value::String(text)) if !text.trim().is_empty() => vec![name(text)],
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .filter(|text| !text.trim().is_empty())
            .take(ATTRIBUTES_PER_ITEM_MAX)
            .map(name)
            .collect(),
        _ => Vec::new(),
    }
}

/// Labels: a map of scalars, or a list of `{name, value}` pairs as protojson has it.
pub(crate) fn labels(value: Option<&Value>) -> Labels {
    let pair = |key: &str, value: &Value| Some((name(key), label_value(&scalar(value)?)));
    let pairs = match value {
        Some(Value::Object(map)) => {
            map.iter().filter_map(|(key, value)| pair(key, value)).collect::<Vec<_>>()
        }
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|item| {
                let key = first_text(item, &[&["name"], &["key"]])?;
                pair(key, item.get("value").unwrap_or(&Value::Null))
            })
            .collect(),
        _ => Vec::new(),
    };
    Labels::new(pairs.into_iter().take(ATTRIBUTES_PER_ITEM_MAX).collect())
}

fn label_value(text: &str) -> Name {
    cut(text, LABEL_CHARS_MAX).into()
}
