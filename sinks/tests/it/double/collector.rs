//! A double of a Collector's OTLP/HTTP receiver: it decodes JSON by the protocol's own types.
//!
//! Enforced: the two paths, `application/json`, a header of authorization, ids of 16 and 8 bytes
//! that are not zero; it can refuse a part.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

use super::served::{Request, Service};

pub(crate) const TOKEN: &str = "Bearer otlp-0123456789abcdef";

/// What the Collector took.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) logs: Vec<LogRecord>,
    pub(crate) spans: Vec<Span>,
    /// The next request is refused in part, with these words.
    pub(crate) partial: Option<&'static str>,
    /// Rules that a request broke.
    pub(crate) broken: Vec<String>,
}

impl Service for Collector {
    fn serve(&mut self, request: &Request) -> (u16, Value) {
        if request.header("authorization") != TOKEN {
            return (401, json!({"code": 16, "message": "unauthenticated"}));
        }
        if let Some(words) = self.partial.take() {
            let partial = json!({"rejectedLogRecords": "1", "errorMessage": words});
            return (200, json!({ "partialSuccess": partial }));
        }
        match self.take(request) {
            Ok(()) => (200, json!({"partialSuccess": {}})),
            Err(why) => {
                self.broken.push(why.clone());
                (400, json!({"code": 3, "message": why}))
            }
        }
    }
}

impl Collector {
    fn take(&mut self, request: &Request) -> Result<(), String> {
        if request.header("content-type") != "application/json" {
            return Err(String::from("content type"));
        }
        match request.path.as_str() {
            "/v1/logs" => {
                let export: ExportLogsServiceRequest =
                    serde_json::from_slice(&request.body).map_err(|e| e.to_string())?;
                let scopes = export.resource_logs.into_iter().flat_map(|r| r.scope_logs);
                let records: Vec<LogRecord> = scopes.flat_map(|scope| scope.log_records).collect();
                if records.iter().any(|r| !ids_fit(&r.trace_id, &r.span_id)) {
                    return Err(String::from("ids"));
                }
                self.logs.extend(records);
            }
            "/v1/traces" => {
                let export: ExportTraceServiceRequest =
                    serde_json::from_slice(&request.body).map_err(|e| e.to_string())?;
                let scopes = export.resource_spans.into_iter().flat_map(|r| r.scope_spans);
                let spans: Vec<Span> = scopes.flat_map(|scope| scope.spans).collect();
                if spans.iter().any(|s| !ids_fit(&s.trace_id, &s.span_id)) {
                    return Err(String::from("ids"));
                }
                self.spans.extend(spans);
            }
            other => return Err(format!("no such path: {other}")),
        }
        Ok(())
    }
}

fn ids_fit(trace: &[u8], span: &[u8]) -> bool {
    let live = |id: &[u8]| id.iter().any(|byte| *byte != 0);
    trace.len() == 16 && span.len() == 8 && live(trace) && live(span)
}

/// The text of an attribute.
pub(crate) fn attribute(all: &[KeyValue], key: &str) -> Option<String> {
    let found = all.iter().find(|pair| pair.key == key)?;
    match found.value.as_ref()? {
        AnyValue { value: Some(Any::StringValue(text)) } => Some(text.clone()),
        AnyValue { value: Some(Any::IntValue(number)) } => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}
