//! Answers: which status a refusal has, and OTLP's own messages in the encoding of the request.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::append::Refused;
use crate::intake::decode::DecodeError;
use crate::log::LogError;

/// How long a sender should wait when the log does not answer. Unit: seconds.
const RETRY_AFTER_SECS: &str = "5";

/// The encoding of an OTLP request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Proto,
    Json,
}

impl Encoding {
    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Proto => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

/// The status of a refusal: 413 and 400 are final, 503 is to be tried again.
pub(super) fn status(refused: &Refused) -> StatusCode {
    match refused {
        Refused::Payload(DecodeError::TooLarge { .. })
        | Refused::Log(LogError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        Refused::Payload(DecodeError::Compression(_)) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refused::Payload(_) => StatusCode::BAD_REQUEST,
        Refused::Log(_) | Refused::Closing => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A refusal as JSON, for webhooks.
pub(super) fn refusal(refused: &Refused) -> Response {
    let status = status(refused);
    let body = json!({"error": refused.to_string()}).to_string();
    retryable(status, (status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// A refusal as `google.rpc.Status`, for OTLP.
pub(super) fn otlp_refusal(refused: &Refused, encoding: Encoding) -> Response {
    let status = status(refused);
    let message = refused.to_string();
    let code = match status {
        StatusCode::SERVICE_UNAVAILABLE => 14,
        _ => 3,
    };
    let body = match encoding {
        Encoding::Json => json!({"code": code, "message": message}).to_string().into_bytes(),
        Encoding::Proto => {
            let mut out = vec![0x08, code];
            push_bytes(&mut out, 2, message.as_bytes());
            out
        }
    };
    retryable(
        status,
        (status, [(header::CONTENT_TYPE, encoding.content_type())], body).into_response(),
    )
}

/// OTLP's success: empty, or a partial success with how many items were rejected. The member is
/// named after the signal (`rejectedSpans` ...); its field number is the same for all.
pub(super) fn otlp_success(rejected: u32, member: &str, encoding: Encoding) -> Response {
    const MESSAGE: &str = "items without usable ids, times or values were rejected";
    let body = match (encoding, rejected) {
        (Encoding::Json, 0) => b"{}".to_vec(),
        (Encoding::Proto, 0) => Vec::new(),
        (Encoding::Json, _) => {
            let partial = json!({member: rejected.to_string(), "errorMessage": MESSAGE});
            json!({"partialSuccess": partial}).to_string().into_bytes()
        }
        (Encoding::Proto, _) => {
            let mut partial = vec![0x08];
            push_varint(&mut partial, u64::from(rejected));
            push_bytes(&mut partial, 2, MESSAGE.as_bytes());
            let mut out = Vec::new();
            push_bytes(&mut out, 1, &partial);
            out
        }
    };
    ([(header::CONTENT_TYPE, encoding.content_type())], body).into_response()
}

fn retryable(status: StatusCode, mut response: Response) -> Response {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let after = HeaderValue::from_static(RETRY_AFTER_SECS);
        response.headers_mut().insert(header::RETRY_AFTER, after);
    }
    response
}

fn push_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
