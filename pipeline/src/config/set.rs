//! `--set KEY=VALUE`: one key over what the file says.

use serde_json::{Map, Value};

/// Sets one key. The key is a path of names parted by dots; the value is read as YAML.
///
/// # Errors
/// When it is no `KEY=VALUE`, the value is no YAML, or something that holds no keys is on the path.
pub(super) fn set(config: &mut Value, text: &str) -> Result<(), String> {
    let expected = || format!("--set {text}: expected KEY=VALUE, as `--set time.pane_s=20`");
    let (path, value) = text.split_once('=').ok_or_else(expected)?;
    let names: Vec<&str> = path.trim().split('.').collect();
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
