//! What each form of topology is read as.

use model::entity::Criticality;
use model::map::{ItemKind, RelationKind, TopologyDocument};
use serde_json::json;

use crate::intake::decode::{DecodeError, DecodeLimits, Decoded, Decoder, Payload, TopicKind};

fn decode(body: &str) -> Result<Decoded, DecodeError> {
    let kind = TopicKind::Topology;
    let payload =
        Payload { kind, timestamp_ms: 0, key: None, headers: &[], value: body.as_bytes() };
    Decoder::new(DecodeLimits::default()).decode(&payload)
}

fn topology(body: &str) -> TopologyDocument {
    match decode(body) {
        Ok(Decoded::Topology(document)) => document,
        other => panic!("{other:?}"),
    }
}

fn edges(document: &TopologyDocument) -> Vec<(&str, RelationKind, &str)> {
    document.relations.iter().map(|r| (r.from.as_str(), r.kind, r.to.as_str())).collect()
}

#[test]
fn our_own_document_is_read_with_everything_optional_missing() {
    let document = topology(
        r#"{"items":[{"id":"cart","kind":"service"},{"id":"db","kind":"database","criticality":"high"}],
            "relations":[{"from":"cart","to":"db","type":"depends_on"},{"from":"cart","to":"cart","type":"calls"}],
            "removed":["old"]}"#,
    );
    assert_eq!(document.items[0].name.as_str(), "cart");
    assert_eq!(document.items[1].criticality, Some(Criticality::High));
    assert_eq!(edges(&document), [("cart", RelationKind::DependsOn, "db")]);
    assert_eq!(document.removed, ["old".into()]);
}

#[test]
fn servicenow_records_are_read_in_all_three_wrappings() {
    let ci = json!({"sys_id": "a1", "name": "cart", "sys_class_name": "cmdb_ci_service_auto",
                    "busines_criticality": "1 - most critical", "operational_status": "1"});
    let rel = json!({"parent": {"value": "a1", "display_value": "cart"},
                     "child": {"value": "b2", "display_value": "db-1"},
                     "type": {"value": "x", "display_value": "Depends on::Used by"}});
    for wrapped in [
        json!([ci, rel]),
        json!({"result": [ci, rel]}),
        json!({"cmdb_ci": [ci], "cmdb_rel_ci": [rel]}),
    ] {
        let document = topology(&wrapped.to_string());
        assert_eq!(document.items[0].kind, ItemKind::Service);
        assert_eq!(document.items[0].criticality, Some(Criticality::Critical));
        assert_eq!(document.items[1].name.as_str(), "db-1", "named by its relation");
        assert_eq!(edges(&document), [("a1", RelationKind::DependsOn, "b2")]);
    }
}

#[test]
fn an_item_of_servicenow_keeps_its_id_and_belongs_to_its_group_before_a_person() {
    let reference = |name: &str| json!({"value": "x", "display_value": name});
    let ci = json!({"sys_id": "a1", "name": "cart", "sys_class_name": "cmdb_ci_service",
                    "owned_by": reference("Ann Example"), "support_group": reference("team-cart")});
    let document = topology(&json!([ci]).to_string());
    assert_eq!(document.source.as_str(), "servicenow");
    let item = &document.items[0];
    assert_eq!((item.id.as_str(), item.owner.as_deref()), ("a1", Some("team-cart")));
}

#[test]
fn backstage_yaml_of_several_documents_is_read() {
    let document = topology(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: cart\nspec:\n  type: service\n  owner: team-a\n  dependsOn: [resource:cart-db]\n  consumesApis: [stock-api]\n---\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: stock\n  labels:\n    tier: critical\nspec:\n  type: service\n  providesApis: [stock-api]\n---\napiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata:\n  name: team-a\n",
    );
    assert_eq!(document.items.len(), 2);
    assert_eq!(document.items[1].criticality, Some(Criticality::Critical));
    assert_eq!(
        edges(&document),
        [
            ("component:default/cart", RelationKind::DependsOn, "resource:default/cart-db"),
            ("component:default/cart", RelationKind::DependsOn, "api:default/stock-api"),
            ("api:default/stock-api", RelationKind::DependsOn, "component:default/stock"),
        ]
    );
}

#[test]
fn what_is_no_topology_is_an_error_that_says_what_was_tried() {
    for body in [r#"{"a":1}"#, "[1,2]", "plain words", "a: b"] {
        assert!(matches!(decode(body), Err(DecodeError::UnknownForm { .. })), "{body}");
    }
    assert!(matches!(decode("a: [b"), Err(DecodeError::Yaml(_))));
    assert!(matches!(decode(r#"{"items":[],"relations":[]}"#), Ok(Decoded::Nothing(_))));
}
