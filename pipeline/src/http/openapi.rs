//! The OpenAPI document, made from the router's own table.

use axum::Json;
use serde_json::{Map, Value, json};

use super::control::schema;
use super::router::{Endpoint, Row};
use crate::auth::Access;

pub(super) async fn document() -> Json<Value> {
    Json(build())
}

/// The document (OpenAPI 3.1).
#[must_use]
pub fn build() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in Endpoint::all() {
        let row = endpoint.row();
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(row.method.to_owned(), operation(endpoint, &row));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "faultline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Incidents with their causes and evidence, and what people decide about them. \
                `x-role` is the least role that may ask.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }, { "cookie": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "cookie": { "type": "apiKey", "in": "cookie", "name": super::security::COOKIE },
            },
            "schemas": schemas(),
        },
    })
}

fn schemas() -> Map<String, Value> {
    let mut all = schema::components();
    all.insert("Error".to_owned(), error_schema());
    all.insert("Accepted".to_owned(), schema::accepted());
    all
}

fn operation(endpoint: Endpoint, row: &Row) -> Value {
    let params: Vec<Value> = row
        .params
        .iter()
        .map(|param| {
            json!({
                "name": param.name,
                "in": param.place,
                "required": param.place == "path",
                "description": param.help,
                "schema": { "type": "string" },
            })
        })
        .collect();
    let mut operation = json!({
        "summary": row.help,
        "parameters": params,
        "responses": {
            (row.success.to_string()): { "description": "Success.", "content": { row.media: { "schema": success(row) } } },
            "default": {
                "description": "What is wrong and what to do.",
                "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Error" } } },
            },
        },
    });
    if let (Some(body), Value::Object(operation)) = (endpoint.body(), &mut operation) {
        let content = json!({ "application/json": { "schema": body } });
        let request = json!({ "required": row.method == "post", "content": content });
        operation.insert("requestBody".to_owned(), request);
    }
    if let Value::Object(operation) = &mut operation {
        match row.access {
            Access::Open => operation.insert("security".to_owned(), json!([])),
            Access::Needs(role) => operation.insert("x-role".to_owned(), json!(role)),
        };
    }
    operation
}

fn success(row: &Row) -> Value {
    match (row.media, row.path) {
        _ if row.success == 202 => json!({ "$ref": "#/components/schemas/Accepted" }),
        (_, "/api/v2/silences") if row.method == "get" => {
            json!({ "type": "array", "items": { "type": "object" } })
        }
        (_, "/api/v1/incidents/{id}") => json!({ "$ref": "/api/v1/schema/incident" }),
        ("application/json" | "application/schema+json", _) => json!({ "type": "object" }),
        _ => json!({ "type": "string" }),
    }
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["code", "message", "action"],
            "properties": {
                "code": { "type": "string", "description": "A stable word for programs." },
                "message": { "type": "string", "description": "What is wrong." },
                "action": { "type": "string", "description": "What to do about it." },
            },
        } },
    })
}
