//! Exports to a receiver on this machine, which decodes them with the reference decoder.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, sync_channel};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use prost::Message as _;
use sinks::config::secret::Secret;

use super::*;
use crate::telemetry::lines::Line;

const SECRET: &str = "a-secret-that-nobody-may-see";

/// A request: its path, its head, its body.
type Heard = (String, String, Vec<u8>);

/// A receiver that answers each request with a status.
fn receiver(status: &'static str) -> (String, Receiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (heard, requests) = sync_channel(64);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap() == 0 {
                    break;
                }
            }
            let length = head.to_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.and_then(|text| text.trim().parse().ok()).unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
            if heard.send((path, head, body)).is_err() {
                return;
            }
        }
    });
    (endpoint, requests)
}

fn alone() -> std::sync::MutexGuard<'static, ()> {
    lines::ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn settings(endpoint: &str) -> Settings {
    Settings {
        endpoint: endpoint.to_owned(),
        host: "127.0.0.1".to_owned(),
        is_private: true,
        headers: vec![("authorization".to_owned(), Secret::new(SECRET))],
        metrics_every: Some(Duration::from_secs(30)),
        logs_from: Some(tracing::Level::WARN),
        has_traces: true,
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
    match found.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn metrics_lines_and_spans_are_what_the_reference_decoder_reads_and_hold_no_secret() {
    let _alone = alone();
    let (endpoint, requests) = receiver("200 OK");
    let metrics = Arc::new(Metrics::default());
    metrics.add(Metric::RecordsRead, Stage::Observe, 42);
    metrics.set(Metric::LagTime, Stage::Detect, 1_500);
    let batches = Batches::kept();
    let begun = batches.begin(Stage::Correlate).unwrap();
    batches.end(begun, Stage::Correlate, "faultline.journal", (7, 900));
    let mut export = Export::new(settings(&endpoint), metrics, batches, "kafka");
    export.send_all(true);
    let line = Line {
        at: clock::now(),
        severity: 13,
        level: "WARN",
        body: "a sink does not answer".to_owned(),
        fields: vec![("sink", "itsm".to_owned())],
    };
    export.send("/v1/logs", &messages::logs(&export.teller, &[line])).unwrap();

    let mut seen = std::collections::BTreeMap::new();
    while !["/v1/metrics", "/v1/traces", "/v1/logs"].iter().all(|path| seen.contains_key(*path)) {
        let (path, head, body) = requests.recv_timeout(Duration::from_secs(10)).unwrap();
        let lower = head.to_lowercase();
        assert!(lower.contains(&format!("authorization: {SECRET}")), "{path}");
        assert!(lower.contains("content-type: application/x-protobuf"), "{head}");
        let holds = body.windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes());
        assert!(!holds, "{path} holds a secret");
        seen.insert(path, body);
    }
    let told = ExportMetricsServiceRequest::decode(seen["/v1/metrics"].as_slice()).unwrap();
    let resource = told.resource_metrics[0].resource.as_ref().unwrap();
    assert_eq!(text(&resource.attributes, "service.name"), "faultline");
    assert!(!text(&resource.attributes, "service.instance.id").is_empty());
    let all = &told.resource_metrics[0].scope_metrics[0].metrics;
    let read = all.iter().find(|metric| metric.name == "faultline.records_read").unwrap();
    let Some(metric::Data::Sum(sum)) = &read.data else { panic!("{read:?}") };
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
    let observe =
        sum.data_points.iter().find(|point| text(&point.attributes, "stage") == "observe");
    let observe = observe.unwrap();
    assert_eq!(observe.value, Some(number_data_point::Value::AsInt(42)));
    assert!(
        observe.start_time_unix_nano > 0 && observe.time_unix_nano >= observe.start_time_unix_nano
    );
    let lag = all.iter().find(|metric| metric.name == "faultline.lag").unwrap();
    let Some(metric::Data::Gauge(gauge)) = &lag.data else { panic!("{lag:?}") };
    assert_eq!(
        (lag.unit.as_str(), gauge.data_points.len()),
        ("s", 1),
        "what is unknown is left out"
    );
    assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(1.5)));

    let told = ExportTraceServiceRequest::decode(seen["/v1/traces"].as_slice()).unwrap();
    let span = &told.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.name.as_str(), span.kind), ("process faultline.journal", 5));
    assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    for (key, value) in [
        ("messaging.system", "kafka"),
        ("messaging.operation.type", "process"),
        ("messaging.destination.name", "faultline.journal"),
        ("messaging.consumer.group.name", "faultline-correlate"),
        ("messaging.batch.message_count", "7"),
    ] {
        assert_eq!(text(&span.attributes, key), value);
    }

    let told = ExportLogsServiceRequest::decode(seen["/v1/logs"].as_slice()).unwrap();
    let record = &told.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!((record.severity_number, record.severity_text.as_str()), (13, "WARN"));
    assert_eq!(text(&record.attributes, "sink"), "itsm");
    let body = record.body.clone().and_then(|body| body.value);
    let said = any_value::Value::StringValue("a sink does not answer".to_owned());
    assert_eq!(body, Some(said));
}

#[test]
fn an_endpoint_that_does_not_answer_is_left_alone_and_counted() {
    let _alone = alone();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let metrics = Arc::new(Metrics::default());
    let unsent = || metrics.get(Metric::TelemetryUnsent, Stage::Console);
    let mut export = Export::new(settings(&endpoint), metrics.clone(), Batches::default(), "kafka");
    let mut pauses = Vec::new();
    for _ in 0..8 {
        export.send_all(true);
        pauses.push(export.away.map(|(_, pause)| pause.as_secs()).unwrap());
    }
    assert!(unsent() >= 8, "{}", unsent());
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    // One that answers, but not well, is no better.
    let (endpoint, _requests) = receiver("503 Service Unavailable");
    export.settings.endpoint = endpoint;
    export.send_all(true);
    assert!(export.has_failed);
    let (endpoint, _requests) = receiver("200 OK");
    export.settings.endpoint = endpoint;
    export.send_all(true);
    assert!(export.away.is_none() && !export.has_failed);
}

#[test]
fn a_stop_waits_for_no_endpoint_that_does_not_answer() {
    let _alone = alone();
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let stop = Stop::default();
    let settings = settings(&endpoint);
    let (_batches, thread) = start(settings, Arc::default(), "kafka", stop.clone()).unwrap();
    let watch = StopWatch::start();
    let pause = Stop::default();
    let _stopped = pause.wait(Duration::from_millis(1_200));
    stop.set();
    thread.join().unwrap().unwrap();
    let took = watch.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn a_private_address_is_asked_only_where_that_was_said() {
    let _alone = alone();
    let (endpoint, requests) = receiver("200 OK");
    let settings = Settings { is_private: false, ..settings(&endpoint.replace("http:", "https:")) };
    let metrics = Arc::new(Metrics::default());
    let mut export = Export::new(settings, metrics, Batches::default(), "kafka");
    export.send_all(true);
    assert!(export.has_failed);
    assert!(requests.try_recv().is_err(), "nobody connected");
}
