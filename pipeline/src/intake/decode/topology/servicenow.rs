//! ServiceNow: records of `cmdb_ci` and its children and of `cmdb_rel_ci`, as the Table API
//! (`{"result": [...]}`), an export (a list) or a document with both tables gives them. A field is
//! text, or `{"value", "display_value", "link"}`.
//!
//! In `Depends on::Used by` the parent depends on the child. The table below is the default of
//! what carries failure.

use std::collections::BTreeMap;

use model::entity::Criticality;
use model::map::{ConfigurationItem, Relation, RelationKind, TopologyDocument};
use model::name::Name;
use serde_json::Value;

use super::empty;
use super::words::item_kind;
use crate::intake::decode::fields::name;

/// `parent type::inverse child`, what it means, and whether the *child* is the one that needs.
const RELATIONS: [(&str, RelationKind, bool); 14] = [
    ("depends on::used by", RelationKind::DependsOn, false),
    ("runs on::runs", RelationKind::RunsOn, false),
    ("hosted on::hosts", RelationKind::RunsOn, false),
    ("virtualized by::virtualizes", RelationKind::RunsOn, false),
    ("use end point to::use end point from", RelationKind::DependsOn, false),
    ("implement end point to::implement end point from", RelationKind::DependsOn, true),
    ("sends data to::receives data from", RelationKind::Related, false),
    ("connects to::connected by", RelationKind::Related, false),
    ("contains::contained by", RelationKind::Related, false),
    ("members::member of", RelationKind::Related, false),
    ("cluster of::cluster", RelationKind::PartOf, true),
    ("owns::owned by", RelationKind::Related, false),
    ("managed by::manages", RelationKind::Related, false),
    ("applicative flow to::applicative flow from", RelationKind::Related, false),
];

pub(super) fn decode(value: &Value) -> Option<TopologyDocument> {
    let mut records = Vec::new();
    match value {
        Value::Array(list) => records.extend(list),
        Value::Object(map) => {
            let tables = map.iter().filter(|(key, _)| {
                *key == "result" || *key == "records" || key.starts_with("cmdb_")
            });
            records.extend(tables.filter_map(|(_, list)| list.as_array()).flatten());
        }
        _ => return None,
    }
    let mut out = empty("servicenow");
    let mut known = BTreeMap::new();
    for record in &records {
        if field(record, "parent").is_some() && field(record, "child").is_some() {
            out.relations.extend(edge(record, &mut known));
        } else if field(record, "sys_id").is_some() && field(record, "name").is_some() {
            add_item(record, &mut out);
        }
    }
    let found = !out.items.is_empty() || !out.relations.is_empty() || !out.removed.is_empty();
    if !found {
        return None;
    }
    name_unknown_ends(&mut out, known);
    Some(out)
}

/// The value of a field; of a reference its `sys_id`.
fn field<'r>(record: &'r Value, key: &str) -> Option<&'r str> {
    let value = record.get(key)?;
    let text = value.get("value").unwrap_or(value).as_str()?;
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// What people see of a field.
fn display<'r>(record: &'r Value, key: &str) -> Option<&'r str> {
    record.get(key)?.get("display_value")?.as_str().or_else(|| field(record, key))
}

fn shown<'r>(record: &'r Value, key: &str) -> Option<&'r str> {
    display(record, key).or_else(|| field(record, key))
}

fn add_item(record: &Value, out: &mut TopologyDocument) {
    let Some(id) = field(record, "sys_id").map(name) else { return };
    // `operational_status` 6 is retired; `install_status` 7 too.
    let retired = field(record, "operational_status") == Some("6")
        || field(record, "install_status") == Some("7");
    if retired {
        out.removed.push(id);
        return;
    }
    let class = field(record, "sys_class_name").unwrap_or_default();
    // The field's name has one `s` in ServiceNow's own schema.
    let tier =
        shown(record, "busines_criticality").or_else(|| shown(record, "business_criticality"));
    out.items.push(ConfigurationItem {
        kind: item_kind(class),
        name: shown(record, "name").map_or_else(|| id.clone(), name),
        // Tickets and pages go to a group; `owned_by` is a person.
        owner: shown(record, "support_group").or_else(|| shown(record, "owned_by")).map(name),
        criticality: tier.and_then(criticality),
        aliases: ["fqdn", "host_name", "correlation_id"]
            .iter()
            .filter_map(|key| field(record, key).map(name))
            .collect(),
        id,
    });
}

/// `1 - most critical`, with or without its text.
fn criticality(text: &str) -> Option<Criticality> {
    Criticality::parse(text).or_else(|| Criticality::parse(text.split(' ').next()?))
}

fn edge(record: &Value, known: &mut BTreeMap<Name, Name>) -> Option<Relation> {
    let end = |key: &str| field(record, key).map(name);
    let (parent, child) = (end("parent")?, end("child")?);
    for (id, key) in [(&parent, "parent"), (&child, "child")] {
        if let Some(text) = display(record, key) {
            known.insert(id.clone(), name(text));
        }
    }
    let word = shown(record, "type").unwrap_or_default().to_ascii_lowercase();
    let rule = RELATIONS.iter().find(|(known, _, _)| *known == word);
    let (kind, child_needs) = rule.map_or((RelationKind::Related, false), |r| (r.1, r.2));
    if parent == child {
        return None;
    }
    let (from, to) = if child_needs { (child, parent) } else { (parent, child) };
    Some(Relation { from, to, kind })
}

/// A relation knows the names of its ends; without the items they would be ids that telemetry
/// never speaks of.
fn name_unknown_ends(out: &mut TopologyDocument, known: BTreeMap<Name, Name>) {
    let items: std::collections::BTreeSet<Name> =
        out.items.iter().map(|item| item.id.clone()).collect();
    let unknown = known.into_iter().filter(|(id, name)| !items.contains(id) && id != name);
    let named = unknown.map(|(id, name)| ConfigurationItem {
        id,
        kind: model::map::ItemKind::Other,
        name,
        owner: None,
        criticality: None,
        aliases: Vec::new(),
    });
    out.items.extend(named);
}
