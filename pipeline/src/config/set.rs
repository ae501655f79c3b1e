//! `--set KEY=VALUE`: one key over what the file says.

use serde_json::{Map, Value};

use super::schema::{alternatives, properties};

/// Sets one key. The key is a path of names parted by dots; the value is read as YAML. Where `schema`
/// has a map of names that people choose, the rest of the path is one of them, dots and all.
///
/// # Errors
/// When it is no `KEY=VALUE`, the value is no YAML, or something that holds no keys is on the path.
pub(super) fn set(config: &mut Value, schema: &Value, text: &str) -> Result<(), String> {
    let expected = || format!("--set {text}: expected KEY=VALUE, as `--set time.pane_s=20`");
    let (path, value) = text.split_once('=').ok_or_else(expected)?;
    let names = names(schema, path.trim());
    if names.iter().any(|name| name.is_empty()) {
        return Err(expected());
    }
    let value: Value = serde_saphyr::from_str(value)
        .map_err(|error| format!("--set {path}: the value is no YAML: {error}"))?;
    let Some((last, above)) = names.split_last() else { return Err(expected()) };
    let mut at = config;
    for (depth, name) in above.iter().enumerate() {
        let holder = holder(at, &names, depth)?;
        at = holder.entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    holder(at, &names, above.len())?.insert((*last).to_owned(), value);
    Ok(())
}

fn names<'a>(schema: &Value, path: &'a str) -> Vec<&'a str> {
    let (mut names, mut rest) = (Vec::new(), path);
    let mut here = alternatives(schema, schema);
    while let Some((name, after)) = rest.split_once('.').filter(|_| !here.iter().any(|s| is_map(s)))
    {
        let below = here.iter().flat_map(|all| properties(all)).filter(|(known, _)| *known == name);
        here = below.flat_map(|(_, below)| alternatives(schema, below)).collect();
        names.push(name);
        rest = after;
    }
    names.push(rest);
    names
}

/// Whether the names of its keys are people's own.
fn is_map(schema: &Map<String, Value>) -> bool {
    properties(schema).next().is_none()
        && schema.get("additionalProperties").is_some_and(Value::is_object)
}

fn holder<'a>(
    at: &'a mut Value,
    names: &[&str],
    depth: usize,
) -> Result<&'a mut Map<String, Value>, String> {
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    let path = names.get(..depth).unwrap_or_default().join(".");
    at.as_object_mut()
        .ok_or_else(|| format!("--set {}: {path} holds no keys that could be set", names.join(".")))
}
