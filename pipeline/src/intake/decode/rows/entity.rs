//! OpenTelemetry entity events: log records that say what exists and how it hangs together.
//!
//! Both forms in use: `entity.state` / `entity.delete` as the event's name, and the older
//! `otel.entity.event.type` attributes. Each state event is complete. Direction: emitter --type-->
//! target.

use model::entity::Criticality;
use model::map::{ConfigurationItem, ItemKind, Relation, TopologyDocument};
use model::name::Name;
use serde_json::{Map, Value};

use super::value::Scalar;
use crate::intake::decode::limits::{NAME_CHARS_MAX, cut};
use crate::intake::decode::topology::words::{item_kind, relation};

/// The `source` of documents from entity events.
const SOURCE: &str = "otel_entities";

/// The attributes of an entity event. Boxed: almost no log record has any.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntityFields(Option<Box<Parts>>);

#[derive(Clone, Debug, Default)]
struct Parts {
    event: String,
    kind: String,
    id: Value,
    description: Value,
    relationships: Value,
    relation: String,
    from_kind: String,
    from_id: Value,
    to_kind: String,
    to_id: Value,
}

impl EntityFields {
    pub(crate) fn wants(key: &[u8]) -> bool {
        key.starts_with(b"entity.") || key.starts_with(b"otel.entity")
    }

    pub(crate) fn put(&mut self, key: &str, value: Scalar<'_>) {
        let parts = self.0.get_or_insert_default();
        let text =
            |value: Scalar<'_>| value.into_text().map(|t| t.into_owned()).unwrap_or_default();
        match key {
            "otel.entity.event.type" => parts.event = text(value),
            "entity.type" | "otel.entity.type" => parts.kind = text(value),
            "entity.id" | "otel.entity.id" => parts.id = value.into_tree(),
            "entity.description" | "otel.entity.attributes" => {
                parts.description = value.into_tree();
            }
            "entity.relationships" => parts.relationships = value.into_tree(),
            "otel.entity_relationship.type" => parts.relation = text(value),
            "otel.entity_relationship.source_entity.type" => parts.from_kind = text(value),
            "otel.entity_relationship.source_entity.id" => parts.from_id = value.into_tree(),
            "otel.entity_relationship.target_entity.type" => parts.to_kind = text(value),
            "otel.entity_relationship.target_entity.id" => parts.to_id = value.into_tree(),
            _ => {}
        }
    }

    /// Adds what the event says to a document. `false` if the record is no entity event.
    pub(crate) fn add_to(self, event_name: &str, out: &mut TopologyDocument) -> bool {
        let Some(parts) = self.0 else { return false };
        let event = if parts.event.is_empty() { event_name } else { parts.event.as_str() };
        match event {
            "entity.state" | "entity_state" => parts.add_state(out),
            "entity.delete" | "entity_delete" => {
                out.removed.extend(entity_id(&parts.kind, &parts.id));
            }
            "entity_relationship_state" => {
                let from = entity_id(&parts.from_kind, &parts.from_id);
                let to = entity_id(&parts.to_kind, &parts.to_id);
                out.relations.extend(edge(from, to, &parts.relation));
            }
            _ => return false,
        }
        out.source = SOURCE.into();
        true
    }
}

impl Parts {
    fn add_state(&self, out: &mut TopologyDocument) {
        let Some(id) = entity_id(&self.kind, &self.id) else { return };
        let described = |key: &str| self.description.get(key).and_then(Value::as_str);
        let name = described(&format!("{}.name", self.kind)).or_else(|| described("name"));
        let criticality = described("service.criticality").and_then(Criticality::parse);
        out.items.push(ConfigurationItem {
            id: id.clone(),
            kind: item_kind(&self.kind),
            name: name.map_or_else(|| id.clone(), |text| cut(text, NAME_CHARS_MAX).into()),
            owner: described("service.owner").or_else(|| described("owner")).map(Name::from),
            criticality,
            aliases: Vec::new(),
        });
        for target in self.relationships.as_array().into_iter().flatten() {
            let word = |key: &str| target.get(key).and_then(Value::as_str).unwrap_or_default();
            let to =
                entity_id(word("entity.type"), target.get("entity.id").unwrap_or(&Value::Null));
            out.relations.extend(edge(Some(id.clone()), to, word("relationship.type")));
        }
    }
}

fn edge(from: Option<Name>, to: Option<Name>, word: &str) -> Option<Relation> {
    relation(from?, to?, word)
}

/// The id under which telemetry speaks of an entity: the plain name of services, pods, nodes and
/// hosts, else `type:value,value` in order of the keys.
fn entity_id(kind: &str, id: &Value) -> Option<Name> {
    let map = id.as_object().filter(|map| !map.is_empty())?;
    const NAMES: [&str; 6] = [
        "service.name",
        "k8s.pod.name",
        "k8s.node.name",
        "host.name",
        "k8s.deployment.name",
        "k8s.service.name",
    ];
    let plain = NAMES.iter().find_map(|key| map.get(*key).and_then(Value::as_str));
    let known = matches!(item_kind(kind), ItemKind::Service | ItemKind::Instance | ItemKind::Host);
    match plain.filter(|_| known) {
        Some(name) => Some(cut(name, NAME_CHARS_MAX).into()),
        None => Some(cut(&format!("{kind}:{}", values(map)), NAME_CHARS_MAX).into()),
    }
}

fn values(map: &Map<String, Value>) -> String {
    let texts: Vec<String> = map
        .values()
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::map::RelationKind;
    use serde_json::json;

    fn fields(pairs: &[(&str, Value)]) -> EntityFields {
        let mut fields = EntityFields::default();
        for (key, value) in pairs {
            assert!(EntityFields::wants(key.as_bytes()));
            let scalar = match value.as_str() {
                Some(text) => Scalar::Text(text.to_owned().into()),
                None => Scalar::Tree(value.clone()),
            };
            fields.put(key, scalar);
        }
        fields
    }

    #[test]
    fn a_state_event_is_an_item_with_its_relations() {
        let mut out = TopologyDocument::default();
        let event = fields(&[
            ("entity.type", json!("service")),
            ("entity.id", json!({"service.name": "cart"})),
            ("entity.description", json!({"service.criticality": "high"})),
            (
                "entity.relationships",
                json!([{"relationship.type": "depends_on", "entity.type": "service",
                        "entity.id": {"service.name": "stock"}}]),
            ),
        ]);
        assert!(event.add_to("entity.state", &mut out));
        assert_eq!(out.items[0].id.as_str(), "cart");
        assert_eq!(out.items[0].criticality, Some(Criticality::High));
        assert_eq!(out.relations[0].to.as_str(), "stock");
        assert_eq!(out.relations[0].kind, RelationKind::DependsOn);
    }

    #[test]
    fn the_older_form_and_deletes_are_read_and_other_logs_are_not() {
        let mut out = TopologyDocument::default();
        let delete = fields(&[
            ("otel.entity.event.type", json!("entity_delete")),
            ("otel.entity.type", json!("k8s.pod")),
            ("otel.entity.id", json!({"k8s.pod.uid": "17"})),
        ]);
        assert!(delete.add_to("", &mut out));
        assert_eq!(out.removed, ["k8s.pod:17".into()]);
        assert!(!fields(&[("entity.type", json!("x"))]).add_to("order.placed", &mut out));
        assert!(!EntityFields::default().add_to("entity.state", &mut out));
    }
}
