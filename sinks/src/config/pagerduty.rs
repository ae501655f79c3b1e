//! What a PagerDuty sink's configuration holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, UrlPath};
use super::delivery::DeliveryConfig;
use super::secret::SecretRef;
use super::{SinkSettings, default_timeout_ms, yes};
use crate::pagerduty::PagerDuty;
use crate::render::template::{Target, TemplatesConfig};
use crate::render::words::check_templates;
use crate::sink::Sink;

/// Alerts in PagerDuty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PagerDutyConfig {
    /// The sink's name: 1 to 40 of `a-z 0-9 - _`.
    pub name: String,
    /// Where the Events API is; `https://events.eu.pagerduty.com` for the EU.
    #[serde(default = "default_url")]
    pub url: String,
    /// The integration key of a service (Events API v2): 32 characters.
    pub routing_key: SecretRef,
    /// Whether the change that is blamed is sent as a change event. Needs a service's key.
    #[serde(default = "yes")]
    pub change_events: bool,
    /// Base of links to the console; no link if not given.
    #[serde(default)]
    pub console_url: Option<String>,
    /// People's own words for `summary` and `custom_details.text`.
    #[serde(default)]
    pub templates: TemplatesConfig,
    /// For one exchange. Unit: milliseconds, 100 to 60,000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// What is said, and how often.
    #[serde(default)]
    pub delivery: DeliveryConfig,
}

fn default_url() -> String {
    String::from("https://events.pagerduty.com")
}

impl SinkSettings for PagerDutyConfig {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "pagerduty"
    }

    fn destination(&self) -> &str {
        &self.url
    }

    fn delivery(&self) -> &DeliveryConfig {
        &self.delivery
    }

    fn check(&self, check: &mut Check) {
        check.url("url", &self.url, UrlPath::None);
        check.console_url(self.console_url.as_deref());
        check.timeout(self.timeout_ms);
        check_templates(check, &self.templates, Target::Plain);
    }

    fn build(&self, check: &mut Check) -> Option<Box<dyn Sink>> {
        let key = check.secret("routing_key", &self.routing_key)?;
        if key.expose().len() != 32 || !key.expose().bytes().all(|b| b.is_ascii_alphanumeric()) {
            check.wrong("routing_key", "expected the 32 letters and digits of an integration key");
            return None;
        }
        Some(Box::new(PagerDuty::new(self, key)))
    }
}
