//! Keys that no type knows, all at once, each with the one that was probably meant.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::schema::{alternatives, joined, properties};

/// How alike two keys must be for one to be the typing error of the other (Jaro-Winkler).
const ALIKE: f64 = 0.8;

/// Takes the keys that the schema does not know out of a configuration and says which they were.
pub(super) fn take_out(config: &mut Value, schema: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    walk(schema, &alternatives(schema, schema), config, "", &mut errors);
    errors
}

fn walk(
    root: &Value,
    may_be: &[&Map<String, Value>],
    value: &mut Value,
    path: &str,
    errors: &mut Vec<String>,
) {
    match value {
        Value::Object(all) => walk_object(root, may_be, all, path, errors),
        Value::Array(items) => {
            let of: Vec<_> = may_be
                .iter()
                .filter_map(|schema| schema.get("items"))
                .flat_map(|items| alternatives(root, items))
                .collect();
            for (place, item) in items.iter_mut().enumerate() {
                walk(root, &of, item, &format!("{path}[{place}]"), errors);
            }
        }
        _ => {}
    }
}

fn walk_object(
    root: &Value,
    may_be: &[&Map<String, Value>],
    all: &mut Map<String, Value>,
    path: &str,
    errors: &mut Vec<String>,
) {
    let may_be = that_fit(may_be, all);
    let known: BTreeSet<&str> = may_be
        .iter()
        .flat_map(|schema| properties(schema))
        .map(|(name, _)| name.as_str())
        .collect();
    let is_closed = !known.is_empty()
        && may_be.iter().all(|schema| {
            !schema.get("additionalProperties").is_some_and(|more| more != &Value::Bool(false))
        });
    let unknown: Vec<String> =
        all.keys().filter(|key| is_closed && !known.contains(key.as_str())).cloned().collect();
    for key in unknown {
        all.remove(&key);
        errors.push(format!("{}: is no key; {}", joined(path, &key), advice(&key, &known)));
    }
    for (key, value) in all.iter_mut() {
        let below: Vec<_> = may_be
            .iter()
            .filter_map(|schema| {
                properties(schema)
                    .find(|(name, _)| *name == key)
                    .map(|(_, below)| below)
                    .or_else(|| schema.get("additionalProperties"))
            })
            .flat_map(|below| alternatives(root, below))
            .collect();
        walk(root, &below, value, &joined(path, key), errors);
    }
}

/// Of the alternatives those whose fixed keys (`kind: kafka`) say what the object says; all of them
/// if none does.
fn that_fit<'a>(
    may_be: &[&'a Map<String, Value>],
    all: &Map<String, Value>,
) -> Vec<&'a Map<String, Value>> {
    let fits = |schema: &&&Map<String, Value>| {
        properties(schema).all(|(name, property)| match (property.get("const"), all.get(name)) {
            (Some(fixed), Some(value)) => fixed == value,
            _ => true,
        })
    };
    let fitting: Vec<_> = may_be.iter().filter(fits).copied().collect();
    if fitting.is_empty() { may_be.to_vec() } else { fitting }
}

fn advice(key: &str, known: &BTreeSet<&str>) -> String {
    let like = |name: &&&str| strsim::jaro_winkler(key, name);
    let best = known.iter().max_by(|a, b| like(a).total_cmp(&like(b)));
    match best {
        Some(best) if like(&best) >= ALIKE => format!("did you mean `{best}`?"),
        _ => {
            let known: Vec<&str> = known.iter().copied().collect();
            format!("known here: {}", known.join(", "))
        }
    }
}
