//! Errors as JSON that say what to do. What is deliberately absent: internals, and text from the
//! request that could be shown as anything but JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub action: String,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'a str,
    message: &'a str,
    action: &'a str,
}

impl ApiError {
    /// The request itself is wrong.
    #[must_use]
    pub fn bad_request(message: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message, action)
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>, action: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message, action)
    }

    /// Any other.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self { status, code, message: message.into(), action: action.into() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let inner = Inner { code: self.code, message: &self.message, action: &self.action };
        (self.status, Json(Body { error: inner })).into_response()
    }
}
