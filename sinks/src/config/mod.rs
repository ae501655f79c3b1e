//! The configuration of sinks: types for serde, a check that finds all errors at once, `build`.
//!
//! Destinations come from here and from nowhere else: no text of an incident ever becomes a host.

mod check;
pub mod secret;

use std::collections::BTreeMap;
use std::time::Duration;

use model::incident::Priority;
use model::name::Name;
use model::time::Nanos;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::delivery::decide::{DeliveryPolicy, Suspected};
use crate::retry::RetryPolicy;
use crate::servicenow::ServiceNow;
use crate::sink::Sink;
use crate::webhook::Webhook;
pub(crate) use check::Check;
use check::check;
pub use check::validate;
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

pub(crate) fn timeout(timeout_ms: u64) -> Duration {
    Duration::from_millis(timeout_ms)
}

pub(crate) fn sink_name(name: &str) -> Name {
    Name::from(name)
}
