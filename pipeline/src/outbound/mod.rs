//! The guarded HTTP client, for addresses that come from outside as well as from the configuration: those that
//! an OpenID issuer's own document names, and where our own telemetry goes.
//!
//! It asks named hosts only, by https, follows nobody elsewhere, and connects to no address of this machine
//! or of a private network unless the host was said to be there: the address is looked at after the
//! name was resolved and is the one that is connected to, so a name that changes in between gains nothing.
//! What is deliberately absent: retries, proxies from the environment, and any idea of what is asked.

mod range;

use std::collections::BTreeSet;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// Time for a whole exchange.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer that is read. Unit: bytes.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// Why something was not asked, or not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// It is not a URL that may be asked.
    #[error("{0} may not be asked: {1}")]
    Refused(String, &'static str),
    /// There was no answer.
    #[error("{0} does not answer: {1}")]
    Away(String, String),
    /// It answers, but not with what was asked for.
    #[error("{0} answers {1}")]
    Answer(String, u16),
}

/// Which hosts may be asked.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    hosts: BTreeSet<String>,
    private: BTreeSet<String>,
}

impl Reach {
    /// `hosts` may be asked; those of `private` also at private addresses, and without TLS.
    #[must_use]
    pub fn new(
        hosts: impl IntoIterator<Item = String>,
        private: impl IntoIterator<Item = String>,
    ) -> Self {
        let lower = |name: String| name.to_ascii_lowercase();
        let private: BTreeSet<String> = private.into_iter().map(lower).collect();
        let hosts = hosts.into_iter().map(lower).chain(private.iter().cloned()).collect();
        Self { hosts, private }
    }

    /// The host of a URL that may be asked.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn host(&self, url: &str) -> Result<String, OutboundError> {
        let refused = |why| OutboundError::Refused(url.chars().take(200).collect(), why);
        let uri: Uri = url.parse().map_err(|_| refused("it is no URL"))?;
        let authority = uri.authority().ok_or_else(|| refused("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("it has a user in it"));
        }
        let host = authority.host().to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            return Err(refused("the configuration does not name its host"));
        }
        match uri.scheme_str() {
            Some("https") => Ok(host),
            Some("http") if self.private.contains(&host) => Ok(host),
            _ => Err(refused("it is not https")),
        }
    }
}

/// The client.
#[derive(Clone, Debug)]
pub struct Outbound {
    agent: Agent,
    reach: Reach,
}

impl Outbound {
    /// A client that reaches so far.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self::within(reach, TIMEOUT)
    }

    /// As [`Outbound::new`], with another time for a whole exchange.
    #[must_use]
    pub fn within(reach: Reach, timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(concat!("faultline/", env!("CARGO_PKG_VERSION")))
            .build();
        let resolver = Guarded { resolver: DefaultResolver::default(), reach: reach.clone() };
        Self { agent: Agent::with_parts(config, DefaultConnector::default(), resolver), reach }
    }

    /// Reads what is there. It blocks.
    ///
    /// # Errors
    /// When it may not be asked, or does not answer 200.
    pub fn get(&self, url: &str) -> Result<Vec<u8>, OutboundError> {
        let host = self.reach.host(url)?;
        let asked = self.agent.get(url).header("accept", "application/json").call();
        body(&host, asked)
    }

    /// Sends a form, by `authorization` if that is given. It blocks.
    ///
    /// # Errors
    /// When it may not be asked, or does not answer 200.
    pub fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        authorization: Option<&str>,
    ) -> Result<Vec<u8>, OutboundError> {
        let host = self.reach.host(url)?;
        let mut request = self.agent.post(url).header("accept", "application/json");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        body(&host, request.send_form(fields.iter().copied()))
    }

    /// Sends a body of some type, with further headers. It blocks.
    ///
    /// # Errors
    /// When it may not be asked, or does not answer 200.
    pub fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        content_type: &str,
        bytes: &[u8],
    ) -> Result<Vec<u8>, OutboundError> {
        let host = self.reach.host(url)?;
        let mut request = self.agent.post(url).header("content-type", content_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        body(&host, request.send(bytes))
    }
}

fn body(
    host: &str,
    asked: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Vec<u8>, OutboundError> {
    let away = |why: String| OutboundError::Away(host.to_owned(), why);
    let mut answer = asked.map_err(|error| away(error.to_string()))?;
    if answer.status().as_u16() != 200 {
        return Err(OutboundError::Answer(host.to_owned(), answer.status().as_u16()));
    }
    let read = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    read.map_err(|error| away(error.to_string()))
}

/// Resolves names as the system does, and refuses what they may not lead to.
#[derive(Debug)]
struct Guarded {
    resolver: DefaultResolver,
    reach: Reach,
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let is_private = |address: &std::net::SocketAddr| !range::is_public(address.ip());
        if found.iter().any(is_private) && !self.reach.private.contains(&host) {
            let why =
                format!("{host} is at a private address, and is not named as one that may be");
            return Err(ureq::Error::Other(why.into()));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_named_hosts_are_asked_and_only_by_https() {
        let reach = Reach::new(names(&["idp.example.org"]), names(&["sso.lan"]));
        for good in
            ["https://idp.example.org/a", "https://IDP.example.org:8443/", "http://sso.lan/"]
        {
            assert!(reach.host(good).is_ok(), "{good}");
        }
        for bad in [
            "http://idp.example.org/",
            "https://idp.example.org.evil.example/",
            "https://idp.example.org@evil.example/",
            "https://evil@idp.example.org/",
            "https://169.254.169.254/latest/meta-data",
            "https://2852039166/",
            "ftp://sso.lan/",
            "//idp.example.org/",
            "idp.example.org",
            "/path",
            "",
        ] {
            assert!(matches!(reach.host(bad), Err(OutboundError::Refused(..))), "{bad}");
        }
    }

    #[test]
    fn a_named_host_at_a_private_address_is_not_connected_to_unless_it_is_said_to_be_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["localhost", "127.0.0.1"] {
            let client = Outbound::new(Reach::new(names(&[host]), []));
            let refused = client.get(&format!("https://{host}:{port}/")).unwrap_err();
            assert!(refused.to_string().contains("private address"), "{refused}");
        }
        assert!(listener.accept().is_err(), "nobody connected");
    }

    #[test]
    fn an_answer_that_leads_elsewhere_is_not_followed_and_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            let to = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(to.as_bytes()).unwrap();
            read
        });
        let client = Outbound::new(Reach::new([], names(&["127.0.0.1"])));
        let away = client.get(&format!("http://127.0.0.1:{port}/")).unwrap_err();
        assert_eq!(away, OutboundError::Answer("127.0.0.1".into(), 302));
        assert!(answer.join().unwrap() > 0);
    }
}
