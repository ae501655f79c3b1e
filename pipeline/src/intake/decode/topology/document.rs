//! Our own topology document (`casebook/FORMAT.md`): `items`, `relations`, `removed`.

use model::entity::Criticality;
use model::map::{ConfigurationItem, TopologyDocument};
use model::name::Name;
use serde_json::Value;

use super::empty;
use super::words::{item_kind, relation};
use crate::intake::decode::fields::{name, names, scalar, text};

pub(super) fn decode(value: &Value) -> Option<TopologyDocument> {
    // One YAML document arrives as a list of one.
    let value = match value.as_array().map(Vec::as_slice) {
        Some([only]) => only,
        _ => value,
    };
    let parts = ["items", "relations", "removed"];
    // Backstage lists its entities under `items` too.
    let is_backstage = value
        .get("items")
        .and_then(|items| items.get(0))
        .is_some_and(|item| item.get("apiVersion").is_some());
    if is_backstage || !parts.iter().any(|part| value.get(part).is_some_and(Value::is_array)) {
        return None;
    }
    let list = |key: &str| value.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut out = empty(text(value, &["source"]).unwrap_or("topology_json"));
    out.items.extend(list("items").filter_map(item));
    out.relations.extend(list("relations").filter_map(|edge| {
        relation(
            id(edge.get("from"))?,
            id(edge.get("to"))?,
            text(edge, &["type"]).unwrap_or_default(),
        )
    }));
    out.removed = names(value.get("removed"));
    Some(out)
}

fn item(value: &Value) -> Option<ConfigurationItem> {
    let id = id(value.get("id"))?;
    Some(ConfigurationItem {
        kind: item_kind(text(value, &["kind"]).unwrap_or_default()),
        name: text(value, &["name"]).map_or_else(|| id.clone(), name),
        owner: text(value, &["owner"]).map(name),
        criticality: value.get("criticality").and_then(scalar).and_then(|t| Criticality::parse(&t)),
        aliases: names(value.get("aliases")),
        id,
    })
}

fn id(value: Option<&Value>) -> Option<Name> {
    scalar(value?).filter(|text| !text.trim().is_empty()).map(|text| name(&text))
}
