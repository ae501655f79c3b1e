//! Records read back: OTLP by prost and `opentelemetry-proto`, alerts and changes by serde_json.

use std::collections::BTreeMap;
use std::rc::Rc;

use model::recording::TopicRecord;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use prost::Message;

/// A span with the attributes of its resource.
pub(crate) struct Span {
    pub(crate) resource: Rc<BTreeMap<String, String>>,
    pub(crate) trace: Vec<u8>,
    pub(crate) id: Vec<u8>,
    pub(crate) parent: Vec<u8>,
    pub(crate) name: String,
    pub(crate) kind: i32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) failed: bool,
}

impl Span {
    pub(crate) fn service(&self) -> &str {
        &self.resource["service.name"]
    }

    pub(crate) fn ms(&self) -> f64 {
        (self.end - self.start) as f64 / 1e6
    }

    pub(crate) fn is_server(&self) -> bool {
        self.kind == 2
    }
}

fn text(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let value = |it: &KeyValue| match it.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|it| (it.key.clone(), value(it))).collect()
}

/// The spans of a record of `otlp_spans`, in either encoding.
pub(crate) fn spans(record: &TopicRecord) -> Vec<Span> {
    let request = match record.header("encoding") {
        Some("otlp_proto") => ExportTraceServiceRequest::decode(&record.value[..]).unwrap(),
        Some("otlp_json") => serde_json::from_slice(&record.value).unwrap(),
        other => panic!("{other:?}"),
    };
    let mut out = Vec::new();
    for group in request.resource_spans {
        let resource = Rc::new(text(group.resource.unwrap().attributes));
        for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            out.push(Span {
                resource: Rc::clone(&resource),
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
                name: span.name,
                kind: span.kind,
                start: span.start_time_unix_nano,
                end: span.end_time_unix_nano,
                attributes: text(span.attributes),
                failed: span.status.is_some_and(|status| status.code == 2),
            });
        }
    }
    out
}

pub(crate) fn json(record: &TopicRecord) -> serde_json::Value {
    serde_json::from_slice(&record.value).unwrap()
}

pub(crate) fn p95(mut sample: Vec<f64>) -> f64 {
    sample.sort_by(f64::total_cmp);
    sample[sample.len() * 95 / 100]
}
