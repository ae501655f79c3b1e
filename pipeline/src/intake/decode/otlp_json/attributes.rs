//! Attribute lists and values, handed to whoever wants them while they are parsed.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::scalars::{Number, Text};
use crate::intake::decode::limits::ATTRIBUTES_PER_ITEM_MAX;
use crate::intake::decode::rows::value::{Scalar, Sink};

/// The attributes of an item, folded into what its signal needs of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes<S>(pub(super) S);

impl<'de, S: Sink<'de> + Default> Deserialize<'de> for Attributes<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AttributesVisitor(S::default()))
    }
}

struct AttributesVisitor<S>(S);

impl<'de, S: Sink<'de>> Visitor<'de> for AttributesVisitor<S> {
    type Value = Attributes<S>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of attributes")
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut seen = 0;
        while seen < ATTRIBUTES_PER_ITEM_MAX {
            let Some(pair) = list.next_element::<KeyValue<'de>>()? else {
                return Ok(Attributes(self.0));
            };
            seen += 1;
            if self.0.wants(pair.key.0.as_bytes()) {
                self.0.put(pair.key.0, pair.value.0);
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Attributes(self.0))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Attributes(self.0))
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KeyValue<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(borrow)]
    value: AnyValue<'a>,
}

/// An `AnyValue`: `{"stringValue": ...}` and its siblings.
#[derive(Clone, Debug)]
pub(super) struct AnyValue<'a>(pub(super) Scalar<'a>);

impl Default for AnyValue<'_> {
    fn default() -> Self {
        Self(Scalar::Empty)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for AnyValue<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValueVisitor)
    }
}

struct AnyValueVisitor;

impl<'de> Visitor<'de> for AnyValueVisitor {
    type Value = AnyValue<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute value")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut out = AnyValue::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            map.next_value_seed(Member { key: &key, out: &mut out.0 })?;
        }
        Ok(out)
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(AnyValue::default())
    }
    // Some senders leave the wrapper out.
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(AnyValue(Scalar::Text(text.into())))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(AnyValue(Scalar::Text(text.to_owned().into())))
    }
    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(AnyValue(Scalar::Bool(truth)))
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(AnyValue(Scalar::Int(number)))
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(AnyValue(i64::try_from(number).map_or(Scalar::Double(number as f64), Scalar::Int)))
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(AnyValue(Scalar::Double(number)))
    }
}

/// One member of the oneof, by its name.
struct Member<'k, 'o, 'a> {
    key: &'k str,
    out: &'o mut Scalar<'a>,
}

impl<'de> DeserializeSeed<'de> for Member<'_, '_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let value = match self.key {
            "stringValue" => Some(Scalar::Text(Text::deserialize(deserializer)?.0)),
            "boolValue" => Option::<bool>::deserialize(deserializer)?.map(Scalar::Bool),
            "intValue" => Number::deserialize(deserializer)?.signed().map(Scalar::Int),
            "doubleValue" => Number::deserialize(deserializer)?.float().map(Scalar::Double),
            "arrayValue" | "kvlistValue" => {
                Some(Scalar::Tree(plain_values(Value::deserialize(deserializer)?)))
            }
            "bytesValue" => {
                IgnoredAny::deserialize(deserializer)?;
                Some(Scalar::Tree(Value::String("<bytes>".into())))
            }
            _ => {
                IgnoredAny::deserialize(deserializer)?;
                None
            }
        };
        if let Some(value) = value {
            *self.out = value;
        }
        Ok(())
    }
}

/// `{"values": [...]}`, or the bare list: a list of values, or of keys and values, which becomes
/// a map.
fn plain_values(list: Value) -> Value {
    let list = match list {
        Value::Array(list) => list,
        Value::Object(mut map) => match map.remove("values") {
            Some(Value::Array(list)) => list,
            _ => return Value::Object(map),
        },
        _ => return Value::Null,
    };
    let is_map = !list.is_empty() && list.iter().all(|item| item.get("key").is_some());
    if is_map {
        let pairs = list.into_iter().take(ATTRIBUTES_PER_ITEM_MAX).map(|mut item| {
            let key = item.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
            (key, plain_value(item.get_mut("value").map(Value::take).unwrap_or_default()))
        });
        Value::Object(pairs.collect::<Map<_, _>>())
    } else {
        list.into_iter().take(ATTRIBUTES_PER_ITEM_MAX).map(plain_value).collect()
    }
}

fn plain_value(any: Value) -> Value {
    let Value::Object(map) = any else { return any };
    let Some((key, value)) = map.into_iter().next() else { return Value::Null };
    match (key.as_str(), value) {
        ("arrayValue" | "kvlistValue", list) => plain_values(list),
        ("intValue", Value::String(text)) => {
            text.parse::<i64>().map_or(Value::String(text), Value::from)
        }
        ("bytesValue", _) => Value::String("<bytes>".into()),
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn any(text: &'static str) -> Scalar<'static> {
        serde_json::from_str::<AnyValue<'static>>(text).unwrap().0
    }

    #[test]
    fn values_are_read_in_all_the_ways_they_are_written() {
        assert_eq!(any(r#"{"stringValue":"a"}"#), Scalar::Text("a".into()));
        assert_eq!(any(r#"{"intValue":"7"}"#), Scalar::Int(7));
        assert_eq!(any(r#"{"intValue":7}"#), Scalar::Int(7));
        assert_eq!(any(r#"{"doubleValue":1}"#), Scalar::Double(1.0));
        assert_eq!(any(r#"{"boolValue":true}"#), Scalar::Bool(true));
        assert_eq!(any("null"), Scalar::Empty);
        assert_eq!(any("{}"), Scalar::Empty);
        assert_eq!(any("\"bare\""), Scalar::Text("bare".into()));
    }

    #[test]
    fn maps_may_be_wrapped_or_bare_lists() {
        let expected = Scalar::Tree(json!({"a": 1, "b": ["x"]}));
        let pairs = r#"[{"key":"a","value":{"intValue":"1"}},
            {"key":"b","value":{"arrayValue":{"values":[{"stringValue":"x"}]}}}]"#;
        let wrapped = format!(r#"{{"kvlistValue":{{"values":{pairs}}}}}"#);
        let bare = format!(r#"{{"kvlistValue":{pairs}}}"#);
        for text in [wrapped, bare] {
            assert_eq!(serde_json::from_str::<AnyValue<'_>>(&text).unwrap().0, expected);
        }
    }
}
