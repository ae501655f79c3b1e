//! The configuration of sinks: types for serde, a check that finds all errors at once, `build`.
//!
//! One file per sink holds its settings and their [`SinkSettings`]; a new sink is such a file, one
//! variant of [`SinkConfig`] and one arm of its `settings`. Destinations come from here and from
//! nowhere else: no text of an incident ever becomes a host.

pub mod secret;
mod check;
mod auth;
mod delivery;
mod hook;
mod kafka;
mod otlp;
mod pagerduty;
mod jira;
mod jsm_ops;
mod rt;
mod servicenow;
mod slack;
mod teams;
mod webhook;

use std::time::Duration;

use model::name::Name;
use model::time::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::delivery::decide::DeliveryPolicy;
use crate::kafka::Publish;
use crate::retry::RetryPolicy;
use crate::sink::Sink;
pub use auth::AuthConfig;
pub(crate) use check::Check;
use check::check;
pub use check::validate;
pub use delivery::DeliveryConfig;
pub(crate) use hook::Hooked;
pub use hook::{HookConfig, build_hook};
pub use jira::{JiraConfig, JiraService};
pub use jsm_ops::{JsmOpsConfig, JsmOpsRest};
pub use kafka::{KafkaBody, KafkaFormat, KafkaSinkConfig};
pub use otlp::OtlpConfig;
pub use pagerduty::{PagerDutyConfig, PagerDutyRest};
pub use rt::{RtConfig, RtService};
pub use servicenow::{ServiceNowConfig, ServiceNowMode, ServiceNowService};
pub use slack::SlackConfig;
pub use teams::TeamsConfig;
pub use webhook::{WebhookConfig, WebhookFormat};

/// One sink: `- webhook: {...}` or `- servicenow: {...}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SinkConfig {
    /// CloudEvents over signed HTTP.
    Webhook(WebhookConfig),
    /// Tickets in ServiceNow's incident table.
    ServiceNow(ServiceNowConfig),
    /// Alerts in PagerDuty.
    PagerDuty(PagerDutyConfig),
    /// Messages in a channel of Slack.
    Slack(SlackConfig),
    /// Cards in Microsoft Teams.
    Teams(TeamsConfig),
    /// Log events and spans to a Collector.
    Otlp(OtlpConfig),
    /// Events on a topic of the same log.
    Kafka(KafkaSinkConfig),
    /// Tickets in Request Tracker 5.
    Rt(RtConfig),
    /// Issues in Jira or Jira Service Management.
    Jira(JiraConfig),
    /// Alerts in Jira Service Management's Operations.
    #[serde(rename = "jsm_ops")]
    JsmOps(JsmOpsConfig),
}

/// What the settings of every sink can do.
pub(crate) trait SinkSettings {
    /// The sink's configured name.
    fn name(&self) -> &str;

    /// The kind of sink, as the configuration has it.
    fn kind(&self) -> &'static str;

    /// Where it speaks to, for people; never a secret.
    fn destination(&self) -> &str;

    /// What is said, and how often.
    fn delivery(&self) -> &DeliveryConfig;

    /// What its outbox says.
    fn policy(&self) -> DeliveryPolicy {
        self.delivery().policy()
    }

    /// How its outbox tries again.
    fn retry(&self) -> RetryPolicy {
        RetryPolicy::default()
    }

    /// How often the destination is asked what people did there; `None`: never.
    fn listen_every(&self) -> Option<Nanos> {
        None
    }

    /// Where the destination sends what people did there, and how it speaks; `None`: nowhere.
    fn hook(&self) -> Option<Hooked<'_>> {
        None
    }

    /// Finds everything that is wrong, without reading a secret. The name and `delivery` are
    /// checked by the caller.
    fn check(&self, check: &mut Check);

    /// Reads the secrets and makes the sink; says to `check` why it cannot.
    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>>;

    /// The same where there is a log to write to. Only a sink whose destination is the log wants it.
    fn build_over(&self, check: &mut Check, _log: Box<dyn Publish>) -> Option<Box<dyn Sink>> {
        self.build(check)
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

const fn default_timeout_ms() -> u64 {
    10_000
}

/// For settings that are on by default.
const fn yes() -> bool {
    true
}

/// For the settings of sinks that can be listened to.
const fn default_listen_every_s() -> u32 {
    30
}

/// Zero is never.
fn listen_every(secs: u32) -> Option<Nanos> {
    (secs > 0).then(|| Nanos::from_secs(i64::from(secs)))
}

impl SinkConfig {
    fn settings(&self) -> &dyn SinkSettings {
        match self {
            Self::Webhook(config) => config,
            Self::ServiceNow(config) => config,
            Self::PagerDuty(config) => config,
            Self::Slack(config) => config,
            Self::Teams(config) => config,
            Self::Otlp(config) => config,
            Self::Kafka(config) => config,
            Self::Rt(config) => config,
            Self::Jira(config) => config,
            Self::JsmOps(config) => config,
        }
    }

    /// The sink's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.settings().name()
    }

    /// The kind of sink, as the configuration has it: `webhook`, `servicenow` ...
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.settings().kind()
    }

    /// Where it speaks to, for people; never a secret.
    #[must_use]
    pub fn destination(&self) -> &str {
        self.settings().destination()
    }

    /// What the outbox of this sink says.
    #[must_use]
    pub fn policy(&self) -> DeliveryPolicy {
        self.settings().policy()
    }

    /// How its outbox tries again.
    #[must_use]
    pub fn retry(&self) -> RetryPolicy {
        self.settings().retry()
    }

    /// How often the destination is asked what people did there; `None`: never.
    #[must_use]
    pub fn listen_every(&self) -> Option<Nanos> {
        self.settings().listen_every()
    }
}

/// A sink, ready to speak. One that writes to the log needs [`build_over`].
///
/// # Errors
/// Everything that is wrong with it, secrets that cannot be read included.
pub fn build(config: &SinkConfig) -> Result<Box<dyn Sink>, Vec<ConfigError>> {
    finish(config, |settings, check| settings.build(check))
}

/// A sink, ready to speak; `log` is where a Kafka sink writes to.
///
/// # Errors
/// As [`build`].
pub fn build_over(
    config: &SinkConfig,
    log: Box<dyn Publish>,
) -> Result<Box<dyn Sink>, Vec<ConfigError>> {
    finish(config, |settings, check| settings.build_over(check, log))
}

fn finish(
    config: &SinkConfig,
    make: impl FnOnce(&dyn SinkSettings, &mut Check) -> Option<Box<dyn Sink>>,
) -> Result<Box<dyn Sink>, Vec<ConfigError>> {
    let mut check = check(config);
    match make(config.settings(), &mut check) {
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
