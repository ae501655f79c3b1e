//! Who may ask, and by which host names; and the headers that keep a browser honest.
//!
//! Deny by default: with a token configured every path but the public ones needs it, known to the
//! router or not. Without a token only a loopback address may be served ([`check_listen`]).
//! A write that a browser sends must come from our own pages; one without a browser's headers needs
//! the token in its header, where there is one.
//! What is deliberately absent: users, roles and TLS; a proxy in front has them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::HttpState;
use super::error::ApiError;
use super::router::Endpoint;

/// The shortest token that is taken. Unit: bytes.
pub const TOKEN_BYTES_MIN: usize = 16;

/// The cookie in which the login page keeps the token, as hexadecimal digits.
pub const COOKIE: &str = "faultline_token";

/// Nothing but our own files; nothing inline; no frames.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// The address can be reached from elsewhere and nothing protects it.
    #[error(
        "{0} can be reached from other machines, but no token is configured; set `http.token`, or \
         listen on 127.0.0.1"
    )]
    PublicWithoutToken(SocketAddr),
    /// The token could be guessed.
    #[error("the token has {0} bytes; use at least 16, e.g. from `openssl rand -hex 32`")]
    ShortToken(usize),
}

/// Refuses to serve an address that others can reach without authentication.
///
/// # Errors
/// If the address is not loopback and there is no token.
pub fn check_listen(address: SocketAddr, has_token: bool) -> Result<(), SecurityError> {
    if has_token || address.ip().to_canonical().is_loopback() {
        Ok(())
    } else {
        Err(SecurityError::PublicWithoutToken(address))
    }
}

/// The rules of access.
#[derive(Clone, Default)]
pub struct Security {
    token: Option<Box<str>>,
    host_names: BTreeSet<String>,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("token", &self.token.as_ref().map(|_| "(secret)"))
            .field("host_names", &self.host_names)
            .finish()
    }
}

impl Security {
    /// Rules with an optional token, and the host names (without port) by which browsers may
    /// come, beside `localhost` and plain addresses.
    ///
    /// # Errors
    /// If the token is shorter than [`TOKEN_BYTES_MIN`].
    pub fn new(
        token: Option<String>,
        host_names: impl IntoIterator<Item = String>,
    ) -> Result<Self, SecurityError> {
        if let Some(short) = token.as_ref().filter(|t| t.len() < TOKEN_BYTES_MIN) {
            return Err(SecurityError::ShortToken(short.len()));
        }
        let host_names = host_names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Ok(Self { token: token.map(String::into_boxed_str), host_names })
    }

    /// Whether a token is needed.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this is the token; takes the same time wherever the first difference is.
    #[must_use]
    pub fn is_token(&self, offered: &[u8]) -> bool {
        let Some(token) = &self.token else { return false };
        let differences = token.bytes().zip(offered).fold(0, |all, (a, b)| all | (a ^ b));
        token.len() == offered.len() && differences == 0
    }

    /// The `Set-Cookie` value of a session with the token.
    #[must_use]
    pub fn cookie(&self) -> Option<HeaderValue> {
        let hex = to_hex(self.token.as_ref()?.as_bytes());
        let text = format!("{COOKIE}={hex}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
        HeaderValue::from_str(&text).ok()
    }

    /// A page of another site whose name was made to resolve to us (DNS rebinding) sends its own
    /// name. Plain addresses need no DNS, so they are no such page.
    fn knows_host(&self, host: &str) -> bool {
        let name = host_name(host);
        name.eq_ignore_ascii_case("localhost")
            || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || self.host_names.contains(&name.to_ascii_lowercase())
    }

    fn is_authenticated(&self, headers: &HeaderMap) -> bool {
        !self.has_token()
            || self.has_bearer(headers)
            || cookies(headers).any(|hex| from_hex(hex).is_some_and(|t| self.is_token(&t)))
    }

    fn has_bearer(&self, headers: &HeaderMap) -> bool {
        headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .is_some_and(|(_, token)| self.is_token(token.trim().as_bytes()))
    }

    /// Whether a write may come from where it comes. A page of another site can make a browser
    /// send requests with our cookie, or to a loopback address; it cannot make it send our token
    /// in a header, nor lie about where the request comes from.
    fn may_write(&self, headers: &HeaderMap, host: &str) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        if self.has_bearer(headers) {
            return true;
        }
        match (text("sec-fetch-site"), text("origin")) {
            (Some(site), _) => site == "same-origin",
            (None, Some(origin)) => origin.split_once("://").is_some_and(|(_, from)| {
                from.eq_ignore_ascii_case(host)
                    || self.host_names.contains(&host_name(from).to_ascii_lowercase())
            }),
            // No browser: every one of them sends one of the two with a write.
            (None, None) => !self.has_token(),
        }
    }
}

fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        // A colon inside of brackets belongs to an IPv6 address.
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
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

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    let byte = |pair: &[u32]| pair.iter().fold(0, |all, digit| all * 16 + digit);
    digits.chunks(2).map(|pair| u8::try_from(byte(pair)).ok()).collect()
}

/// The guard in front of every route and of what is no route.
pub(super) async fn guard(
    State(state): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = match judge(&state.security, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => *refusal,
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

fn judge(security: &Security, request: &Request) -> Result<(), Box<Response>> {
    let path = request.uri().path();
    let probe = matches!(path, "/livez" | "/readyz");
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .or_else(|| request.uri().host());
    if !probe && !host.is_some_and(|host| security.knows_host(host)) {
        return Err(Box::new(unknown_host()));
    }
    // The only public write is the login page's, which looks after itself.
    if Endpoint::is_public(path) {
        return Ok(());
    }
    if security.is_authenticated(request.headers()) {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let may = reads || security.may_write(request.headers(), host.unwrap_or_default());
        return if may { Ok(()) } else { Err(Box::new(not_ours())) };
    }
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    Err(Box::new(if wants_page { Redirect::to("/login").into_response() } else { no_token() }))
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

fn no_token() -> Response {
    let error = ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthenticated",
        "this needs the token of this installation",
        "send the header `Authorization: Bearer TOKEN`, or sign in at /login",
    );
    ([(header::WWW_AUTHENTICATE, "Bearer realm=\"faultline\"")], error).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_needs_a_token() {
        for address in ["127.0.0.1:7070", "[::1]:7070", "[::ffff:127.0.0.1]:7070"] {
            assert_eq!(check_listen(address.parse().unwrap(), false), Ok(()), "{address}");
        }
        for address in ["0.0.0.0:7070", "[::]:7070", "10.0.0.1:7070", "192.168.1.2:1"] {
            let address = address.parse().unwrap();
            let refused = check_listen(address, false).unwrap_err();
            assert!(refused.to_string().contains("http.token"), "{refused}");
            assert_eq!(check_listen(address, true), Ok(()));
        }
    }

    #[test]
    fn host_names_of_others_are_unknown() {
        let security = Security::new(None, ["Faultline.example".to_owned()]).unwrap();
        for host in [
            "localhost",
            "LOCALHOST:7070",
            "127.0.0.1:7070",
            "[::1]:7070",
            "[::1]",
            "faultline.example:443",
            "10.1.2.3",
        ] {
            assert!(security.knows_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:7070",
            "127.0.0.1.evil.example",
            "evil.example:127",
        ] {
            assert!(!security.knows_host(host), "{host}");
        }
    }

    #[test]
    fn tokens_match_whole_or_not_at_all() {
        assert_eq!(
            Security::new(Some("short".into()), []).unwrap_err(),
            SecurityError::ShortToken(5)
        );
        let security = Security::new(Some("0123456789abcdef".into()), []).unwrap();
        assert!(security.is_token(b"0123456789abcdef"));
        for wrong in ["", "0123456789abcde", "0123456789abcdeff", "1123456789abcdef"] {
            assert!(!security.is_token(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{security:?}").contains("0123"), "a token is never printed");
    }

    #[test]
    fn hex_goes_both_ways_and_refuses_the_rest() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes));
        assert_eq!(from_hex("abc"), None);
        assert_eq!(from_hex("zz"), None);
    }
}
