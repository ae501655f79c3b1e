//! Who may ask, and by which host names; and the headers that keep a browser honest.
//!
//! Deny by default: where somebody is asked who they are, every path but the open ones needs a
//! caller, known to the router or not, and every route the role of its row. Where nobody is asked,
//! only a loopback address may be served ([`check_listen`]). A write that a browser sends must come
//! from our own pages; one with a session but without a browser's headers is refused.
//! What is deliberately absent: TLS, which a proxy in front has, and accounts.

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
use crate::auth::oidc::{Oidc, PENDING_SECS, Verdict};
use crate::auth::{Access, Caller, Keyring, Means, Role};
use crate::clock;
use origin::{Hosts, Sender, host, is_over_tls};

pub use listen::{Unguarded, check_listen};

/// The cookie of a session.
pub const COOKIE: &str = "faultline_session";
/// The cookie of a sign-in that is under way at an issuer.
const SIGN_IN_COOKIE: &str = "faultline_sign_in";

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

/// What is known of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Who it is.
    Caller(Caller),
    /// Nobody that we know.
    Nobody,
    /// Somebody whom the issuer knows, but who has no role here.
    NoRole,
    /// The issuer does not say by which keys it signs.
    IssuerAway,
}

/// The rules of access.
#[derive(Clone, Default)]
pub struct Security {
    /// `None`: nobody is asked for a token.
    keyring: Option<Keyring>,
    oidc: Option<Oidc>,
    proxy: Option<Proxy>,
    has_open_metrics: bool,
    hosts: Hosts,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("keyring", &self.keyring)
            .field("oidc", &self.oidc)
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

    /// Also lets in whom an issuer knows.
    #[must_use]
    pub fn with_issuer(mut self, oidc: Oidc) -> Self {
        self.oidc = Some(oidc);
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

    /// The tokens, where some are asked for.
    #[must_use]
    pub fn keyring(&self) -> Option<&Keyring> {
        self.keyring.as_ref()
    }

    /// The issuer at which people sign in to the console.
    #[must_use]
    pub fn sign_in_issuer(&self) -> Option<&Oidc> {
        self.oidc.as_ref().filter(|oidc| oidc.has_sign_in())
    }

    /// Whether callers are asked who they are, by us or by a proxy.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.has_tokens() || self.oidc.is_some() || self.proxy.is_some()
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self, headers: &HeaderMap, now: Timestamp) -> Known {
        if !self.is_guarded() {
            return Known::Caller(Caller::ANYONE);
        }
        let (keyring, oidc) = (self.keyring.as_ref(), self.oidc.as_ref());
        let by_token = || keyring?.by_token(bearer(headers)?);
        let by_session = || {
            cookies(headers, COOKIE).find_map(|value| {
                let of_issuer = || oidc?.by_session(value, now);
                keyring.and_then(|ring| ring.by_session(value, now)).or_else(of_issuer)
            })
        };
        let by_proxy = || self.proxy.as_ref()?.caller(headers);
        if let Some(caller) = by_token() {
            return Known::Caller(caller);
        }
        let verdict = oidc.zip(bearer(headers)).map(|(oidc, token)| oidc.by_token(token, now));
        let otherwise = match verdict {
            Some(Verdict::Caller(caller)) => return Known::Caller(caller),
            Some(Verdict::NoRole) => Known::NoRole,
            Some(Verdict::Away) => Known::IssuerAway,
            Some(Verdict::Nobody) | None => Known::Nobody,
        };
        by_session().or_else(by_proxy).map_or(otherwise, Known::Caller)
    }

    /// Whether who sent these headers may still read. What is known without asking anybody decides.
    #[must_use]
    pub fn still_reads(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let reads = |caller: &Caller| caller.may(Access::Needs(Role::Viewer));
        matches!(self.caller(headers, now), Known::Caller(caller) if reads(&caller))
    }

    pub(super) fn session_cookie(
        &self,
        value: &str,
        age_secs: i64,
        headers: &HeaderMap,
    ) -> Option<HeaderValue> {
        self.cookie(COOKIE, value, &format!("Path=/; SameSite=Strict; Max-Age={age_secs}"), headers)
    }

    /// `Secure` also where a proxy does not say how it was asked, if the issuer sends people back by TLS.
    fn cookie(
        &self,
        name: &str,
        value: &str,
        rules: &str,
        headers: &HeaderMap,
    ) -> Option<HeaderValue> {
        let is_secure = is_over_tls(headers) || self.oidc.as_ref().is_some_and(Oidc::is_by_tls);
        let secure = if is_secure { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{name}={value}; HttpOnly; {rules}{secure}")).ok()
    }

    /// Fetches the issuer's keys if a request shows a token that needs them. Tokens of our own never wait for
    /// it.
    async fn await_keys(&self, headers: &HeaderMap, now: Timestamp) {
        if let (Some(oidc), Some(token)) = (&self.oidc, bearer(headers)) {
            let is_ours = |ring: &Keyring| ring.by_token(token).is_some();
            if !self.keyring.as_ref().is_some_and(is_ours) {
                oidc.await_keys(token, now).await;
            }
        }
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
        self.session_cookie(&session, crate::auth::keyring::SESSION_SECS, headers)
    }

    /// The `Set-Cookie` value that ends a session in its browser.
    #[must_use]
    pub fn sign_out(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        self.session_cookie("", 0, headers)
    }

    /// The `Set-Cookie` value by which a browser is known again that began a sign-in. It comes back with a
    /// redirect from the issuer's site, which `Strict` would not let it.
    #[must_use]
    pub fn begun(&self, browser: &str, headers: &HeaderMap) -> Option<HeaderValue> {
        let rules = format!("Path=/login; SameSite=Lax; Max-Age={PENDING_SECS}");
        self.cookie(SIGN_IN_COOKIE, browser, &rules, headers)
    }

    /// What a browser shows that began a sign-in.
    pub fn begun_by(headers: &HeaderMap) -> Option<&str> {
        cookies(headers, SIGN_IN_COOKIE).next()
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
        let known = self.caller(headers, now);
        let caller = match (known, access) {
            (Known::Caller(caller), _) => caller,
            (_, Access::Open) => return Ok(Caller { role: Role::Viewer, ..Caller::ANYONE }),
            (Known::NoRole, _) => return Err(Box::new(no_role())),
            (Known::IssuerAway, _) => return Err(Box::new(issuer_away())),
            (Known::Nobody, _) => {
                let reads = *request.method() == Method::GET && wants_page(headers);
                let has_login = self.has_tokens() || self.sign_in_issuer().is_some();
                let refusal = if reads && has_login { to_login(request) } else { unknown_caller() };
                return Err(Box::new(refusal));
            }
        };
        if access == Access::Open {
            return Ok(caller);
        }
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

fn cookies<'h>(headers: &'h HeaderMap, wanted: &'static str) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

/// The guard in front of every route and of what is no route.
pub(super) async fn guard(
    State(state): State<HttpState>,
    mut request: Request,
    next: Next,
) -> Response {
    state.security.await_keys(request.headers(), clock::now()).await;
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

fn no_role() -> Response {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "no_role",
        "the issuer knows you, but nothing in its token gives you a role here",
        "ask whoever runs faultline: `http.auth.oidc.roles` says who has which",
    )
    .into_response()
}

fn issuer_away() -> Response {
    let error = ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "issuer_away",
        "the issuer of this token does not say by which keys it signs",
        "try again when it answers; tokens of `http.auth.tokens` are good meanwhile",
    );
    ([(header::RETRY_AFTER, "10")], error).into_response()
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
