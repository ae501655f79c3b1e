//! Backstage entities, as JSON or as the YAML of `catalog-info.yaml`. The use of an API is a
//! dependency through whoever provides it: consumer -> API -> provider.

use model::entity::Criticality;
use model::map::{ConfigurationItem, ItemKind, Relation, RelationKind, TopologyDocument};
use model::name::Name;
use serde_json::Value;

use super::empty;
use super::words::item_kind;
use crate::intake::decode::fields::{at, first_text, name, names, text};

/// Annotations and labels that name a tier; Backstage has no standard for it.
const TIERS: [&[&str]; 6] = [
    &["metadata", "annotations", "faultline.dev/criticality"],
    &["metadata", "labels", "faultline.dev/criticality"],
    &["metadata", "annotations", "criticality"],
    &["metadata", "labels", "criticality"],
    &["metadata", "annotations", "tier"],
    &["metadata", "labels", "tier"],
];

/// Members of `spec` with references, the kind that a bare name means, and the relation.
const REFERENCES: [(&str, &str, RelationKind, bool); 6] = [
    ("dependsOn", "component", RelationKind::DependsOn, false),
    ("dependencyOf", "component", RelationKind::DependsOn, true),
    ("consumesApis", "api", RelationKind::DependsOn, false),
    ("providesApis", "api", RelationKind::DependsOn, true),
    ("subcomponentOf", "component", RelationKind::PartOf, false),
    ("system", "system", RelationKind::Related, false),
];

pub(super) fn decode(value: &Value) -> Option<TopologyDocument> {
    let entities = match value {
        Value::Array(list) => list.as_slice(),
        Value::Object(map) => match map.get("items").and_then(Value::as_array) {
            Some(list) => list.as_slice(),
            None => std::slice::from_ref(value),
        },
        _ => return None,
    };
    let mut entities = entities.iter().filter(|entity| is_entity(entity)).peekable();
    entities.peek()?;
    let mut out = empty("backstage");
    for entity in entities {
        add_entity(entity, &mut out);
    }
    Some(out)
}

fn is_entity(value: &Value) -> bool {
    text(value, &["apiVersion"]).is_some_and(|version| version.starts_with("backstage.io/"))
}

fn add_entity(entity: &Value, out: &mut TopologyDocument) {
    let (Some(kind), Some(own)) = (text(entity, &["kind"]), text(entity, &["metadata", "name"]))
    else {
        return;
    };
    let namespace = text(entity, &["metadata", "namespace"]).unwrap_or("default");
    let id = reference(own, &kind.to_ascii_lowercase(), namespace);
    let Some(item_kind) = kind_of(kind, text(entity, &["spec", "type"]).unwrap_or_default()) else {
        return;
    };
    let aliases =
        [&["metadata", "title"][..], &["metadata", "annotations", "backstage.io/kubernetes-id"]];
    out.items.push(ConfigurationItem {
        id: id.clone(),
        kind: item_kind,
        name: name(own),
        owner: text(entity, &["spec", "owner"]).map(name),
        criticality: first_text(entity, &TIERS).and_then(Criticality::parse),
        aliases: aliases.iter().filter_map(|path| text(entity, path).map(name)).collect(),
    });
    for (member, bare_kind, kind, swapped) in REFERENCES {
        for target in names(at(entity, &["spec", member])) {
            let other = reference(&target, bare_kind, namespace);
            let (from, to) = if swapped { (other, id.clone()) } else { (id.clone(), other) };
            if from != to {
                out.relations.push(Relation { from, to, kind });
            }
        }
    }
}

/// What an entity is; people and places are no items.
fn kind_of(kind: &str, spec_type: &str) -> Option<ItemKind> {
    match kind {
        "Component" => Some(match item_kind(spec_type) {
            ItemKind::Other if spec_type != "library" && spec_type != "documentation" => {
                ItemKind::Service
            }
            known => known,
        }),
        "Resource" => Some(item_kind(spec_type)),
        "API" | "System" | "Domain" => Some(ItemKind::Other),
        _ => None,
    }
}

/// A full reference, `kind:namespace/name`, in lower case as Backstage compares them.
fn reference(text: &str, bare_kind: &str, bare_namespace: &str) -> Name {
    let (kind, rest) = text.split_once(':').unwrap_or((bare_kind, text));
    let (namespace, own) = rest.split_once('/').unwrap_or((bare_namespace, rest));
    name(&format!("{kind}:{namespace}/{own}").to_lowercase())
}
