//! The configuration of sinks: types for serde, a check that finds all errors at once, `build`.
//!
//! Destinations come from here and from nowhere else: no text of an incident ever becomes a host.

pub mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::incident::Priority;
use model::name::Name;
use model::time::Nanos;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use ureq::http::Uri;

use crate::delivery::decide::{DeliveryPolicy, Suspected};
use crate::retry::RetryPolicy;
use crate::servicenow::ServiceNow;
use crate::sink::Sink;
use crate::webhook::Webhook;
use secret::SecretRef;

/// One sink: `- webhook: {...}` or `- servicenow: {...}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkConfig {
    /// CloudEvents over signed HTTP.
    Webhook(WebhookConfig),
    /// Tickets in ServiceNow's incident table.
    ServiceNow(ServiceNowConfig),
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// Where to post to: http or https.
    pub url: String,
    /// One or two keys: the newer first. Each signs; the receiver accepts any. Text, or
    /// `whsec_` and base64, as Standard Webhooks has it; at least 16 bytes.
    pub secrets: Vec<SecretRef>,
    /// The CloudEvents source of all events.
    #[serde(default = "default_source")]
    pub source: String,
    /// For the whole exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// Tickets in ServiceNow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceNowConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// The instance, such as `https://example.service-now.com`: http or https, no path.
    pub url: String,
    /// Who we are.
    pub auth: AuthConfig,
    /// `category` of new tickets; ServiceNow's own default if not given.
    #[serde(default)]
    pub category: Option<String>,
    /// `subcategory` of new tickets.
    #[serde(default)]
    pub subcategory: Option<String>,
    /// `contact_type` of new tickets.
    #[serde(default)]
    pub contact_type: Option<String>,
    /// `assignment_group` (a `sys_id`) of new tickets whose cause is in none of `services`.
    #[serde(default)]
    pub assignment_group: Option<String>,
    /// What a service is in ServiceNow, by its name in telemetry.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceNowService>,
    /// `close_code` of resolved tickets: a choice of the instance.
    #[serde(default = "default_close_code")]
    pub close_code: String,
    /// Base of links to the console; no link if not given.
    #[serde(default)]
    pub console_url: Option<String>,
    /// For one exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// What a service is in ServiceNow. Values are `sys_id`s: 32 hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceNowService {
    /// Its configuration item.
    #[serde(default)]
    pub cmdb_ci: Option<String>,
    /// Who works on it.
    #[serde(default)]
    pub assignment_group: Option<String>,
}

/// How a sink says who we are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum AuthConfig {
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// Where the password is.
        password: SecretRef,
    },
    /// A token.
    Bearer {
        /// Where the token is.
        token: SecretRef,
    },
}

/// What is said, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// Lowest priority that is told.
    pub priority_lowest: Priority,
    /// Whether incidents that are only suspected are told.
    pub suspected: bool,
    /// At most one update per incident in this time. Unit: seconds, 0 to 86,400.
    pub update_every_s: u32,
    /// What ended longer ago and was never told stays untold. Unit: seconds.
    pub stale_after_s: u32,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            priority_lowest: Priority::P4,
            suspected: false,
            update_every_s: 30,
            stale_after_s: 86_400,
        }
    }
}

/// One thing that is wrong with the configuration of sinks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
#[error("{path}: {problem}")]
pub struct ConfigError {
    /// Which setting: `sinks.<name>.<field>`.
    pub path: String,
    /// What is wrong, and what was expected.
    pub problem: String,
}

fn default_source() -> String {
    String::from("faultline")
}

fn default_close_code() -> String {
    String::from("Solution provided")
}

const fn default_timeout_ms() -> u64 {
    10_000
}

impl SinkConfig {
    /// The sink's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Webhook(config) => &config.name,
            Self::ServiceNow(config) => &config.name,
        }
    }

    /// What the outbox of this sink says.
    #[must_use]
    pub fn policy(&self) -> DeliveryPolicy {
        let config = match self {
            Self::Webhook(config) => &config.delivery,
            Self::ServiceNow(config) => &config.delivery,
        };
        DeliveryPolicy {
            suspected: if config.suspected { Suspected::Told } else { Suspected::Untold },
            priority_lowest: config.priority_lowest,
            update_every: Nanos::from_secs(i64::from(config.update_every_s)),
            stale_after: Nanos::from_secs(i64::from(config.stale_after_s)),
        }
    }

    /// How its outbox tries again.
    #[must_use]
    pub fn retry(&self) -> RetryPolicy {
        RetryPolicy::default()
    }
}

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

/// A sink, ready to speak.
///
/// # Errors
/// Everything that is wrong with it, secrets that cannot be read included.
pub fn build(config: &SinkConfig) -> Result<Box<dyn Sink>, Vec<ConfigError>> {
    let mut check = check(config);
    let sink: Option<Box<dyn Sink>> = match config {
        SinkConfig::Webhook(config) => {
            let secrets: Vec<_> =
                config.secrets.iter().filter_map(|s| check.secret("secrets", s)).collect();
            Webhook::new(config, &secrets, &mut check).map(|sink| Box::new(sink) as _)
        }
        SinkConfig::ServiceNow(config) => {
            let secret = match &config.auth {
                AuthConfig::Basic { password, .. } => check.secret("auth.basic.password", password),
                AuthConfig::Bearer { token } => check.secret("auth.bearer.token", token),
            };
            secret.map(|secret| Box::new(ServiceNow::new(config, &secret)) as _)
        }
    };
    match sink {
        Some(sink) if check.errors.is_empty() => Ok(sink),
        _ => Err(check.errors),
    }
}

/// Collects what is wrong with one sink.
pub(crate) struct Check {
    prefix: String,
    errors: Vec<ConfigError>,
}

impl Check {
    fn new(name: &str) -> Self {
        Self { prefix: format!("sinks.{name}"), errors: Vec::new() }
    }

    pub(crate) fn wrong(&mut self, field: &str, problem: impl Into<String>) {
        let path = format!("{}.{field}", self.prefix);
        self.errors.push(ConfigError { path, problem: problem.into() });
    }

    fn secret(&mut self, field: &str, secret: &SecretRef) -> Option<secret::Secret> {
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

    fn timeout(&mut self, timeout_ms: u64) {
        if !(100..=60_000).contains(&timeout_ms) {
            self.wrong("timeout_ms", format!("expected 100 to 60000, found {timeout_ms}"));
        }
    }

    fn delivery(&mut self, delivery: &DeliveryConfig) {
        if delivery.update_every_s > 86_400 {
            let found = delivery.update_every_s;
            self.wrong("delivery.update_every_s", format!("expected 0 to 86400, found {found}"));
        }
    }

    /// http or https, a host, no user, no fragment; a path only where it makes sense.
    fn url(&mut self, field: &str, url: &str, path: UrlPath) {
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

    fn sys_id(&mut self, field: &str, value: Option<&String>) {
        let Some(value) = value else { return };
        if value.len() != 32 || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
            self.wrong(field, "expected a sys_id: 32 hexadecimal digits");
        }
    }

    fn choice(&mut self, field: &str, value: &str) {
        if value.is_empty() || value.len() > 100 || value.chars().any(char::is_control) {
            self.wrong(field, "expected 1 to 100 visible characters");
        }
    }
}

/// Whether a url may have a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UrlPath {
    Any,
    None,
}

fn check(sink: &SinkConfig) -> Check {
    let mut check = Check::new(sink.name());
    check.name(sink.name());
    match sink {
        SinkConfig::Webhook(config) => check_webhook(&mut check, config),
        SinkConfig::ServiceNow(config) => check_servicenow(&mut check, config),
    }
    check
}

fn check_webhook(check: &mut Check, config: &WebhookConfig) {
    check.url("url", &config.url, UrlPath::Any);
    check.timeout(config.timeout_ms);
    check.delivery(&config.delivery);
    if !(1..=2).contains(&config.secrets.len()) {
        check.wrong("secrets", format!("expected one or two, found {}", config.secrets.len()));
    }
    let visible = |b: u8| b.is_ascii_graphic();
    if config.source.is_empty() || !config.source.bytes().all(visible) {
        check.wrong("source", "expected a URI reference");
    }
}

fn check_servicenow(check: &mut Check, config: &ServiceNowConfig) {
    check.url("url", &config.url, UrlPath::None);
    if let Some(console) = &config.console_url {
        check.url("console_url", console, UrlPath::Any);
    }
    check.timeout(config.timeout_ms);
    check.delivery(&config.delivery);
    check.choice("close_code", &config.close_code);
    let choices = [
        ("category", &config.category),
        ("subcategory", &config.subcategory),
        ("contact_type", &config.contact_type),
    ];
    for (field, value) in choices {
        if let Some(value) = value {
            check.choice(field, value);
        }
    }
    if let AuthConfig::Basic { user, .. } = &config.auth
        && (user.is_empty() || user.contains(':') || user.chars().any(char::is_control))
    {
        check.wrong("auth.basic.user", "expected a user without a colon");
    }
    check.sys_id("assignment_group", config.assignment_group.as_ref());
    for (service, ids) in &config.services {
        check.sys_id(&format!("services.{service}.cmdb_ci"), ids.cmdb_ci.as_ref());
        let group = ids.assignment_group.as_ref();
        check.sys_id(&format!("services.{service}.assignment_group"), group);
    }
}

pub(crate) fn timeout(timeout_ms: u64) -> Duration {
    Duration::from_millis(timeout_ms)
}

pub(crate) fn sink_name(name: &str) -> Name {
    Name::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(validate(&[sink.clone()]), []);
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
