//! Where a request comes from: by which name it asks for us, from which site a browser sends it, and
//! whether it came over TLS to the proxy in front.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// Host names (without port) by which browsers may come, beside `localhost` and plain addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts(BTreeSet<String>);

impl Hosts {
    pub(super) fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// A page of another site whose name was made to resolve to us (DNS rebinding) sends its own
    /// name. Plain addresses need no DNS, so they are no such page.
    pub(super) fn knows(&self, host: &str) -> bool {
        let name = host_name(host);
        name.eq_ignore_ascii_case("localhost")
            || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || self.0.contains(&name.to_ascii_lowercase())
    }

    /// Which page sends a request, as its browser says.
    pub(super) fn sender(&self, headers: &HeaderMap, host: &str) -> Sender {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let is_ours = |is: bool| if is { Sender::Ours } else { Sender::Another };
        match (text("sec-fetch-site"), text("origin")) {
            (Some(site), _) => is_ours(site == "same-origin"),
            (None, Some(origin)) => is_ours(origin.split_once("://").is_some_and(|(_, from)| {
                from.eq_ignore_ascii_case(host)
                    || self.0.contains(&host_name(from).to_ascii_lowercase())
            })),
            // Every browser sends one of the two with a write.
            (None, None) => Sender::NoBrowser,
        }
    }
}

/// Which page sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// One of ours.
    Ours,
    /// Another site's, or none: typed in, or from a bookmark.
    Another,
    /// It is no browser.
    NoBrowser,
}

/// The host that a request asks for.
pub(super) fn host<'r>(headers: &'r HeaderMap, uri: &'r axum::http::Uri) -> Option<&'r str> {
    let named = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    named.or_else(|| uri.host())
}

/// Whether the proxy in front says that it was reached over TLS. It only decides whether the cookie
/// may travel without, so whoever lies harms nobody else.
pub(super) fn is_over_tls(headers: &HeaderMap) -> bool {
    let first = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?.to_ascii_lowercase();
        value.split(',').next().map(|first| first.trim().to_owned())
    };
    first("x-forwarded-proto").is_some_and(|protocol| protocol == "https")
        || first("forwarded").is_some_and(|said| {
            let mut pairs = said.split(';').filter_map(|pair| pair.trim().split_once('='));
            pairs.any(|(name, value)| name == "proto" && value.trim_matches('"') == "https")
        })
}

fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        // A colon inside of brackets belongs to an IPv6 address.
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_of_others_are_unknown() {
        let hosts = Hosts::new(["Faultline.example".to_owned()]);
        for host in [
            "localhost",
            "LOCALHOST:7070",
            "127.0.0.1:7070",
            "[::1]:7070",
            "[::1]",
            "faultline.example:443",
            "10.1.2.3",
        ] {
            assert!(hosts.knows(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:7070",
            "127.0.0.1.evil.example",
            "evil.example:127",
        ] {
            assert!(!hosts.knows(host), "{host}");
        }
    }

    #[test]
    fn tls_at_the_proxy_is_known_by_either_header() {
        for (name, value, is) in [
            ("x-forwarded-proto", "https", true),
            ("x-forwarded-proto", "HTTPS, http", true),
            ("x-forwarded-proto", "http, https", false),
            ("forwarded", "for=192.0.2.1; proto=https; host=a", true),
            ("forwarded", "proto=\"https\"", true),
            ("forwarded", "for=\"proto=https\"", false),
            ("x-forwarded-for", "https", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(is_over_tls(&headers), is, "{name}: {value}");
        }
    }
}
