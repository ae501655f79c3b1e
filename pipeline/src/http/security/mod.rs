//! Who may ask, and by which host names; and the headers that keep a browser honest.
//!
//! Deny by default: where somebody is asked who they are, every path but the open ones needs a
//! caller, known to the router or not, and every route the role of its row. Where nobody is asked,
//! only a loopback address may be served ([`check_listen`]). A write that a browser sends must come
//! from our own pages; one with a session but without a browser's headers is refused.
//! What is deliberately absent: TLS and accounts; a proxy in front has them.

mod listen;
mod origin;

use std::fmt;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use model::time::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::HttpState;
use super::error::ApiError;
use super::metrics::{Metric, Stage};
use super::router::Endpoint;
use crate::auth::{Access, Caller, Keyring, Means, Role};
use crate::clock;
use origin::{Hosts, Sender, host, is_over_tls};

pub use listen::{Unguarded, check_listen};

/// The cookie of a session.
pub const COOKIE: &str = "faultline_session";

/// The longest name that a proxy may give. Unit: bytes.
const NAME_BYTES_MAX: usize = 200;

/// Nothing but our own files; nothing inline; no frames.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// A proxy in front that lets nobody through whom it does not know.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The header in which it says who asks; without one, callers have no name.
    pub user_header: Option<HeaderName>,
    /// What those may do whom it lets through.
    pub role: Role,
}

/// The rules of access.
#[derive(Clone, Default)]
pub struct Security {
    /// `None`: nobody is asked for a token.
    keyring: Option<Keyring>,
    proxy: Option<Proxy>,
    has_open_metrics: bool,
    hosts: Hosts,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("keyring", &self.keyring)
            .field("proxy", &self.proxy)
            .field("has_open_metrics", &self.has_open_metrics)
            .field("hosts", &self.hosts)
            .finish()
    }
}

impl Security {
    /// Asks everybody for a token of these. An empty ring lets nobody in.
    #[must_use]
    pub fn with_tokens(mut self, keyring: Keyring) -> Self {
        self.keyring = Some(keyring);
        self
    }

    /// Believes a proxy in front.
    #[must_use]
    pub fn behind(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Shows metrics to everybody.
    #[must_use]
    pub fn with_open_metrics(mut self) -> Self {
        self.has_open_metrics = true;
        self
    }

    /// Adds host names (without port) by which browsers may come, beside `localhost` and plain
    /// addresses.
    #[must_use]
    pub fn with_host_names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.hosts = Hosts::new(names);
        self
    }

    /// Whether people can sign in with a token.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.keyring.is_some()
    }

    /// Whether callers are asked who they are, by us or by a proxy.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.has_tokens() || self.proxy.is_some()
    }

    /// Who asks; `None` if they have to say it and did not.
    #[must_use]
    pub fn caller(&self, headers: &HeaderMap, now: Timestamp) -> Option<Caller> {
        if !self.is_guarded() {
            return Some(Caller::ANYONE);
        }
        let keyring = self.keyring.as_ref();
        let by_token = || keyring?.by_token(bearer(headers)?);
        let by_session = || cookies(headers).find_map(|value| keyring?.by_session(value, now));
        by_token().or_else(by_session).or_else(|| self.proxy.as_ref()?.caller(headers))
    }

    /// The `Set-Cookie` value of a session for whoever shows this token.
    #[must_use]
    pub fn sign_in(
        &self,
        token: &[u8],
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        let session = self.keyring.as_ref()?.session(token, now)?;
        cookie(&session, crate::auth::keyring::SESSION_SECS, headers)
    }

    /// The `Set-Cookie` value that ends a session in its browser.
    #[must_use]
    pub fn sign_out(headers: &HeaderMap) -> Option<HeaderValue> {
        cookie("", 0, headers)
    }

    /// Whether a page of ours sends the login's form, as far as the browser says.
    #[must_use]
    pub fn is_own_form(&self, headers: &HeaderMap, uri: &axum::http::Uri) -> bool {
        let host = host(headers, uri).unwrap_or_default();
        self.hosts.sender(headers, host) != Sender::Another
    }

    /// Whether a write may come from where it comes. A page of another site can make a browser
    /// send requests with our cookie, or to a loopback address; it cannot make it send our token
    /// in a header, nor lie about where the request comes from.
    fn may_write(&self, caller: &Caller, headers: &HeaderMap, host: &str) -> bool {
        match (caller.means, self.hosts.sender(headers, host)) {
            (Means::Token, _) | (_, Sender::Ours) => true,
            (Means::Session { .. }, Sender::NoBrowser) | (_, Sender::Another) => false,
            (Means::Nothing | Means::Proxy, Sender::NoBrowser) => true,
        }
    }

    fn judge(&self, request: &Request, now: Timestamp) -> Result<Caller, Box<Response>> {
        let (headers, path) = (request.headers(), request.uri().path());
        let host = host(headers, request.uri());
        let is_probe = matches!(path, "/livez" | "/readyz");
        if !is_probe && !host.is_some_and(|host| self.hosts.knows(host)) {
            return Err(Box::new(unknown_host()));
        }
        let access = self.access(request);
        let caller = self.caller(headers, now);
        if access == Access::Open {
            return Ok(caller.unwrap_or(Caller { role: Role::Viewer, ..Caller::ANYONE }));
        }
        let Some(caller) = caller else {
            let reads = *request.method() == Method::GET && wants_page(headers);
            let may_sign_in = reads && self.has_tokens();
            return Err(Box::new(if may_sign_in { to_login(request) } else { unknown_caller() }));
        };
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if !reads && !self.may_write(&caller, headers, host.unwrap_or_default()) {
            return Err(Box::new(not_ours()));
        }
        if caller.may(access) { Ok(caller) } else { Err(Box::new(forbidden(&caller, access))) }
    }

    /// What a request needs. A path or a method that is no route needs a caller, to learn that; a
    /// route without a row cannot be, and would be the administrators'.
    fn access(&self, request: &Request) -> Access {
        let Some(path) = request.extensions().get::<MatchedPath>() else {
            return Access::Needs(Role::Viewer);
        };
        match Endpoint::find(path.as_str(), request.method()) {
            Some(Endpoint::Metrics) if self.has_open_metrics => Access::Open,
            Some(endpoint) => endpoint.row().access,
            None if Endpoint::all().any(|known| known.row().path == path.as_str()) => {
                Access::Needs(Role::Viewer)
            }
            None => Access::Needs(Role::Admin),
        }
    }
}

impl Proxy {
    fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let known = Caller { name: None, role: self.role, means: Means::Proxy };
        let Some(header) = &self.user_header else { return Some(known) };
        let mut values = headers.get_all(header).iter();
        // Twice: one of them is not the proxy's.
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let name = value.to_str().ok()?.trim();
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len());
        is_name.then(|| Caller { name: Some(name.into()), ..known })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().as_bytes())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

fn cookie(value: &str, age_secs: i64, headers: &HeaderMap) -> Option<HeaderValue> {
    let secure = if is_over_tls(headers) { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_secs}{secure}");
    HeaderValue::from_str(&text).ok()
}

/// The guard in front of every route and of what is no route.
pub(super) async fn guard(
    State(state): State<HttpState>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut answer = match state.security.judge(&request, clock::now()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => {
            if !refusal.status().is_redirection() {
                state.metrics.add(Metric::RequestsRefused, Stage::Console, 1);
            }
            *refusal
        }
    };
    for (name, value) in SECURITY_HEADERS {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if !answer.headers().contains_key(header::CACHE_CONTROL) {
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    answer
}

const SECURITY_HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The login page knows where the reader was going.
fn to_login(request: &Request) -> Response {
    let path = request.uri().path();
    let next = utf8_percent_encode(path, NON_ALPHANUMERIC);
    let to = if path == "/" { "/login".to_owned() } else { format!("/login?next={next}") };
    Redirect::to(&to).into_response()
}

fn unknown_host() -> Response {
    ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "unknown_host",
        "this host name is not one of faultline's",
        "use localhost or the address itself, or add the name to `http.host_names`",
    )
    .into_response()
}

fn not_ours() -> Response {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "cross_origin",
        "this write does not come from a page of faultline",
        "use the console under its own address, or send `Authorization: Bearer TOKEN`",
    )
    .into_response()
}

fn unknown_caller() -> Response {
    let error = ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "this needs a token of this installation",
        "send the header `Authorization: Bearer TOKEN`, or sign in at /login",
    );
    ([(header::WWW_AUTHENTICATE, "Bearer realm=\"faultline\"")], error).into_response()
}

fn forbidden(caller: &Caller, access: Access) -> Response {
    let needed = match access {
        Access::Open => Role::Viewer,
        Access::Needs(role) => role,
    };
    ApiError::new(
        StatusCode::FORBIDDEN,
        "role_needed",
        format!("this needs the role {needed}; yours is {}", caller.role),
        "ask whoever runs faultline: roles are given with `http.auth` of its configuration",
    )
    .into_response()
}
