//! The console's pages and files, embedded in the binary.
//!
//! All pages are one shell without data; the scripts ask the API and show every text from outside
//! as a text node. What is deliberately absent: templates, so nothing is ever put into markup here.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::HttpState;
use super::error::ApiError;
use super::metrics::{Metric, Stage};
use crate::clock;

const SHELL: &str = include_str!("assets/index.html");
const LOGIN: &str = include_str!("assets/login.html");
const LOGIN_FAILED: &str = include_str!("assets/login_failed.html");
/// With a token or at an issuer, and at an issuer alone.
const LOGIN_EITHER: &str = include_str!("assets/login_either.html");
const LOGIN_EITHER_FAILED: &str = include_str!("assets/login_either_failed.html");
const LOGIN_ISSUER: &str = include_str!("assets/login_issuer.html");

const JS: &str = "text/javascript; charset=utf-8";

/// The longest login form that is read. Unit: bytes.
const FORM_BYTES_MAX: usize = 4_096;

/// Name, media type and content of every file under `/assets/`.
const ASSETS: [(&str, &str, &str); 16] = [
    ("console.css", "text/css; charset=utf-8", include_str!("assets/console.css")),
    ("app.js", JS, include_str!("assets/app.js")),
    ("dom.js", JS, include_str!("assets/dom.js")),
    ("format.js", JS, include_str!("assets/format.js")),
    ("list.js", JS, include_str!("assets/list.js")),
    ("incident.js", JS, include_str!("assets/incident.js")),
    ("graph.js", JS, include_str!("assets/graph.js")),
    ("drift.js", JS, include_str!("assets/drift.js")),
    ("decide.js", JS, include_str!("assets/decide.js")),
    ("login.js", JS, include_str!("assets/login.js")),
    ("who.js", JS, include_str!("assets/who.js")),
    ("dialog.js", JS, include_str!("assets/dialog.js")),
    ("control.js", JS, include_str!("assets/control.js")),
    ("voices.js", JS, include_str!("assets/voices.js")),
    ("silences.js", JS, include_str!("assets/silences.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

pub(super) fn html(status: StatusCode, page: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

pub(super) async fn page() -> Response {
    html(StatusCode::OK, SHELL)
}

pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, ApiError> {
    let found = ASSETS.iter().find(|(known, _, _)| *known == name);
    let (_, media, body) = found.ok_or_else(|| {
        ApiError::not_found("there is no such file", "reload the page; it names its files")
    })?;
    Ok(([(header::CONTENT_TYPE, *media), (header::CACHE_CONTROL, "no-cache")], *body)
        .into_response())
}

pub(super) async fn login_page(State(state): State<HttpState>) -> Response {
    match (state.security.has_tokens(), state.security.sign_in_issuer()) {
        (true, None) => html(StatusCode::OK, LOGIN),
        (true, Some(_)) => html(StatusCode::OK, LOGIN_EITHER),
        (false, Some(_)) => html(StatusCode::OK, LOGIN_ISSUER),
        (false, None) => Redirect::to("/").into_response(),
    }
}

/// Where to go after signing in.
#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

impl Next {
    /// Only a page of ours: nobody is led elsewhere by a link to our login.
    pub(super) fn page(&self) -> &str {
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'/' | b'-' | b'_');
        let is_ours = self.next.starts_with('/') && !self.next.starts_with("//");
        if is_ours && self.next.bytes().all(plain) { &self.next } else { "/" }
    }
}

pub(super) async fn login(
    State(state): State<HttpState>,
    uri: Uri,
    Query(next): Query<Next>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_own = state.security.is_own_form(&headers, &uri);
    let token = (body.len() <= FORM_BYTES_MAX).then(|| form_field(&body, b"token")).flatten();
    let sign_in =
        |token: Vec<u8>| state.security.sign_in(token.trim_ascii(), &headers, clock::now());
    match token.filter(|_| is_own).and_then(sign_in) {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(next.page())).into_response(),
        None => {
            state.metrics.add(Metric::RequestsRefused, Stage::Console, 1);
            let has_issuer = state.security.sign_in_issuer().is_some();
            html(StatusCode::UNAUTHORIZED, login_failed(state.security.has_tokens(), has_issuer))
        }
    }
}

/// Whoever has no token is not left without the other way, and nobody is asked for one where there are none.
const fn login_failed(has_tokens: bool, has_issuer: bool) -> &'static str {
    match (has_tokens, has_issuer) {
        (true, true) => LOGIN_EITHER_FAILED,
        (false, true) => LOGIN_ISSUER,
        (_, false) => LOGIN_FAILED,
    }
}

/// Another site's page can sign nobody out.
pub(super) async fn logout(
    State(state): State<HttpState>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let cookie =
        state.security.sign_out(&headers).filter(|_| state.security.is_own_form(&headers, &uri));
    match cookie {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response(),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

/// A field of `application/x-www-form-urlencoded`.
fn form_field(body: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    body.split(|byte| *byte == b'&').find_map(|pair| {
        let value = pair.strip_prefix(wanted)?.strip_prefix(b"=")?;
        Some(percent_decoded(value))
    })
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let hex = |digits: &[u8]| {
            std::str::from_utf8(digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok())
        };
        let escaped = if *first == b'%' { tail.get(..2).and_then(hex) } else { None };
        decoded.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded_as_browsers_encode_them() {
        let field = form_field(b"a=1&token=x%2By+z%25%&b=2", b"token").unwrap();
        assert_eq!(field, b"x+y z%%");
        assert_eq!(form_field(b"tokens=1", b"token"), None);
    }

    #[test]
    fn after_a_failed_sign_in_only_ways_that_exist_are_offered() {
        let shown = |tokens, issuer| {
            let page = login_failed(tokens, issuer);
            (page.contains("name=\"token\""), page.contains("/login/oidc"))
        };
        for ways in [(true, true), (false, true), (true, false)] {
            assert_eq!(shown(ways.0, ways.1), ways);
        }
    }

    #[test]
    fn nobody_is_led_elsewhere_after_signing_in() {
        for (next, page) in [
            ("/incidents/00ff", "/incidents/00ff"),
            ("/silences", "/silences"),
            ("", "/"),
            ("silences", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example/", "/"),
            ("/a\r\nset-cookie: x", "/"),
        ] {
            assert_eq!(Next { next: next.to_owned() }.page(), page, "{next}");
        }
    }

    #[test]
    fn no_page_holds_an_inline_script_or_style() {
        for page in [SHELL, LOGIN, LOGIN_FAILED, LOGIN_EITHER, LOGIN_EITHER_FAILED, LOGIN_ISSUER] {
            assert!(!page.contains("style=") && !page.contains("<style"), "{page}");
            assert!(!page.contains(" on"), "no event handlers: {page}");
            for script in page.split("<script").skip(1) {
                assert!(script.contains("src=\"/assets/"), "{script}");
            }
        }
    }

    #[test]
    fn no_script_can_make_markup_from_text() {
        let sinks = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "DOMParser",
            "new Function",
            "setAttribute('style'",
            "createContextualFragment",
        ];
        for (name, _, body) in ASSETS.iter().filter(|(_, media, _)| *media == JS) {
            for sink in sinks {
                assert!(!body.contains(sink), "{name} uses {sink}");
            }
        }
    }
}
