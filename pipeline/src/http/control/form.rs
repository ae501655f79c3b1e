//! The body of a write: one JSON object, read field by field, so that each error names its field
//! and a field that means nothing here is told.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode, header};
use model::matcher::{self, MatchOp, Matcher};
use model::name::Name;
use model::time::{Nanos, Timestamp};
use serde_json::{Map, Value};

use super::super::error::ApiError;
use crate::auth::Caller;
use crate::control::desk::Counted;
use crate::span;

/// The longest body of a write. Unit: bytes.
pub(in super::super) const BODY_BYTES_MAX: usize = 256 << 10;

/// Where an act may say that it was decided.
const VIAS: [&str; 3] = ["api", "cli", "console"];

/// Who decides, where and why.
pub(super) struct By {
    pub(super) author: String,
    pub(super) via: &'static str,
    pub(super) reason: String,
}

impl By {
    pub(super) fn new(caller: &Caller, claimed: String, reason: String, via: &'static str) -> Self {
        let Some(name) = &caller.name else { return Self { author: claimed, via, reason } };
        let another = Some(claimed.trim()).filter(|said| !said.is_empty() && *said != &**name);
        let reason = match (another, reason.is_empty()) {
            (None, _) => reason,
            (Some(another), true) => format!("for {another}"),
            (Some(another), false) => format!("for {another}: {reason}"),
        };
        Self { author: name.to_string(), via, reason }
    }
}

/// The fields that have not been read yet.
pub(super) struct Form(Map<String, Value>);

pub(super) fn unprocessable(message: impl Into<String>, action: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", message, action)
}

impl Form {
    /// The fields of a body.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, ApiError> {
        let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media.and_then(|media| media.split(';').next()).unwrap_or_default().trim();
        // A form of another site cannot send this type without asking first.
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "the body's type is not JSON",
                "send JSON with the header `Content-Type: application/json`",
            ));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(ApiError::bad_request(
                "the body is no JSON object",
                "send an object, e.g. {\"author\": \"ann\", \"reason\": \"...\"}",
            )),
            Err(error) => Err(ApiError::bad_request(
                format!("the body is no JSON: line {} column {}", error.line(), error.column()),
                "send an object, e.g. {\"author\": \"ann\", \"reason\": \"...\"}",
            )),
        }
    }

    /// The fields of a query, for requests without a body.
    pub(super) fn of_query(params: BTreeMap<String, String>) -> Self {
        Self(params.into_iter().map(|(name, value)| (name, Value::String(value))).collect())
    }

    /// Takes a field out; null is the same as absent.
    pub(super) fn value(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Whether the field is there, null or not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(unprocessable(format!("`{name}` is no text"), "send a JSON string")),
        }
    }

    pub(super) fn needed(&mut self, name: &str, action: &str) -> Result<String, ApiError> {
        self.text(name)?.ok_or_else(|| unprocessable(format!("`{name}` is missing"), action))
    }

    /// Who decides, where and why. Who is known by a name decides under it; what a client says
    /// instead stands before the reason, for whoever decides in another's name.
    pub(super) fn by(&mut self, caller: &Caller) -> Result<By, ApiError> {
        let claimed = self.text("author")?.unwrap_or_default();
        let reason = self.text("reason")?.unwrap_or_default();
        let via = self.via()?;
        Ok(By::new(caller, claimed, reason, via))
    }

    /// Where it was decided.
    fn via(&mut self) -> Result<&'static str, ApiError> {
        let Some(text) = self.text("via")? else { return Ok("api") };
        VIAS.into_iter()
            .find(|via| *via == text)
            .ok_or_else(|| unprocessable("`via` is unknown", format!("use {}", VIAS.join(", "))))
    }

    pub(super) fn names(&mut self, name: &str) -> Result<Vec<Name>, ApiError> {
        let values = match self.value(name) {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(one) => vec![one],
        };
        let read = |value: Value| match value {
            Value::String(text) => Ok(Name::from(text)),
            _ => Err(unprocessable(format!("`{name}` holds no texts"), "send an array of strings")),
        };
        values.into_iter().map(read).collect()
    }

    /// As [`Self::names`], of labels.
    pub(super) fn labels(&mut self, name: &str) -> Result<Vec<Name>, ApiError> {
        let names = self.names(name)?;
        if names.iter().all(|name| matcher::is_label(name)) {
            return Ok(names);
        }
        let action = "send names of labels, e.g. [\"service\", \"cluster\"]";
        Err(unprocessable(format!("`{name}` holds what is no label"), action))
    }

    /// Matchers: each as text, or as an object of label, operator and value.
    pub(super) fn matchers(&mut self, name: &str) -> Result<Vec<Matcher>, ApiError> {
        let values = match self.value(name) {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(one) => vec![one],
        };
        values.into_iter().map(|value| read_matcher(name, value)).collect()
    }

    pub(super) fn time(&mut self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        Timestamp::parse_rfc3339(&text).map(Some).ok_or_else(|| {
            unprocessable(format!("`{name}` is no time"), "use RFC 3339: 2026-03-17T02:07:00Z")
        })
    }

    /// An end: a time of this name, or `duration` after the start.
    pub(super) fn end(
        &mut self,
        name: &str,
        start: Timestamp,
    ) -> Result<(Timestamp, Counted), ApiError> {
        let at = self.time(name)?;
        let length = self.duration()?;
        match (at, length) {
            (Some(_), Some(_)) => Err(unprocessable(
                format!("there are both `{name}` and `duration`"),
                "give one of them",
            )),
            (Some(at), None) => Ok((at, Counted::Nothing)),
            (None, Some(length)) => Ok((start + length, Counted::Length)),
            (None, None) => Err(unprocessable(
                format!("neither `{name}` nor `duration` is there"),
                "say how long, e.g. \"duration\": \"2h\"",
            )),
        }
    }

    fn duration(&mut self) -> Result<Option<Nanos>, ApiError> {
        let Some(text) = self.text("duration")? else { return Ok(None) };
        span::parse(&text).map(Some).map_err(|why| unprocessable("`duration` is none", why))
    }

    /// Refuses what was not read.
    pub(super) fn done(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(_) => Err(unprocessable(
                "the body has a field that means nothing here",
                "GET /api/openapi.json lists the fields of each request",
            )),
        }
    }
}

fn read_matcher(name: &str, value: Value) -> Result<Matcher, ApiError> {
    let wrong = |why: String| unprocessable(format!("`{name}` holds no matcher"), why);
    match value {
        Value::String(text) => matcher::parse(&text).map_err(wrong),
        value @ Value::Object(_) => serde_json::from_value(value).map_err(|_| {
            let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
            wrong(format!("use label, op ({}) and value", ops.map(matcher::sign).join(" ")))
        }),
        _ => Err(wrong("send texts like service=payment".to_owned())),
    }
}
