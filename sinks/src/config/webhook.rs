//! What a webhook's configuration holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::hook::{HookConfig, Hooked};
use super::secret::SecretRef;
use super::{SinkSettings, default_timeout_ms};
use crate::delivery::decide::{DeliveryPolicy, TicketNews};
use crate::hook::{Hears, Tongue};
use crate::sink::Sink;
use crate::webhook::Webhook;

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// In whose words.
    #[serde(default)]
    pub format: WebhookFormat,
    /// Where whoever receives the events sends what people did there; see docs/sinks.md#hooks.
    #[serde(default)]
    pub hook: Option<HookConfig>,
    /// For the whole exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

/// In whose words a webhook speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// Our own events: the whole incident at each revision that is told.
    #[default]
    CloudEvents,
    /// CDEvents: `incident.detected`, `.reported` (when it has a ticket), `.resolved`.
    CdEvents,
}

fn default_source() -> String {
    String::from("faultline")
}

impl SinkSettings for WebhookConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn destination(&self) -> &str {
        &self.url
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn policy(&self) -> DeliveryPolicy {
        let tickets = match self.format {
            WebhookFormat::CloudEvents => TicketNews::Ignored,
            WebhookFormat::CdEvents => TicketNews::Told,
        };
        DeliveryPolicy { tickets, ..self.delivery.policy() }
    }

    fn hook(&self) -> Option<Hooked<'_>> {
        let (tongue, hears) = (Tongue::Form, Hears::Acts);
        self.hook.as_ref().map(|config| Hooked { config, tongue, hears })
    }

    fn check(&self, check: &mut Check) {
        check.url("url", &self.url, UrlPath::Any);
        check.timeout(self.timeout_ms);
        if !(1..=2).contains(&self.secrets.len()) {
            check.wrong("secrets", format!("expected one or two, found {}", self.secrets.len()));
        }
        let visible = |b: u8| b.is_ascii_graphic();
        if self.source.is_empty() || !self.source.bytes().all(visible) {
            check.wrong("source", "expected a URI reference");
        }
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let secrets: Vec<_> =
            self.secrets.iter().filter_map(|s| check.secret("secrets", s)).collect();
        Webhook::new(self, &secrets, check).map(|sink| Box::new(sink) as _)
    }
}
