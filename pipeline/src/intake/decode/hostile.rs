//! Whatever the bytes: an answer, never a panic, never an overflow of the stack. And: what prost
//! reads, the lazy scan reads in the same way.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as PointValue;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    Sum, Summary, SummaryDataPoint, summary_data_point::ValueAtQuantile,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event};
use proptest::prelude::*;
use prost::Message;

use model::signal::SignalBatch;

use super::interner::Interner;
use super::resources::Resources;
use super::rows::batch::{BatchBuilder, Known};
use super::rows::times::Arrival;
use super::{DecodeError, DecodeLimits, Decoded, Decoder, Payload, TopicKind, otlp};

const KINDS: [TopicKind; 6] = [
    TopicKind::Spans,
    TopicKind::Logs,
    TopicKind::Metrics,
    TopicKind::Alerts,
    TopicKind::Changes,
    TopicKind::Topology,
];
const NOW_MS: i64 = 1_773_712_800_000;

fn decode(kind: TopicKind, encoding: Option<&str>, value: &[u8]) -> Result<Decoded, DecodeError> {
    let headers: Vec<(String, Vec<u8>)> =
        encoding.iter().map(|text| ("encoding".to_owned(), text.as_bytes().to_vec())).collect();
    let payload = Payload { kind, timestamp_ms: NOW_MS, key: None, headers: &headers, value };
    Decoder::new(DecodeLimits::default()).decode(&payload)
}

/// Rows as text: the same rows give the same text.
fn rows(kind: TopicKind, encoding: &str, value: &[u8]) -> Result<String, DecodeError> {
    decode(kind, Some(encoding), value).map(|decoded| format!("{decoded:?}"))
}

/// Rows of spans by the slow reader alone, without anything that was read before.
fn rows_without_haste(value: &[u8]) -> Result<String, DecodeError> {
    let interner = Interner::new(DecodeLimits::default().interned_max);
    let mut known = Known { interner, resources: Resources::default() };
    let (arrival, items_max) = (Arrival::from_millis(NOW_MS), DecodeLimits::default().items_max);
    let mut out = BatchBuilder::new(arrival, items_max, &mut known, SignalBatch::default());
    otlp::decode_any_spans(value, &mut out)?;
    let (batch, topology) = out.finish()?;
    Ok(format!("{:?}", Decoded::Telemetry { batch, topology }))
}

/// The same rows, in a hurry and in peace; and again by a decoder that knows them already.
fn same_without_haste(value: &[u8]) -> Result<(), TestCaseError> {
    let headers = [("encoding".to_owned(), b"otlp_proto".to_vec())];
    let kind = TopicKind::Spans;
    let payload = Payload { kind, timestamp_ms: NOW_MS, key: None, headers: &headers, value };
    let expected = rows_without_haste(value);
    let mut decoder = Decoder::new(DecodeLimits::default());
    for _ in 0..2 {
        let decoded = decoder.decode(&payload);
        let rows = decoded.as_ref().ok().map(|decoded| format!("{decoded:?}"));
        prop_assert_eq!(rows.as_ref(), expected.as_ref().ok());
        prop_assert_eq!(decoded.as_ref().err(), expected.as_ref().err());
        if let Ok(Decoded::Telemetry { batch, .. }) = decoded {
            decoder.take_back(batch);
        }
    }
    Ok(())
}

/// Floats of few digits: serde_json reads others to within one unit in the last place only.
fn double() -> impl Strategy<Value = f64> {
    (-1_000_000_i32..1_000_000).prop_map(|number| f64::from(number) / 64.0)
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        "[a-zA-Z0-9 ./:\u{e9}\"-]{0,20}".prop_map(Any::StringValue),
        any::<bool>().prop_map(Any::BoolValue),
        (-600_i64..600).prop_map(Any::IntValue),
        double().prop_map(Any::DoubleValue),
    ];
    leaf.prop_map(|value| AnyValue { value: Some(value) })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let key = prop_oneof![
        Just("service.name"),
        Just("k8s.pod.name"),
        Just("error.type"),
        Just("exception.type"),
        Just("http.response.status_code"),
        Just("rpc.grpc.status_code"),
        Just("peer.service"),
        Just("db.system"),
        Just("server.address"),
        Just("messaging.destination.name"),
        Just("network.peer.address"),
        Just("network.peer.port"),
        Just("k8s.event.reason"),
        Just("entity.type"),
        Just("other"),
        Just("deployment.environment"),
    ];
    let pair = (key, proptest::option::of(any_value())).prop_map(|(key, value)| KeyValue {
        key: key.into(),
        value,
        ..KeyValue::default()
    });
    proptest::collection::vec(pair, 0..6)
}

fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), length),
        1 => Just(vec![0; length]),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

fn nanos() -> impl Strategy<Value = u64> {
    let now = NOW_MS as u64 * 1_000_000;
    prop_oneof![8 => now - 1_000_000..now + 1_000_000, 1 => Just(0), 1 => any::<u64>()]
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    let resource =
        attributes().prop_map(|attributes| Resource { attributes, ..Resource::default() });
    proptest::option::of(resource)
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), id(8));
    let rest = (0..7_i32, 0..4_i32, attributes(), attributes(), "[a-z /{}]{0,12}");
    (ids, nanos(), nanos(), rest).prop_map(|(ids, start, end, rest)| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        name: rest.4,
        kind: rest.0,
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes: rest.2,
        events: vec![Event { attributes: rest.3, ..Event::default() }],
        status: (rest.1 > 0).then(|| Status { code: rest.1 - 1, ..Status::default() }),
        ..Span::default()
    })
}

fn traces() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let group =
        (resource(), proptest::collection::vec(span(), 0..4)).prop_map(|(resource, spans)| {
            let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
            ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }
        });
    proptest::collection::vec(group, 0..3)
        .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

fn log() -> impl Strategy<Value = LogRecord> {
    let times = (nanos(), nanos());
    (
        times,
        0..26_i32,
        "[A-Za-z]{0,7}",
        proptest::option::of(any_value()),
        attributes(),
        id(16),
        id(8),
    )
        .prop_map(|(times, number, text, body, attributes, trace_id, span_id)| LogRecord {
            time_unix_nano: times.0,
            observed_time_unix_nano: times.1,
            severity_number: number,
            severity_text: text,
            body,
            attributes,
            trace_id,
            span_id,
            event_name: "event".into(),
            ..LogRecord::default()
        })
}

fn logs() -> impl Strategy<Value = ExportLogsServiceRequest> {
    (resource(), proptest::collection::vec(log(), 0..5)).prop_map(|(resource, log_records)| {
        let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
        let group = ResourceLogs { resource, scope_logs, ..ResourceLogs::default() };
        ExportLogsServiceRequest { resource_logs: vec![group] }
    })
}

fn number() -> impl Strategy<Value = NumberDataPoint> {
    let value = prop_oneof![
        double().prop_map(|v| Some(PointValue::AsDouble(v))),
        (-9_000_i64..9_000).prop_map(|v| Some(PointValue::AsInt(v))),
        Just(None),
    ];
    (attributes(), nanos(), value, 0..2_u32).prop_map(|(attributes, time, value, flags)| {
        NumberDataPoint { attributes, time_unix_nano: time, value, flags, ..Default::default() }
    })
}

fn data() -> impl Strategy<Value = Data> {
    let numbers = || proptest::collection::vec(number(), 0..3);
    let summary = (number(), 0..100_u64, double()).prop_map(|(n, count, q)| SummaryDataPoint {
        attributes: n.attributes,
        time_unix_nano: n.time_unix_nano,
        count,
        sum: 1.5,
        quantile_values: vec![ValueAtQuantile { quantile: q, value: 0.25 }],
        flags: n.flags,
        ..Default::default()
    });
    let histogram =
        (number(), 0..100_u64, proptest::option::of(double())).prop_map(|(n, count, sum)| {
            HistogramDataPoint {
                attributes: n.attributes,
                time_unix_nano: n.time_unix_nano,
                count,
                sum,
                bucket_counts: vec![1, 2],
                explicit_bounds: vec![0.5],
                ..Default::default()
            }
        });
    prop_oneof![
        numbers().prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (numbers(), 0..3, any::<bool>()).prop_map(
            |(data_points, aggregation_temporality, is_monotonic)| {
                Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
            }
        ),
        (histogram, 0..3).prop_map(|(point, aggregation_temporality)| {
            Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality })
        }),
        summary.prop_map(|point| Data::Summary(Summary { data_points: vec![point] })),
    ]
}

fn metrics() -> impl Strategy<Value = ExportMetricsServiceRequest> {
    let metric = ("[a-z._]{1,9}", proptest::option::of(data())).prop_map(|(name, data)| Metric {
        name,
        data,
        ..Metric::default()
    });
    (resource(), proptest::collection::vec(metric, 0..4)).prop_map(|(resource, metrics)| {
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let group = ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![group] }
    })
}

/// Cuts or flips bytes of a valid message.
fn mutate(
    mut bytes: Vec<u8>,
    flips: &[(prop::sample::Index, u8)],
    cut: Option<prop::sample::Index>,
) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    for (place, mask) in flips {
        let place = place.index(bytes.len());
        bytes[place] ^= mask;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

fn mutation() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, Option<prop::sample::Index>)>
{
    (
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    )
}

/// Holds the lazy scan against prost: prost's reading, written as JSON and read by the JSON
/// decoder, must give the same rows.
fn same_as_prost<M: Message + Default + serde::Serialize>(
    kind: TopicKind,
    bytes: &[u8],
) -> Result<(), TestCaseError> {
    let ours = rows(kind, "otlp_proto", bytes);
    let Ok(message) = M::decode(bytes) else { return Ok(()) };
    if bytes.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_vec(&message).expect("prost messages are JSON");
    prop_assert_eq!(ours, rows(kind, "otlp_json", &json));
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for kind in KINDS {
            for encoding in [None, Some("otlp_proto"), Some("otlp_json")] {
                drop(decode(kind, encoding, &bytes));
            }
        }
    }

    #[test]
    fn arbitrary_json_never_panics(text in "[\\[\\]{}:,\"a0-9 .trueflsn-]{0,200}") {
        for kind in KINDS {
            drop(decode(kind, None, text.as_bytes()));
        }
    }

    #[test]
    fn spans_are_read_as_prost_reads_them(request in traces()) {
        same_as_prost::<ExportTraceServiceRequest>(TopicKind::Spans, &request.encode_to_vec())?;
    }

    #[test]
    fn logs_are_read_as_prost_reads_them(request in logs()) {
        same_as_prost::<ExportLogsServiceRequest>(TopicKind::Logs, &request.encode_to_vec())?;
    }

    #[test]
    fn metrics_are_read_as_prost_reads_them(request in metrics()) {
        same_as_prost::<ExportMetricsServiceRequest>(TopicKind::Metrics, &request.encode_to_vec())?;
    }

    #[test]
    fn the_fast_reader_of_spans_agrees_with_the_slow_one(
        request in traces(), (flips, cut) in mutation()
    ) {
        let whole = request.encode_to_vec();
        let damaged = mutate(whole.clone(), &flips, cut);
        for bytes in [whole, damaged] {
            if !bytes.is_empty() && ExportTraceServiceRequest::decode(&bytes[..]).is_ok() {
                same_without_haste(&bytes)?;
            }
        }
    }

    #[test]
    fn two_requests_one_after_the_other_are_one(a in traces(), b in traces()) {
        let bytes = [a.encode_to_vec(), b.encode_to_vec()].concat();
        same_as_prost::<ExportTraceServiceRequest>(TopicKind::Spans, &bytes)?;
    }

    #[test]
    fn damaged_messages_that_prost_refuses_never_panic_and_others_agree(
        a in traces(), b in logs(), c in metrics(), (flips, cut) in mutation()
    ) {
        let accepts = |kind, bytes: &[u8]| drop(decode(kind, Some("otlp_proto"), bytes));
        accepts(TopicKind::Spans, &mutate(a.encode_to_vec(), &flips, cut));
        accepts(TopicKind::Logs, &mutate(b.encode_to_vec(), &flips, cut));
        accepts(TopicKind::Metrics, &mutate(c.encode_to_vec(), &flips, cut));
        let json = serde_json::to_vec(&a).expect("JSON");
        drop(decode(TopicKind::Spans, Some("otlp_json"), &mutate(json, &flips, cut)));
    }

    #[test]
    fn what_prost_accepts_of_a_damaged_message_is_accepted(
        request in traces(), (flips, cut) in mutation()
    ) {
        let bytes = mutate(request.encode_to_vec(), &flips, cut);
        if ExportTraceServiceRequest::decode(&bytes[..]).is_ok() && !bytes.is_empty() {
            let ours = decode(TopicKind::Spans, Some("otlp_proto"), &bytes);
            let fine = matches!(ours, Ok(_) | Err(DecodeError::AllRejected { .. }));
            prop_assert!(fine, "{:?}", ours);
        }
    }
}

#[test]
fn a_hundred_thousand_brackets_are_refused_on_every_topic() {
    for kind in KINDS {
        for open in ["[", "{\"a\":", "[{\"alerts\":["] {
            let deep = open.repeat(100_000);
            assert!(decode(kind, Some("otlp_json"), deep.as_bytes()).is_err(), "{kind:?}");
        }
    }
}

#[test]
fn deep_yaml_and_yaml_bombs_are_refused() {
    let deep = format!("a: {}", "[".repeat(100_000));
    assert!(decode(TopicKind::Topology, None, deep.as_bytes()).is_err());
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        let last = i - 1;
        let list = vec![format!("*a{last}"); 10].join(",");
        bomb.push_str(&format!("a{i}: &a{i} [{list}]\n"));
    }
    assert!(decode(TopicKind::Topology, None, bomb.as_bytes()).is_err());
}

#[test]
fn a_million_repeated_fields_are_refused_or_skipped() {
    // A million empty resources: one item each.
    let resources = [0x0a, 0x00].repeat(1_000_000);
    let refused = decode(TopicKind::Spans, Some("otlp_proto"), &resources);
    assert!(matches!(refused, Err(DecodeError::TooMany { .. })), "{refused:?}");
    // A million unknown fields cost time, not memory.
    let unknown = [0x98, 0x06, 0x01].repeat(1_000_000);
    assert!(decode(TopicKind::Spans, Some("otlp_proto"), &unknown).is_ok());
}

#[test]
fn a_span_with_more_attributes_than_are_looked_at_is_kept() {
    let pair = KeyValue {
        key: "x".into(),
        value: Some(AnyValue { value: Some(Any::IntValue(1)) }),
        ..KeyValue::default()
    };
    let now = NOW_MS as u64 * 1_000_000;
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: now,
        end_time_unix_nano: now,
        attributes: vec![pair; 10_000],
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let group = ResourceSpans { scope_spans, ..ResourceSpans::default() };
    let bytes = ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec();
    let Ok(Decoded::Telemetry { batch, .. }) = decode(TopicKind::Spans, None, &bytes) else {
        panic!("not decoded")
    };
    assert_eq!(batch.spans.len(), 1);
}

#[test]
fn large_empty_wrongly_encoded_and_binary_payloads_are_told_apart() {
    let large = vec![b' '; 30 << 20];
    for kind in KINDS {
        assert!(matches!(decode(kind, None, &large), Err(DecodeError::TooLarge { .. })));
        assert_eq!(decode(kind, None, &[]).unwrap_err(), DecodeError::Empty);
    }
    let wrong = decode(TopicKind::Spans, Some("zipkin_json"), b"[]");
    assert!(matches!(wrong, Err(DecodeError::Encoding { .. })));
    let latin1 = b"{\"alerts\":[{\"labels\":{\"a\":\"\xe9\"}}]}";
    assert_eq!(
        decode(TopicKind::Alerts, None, latin1).unwrap_err(),
        DecodeError::Utf8("the payload")
    );
}

#[test]
fn json_without_a_header_is_known_by_its_first_byte() {
    let json = br#" {"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        "spanId":"0a1b2c3d4e5f6071","startTimeUnixNano":"1773712800000000000","endTimeUnixNano":1773712800000000001}]}]}]}"#;
    let Ok(Decoded::Telemetry { batch, .. }) = decode(TopicKind::Spans, None, json) else {
        panic!("not decoded")
    };
    assert_eq!(batch.spans.len(), 1);
}
