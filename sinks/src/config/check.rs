//! Everything that is wrong with a list of sinks, found at once. Reads no secret, asks nobody.

use std::collections::BTreeSet;

use ureq::http::Uri;

use super::secret::{Secret, SecretRef};
use super::{ConfigError, SinkConfig};

/// Everything that is wrong with a list of sinks, without reading secrets or asking anybody.
#[must_use]
pub fn validate(sinks: &[SinkConfig]) -> Vec<ConfigError> {
    let mut errors: Vec<ConfigError> = Vec::new();
    let mut names = BTreeSet::new();
    for sink in sinks {
        if !names.insert(sink.name()) {
            let mut check = Check::new(sink.name());
            check.wrong("name", "expected a name that no other sink has");
            errors.extend(check.errors);
        }
        errors.extend(check(sink).errors);
    }
    errors
}

/// Collects what is wrong with one sink.
pub(crate) struct Check {
    prefix: String,
    pub(super) errors: Vec<ConfigError>,
}

impl Check {
    pub(super) fn new(name: &str) -> Self {
        Self { prefix: format!("sinks.{name}"), errors: Vec::new() }
    }

    pub(crate) fn wrong(&mut self, field: &str, problem: impl Into<String>) {
        let path = format!("{}.{field}", self.prefix);
        self.errors.push(ConfigError { path, problem: problem.into() });
    }

    pub(super) fn secret(&mut self, field: &str, secret: &SecretRef) -> Option<Secret> {
        match secret.read() {
            Ok(secret) => Some(secret),
            Err(problem) => {
                self.wrong(field, problem);
                None
            }
        }
    }

    fn name(&mut self, name: &str) {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(fits) {
            self.wrong("name", "expected 1 to 40 of a-z, 0-9, - and _");
        }
    }

    pub(super) fn timeout(&mut self, timeout_ms: u64) {
        if !(100..=60_000).contains(&timeout_ms) {
            self.wrong("timeout_ms", format!("expected 100 to 60000, found {timeout_ms}"));
        }
    }

    pub(super) fn listen_every(&mut self, secs: u32) {
        if secs != 0 && !(5..=3_600).contains(&secs) {
            self.wrong(
                "listen_every_s",
                format!("expected 5 to 3600, or 0 for never, found {secs}"),
            );
        }
    }

    /// http or https, a host, no user, no fragment; a path only where it makes sense.
    pub(super) fn url(&mut self, field: &str, url: &str, path: UrlPath) {
        let parsed = match url.parse::<Uri>() {
            Ok(parsed) if !url.contains('#') && !url.chars().any(char::is_whitespace) => parsed,
            _ => return self.wrong(field, "expected a url like https://host/path"),
        };
        match parsed.scheme_str() {
            Some("http" | "https") => {}
            Some(other) => self.wrong(field, format!("expected http or https, found {other}")),
            None => self.wrong(field, "expected a url with http:// or https://"),
        }
        match parsed.authority() {
            Some(authority) if authority.as_str().contains('@') => {
                self.wrong(field, "expected no user or password inside of the url");
            }
            Some(authority) if authority.host().is_empty() => {
                self.wrong(field, "expected a host");
            }
            Some(_) => {}
            None => self.wrong(field, "expected a host"),
        }
        let bare = matches!(parsed.path(), "" | "/") && parsed.query().is_none();
        if path == UrlPath::None && !bare {
            self.wrong(field, "expected the instance alone, without a path");
        }
    }

    pub(super) fn console_url(&mut self, url: Option<&str>) {
        if let Some(url) = url {
            self.url("console_url", url, UrlPath::Any);
        }
    }

    pub(super) fn sys_id(&mut self, field: &str, value: Option<&String>) {
        let Some(value) = value else { return };
        if value.len() != 32 || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
            self.wrong(field, "expected a sys_id: 32 hexadecimal digits");
        }
    }

    pub(super) fn choice(&mut self, field: &str, value: &str) {
        if value.is_empty() || value.len() > 100 || value.chars().any(char::is_control) {
            self.wrong(field, "expected 1 to 100 visible characters");
        }
    }
}

/// Whether a url may have a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlPath {
    Any,
    None,
}

/// Checks one sink.
pub(super) fn check(sink: &SinkConfig) -> Check {
    let mut check = Check::new(sink.name());
    check.name(sink.name());
    sink.settings().delivery().check(&mut check);
    sink.settings().check(&mut check);
    if let Some(hooked) = sink.settings().hook() {
        hooked.config.check(&mut check);
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::build;

    fn parse(text: &str) -> Result<SinkConfig, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn all_errors_come_at_once_each_with_its_path() {
        let sink = parse(
            r#"{"servicenow": {"name": "IT SM", "url": "ftp://u:p@host/x", "timeout_ms": 1,
                "auth": {"basic": {"user": "a:b", "password": {"env": "X"}}},
                "assignment_group": "ops", "services": {"cart": {"cmdb_ci": "12"}}}}"#,
        )
        .unwrap();
        let paths: Vec<String> = validate(&[sink]).into_iter().map(|error| error.path).collect();
        assert_eq!(
            paths,
            [
                "sinks.IT SM.name",
                "sinks.IT SM.url",
                "sinks.IT SM.url",
                "sinks.IT SM.url",
                "sinks.IT SM.timeout_ms",
                "sinks.IT SM.auth.basic.user",
                "sinks.IT SM.assignment_group",
                "sinks.IT SM.services.cart.cmdb_ci",
            ]
        );
    }

    #[test]
    fn unknown_fields_and_secrets_in_clear_are_refused() {
        let typo = r#"{"webhook": {"name": "a", "url": "http://h", "secrets": [], "ulr": ""}}"#;
        assert!(parse(typo).is_err_and(|error| error.to_string().contains("ulr")));
        let clear = r#"{"webhook": {"name": "a", "url": "http://h", "secrets": ["hunter2"]}}"#;
        assert!(parse(clear).is_err());
        let typo = r#"{"webhook": {"name": "a", "url": "http://h", "secrets": [],
            "delivery": {"every": 3}}}"#;
        assert!(parse(typo).is_err_and(|error| error.to_string().contains("every")));
    }

    #[test]
    fn a_bad_template_is_found_in_every_sink_that_takes_some() {
        let auth = r#""auth": {"basic": {"user": "u", "password": {"env": "X"}}}"#;
        let bad = r#""templates": {"title": "{{ titel }}", "body": "{% for %}"}"#;
        for (kind, more) in [
            ("servicenow", auth.to_owned()),
            ("rt", format!(r#"{auth}, "queue": "Incidents""#)),
            ("jira", format!(r#"{auth}, "project": "OPS""#)),
            ("jsm_ops", String::from(r#""api_key": {"env": "X"}"#)),
        ] {
            let text =
                format!(r#"{{"{kind}": {{"name": "a", "url": "http://h", {more}, {bad}}}}}"#);
            let errors = validate(&[parse(&text).unwrap()]);
            let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
            assert_eq!(paths, ["sinks.a.templates.title", "sinks.a.templates.body"], "{kind}");
        }
    }

    #[test]
    fn the_rest_api_of_jsm_operations_is_checked_and_its_token_is_read() {
        let sink = parse(
            r#"{"jsm_ops": {"name": "ops", "api_key": {"env": "PATH"}, "listen_every_s": 1,
                "rest_api": {"url": "ftp://h", "cloud_id": "../x", "user": "a:b",
                    "token": {"env": "FAULTLINE_NO_SUCH_SECRET"}}}}"#,
        )
        .unwrap();
        let errors = build(&sink).err().unwrap_or_default();
        let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "sinks.ops.listen_every_s",
                "sinks.ops.rest_api.url",
                "sinks.ops.rest_api.cloud_id",
                "sinks.ops.rest_api.user",
                "sinks.ops.rest_api.token",
            ]
        );
    }

    #[test]
    fn urls_are_http_with_a_host_and_nothing_hidden() {
        let errors = |url: &str| {
            let mut check = Check::new("a");
            check.url("url", url, UrlPath::Any);
            check.errors.len()
        };
        for good in ["http://127.0.0.1:80/x?y=1", "https://hooks.example.org", "http://[::1]:9/"] {
            assert_eq!(errors(good), 0, "{good}");
        }
        for bad in [
            "",
            "host/path",
            "/path",
            "file:///etc/passwd",
            "gopher://x",
            "http://",
            "https://u@h/",
            "http://h/#f",
            "http://h/a b",
            "http://h\r\nX: 1",
        ] {
            assert_ne!(errors(bad), 0, "{bad:?}");
        }
    }

    #[test]
    fn two_sinks_of_one_name_are_refused() {
        let sink =
            parse(r#"{"webhook": {"name": "a", "url": "http://h", "secrets": [{"env": "X"}]}}"#)
                .unwrap();
        assert_eq!(validate(std::slice::from_ref(&sink)), []);
        let errors = validate(&[sink.clone(), sink]);
        assert_eq!(errors.len(), 1);
    }

    #[test]
    fn a_sink_without_its_secret_is_not_built() {
        let sink = parse(
            r#"{"webhook": {"name": "a", "url": "ftp://h",
                "secrets": [{"env": "FAULTLINE_NO_SUCH_SECRET"}]}}"#,
        )
        .unwrap();
        let errors = build(&sink).err().unwrap_or_default();
        let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["sinks.a.url", "sinks.a.secrets"]);
    }
}
