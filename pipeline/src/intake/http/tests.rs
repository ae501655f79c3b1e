//! The door, called without a socket over a log double that can be switched off.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use model::time::Timestamp;
use sinks::config::secret::Secret;
use tower::ServiceExt;

use super::{Door, IntakeState, door, router, routes};
use crate::auth::{Keyring, Role, Token};
use crate::http::metrics::{Metric, Stage};
use crate::intake::decode::DecodeLimits;
use crate::log::{Log, LogError, LogReader, NewRecord, Record, Start, TopicPartition, TopicSpec};
use crate::topics::InputTopics;

#[derive(Default)]
struct Double {
    appended: Mutex<Vec<(TopicPartition, NewRecord)>>,
    down: AtomicBool,
}

impl Log for Double {
    fn ensure_topics(&self, _: &[TopicSpec]) -> Result<(), LogError> {
        Ok(())
    }
    fn partitions(&self, _: &str) -> Result<u32, LogError> {
        Ok(3)
    }
    fn append(
        &self,
        to: &TopicPartition,
        records: Vec<NewRecord>,
    ) -> Result<Option<u64>, LogError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(LogError::Unavailable("switched off".into()));
        }
        let mut appended = self.appended.lock().expect("lock");
        appended.extend(records.into_iter().map(|record| (to.clone(), record)));
        Ok(None)
    }
    fn end(&self, _: &TopicPartition) -> Result<u64, LogError> {
        Err(LogError::Unavailable("a double".into()))
    }
    fn reader(&self, _: &[(TopicPartition, Start)]) -> Result<Box<dyn LogReader>, LogError> {
        Err(LogError::Unavailable("a double".into()))
    }
    fn latest_by_key(&self, _: &str) -> Result<Vec<Record>, LogError> {
        Ok(Vec::new())
    }
    fn publish_progress(&self, _: &str, _: &[(TopicPartition, u64)]) -> Result<(), LogError> {
        Ok(())
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_773_712_800_000)
}

async fn send(log: &Arc<Double>, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
    let door = Door::default().with_github_secret(Secret::new("It's a Secret to Everybody"));
    send_to(state(log, door), path, headers, body).await
}

fn state(log: &Arc<Double>, door: Door) -> IntakeState {
    IntakeState::new(log.clone(), InputTopics::default(), DecodeLimits::default(), now)
        .behind(door, Arc::default())
}

async fn send_to(
    state: IntakeState,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Response {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router(state).oneshot(request.body(Body::from(body)).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTO: (&str, &str) = ("content-type", "application/x-protobuf");

fn spans(ids: &[&str]) -> Vec<u8> {
    let spans: Vec<String> = ids
        .iter()
        .map(|id| {
            format!(
                r#"{{"traceId":"0a1b2c3d4e5f60718293a4b5c6d7e8f9","spanId":"{id}","startTimeUnixNano":"1773712800000000000","endTimeUnixNano":"1773712800000000009"}}"#
            )
        })
        .collect();
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, spans.join(",")).into()
}

#[tokio::test]
async fn an_export_is_in_the_log_before_it_is_answered() {
    let log = Arc::new(Double::default());
    let body = spans(&["0a1b2c3d4e5f6071"]);
    let response = send(&log, "/v1/traces", &[JSON], body.clone()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "{}");
    let appended = log.appended.lock().unwrap();
    let (partition, record) = &appended[0];
    assert_eq!(&*partition.topic, "otlp_spans");
    assert_eq!(record.value.as_deref(), Some(&body[..]));
    assert_eq!(record.headers, [("encoding".to_owned(), b"otlp_json".to_vec())]);
    assert_eq!(record.timestamp_ms, now().millis());
}

#[tokio::test]
async fn gzip_is_undone_and_rejected_items_are_a_partial_success() {
    let log = Arc::new(Double::default());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&spans(&["0a1b2c3d4e5f6071", "short"])).unwrap();
    let gzip = encoder.finish().unwrap();
    let response = send(&log, "/v1/traces", &[JSON, ("content-encoding", "gzip")], gzip).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(text(response).await.contains(r#""rejectedSpans":"1""#));
    assert!(log.appended.lock().unwrap()[0].1.value.as_ref().unwrap().starts_with(b"{"));
}

#[tokio::test]
async fn bad_data_is_final_and_a_log_that_is_down_is_not() {
    let log = Arc::new(Double::default());
    let bad = send(&log, "/v1/logs", &[PROTO], vec![0x0a, 0x7f, 0x01]).await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    assert!(text(bad).await.contains("truncated"));
    let other = send(&log, "/v1/logs", &[("content-type", "text/plain")], vec![1]).await;
    assert_eq!(other.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = send(&log, "/v1/logs", &[PROTO], vec![0; 21 << 20]).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let bomb = zstd::encode_all(&vec![0_u8; 21 << 20][..], 1).unwrap();
    let bomb = send(&log, "/v1/logs", &[PROTO, ("content-encoding", "zstd")], bomb).await;
    assert_eq!(bomb.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(log.appended.lock().unwrap().is_empty());
    log.down.store(true, Ordering::SeqCst);
    let down = send(&log, "/v1/traces", &[JSON], spans(&["0a1b2c3d4e5f6071"])).await;
    assert_eq!(down.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(down.headers().get("retry-after").unwrap(), "5");
}

#[tokio::test]
async fn an_empty_protobuf_export_succeeds_without_a_record() {
    let log = Arc::new(Double::default());
    let response = send(&log, "/v1/metrics", &[PROTO], Vec::new()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "");
    assert!(log.appended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn prometheus_can_name_us_as_one_more_alertmanager() {
    let log = Arc::new(Double::default());
    let body = br#"[{"labels":{"alertname":"A"},"endsAt":"2026-03-17T03:00:00Z"}]"#.to_vec();
    let response = send(&log, "/api/v2/alerts", &[JSON], body).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(&*log.appended.lock().unwrap()[0].0.topic, "alerts");
    let unknown = send(&log, "/webhooks/alertmanager", &[JSON], b"{\"a\":1}".to_vec()).await;
    assert_eq!(unknown.status(), StatusCode::BAD_REQUEST);
    assert!(text(unknown).await.contains("Grafana webhook"), "says what was tried");
}

#[tokio::test]
async fn binary_cloudevents_keep_their_headers_in_kafkas_form() {
    let log = Arc::new(Double::default());
    let headers = [
        JSON,
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-type", "dev.faultline.change.config.changed.0.1.0"),
    ];
    let body = br#"{"customData":{"service":"payment"}}"#.to_vec();
    let response = send(&log, "/webhooks/cloudevents", &headers, body).await;
    assert_eq!(response.status(), StatusCode::OK);
    let appended = log.appended.lock().unwrap();
    assert!(appended[0].1.headers.contains(&("ce_id".to_owned(), b"1".to_vec())));
}

#[tokio::test]
async fn github_must_sign_when_a_secret_is_set() {
    let log = Arc::new(Double::default());
    let unsigned = send(&log, "/webhooks/github", &[JSON], b"{}".to_vec()).await;
    assert_eq!(unsigned.status(), StatusCode::UNAUTHORIZED);
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let signed = [JSON, ("x-hub-signature-256", signature)];
    let response = send(&log, "/webhooks/github", &signed, b"Hello, World!".to_vec()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "signed, but no JSON");
}

const TOKEN: &str = "a-sender-has-this-token";

fn guarded() -> Door {
    let (role, secret) = (Role::Viewer, Secret::new(TOKEN));
    let token = Token { name: Some("am".into()), role, secret, file: None };
    Door::default().with_senders(Keyring::new(&[token]).unwrap())
}

#[tokio::test]
async fn every_route_refuses_who_is_not_known_and_takes_who_is() {
    let log = Arc::new(Double::default());
    let state = state(&log, guarded());
    let app = router(state.clone());
    let paths: Vec<_> = routes().into_iter().map(|(_, path, _)| path).collect();
    assert!(!include_str!("mod.rs").contains(".route(\""), "all come by the table");
    let wrong = [
        ("x-nothing", String::new()),
        ("authorization", "Bearer nobody-has-this-token".to_owned()),
        ("authorization", format!("Bearer {TOKEN}x")),
        ("authorization", format!("Basic {TOKEN}")),
        ("authorization", TOKEN.to_owned()),
        ("x-gitlab-token", TOKEN.to_owned()),
        ("x-hub-signature-256", "sha256=00".to_owned()),
    ];
    let mut refused = 0;
    for path in paths.iter().copied().chain(["/", "/no/such/path"]) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let ask = |name: &'static str, value: String| {
                let request = Request::builder().method(method).uri(path).header(name, value);
                app.clone().oneshot(request.body(Body::empty()).unwrap())
            };
            for (name, value) in &wrong {
                let status = ask(name, value.clone()).await.unwrap().status();
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} {name}: {value}");
                refused += 1;
            }
            let status = ask("authorization", format!("bearer {TOKEN}")).await.unwrap().status();
            assert!(!matches!(status.as_u16(), 401 | 403), "{method} {path}: {status}");
        }
    }
    assert_eq!(state.metrics.get(Metric::RequestsRefused, Stage::Intake), refused);
    assert!(log.appended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_forge_is_known_by_its_own_secret_and_opens_no_other_route() {
    let log = Arc::new(Double::default());
    let forges = guarded()
        .with_github_secret(Secret::new("It's a Secret to Everybody"))
        .with_gitlab_token(Secret::new("gitlab-has-this-token"));
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let github = [JSON, ("x-hub-signature-256", signature)];
    let gitlab = [JSON, ("x-gitlab-token", "gitlab-has-this-token")];
    let bearer = format!("Bearer {TOKEN}");
    let bearer = [JSON, ("authorization", bearer.as_str())];
    for (path, headers, status) in [
        (door::GITHUB, &github[..], 400),
        (door::GITHUB, &gitlab[..], 401),
        (door::GITHUB, &bearer[..], 401),
        (door::GITLAB, &gitlab[..], 400),
        (door::GITLAB, &github[..], 401),
        ("/webhooks/alerts", &github[..], 401),
        ("/webhooks/alerts", &gitlab[..], 401),
        ("/webhooks/alerts", &bearer[..], 400),
    ] {
        let answer = send_to(state(&log, forges.clone()), path, headers, b"Hello, World!".to_vec());
        assert_eq!(answer.await.status(), status, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn a_web_page_can_send_nothing_to_a_door_that_asks_for_no_token() {
    let log = Arc::new(Double::default());
    let body = br#"[{"labels":{"alertname":"A"},"endsAt":"2026-03-17T03:00:00Z"}]"#;
    let bearer = format!("Bearer {TOKEN}");
    for (door, headers, status) in [
        (Door::default(), vec![("origin", "https://evil.example")], 403),
        (Door::default(), vec![("sec-fetch-site", "cross-site")], 403),
        (guarded(), vec![("origin", "https://shop.example")], 403),
        (guarded(), vec![("origin", "https://shop.example"), ("authorization", &bearer)], 200),
        (Door::default(), vec![], 200),
    ] {
        let headers = [vec![("content-type", "text/plain")], headers].concat();
        let answer = send_to(state(&log, door), "/api/v2/alerts", &headers, body.to_vec()).await;
        assert_eq!(answer.status(), status, "{headers:?}");
    }
}
