//! The JSON Schema of the configuration, from its types, and how to walk it.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::raw::RawConfig;

/// References and unions are followed so far at most: the types are not recursive.
const DEPTH_MAX: usize = 16;

/// The schema, as `docs/config.schema.json` has it.
#[must_use]
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<RawConfig>().to_value();
    if let Some(all) = schema.as_object_mut() {
        all.insert("title".to_owned(), json!("The configuration of faultline"));
    }
    schema
}

/// What a value may be: the schema itself, with references followed and unions spread out.
pub(super) fn alternatives<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Map<String, Value>> {
    let mut found = Vec::new();
    spread(root, schema, 0, &mut found);
    found
}

fn spread<'a>(
    root: &'a Value,
    schema: &'a Value,
    depth: usize,
    found: &mut Vec<&'a Map<String, Value>>,
) {
    let Some(all) = schema.as_object().filter(|_| depth < DEPTH_MAX) else { return };
    if let Some(target) = all.get("$ref").and_then(Value::as_str)
        && let Some(target) = target.strip_prefix('#').and_then(|path| root.pointer(path))
    {
        spread(root, target, depth + 1, found);
    }
    let mut is_union = false;
    for word in ["oneOf", "anyOf", "allOf"] {
        for one in all.get(word).and_then(Value::as_array).into_iter().flatten() {
            is_union = true;
            spread(root, one, depth + 1, found);
        }
    }
    if !is_union && !all.contains_key("$ref") {
        found.push(all);
    }
}

/// The path of a key below a path.
pub(super) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The keys of an object's schema, in order, with what each may be.
pub(super) fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}
