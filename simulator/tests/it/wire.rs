//! Both encodings say the same, and the reference decoder understands all of it.

use model::recording::topic;
use model::time::Nanos;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use simulator::{Encoding, Scale, Scenario, random};

fn both() -> [Scenario; 2] {
    [Encoding::OtlpProto, Encoding::OtlpJson].map(|encoding| {
        let (healthy, faulty) = (Nanos::from_secs(40), Nanos::from_secs(30));
        random(8, Scale { spans: 2_000, healthy, faulty, encoding, ..Scale::default() })
    })
}

/// Written by hand twice, read by the reference implementation twice: the same request.
#[test]
fn protobuf_and_json_decode_to_the_same_requests() {
    let [proto, json] = both();
    let mut seen = [0; 3];
    for (a, b) in proto.records().zip(json.records()) {
        assert_eq!((&a.topic, a.timestamp_ms), (&b.topic, b.timestamp_ms));
        match a.topic.as_str() {
            topic::SPANS => {
                seen[0] += 1;
                let expected: ExportTraceServiceRequest = serde_json::from_slice(&b.value).unwrap();
                assert_eq!(ExportTraceServiceRequest::decode(&a.value[..]).unwrap(), expected);
            }
            topic::LOGS => {
                seen[1] += 1;
                let expected: ExportLogsServiceRequest = serde_json::from_slice(&b.value).unwrap();
                assert_eq!(ExportLogsServiceRequest::decode(&a.value[..]).unwrap(), expected);
            }
            topic::METRICS => {
                seen[2] += 1;
                let expected: ExportMetricsServiceRequest =
                    serde_json::from_slice(&b.value).unwrap();
                assert_eq!(ExportMetricsServiceRequest::decode(&a.value[..]).unwrap(), expected);
            }
            _ => assert_eq!(a.value, b.value),
        }
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
}

/// Encoding again what prost read gives our bytes: field order and defaults are those of prost.
#[test]
fn our_protobuf_is_what_prost_would_write() {
    for record in both()[0].records() {
        let again = match record.topic.as_str() {
            topic::SPANS => {
                ExportTraceServiceRequest::decode(&record.value[..]).unwrap().encode_to_vec()
            }
            topic::LOGS => {
                ExportLogsServiceRequest::decode(&record.value[..]).unwrap().encode_to_vec()
            }
            topic::METRICS => {
                ExportMetricsServiceRequest::decode(&record.value[..]).unwrap().encode_to_vec()
            }
            _ => continue,
        };
        assert!(again == record.value, "{}", record.topic);
    }
}

#[test]
fn totals_never_fall_and_gauges_stay_in_their_bounds() {
    let mut last = std::collections::BTreeMap::new();
    for record in both()[0].records().filter(|record| record.topic == topic::METRICS) {
        let request = ExportMetricsServiceRequest::decode(&record.value[..]).unwrap();
        for group in request.resource_metrics {
            let instance = format!("{:?}", group.resource);
            for metric in group.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                let (points, is_total) = match metric.data {
                    Some(Data::Gauge(gauge)) => (gauge.data_points, false),
                    Some(Data::Sum(sum)) => (sum.data_points, true),
                    other => panic!("{other:?}"),
                };
                for point in points {
                    let value = format!("{:?}", point.value);
                    let Some(number) = point.value.map(number) else { panic!("{value}") };
                    assert!(number.is_finite() && number >= 0.0, "{}: {value}", metric.name);
                    if metric.name.ends_with("utilization") {
                        assert!(number <= 1.0, "{}: {value}", metric.name);
                    }
                    if is_total {
                        let key = (instance.clone(), metric.name.clone());
                        assert!(last.insert(key, number).is_none_or(|it| it <= number));
                    }
                }
            }
        }
    }
    assert!(!last.is_empty());
}

fn number(value: opentelemetry_proto::tonic::metrics::v1::number_data_point::Value) -> f64 {
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    match value {
        Value::AsDouble(number) => number,
        Value::AsInt(number) => number as f64,
    }
}
