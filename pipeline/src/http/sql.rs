//! `POST /api/v1/sql`: one text of SQL in, one answer out, within the bounds that hold for all.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;

use super::HttpState;
use super::error::ApiError;

#[cfg(feature = "history")]
pub use with_history::SqlSlot;

/// The engine behind the route. A build without history has none.
#[cfg(not(feature = "history"))]
#[derive(Debug, Default)]
pub struct SqlSlot;

/// The query of a request: JSON `{"query": "..."}`, or the text itself as `text/plain` or
/// `application/sql`. Other types are refused: a browser's form from elsewhere has one of those.
fn query(headers: &HeaderMap, body: &Bytes) -> Result<String, ApiError> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        query: String,
    }
    let wrong =
        |message: String| ApiError::bad_request(message, "send JSON `{\"query\": \"SELECT ...\"}`");
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => {
            let asked: Asked =
                serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
            Ok(asked.query)
        }
        "application/sql" => {
            String::from_utf8(body.to_vec()).map_err(|error| wrong(error.to_string()))
        }
        _ => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the query is neither `application/json` nor `application/sql`",
            "send JSON `{\"query\": \"SELECT ...\"}` with its content type",
        )),
    }
}

fn no_history() -> ApiError {
    ApiError::new(
        StatusCode::NOT_IMPLEMENTED,
        "no_history",
        "this process keeps no history",
        "configure `history:` and run the role `history` here",
    )
}

#[cfg(not(feature = "history"))]
pub(super) async fn sql(
    State(_state): State<HttpState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    query(&headers, &body)?;
    Err(no_history())
}

#[cfg(feature = "history")]
pub(super) async fn sql(
    State(state): State<HttpState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    use axum::http::header::ACCEPT;
    use axum::response::IntoResponse as _;
    use history::sql::answer::Sheet;

    let query = query(&headers, &body)?;
    let engine = state.sql.get().ok_or_else(no_history)?;
    let sheet = Sheet::of(&engine.session(), &query).await.map_err(with_history::told)?;
    let accept = headers.get(ACCEPT).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    Ok(if accept.contains("text/csv") {
        ([(CONTENT_TYPE, "text/csv; charset=utf-8")], sheet.to_csv()).into_response()
    } else {
        axum::Json(sheet).into_response()
    })
}

#[cfg(feature = "history")]
mod with_history {
    use std::sync::{PoisonError, RwLock};

    use axum::http::StatusCode;
    use history::sql::engine::Engine;
    use history::sql::error::{CANCELED, NOT_YET, READ_ONLY, SqlError, TOO_LARGE};

    use crate::http::error::ApiError;

    /// The engine behind the route; empty where this process keeps no history.
    #[derive(Default)]
    pub struct SqlSlot(RwLock<Option<Engine>>);

    impl std::fmt::Debug for SqlSlot {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("SqlSlot")
        }
    }

    impl SqlSlot {
        /// From now on statements are answered.
        pub fn set(&self, engine: Engine) {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(engine);
        }

        /// From now on none is.
        pub fn clear(&self) {
            self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        }

        /// The engine.
        #[must_use]
        pub fn get(&self) -> Option<Engine> {
            self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
        }
    }

    /// An error of a statement; its SQLSTATE stands in front of the words.
    pub(super) fn told(error: SqlError) -> ApiError {
        let (status, code) = match error.code {
            READ_ONLY => (StatusCode::FORBIDDEN, "read_only"),
            CANCELED => (StatusCode::REQUEST_TIMEOUT, "statement_timeout"),
            TOO_LARGE => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            NOT_YET => (StatusCode::SERVICE_UNAVAILABLE, "history_unavailable"),
            _ => (StatusCode::BAD_REQUEST, "bad_query"),
        };
        let action =
            error.hint.unwrap_or_else(|| "docs/history.md lists tables and columns".into());
        ApiError::new(status, code, format!("{}: {}", error.code, error.message), action)
    }
}
