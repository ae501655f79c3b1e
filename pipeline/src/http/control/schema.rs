//! The bodies of writes as JSON Schema, for the OpenAPI document.

use serde_json::{Map, Value, json};

use super::verb::Verb;
use crate::control::standing::Kind;

/// The body of a decision about an incident.
#[must_use]
pub fn decision(verb: Verb) -> Value {
    let (fields, needed) = verb.fields();
    object(fields, needed)
}

/// The body of what is added for a time.
#[must_use]
pub fn addition(kind: Kind) -> Value {
    let matchers = json!({
        "type": "array",
        "minItems": 1,
        "description": "As text (service=payment, alertname=~\"Disk.*\") or as objects; all must match.",
        "items": { "oneOf": [{ "type": "string" }, { "$ref": "#/components/schemas/Matcher" }] },
    });
    let names = json!({ "type": "array", "items": { "type": "string" } });
    let times = json!({
        "starts_at": { "type": "string", "format": "date-time", "description": "Default: now." },
        "ends_at": { "type": "string", "format": "date-time" },
        "duration": { "type": "string", "description": "Instead of `ends_at`: 30m, 2h, 1d12h." },
    });
    let cell = json!({ "cell": { "type": "string", "description": "Default: every cell." } });
    let (own, needed) = match kind {
        Kind::Silence => (json!({ "matchers": matchers }), vec!["matchers"]),
        Kind::Maintenance => (json!({ "services": names }), vec!["services"]),
        Kind::Inhibition => (
            json!({ "source": matchers, "target": matchers, "equal": names }),
            vec!["source", "target"],
        ),
    };
    let times = if kind == Kind::Inhibition { json!({}) } else { times };
    object(merged([own, times, cell]), needed)
}

/// The body by which one is ended.
#[must_use]
pub fn ending() -> Value {
    object(json!({}), vec![])
}

/// Why `author` is not among what is needed: whoever is known by a name need not say it.
const AUTHOR: &str = "Who decides. Needed unless the token has a name: then that is the author, and \
                      another one is put before the reason.";

fn object(fields: Value, needed: Vec<&'static str>) -> Value {
    let common = json!({
        "author": { "type": "string", "description": AUTHOR, "maxLength": 200 },
        "reason": { "type": "string", "description": "Why, in the author's words.", "maxLength": 4096 },
        "via": { "type": "string", "enum": ["api", "cli", "console"], "default": "api" },
    });
    json!({
        "type": "object",
        "properties": merged([common, fields]),
        "required": needed,
        "additionalProperties": false,
    })
}

fn merged<const N: usize>(parts: [Value; N]) -> Value {
    let mut all = Map::new();
    for part in parts {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    }
    Value::Object(all)
}

/// The answer of a write: the act, and the revision that does not show it yet.
#[must_use]
pub fn accepted() -> Value {
    json!({
        "type": "object",
        "required": ["act", "repeated"],
        "properties": {
            "act": { "$ref": "#/components/schemas/Act" },
            "repeated": { "type": "boolean", "description": "An earlier request had this id." },
            "incident": { "type": "string" },
            "revision": { "type": "integer", "description": "Newest revision before the act." },
        },
    })
}

/// A query of the history.
#[must_use]
pub fn query() -> Value {
    json!({
        "type": "object",
        "required": ["query"],
        "properties": { "query": { "type": "string", "description": "One statement of SQL." } },
        "additionalProperties": false,
    })
}

/// A silence as Alertmanager takes it.
#[must_use]
pub fn postable_silence() -> Value {
    json!({
        "type": "object",
        "required": ["matchers", "startsAt", "endsAt", "createdBy", "comment"],
        "properties": {
            "id": { "type": "string", "description": "A silence that this one replaces." },
            "matchers": { "type": "array", "minItems": 1, "items": {
                "type": "object",
                "required": ["name", "value", "isRegex"],
                "properties": {
                    "name": { "type": "string" },
                    "value": { "type": "string" },
                    "isRegex": { "type": "boolean" },
                    "isEqual": { "type": "boolean", "default": true },
                },
            } },
            "startsAt": { "type": "string", "format": "date-time" },
            "endsAt": { "type": "string", "format": "date-time" },
            "createdBy": { "type": "string" },
            "comment": { "type": "string" },
        },
    })
}

/// The schemas that the others point to: of an act, and of a matcher.
#[must_use]
pub fn components() -> Map<String, Value> {
    let mut all = Map::new();
    // OpenAPI 3.1 speaks this draft.
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    generator.subschema_for::<model::command::Act>();
    generator.subschema_for::<model::matcher::Matcher>();
    all.extend(generator.take_definitions(true));
    all
}
